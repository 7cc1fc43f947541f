"""Cascade: the survivors of one method go to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from rerank_plugins import Candidate, Cascade, CrossEncode, Embedding, FirstStage, InsertRank, rerank
from rerank_plugins.errors import InvalidInput
from rerank_plugins.ranking import Verdict
from rerank_plugins.requests import Chat, Steps
from rerank_plugins.testing import FakeModel, prompt_of

TEXTS = [f"text nr{number}." for number in range(10)]


def test_only_survivors_are_shown_to_the_next() -> None:
    model = FakeModel("[3] > [1]")
    ranking = rerank(Cascade(FirstStage(), InsertRank(bm25=None), keep=3), "q", TEXTS, backends=model)
    assert ranking.order == [2, 0, 1, 3, 4, 5, 6, 7, 8, 9]
    (request,) = model.requests
    assert isinstance(request, Chat)
    assert prompt_of(request).count("<document ") == 3


def test_three_steps() -> None:
    model = FakeModel("[2] > [1]")
    method = Cascade(FirstStage(), CrossEncode(), InsertRank(bm25=None), keep=(6, 2))
    ranking = rerank(method, "q", TEXTS, backends=model)
    by_cross_encoder = rerank(CrossEncode(), "q", TEXTS[:6], backends=model).order
    assert ranking.order == [*reversed(by_cross_encoder[:2]), *by_cross_encoder[2:], 6, 7, 8, 9]


def test_why_tells_each_step() -> None:
    ranking = rerank(Cascade(Embedding(), InsertRank(), keep=2), "q", TEXTS, backends=FakeModel("[1] > [2]"))
    assert [len(item.why["cascade"]) for item in ranking] == [2, 2, 1, 1, 1, 1, 1, 1, 1, 1]
    assert ranking.score_kind == "order"


def test_more_to_keep_than_there_are() -> None:
    assert rerank(Cascade(FirstStage(), FirstStage(), keep=99), "q", TEXTS).order == list(range(10))


@pytest.mark.parametrize(
    ("arguments", "keep", "words"),
    [
        ((FirstStage(),), 3, "at least two"),
        ((FirstStage(), InsertRank), 3, "takes methods"),
        ((FirstStage(), FirstStage()), 0, "not 0"),
        ((FirstStage(), FirstStage()), (3, 2), r"\(1\)"),
    ],
)
def test_a_wrong_option_gets_a_sentence(arguments: Any, keep: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        Cascade(*arguments, keep=keep)


@dataclass(frozen=True)
class Finds:
    """A method that finds a document of its own and puts it first."""

    text: str = "found"

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        yield from ()
        count = len(candidates)
        return Verdict(order=[count, *range(count)], added=[Candidate(self.text, id=self.text)])


def test_what_a_stage_finds_goes_on_to_the_next():
    ranking = rerank(Cascade(Finds("x"), Finds("y"), FirstStage(), keep=2), "q", ["a", "b", "c"])
    assert [item.candidate.text for item in ranking] == ["y", "x", "a", "b", "c"]
    assert ranking[0].added and not ranking[2].added
    stages = [stage["method"] for stage in ranking[1].why["cascade"]]
    assert stages == ["Finds(text='x')", "Finds(text='y')", "FirstStage()"]
