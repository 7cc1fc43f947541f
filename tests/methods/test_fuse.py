"""Fuse: the sum of z-scores, or of reciprocal ranks, checked against arithmetic by hand."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from rerank_plugins import Candidate, Embedding, FirstStage, Fuse, InsertRank, Likelihood, UpTo, rerank
from rerank_plugins.errors import InvalidInput
from rerank_plugins.ranking import Verdict, order_by
from rerank_plugins.requests import Chat, Embed, Steps
from rerank_plugins.requests import Likelihood as LikelihoodRequest
from rerank_plugins.testing import FakeModel


@dataclass(frozen=True)
class Known:
    """Gives the scores that it is told."""

    scores: tuple[float | None, ...]

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        yield from ()
        return order_by(self.scores)


FIRST, SECOND = Known((1.0, 2.0, 3.0, 6.0)), Known((0.9, 0.1, 0.5, 0.5))
TEXTS = ["a", "b", "c", "d"]


def z(scores: Sequence[float]) -> list[float]:
    mean, spread = sum(scores) / len(scores), statistics.pstdev(scores)
    return [(score - mean) / spread for score in scores]


def by_index(ranking: Any) -> list[float | None]:
    return [item.score for item in sorted(ranking, key=lambda item: item.index)]


def test_z_scores_are_added() -> None:
    expected = [2 * a + 0.5 * b for a, b in zip(z([1, 2, 3, 6]), z([0.9, 0.1, 0.5, 0.5]), strict=True)]
    assert by_index(rerank(Fuse(FIRST, SECOND, weights=(2, 0.5)), "q", TEXTS)) == pytest.approx(expected)


def test_reciprocal_ranks_are_added() -> None:
    # FIRST ranks d c b a; SECOND ranks a c d b (ties in first-stage order)
    expected = [1 / 64 + 1 / 61, 1 / 63 + 1 / 64, 1 / 62 + 1 / 62, 1 / 61 + 1 / 63]
    assert by_index(rerank(Fuse(FIRST, SECOND, norm="rrf"), "q", TEXTS)) == pytest.approx(expected)


def test_a_document_without_a_score_counts_as_average() -> None:
    ranking = rerank(Fuse(Known((None, 1.0, 3.0, None))), "q", TEXTS)
    assert by_index(ranking) == [0.0, -1.0, 1.0, 0.0]
    assert ranking.order == [2, 0, 3, 1]
    assert any("2 of 4 documents were not ranked" in note.message for note in ranking.notes)


@pytest.mark.parametrize("norm", ["zscore", "rrf"])
@pytest.mark.parametrize("silent", [InsertRank(), Known((None,) * 4)], ids=repr)
def test_a_method_that_fails_wholly_says_nothing(silent: Any, norm: Any) -> None:
    model = FakeModel("I cannot say.")
    beside = rerank(Fuse(SECOND, silent, norm=norm), "q", TEXTS, backends=model)
    assert by_index(beside) == by_index(rerank(Fuse(SECOND, norm=norm), "q", TEXTS))
    assert {part["adds"] for item in beside for part in item.why["fused"][1:]} == {0.0}


def test_what_a_method_leaves_out_stays_in_the_list() -> None:
    cut = UpTo(FIRST, elbow="knee")
    assert rerank(cut, "q", TEXTS).dropped
    assert rerank(Fuse(cut), "q", TEXTS).order == [3, 2, 1, 0]


def test_the_first_stage_speaks_by_its_order() -> None:
    assert by_index(rerank(Fuse(FirstStage()), "q", TEXTS)) == pytest.approx(z([0, -1, -2, -3]))


def test_equal_scores_say_nothing() -> None:
    assert rerank(Fuse(Known((5.0, 5.0, 5.0, 5.0)), FIRST), "q", TEXTS).order == [3, 2, 1, 0]


def test_the_methods_run_at_once() -> None:
    model = FakeModel("[2] > [1]", delay_s=0.1)
    ranking = rerank(Fuse(Embedding(), Likelihood(), InsertRank()), "q", TEXTS, backends=model)
    assert ranking.usage.calls == 2 + 4 + 1
    assert model.most_at_once == 7


def test_it_asks_for_what_its_parts_ask_for() -> None:
    assert Fuse(Embedding(), Likelihood(), Fuse(InsertRank(), Embedding())).needs == (Embed, LikelihoodRequest, Chat)


def test_why_holds_every_part() -> None:
    ranking = rerank(Fuse(FIRST, SECOND, weights=(1, 2)), "q", TEXTS)
    parts = ranking[0].why["fused"]
    assert [part["weight"] for part in parts] == [1, 2]
    assert sum(part["adds"] for part in parts) == pytest.approx(ranking[0].score)


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((), {}, "at least one method"),
        ((Embedding,), {}, "takes methods"),
        ((FIRST, SECOND), {"weights": (1,)}, r"\(2\)"),
        ((FIRST,), {"norm": "max"}, "'max'"),
    ],
)
def test_a_wrong_option_gets_a_sentence(arguments: Any, options: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        Fuse(*arguments, **options)


@dataclass(frozen=True)
class Finds:
    """A method that finds documents of its own and puts them first."""

    texts: tuple[str, ...]

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        yield from ()
        count, found = len(candidates), [Candidate(text, id=text) for text in self.texts]
        return Verdict(order=[*range(count, count + len(found)), *range(count)], added=found)


def test_what_parts_find_is_one_pool():
    ranking = rerank(Fuse(Finds(("x", "y")), Finds(("y",)), norm="rrf"), "q", ["a", "b"])
    assert [item.candidate.text for item in ranking] == ["y", "x", "a", "b"]
    assert [item.added for item in ranking] == [True, True, False, False]
    assert len(ranking[0].why["fused"]) == 2
