"""Settling a verdict: each document exactly once, whatever the verdict says."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_plugins import Candidate, Ranking, Usage
from rerank_plugins.ranking import Note, Verdict, explanation, order_by, settle

CANDIDATES = [Candidate("same") for _ in range(5)]


@given(
    order=st.lists(st.integers(-3, 9)),
    dropped=st.dictionaries(st.integers(-3, 9), st.just("a reason")),
    top_n=st.none() | st.integers(0, 9),
)
def test_each_document_exactly_once(order: list[int], dropped: dict[int, str], top_n: int | None) -> None:
    ranking = settle(Verdict(order=order, dropped=dropped), CANDIDATES, top_n=top_n)
    indices = ranking.order + [item.index for item in ranking.dropped]
    assert sorted(indices) == [0, 1, 2, 3, 4]
    assert top_n is None or len(ranking) <= top_n
    assert all(item.candidate is CANDIDATES[item.index] for item in ranking)


def test_what_is_left_out_follows_and_is_noted() -> None:
    ranking = settle(Verdict(order=[3]), CANDIDATES)
    assert ranking.order == [3, 0, 1, 2, 4]
    assert [note.kind for note in ranking.notes] == ["repaired"]


def test_what_is_repeated_or_invented_is_noted() -> None:
    ranking = settle(Verdict(order=[3, 3, 9, 0, 1, 2, 4]), CANDIDATES)
    assert ranking.order == [3, 0, 1, 2, 4]
    assert ranking.notes == (Note("repaired", "2 repeated or unknown positions in the order were ignored."),)


def test_an_order_has_reciprocal_ranks_for_scores() -> None:
    ranking = settle(Verdict(order=[1, 0, 2, 3, 4]), CANDIDATES)
    assert [item.score for item in ranking] == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]


def test_top_n_and_the_method_both_give_reasons() -> None:
    verdict = Verdict(
        order=[0, 1, 2, 3], scores={i: 4.0 - i for i in range(5)}, dropped={4: "poison"}, score_kind="relative"
    )
    ranking = settle(verdict, CANDIDATES, top_n=2)
    assert [(item.index, item.reason) for item in ranking.dropped] == [
        (2, "ranked below top_n=2"),
        (3, "ranked below top_n=2"),
        (4, "poison"),
    ]
    assert [item.score for item in ranking.dropped] == [2.0, 1.0, 0.0]


def test_ties_keep_first_stage_order_and_unknown_scores_come_last() -> None:
    ranking = settle(order_by([1.0, None, 1.0, math.nan, 2.0]), CANDIDATES)
    assert ranking.order == [4, 0, 2, 1, 3]
    assert [item.score for item in ranking] == [2.0, 1.0, 1.0, None, None]


def test_a_ranking_is_a_sequence() -> None:
    ranking = settle(Verdict(order=[1, 0, 2, 3, 4]), CANDIDATES)
    assert len(ranking) == 5
    assert ranking[0].index == 1
    assert [item.rank for item in ranking[1:3]] == [2, 3]
    assert not Ranking()


def test_usage_adds_up() -> None:
    assert sum([Usage(1, 2, 3, 4, 0.5)] * 3, Usage()) == Usage(3, 6, 9, 12, 1.5)


@pytest.mark.parametrize("score", [None, 0.25])
def test_an_explanation_is_plain_data(score: float | None) -> None:
    ranking = settle(Verdict(order=[0], why={0: {"a": [1]}}), [Candidate("text", score=score)], method="M()")
    assert json.loads(json.dumps(explanation(ranking, ranking[0]))) == {
        "method": "M()",
        "rank": 1,
        "score": 1.0,
        "score_kind": "order",
        "judged": True,
        "first_stage_rank": 1,
        "first_stage_score": score,
        "why": {"a": [1]},
    }


def test_documents_that_a_method_added_stand_after_those_given():
    handed, found = (
        [Candidate("a", score=2.0), Candidate("b", score=1.0)],
        [Candidate("c"), Candidate("d"), Candidate("e")],
    )
    verdict = Verdict(
        order=[2, 0], scores={2: 3.0, 0: 1.0}, dropped={3: "not wanted"}, added=found, score_kind="relative"
    )
    ranking = settle(verdict, handed)
    assert ranking.order == [2, 0, 1, 4]
    assert [item.added for item in ranking] == [True, False, False, True]
    assert [(item.index, item.candidate, item.added) for item in ranking.dropped] == [(3, found[1], True)]
    assert explanation(ranking, ranking[0])["first_stage_rank"] is None
    assert explanation(ranking, ranking[1])["first_stage_rank"] == 1


def test_top_n_cuts_added_documents_as_all_others():
    ranking = settle(Verdict(order=[1, 0], added=[Candidate("b")]), [Candidate("a")], top_n=1)
    assert ranking.order == [1] and [item.index for item in ranking.dropped] == [0]
