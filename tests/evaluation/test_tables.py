"""Tables say what was measured, and mark what is partial, lost or no more than chance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from rerank_plugins import Candidate, InsertRank
from rerank_plugins.errors import InvalidInput
from rerank_plugins.evaluation import Ceiling, Comparison, Reorders, compare, read_run
from rerank_plugins.evaluation.tables import as_json, as_markdown, verdict, write_runs
from rerank_plugins.testing import FakeModel
from tests.evaluation.test_compare import REVERSED, bread


def half_turned(question: str, candidates: Sequence[Candidate]) -> list[int]:
    """Better for one half of the questions, and no worse for the others."""
    return [3, 2, 1, 0] if question[-1] in "024" else [0, 1, 2, 3]


@pytest.fixture
def comparison() -> Comparison:
    collection, lists = bread()
    methods = [InsertRank(), Reorders("half|way", half_turned), Reorders("loses", lambda question, found: [0])]
    return compare(collection, lists, methods, backends=FakeModel(REVERSED), measures=["RR@10", "AP"])


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines() if line[:1] == "|"]


def test_the_table(comparison: Comparison) -> None:
    head, _, *body = rows(as_markdown(comparison))
    cells = {row[0]: dict(zip(head, row, strict=False)) for row in body}
    ours = cells["`InsertRank()`"]
    assert ours["RR@10 [95 %]"] == "1.000 [1.000, 1.000]" and ours["difference"] == "+0.750 *"
    assert ours["calls"] == "6" and float(ours["p"].lstrip("<")) < 0.05 and ours["AP"] == "1.000"
    assert cells["`FirstStage()`"]["difference"] == ""
    assert not cells[r"`half\|way`"]["difference"].endswith("*")
    assert cells["`loses`"]["lost"] == "18"
    assert "dollars" not in head and "$" not in head


def test_the_verdict_in_words(comparison: Comparison) -> None:
    said = verdict(comparison)
    assert said[0].startswith("Clearly better than FirstStage() in RR@10: InsertRank() (+0.750; 6 queries better")
    assert any(line.startswith("No clear difference to FirstStage()") and "half|way" in line for line in said)
    assert any(line.startswith("Clearly worse") and "loses" in line for line in said)
    assert said[-1] == "Documents lost: loses (18)."
    assert not any("Oracle" in line or "PARTIAL" in line for line in said)


def test_a_partial_comparison_says_so() -> None:
    collection, lists = bread()
    found = compare(collection, lists, [InsertRank()], backends=FakeModel(REVERSED), ceiling=Ceiling(calls=2))
    table = as_markdown(found)
    assert "`InsertRank()` (2 queries)" in table
    assert "PARTIAL: The ceiling would have been passed" in table
    assert as_json(found)["rows"][1]["stopped"]


def test_any_row_can_be_the_baseline(comparison: Comparison) -> None:
    found = as_json(comparison, "InsertRank()")
    assert found["rows"][0]["measures"]["RR@10"]["against_baseline"]["mean"] == -0.75
    with pytest.raises(InvalidInput, match="There is no row 'none'; there are FirstStage"):
        as_markdown(comparison, "none")


def test_the_figures_are_json(comparison: Comparison) -> None:
    found = json.loads(json.dumps(as_json(comparison), allow_nan=False))
    ours = found["rows"][1]
    assert ours["method"] == "InsertRank()" and ours["usage"]["calls"] == 6 and ours["dollars"] is None
    assert ours["measures"]["RR@10"]["per_query"] == {f"q{n}": 1.0 for n in range(6)}
    assert set(ours["seconds_per_query"]) == {"median", "p95"}


def test_runs_read_back(comparison: Comparison, tmp_path: Path) -> None:
    paths = write_runs(comparison, tmp_path)
    assert len(paths) == len({*paths}) == 5
    run = read_run(paths[1])
    assert [document for document, _ in run["q0"]] == ["d3", "d2", "d1", "d0"]
    assert read_run(paths[3])["q1"] == [("d0", 1.0)]
