"""The arithmetic, checked by hand: sums, floor, ties, what is missing, what is kept."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_plugins import Candidate, Criterion
from rerank_plugins.criteria import PAPER, RELEVANCE
from rerank_plugins.methods.rebel.gradings import Gradings
from rerank_plugins.methods.rebel.totals import Rules, conclude
from rerank_plugins.ranking import Verdict, settle

RUBRIC = [RELEVANCE, Criterion("depth", "It goes deep."), Criterion("age", "It is new.", 0.2, 10)]


def verdict(*scores: dict[int, float], rubric: Any = RUBRIC, **rules: Any) -> Verdict:
    options: dict[str, Any] = {"floor": 3.0, "below_floor": "last", "keep": None, "score_kind": "absolute"} | rules
    return conclude(rubric, Gradings(scores, {0: "It is right."}), Rules(**options))


def test_sums_are_weighted_and_decimals_count() -> None:
    found = verdict({0: 7.25, 1: 4, 2: 3}, {0: 7.26, 1: 4, 2: 3})
    assert found.scores == {1: 9.86, 0: 9.85}
    assert found.order == [1, 0]


def test_why_holds_every_number_that_was_added() -> None:
    why = verdict({0: 7.25, 1: 4, 2: 3}).why[0]
    assert why == {
        "relevance": 7.25,
        "criteria": [
            {"name": "depth", "score": 4, "weight": 0.5, "scale": 5},
            {"name": "age", "score": 3, "weight": 0.2, "scale": 10},
        ],
        "total": 9.85,
        "floor": 3.0,
        "below_floor": False,
        "reason": "It is right.",
    }


def test_below_the_floor_the_criteria_count_for_nothing() -> None:
    found = verdict({0: 2.9, 1: 5, 2: 10}, {0: 3, 1: 0, 2: 0}, {0: 2.95, 1: 0, 2: 0})
    assert found.order == [1, 2, 0]
    assert found.scores == {1: 3, 2: 2.95, 0: 2.9}
    assert found.why[0]["total"] == 7.4
    assert found.why[0]["below_floor"]
    assert not found.dropped


def test_below_the_floor_can_be_dropped() -> None:
    found = verdict({0: 2.9, 1: 5, 2: 10}, {0: 3, 1: 0, 2: 0}, {}, below_floor="drop")
    assert found.dropped == {0: "its relevance of 2.9 is below 3"}


def test_without_a_floor_every_sum_counts() -> None:
    assert verdict({0: 0, 1: 5, 2: 10}, {0: 3, 1: 0, 2: 0}, floor=None).order == [0, 1]


def test_ties_go_to_the_higher_authoritativeness_and_then_to_the_first_stage() -> None:
    rubric = [RELEVANCE, *PAPER]
    plain, authority = (
        {0: 6.0, 1: 4.0, 2: 0.0, 3: 0.0, 4: 1.0, 5: 0.0},
        {0: 6.0, 1: 0.0, 2: 0.0, 3: 0.0, 4: 5.0, 5: 0.0},
    )
    assert verdict(plain, plain, authority, rubric=rubric).order == [2, 0, 1]


def test_sums_of_floats_that_are_equal_on_paper_tie() -> None:
    rubric = [RELEVANCE, Criterion("a", "a", 0.1), Criterion("b", "b", 0.7)]
    assert verdict({0: 3, 1: 3}, {0: 3.3, 1: 0}, rubric=rubric, floor=None).order == [0, 1]


def test_a_missing_criterion_counts_as_the_mean_of_the_others() -> None:
    found = verdict({0: 5, 1: 1, 2: 0}, {0: 5, 2: 0}, {0: 5, 1: 4, 2: 0})
    assert found.order == [2, 1, 0]
    assert found.scores[1] == 5 + 0.5 * 2.5
    assert found.why[1]["criteria"][0] == {"name": "depth", "score": None, "counted_as": 2.5, "weight": 0.5, "scale": 5}


def test_a_criterion_that_nobody_scored_moves_nobody() -> None:
    assert verdict({0: 5, 1: 1}, {0: 6, 1: 1}).order == [1, 0]


def test_a_document_without_relevance_has_no_score() -> None:
    found = verdict({1: 5, 2: 10}, {0: 1})
    assert found.order == [1]
    assert found.why[0]["total"] is None
    assert settle(found, [Candidate("a"), Candidate("b")]).order == [1, 0]


def test_the_best_are_kept_and_ungraded_ones_fill_up() -> None:
    scores: list[dict[int, float]] = [{0: 4}, {}, {0: 9}, {}, {0: 1}]
    ranking = settle(verdict(*scores, keep=3, below_floor="drop"), [Candidate(str(i)) for i in range(5)])
    assert ranking.order == [2, 0, 1]
    assert {item.index: item.reason for item in ranking.dropped} == {
        3: "ranked below the 3 that are kept",
        4: "its relevance of 1 is below 3",
    }


@given(st.lists(st.dictionaries(st.integers(0, 5), st.floats(0, 5))), st.floats(0, 10) | st.none())
def test_whatever_the_scores_a_better_place_has_no_lower_score(
    scores: list[dict[int, float]], floor: float | None
) -> None:
    found = verdict(*scores, rubric=[RELEVANCE, *PAPER], floor=floor)
    values = [found.scores[index] for index in found.order]
    assert values == sorted(values, key=lambda value: -(value or 0))
    above = [not found.why[index].get("below_floor", False) for index in found.order]
    assert above == sorted(above, reverse=True), "nothing below the floor stands before something above it"


def test_reasons_that_were_not_given_are_not_shown() -> None:
    assert "reason" not in verdict({0: 1}, {0: 1}).why[1]


def test_no_document() -> None:
    assert list(verdict().order) == []


@pytest.mark.parametrize("kind", ["absolute", "relative"])
def test_the_kind_of_the_score_is_passed_on(kind: str) -> None:
    assert verdict({0: 1}, score_kind=kind).score_kind == kind
