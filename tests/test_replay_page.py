"""The page on replay says what is so: its code runs, and its table is what the recorded replies give."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import recorded_replies as recorded
from rerank_plugins import Candidate
from rerank_plugins.methods import insert_rank
from rerank_plugins.prompts.listwise import Order
from rerank_plugins.requests import ChatReply
from rerank_plugins.testing import ScriptedEndpoint
from tests import collections_on_disk as collections

PAGE = recorded.PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def run(block: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(block, "replay.md", "exec", dont_inherit=True), names)
    return names


@pytest.mark.slow
def test_the_first_block_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with ScriptedEndpoint("[2] > [1]") as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "a key")
        names = run(BLOCKS[0], {"question": "why?", "candidates": [Candidate("good"), Candidate("best")]})
    assert len(endpoint.requests) == 1
    assert names["again"].order == names["ranking"].order == [1, 0]


def test_the_second_block_runs(capsys: pytest.CaptureFixture[str]) -> None:
    run(BLOCKS[1], {})
    assert capsys.readouterr().out == "[1, 2, 0]\n"
    assert len(BLOCKS) == 2


@pytest.mark.slow
def test_every_recorded_reply_parses_to_a_full_ranking() -> None:
    collections.folder("recorded")
    read = 0
    for path, rows in recorded.recordings().items():
        names = [str(number) for number in range(rows[0]["top_k"])]
        orders = recorded.replay(path, {row["query"]: (row["query"], names) for row in rows})
        assert all(sorted(order, key=int) == names for order in orders.values())
        read += len(rows)
    assert read == len(recorded.rows()) == 8643


@pytest.mark.slow
def test_rankings_from_well_formed_replies_are_those_of_the_tool_and_the_table_is_that_of_the_command() -> None:
    collections.folder("recorded")
    judged = recorded.collection()
    found = recorded.replays(judged)
    assert all(one.same.issuperset(one.well_formed) for one in found)
    assert sum(len(one.well_formed) for one in found) == 156
    assert recorded.BLOCK.search(PAGE)
    assert recorded.table(found, judged) in PAGE, "run python -m benchmarks.recorded_replies --write"


@pytest.mark.slow
def test_a_reader_of_every_digit_ends_where_the_tool_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def every_digit(reply: ChatReply, count: int) -> Order:
        numbers = [int(number) - 1 for number in re.findall(r"\d+", reply.text)]
        return Order(tuple(dict.fromkeys(number for number in numbers if 0 <= number < count)))

    collections.folder("recorded")
    monkeypatch.setattr(insert_rank, "parse_order", every_digit)
    assert sum(len(one.same) for one in recorded.replays(recorded.collection())) == 430
