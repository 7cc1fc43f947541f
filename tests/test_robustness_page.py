"""The page on robustness says what is so: its code runs, and it names every perturbation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import robustness as benchmark
from rerank_plugins import sample
from rerank_plugins.evaluation import perturbations
from rerank_plugins.evaluation.perturbations import INJECTIONS, PERTURBATIONS
from rerank_plugins.testing import FakeModel

PAGE = benchmark.PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)


@pytest.mark.slow
def test_the_code_runs_and_prints_a_table_for_each_method(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = BLOCKS
    names: dict[str, Any] = {"folder": Path(sample.__file__).parent, "backends": FakeModel("[2] > [1]")}
    exec(compile(block, "robustness.md", "exec", dont_inherit=True), names)
    printed = capsys.readouterr().out
    for method in ("FirstStage()", "InsertRank()", "Embedding()"):
        assert f"`{method}` on sample, 20 queries" in printed
    assert all(printed.count(f"| `{change!r}` |") == 3 for change in PERTURBATIONS)


def test_the_page_names_every_perturbation_and_every_kind_of_injection() -> None:
    for name in {type(change).__name__ for change in PERTURBATIONS} | {perturbations.Unchanged.__name__}:
        assert f"`{name}(" in PAGE
    assert all(f'"{kind}"' in PAGE for kind in INJECTIONS)


def test_the_measured_tables_are_of_the_usual_perturbations() -> None:
    found = benchmark.BLOCK.search(PAGE)
    assert found
    for method in benchmark.METHODS:
        assert f"`{method!r}` on trec-dl19-pool, 43 queries" in found.group()
    assert all(f"| `{change!r}` |" in found.group() for change in PERTURBATIONS)
