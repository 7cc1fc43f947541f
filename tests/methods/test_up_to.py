"""As many as deserve it: what is kept, why the rest is not, and which scores bear a cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_plugins import (
    Candidate,
    Cascade,
    CrossEncode,
    Embedding,
    First,
    FirstStage,
    Fuse,
    Graded,
    InContext,
    InsertRank,
    Likelihood,
    Rebel,
    UpTo,
    YesNo,
    rerank,
)
from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods import Method
from rerank_plugins.ranking import ScoreKind, Verdict, order_by
from rerank_plugins.requests import Steps
from rerank_plugins.testing import FakeModel


@dataclass(frozen=True)
class Scores:
    """A method that has its scores already, and says their kind only in its verdict."""

    scores: tuple[float | None, ...]
    kind: ScoreKind = "absolute"

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        yield from ()
        return order_by(self.scores, score_kind=self.kind)


def kept(method: UpTo, count: int) -> list[int]:
    return rerank(method, "q", [f"text {number}" for number in range(count)]).order


def test_a_threshold_keeps_what_reaches_it() -> None:
    scores = Scores((1.0, 7.0, 6.0, 5.9))
    ranking = rerank(UpTo(scores, threshold=6), "q", ["a", "b", "c", "d"])
    assert ranking.order == [1, 2]
    assert {item.index: item.reason for item in ranking.dropped} == {
        3: "its score of 5.9 is below 6",
        0: "its score of 1 is below 6",
    }


def test_at_most_k_are_kept() -> None:
    ranking = rerank(UpTo(Scores((1.0, 7.0, 6.0, 5.9)), threshold=1, k=2), "q", ["a", "b", "c", "d"])
    assert ranking.order == [1, 2]
    assert {item.reason for item in ranking.dropped} == {"ranked below the 2 that are kept at most"}
    assert kept(UpTo(Scores((1.0, 7.0, 6.0, 5.9)), threshold=1, k=None), 4) == [1, 2, 3, 0]


def test_where_none_deserves_it_none_is_kept() -> None:
    assert kept(UpTo(Scores((1.0, 2.0)), threshold=6), 2) == []


@pytest.mark.parametrize("kind", ["absolute", "relative"])
@pytest.mark.parametrize("rule", ["knee", "paper"])
def test_an_elbow_keeps_what_stands_before_the_drop(kind: ScoreKind, rule: Any) -> None:
    scores = Scores((0.1, 0.95, 0.12, 0.9, 0.11, 0.1), kind)
    assert kept(UpTo(scores, elbow=rule), 6) == [1, 3]


@pytest.mark.parametrize("rule", ["knee", "paper"])
def test_without_an_elbow_all_are_kept(rule: Any) -> None:
    assert kept(UpTo(Scores((0.5, 0.5, 0.5)), elbow=rule), 3) == [0, 1, 2]


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30), st.integers(1, 10), st.sampled_from(["knee", "paper"]))
def test_an_elbow_keeps_between_one_and_k(scores: list[float], k: int, rule: Any) -> None:
    assert 1 <= len(kept(UpTo(Scores(tuple(scores)), elbow=rule, k=k), len(scores))) <= k


def test_a_document_without_a_score_does_not_deserve_it() -> None:
    ranking = rerank(UpTo(Scores((None, 7.0)), threshold=6), "q", ["a", "b"])
    assert ranking.order == [1]
    assert [(item.index, item.reason) for item in ranking.dropped] == [(0, "it has no score")]


def test_where_all_failed_the_first_are_kept_as_they_stand() -> None:
    model = FakeModel("no score here")
    ranking = rerank(UpTo(Graded(reading="text"), threshold=6, k=2), "q", ["a", "b", "c"], backends=model)
    assert ranking.order == [0, 1]
    assert any("no scores to cut through" in note.message for note in ranking.notes)


def test_what_the_method_drops_stays_dropped() -> None:
    @dataclass(frozen=True)
    class Dropping(Scores):
        def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
            yield from ()
            return Verdict(order=[0, 1], scores={0: 9.0, 1: 1.0}, dropped={2: "mine"}, score_kind="absolute")

    ranking = rerank(UpTo(Dropping(()), threshold=5), "q", ["a", "b", "c"])
    assert ranking.order == [0]
    assert {item.index: item.reason for item in ranking.dropped} == {1: "its score of 1 is below 5", 2: "mine"}


@pytest.mark.parametrize(
    "method",
    [Likelihood(), Fuse(Embedding(), CrossEncode()), InContext(), Rebel(), UpTo(Likelihood(), elbow="knee")],
)
def test_a_threshold_on_relative_scores_is_refused_at_once(method: Method) -> None:
    with pytest.raises(InvalidInput, match="compared within one list alone") as caught:
        UpTo(method, threshold=0.5)
    assert repr(method) in str(caught.value)
    UpTo(method, elbow="knee")


@pytest.mark.parametrize("method", [First(), InsertRank(), FirstStage(), Cascade(YesNo(), CrossEncode())])
@pytest.mark.parametrize("rule", [{"threshold": 0.5}, {"elbow": "knee"}])
def test_where_only_the_order_counts_any_cut_is_refused_at_once(method: Method, rule: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="only the order means anything"):
        UpTo(method, **rule)


@pytest.mark.parametrize("method", [CrossEncode(), Embedding(), Graded(), YesNo(), Rebel(turns=1)])
def test_absolute_scores_take_a_threshold(method: Method) -> None:
    assert repr(UpTo(method, threshold=0.5)) == f"UpTo({method!r}, threshold=0.5)"


@pytest.mark.parametrize("kind", ["relative", "order"])
def test_a_method_that_does_not_say_beforehand_is_refused_with_its_scores(kind: ScoreKind) -> None:
    with pytest.raises(InvalidInput, match="UpTo"):
        kept(UpTo(Scores((1.0, 2.0), kind), threshold=0.5), 2)


def test_an_elbow_that_meets_an_order_says_so() -> None:
    model = FakeModel()
    ranking = rerank(UpTo(InContext(window=3), elbow="knee", k=4), "q", list("abcdefg"), backends=model)
    assert len(ranking) == 4
    assert any("no scores to cut through" in note.message for note in ranking.notes)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "one rule"),
        ({"threshold": 1, "elbow": "knee"}, "one rule"),
        ({"threshold": float("nan")}, "not nan"),
        ({"elbow": "arm"}, "'arm'"),
        ({"threshold": 1, "k": 0}, "not 0"),
    ],
)
def test_a_wrong_option_gets_a_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        UpTo(YesNo(), **options)
