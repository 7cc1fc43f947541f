"""FirstStage: the order as it came, or the scores that came with it."""

import math

import pytest

from rerank_plugins import Candidate, CrossEncode, FirstStage, Fuse, read_method, rerank
from rerank_plugins.testing import FakeModel


def of(*scores: float | None) -> list[Candidate]:
    return [Candidate(f"text {place}", score=score) for place, score in enumerate(scores)]


def test_it_keeps_the_order_whatever_the_scores() -> None:
    ranking = rerank(FirstStage(), "q", [Candidate("a", score=0.1), Candidate("b", score=0.9), Candidate("c")])
    assert ranking.order == [0, 1, 2]
    assert [item.why for item in ranking] == [{"first_stage_score": score} for score in (0.1, 0.9, None)]
    assert ranking.score_kind == "order"
    assert ranking.usage.calls == 0


def test_scores_count_where_they_are_there() -> None:
    ranking = rerank(FirstStage(scores=True), "q", of(9.0, 8.9, 1.0))
    assert [item.score for item in ranking] == [9.0, 8.9, 1.0]
    assert ranking.score_kind == "relative" and not ranking.notes


def test_distances_count_with_the_other_sign() -> None:
    ranking = rerank(FirstStage(scores=True), "q", of(0.1, 0.4, 0.9))
    assert ranking.order == [0, 1, 2]
    assert [item.score for item in ranking] == [-0.1, -0.4, -0.9]
    assert "distances" in ranking.notes[0].message


def test_one_that_has_none_follows_and_is_noted() -> None:
    ranking = rerank(FirstStage(scores=True), "q", of(None, 3.0, math.nan, 1.0))
    assert ranking.order == [1, 3, 0, 2]
    assert "2 of 4 candidates came without a score" in ranking.notes[0].message


@pytest.mark.parametrize("scores", [(None, None), (math.inf, math.nan)])
def test_without_any_the_order_counts_and_that_is_said(scores: tuple[float | None, ...]) -> None:
    ranking = rerank(FirstStage(scores=True), "q", of(*scores))
    assert (ranking.order, ranking.score_kind) == ([0, 1], "order")
    assert "came without scores" in ranking.notes[0].message


def test_equal_scores_keep_the_order() -> None:
    assert rerank(FirstStage(scores=True), "q", of(1.0, 1.0, 1.0)).order == [0, 1, 2]


def test_a_fusion_sees_by_how_much_a_document_leads() -> None:
    class Scores(FakeModel):
        def _reply(self, number, request):
            from rerank_plugins.requests import Scored

            return Scored((0.0, 1.0, 0.9))

    far = of(9.0, 1.0, 0.9)
    by_scores = rerank(Fuse(FirstStage(scores=True), CrossEncode()), "q", far, backends=Scores())
    by_order = rerank(Fuse(FirstStage(), CrossEncode()), "q", far, backends=Scores())
    assert (by_scores.order[0], by_order.order[0]) == (1, 1)
    leads = {item.index: item.score for item in by_scores}
    ranks = {item.index: item.score for item in by_order}
    assert leads[1] - leads[0] < ranks[1] - ranks[0]


def test_its_repr_reads_back() -> None:
    assert read_method("FirstStage(scores=True)") == FirstStage(scores=True)
    assert repr(FirstStage()) == "FirstStage()"
