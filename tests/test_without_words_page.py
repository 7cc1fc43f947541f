"""The page on scores without words says what is so: its code runs, and its tables name what there is."""

from __future__ import annotations

import re
from typing import Any

import pytest

from benchmarks import without_words
from rerank_plugins.methods import Options
from rerank_plugins.prompts.checkpoints import LISTED, POINTWISE

PAGE = without_words.PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def run(block: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(block, "without_words.md", "exec", dont_inherit=True), names)
    return names


@pytest.mark.slow
@pytest.mark.xdist_group("smollm2")
def test_the_first_block_runs(capsys: pytest.CaptureFixture[str]) -> None:
    names = run(BLOCKS[0])
    assert len(names["ranking"]) == 2
    assert re.match(r"1 -?\d+\.\d+ \{'Yes': ", capsys.readouterr().out)


def test_the_second_block_runs() -> None:
    names = run(BLOCKS[1])
    made = [value for value in names.values() if isinstance(value, Options)]
    assert len(made) == 9
    assert len(BLOCKS) == 2


def test_every_checkpoint_is_on_the_page() -> None:
    assert all(f"`{name}`" in PAGE for name in (*POINTWISE, *LISTED))


def test_the_rows_are_those_of_the_command() -> None:
    block = without_words.BLOCK.search(PAGE)
    assert block
    assert block[0].startswith(without_words.HEAD)
    rows = [found[1] for found in without_words.ROW.finditer(block[0])]
    assert rows == [repr(method) for method in without_words.METHODS], "run python -m benchmarks.without_words --write"
