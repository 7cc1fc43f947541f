"""The verdict in words: which rows clearly help, which do not, and which cannot be judged."""

from dataclasses import replace

import pytest

from rerank_plugins.errors import InvalidInput
from rerank_plugins.evaluation import MEASURES, Comparison, Row
from rerank_plugins.evaluation.findings import Findings
from rerank_plugins.evaluation.records import Record
from tests.made_up_comparison import made_up, row

QUERIES = [f"q{number}" for number in range(60)]


def shifted(label: str, by: float, queries: list[str] = QUERIES, calls: int = 1) -> Row:
    """A row that differs from the first stage by the same on each query."""
    base = {query: 0.3 + place / 250 for place, query in enumerate(QUERIES)}
    made = row(label, queries, calls=calls)
    return replace(made, values={name: {query: base[query] + by for query in queries} for name in made.values})


def compared(*rows: Row) -> Comparison:
    whole = made_up(["FirstStage()"], len(QUERIES))
    return replace(whole, rows=[shifted("FirstStage()", 0.0, calls=0), *rows])


def kinds(comparison: Comparison) -> dict[str, str]:
    return {item.row.label: item.kind for item in Findings(comparison).all}


def test_each_row_is_of_one_kind() -> None:
    comparison = compared(
        shifted("Rebel()", 0.1),
        shifted("Setwise()", -0.1),
        shifted("First()", 0.0),
        shifted("Likelihood()", 0.3, QUERIES[:10]),
        shifted("Oracle()", 0.4),
    )
    assert kinds(comparison) == {
        "Rebel()": "better",
        "Setwise()": "worse",
        "First()": "same",
        "Likelihood()": "partial",
    }


def test_noise_is_no_clear_difference() -> None:
    made = shifted("Rebel()", 0.0)
    values = {
        query: value + (0.1 if place % 2 else -0.1)
        for place, (query, value) in enumerate(made.values["nDCG@10"].items())
    }
    assert kinds(compared(replace(made, values=dict.fromkeys(MEASURES, values)))) == {"Rebel()": "unclear"}


def test_the_headline_names_the_best_and_the_cheapest_that_clearly_help() -> None:
    findings = Findings(compared(shifted("Rebel()", 0.1, calls=1), shifted("Setwise()", 0.2, calls=9)))
    said = findings.headline()
    base, best = (findings.comparison.row(label).mean("nDCG@10") for label in ("FirstStage()", "Setwise()"))
    assert "2 of 2 methods clearly help. Setwise() helps most" in said
    assert f"from {base:.3f} to {best:.3f}" in said
    assert "The cheapest that clearly helps is Rebel() (+0.100)" in said


def test_what_a_cache_answered_is_never_the_cheapest() -> None:
    kept = shifted("Rebel()", 0.1, calls=0)
    kept = replace(kept, records={name: replace(record, from_cache=3) for name, record in kept.records.items()})
    findings = Findings(compared(kept, shifted("Setwise()", 0.2, calls=9)))
    assert "cheapest" not in findings.headline()
    assert any("A cache gave replies to Rebel()" in said for said in findings.cautions())
    assert "no calls, 3 from a cache" in findings.sentence(findings.of_kind("better")[1])


def test_the_headline_hides_no_harm() -> None:
    assert Findings(compared(shifted("Setwise()", -0.1))).headline() == (
        "Nothing here clearly improves on FirstStage(); 1 of 1 clearly does harm."
    )


def test_a_partial_row_is_never_the_best() -> None:
    findings = Findings(compared(shifted("Rebel()", 0.01), shifted("Setwise()", 0.5, QUERIES[:3])))
    assert findings.best is not None and findings.best.row.label == "Rebel()"
    assert "run on 3 of 60 queries; on those nDCG@10 +0.500" in findings.sentence(findings.of_kind("partial")[0])


def test_nothing_to_judge_is_said() -> None:
    for comparison in (compared(), replace(compared(), rows=[]), compared(shifted("Rebel()", 0.1, QUERIES[:2]))):
        assert "nothing can be said" in Findings(comparison).headline()


def test_a_row_without_queries_has_no_figures() -> None:
    findings = Findings(compared(Row("Rebel()", {}, {name: {} for name in MEASURES})))
    assert "run on 0 of 60 queries" in findings.sentence(findings.all[0])
    assert "nan" not in findings.sentence(findings.all[0])


def test_another_row_can_be_the_baseline() -> None:
    comparison = compared(shifted("Rebel()", 0.1))
    (item,) = Findings(comparison, "Rebel()").all
    assert item.row.label == "FirstStage()"
    assert item.found.mean == pytest.approx(-0.1)
    with pytest.raises(InvalidInput, match="Setwise"):
        Findings(comparison, "Setwise()")


def test_few_queries_many_methods_and_failures_are_cautioned_against() -> None:
    few = made_up(["FirstStage()", *(f"Rebel(turns={turn})" for turn in range(1, 8))], 10)
    broken = replace(few.rows[1], records={"q0": Record("q0", ("d0",), failed=2)})
    said = " ".join(Findings(replace(few, rows=[few.rows[0], broken, *few.rows[2:]])).cautions())
    assert "10 queries are few" in said
    assert "6 methods were tested" in said
    assert "calls failed for Rebel(turns=1)" in said
    assert Findings(compared(shifted("Rebel()", 0.1))).cautions() == []
