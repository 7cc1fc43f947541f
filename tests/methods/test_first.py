"""FIRST: one call for a window, and the order of its letters."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from rerank_plugins import Candidate, First, Limits, rerank
from rerank_plugins.backends import base
from rerank_plugins.errors import CallTimeout, InvalidInput
from rerank_plugins.requests import Choose, Chosen, Failed, Reply, Request
from rerank_plugins.testing import FakeModel


class Letters:
    """A model whose letters are as probable as it is told, by the number in each document."""

    kinds: tuple[type[Request], ...] = (Choose,)
    identity = "Letters"

    def __init__(self, logprob: Callable[[int], float | None]) -> None:
        self.windows: list[list[int]] = []
        self._logprob = logprob

    def answer(self, request: Choose, timeout: float | None) -> Reply:
        numbers = [int(number) for number in re.findall(r"nr(\d+)", request.messages[-1]["content"])]
        self.windows.append(numbers)
        given = {label: self._logprob(number) for label, number in zip(request.labels, numbers, strict=True)}
        return Chosen({label: value for label, value in given.items() if value is not None})

    async def aanswer(self, request: Choose, timeout: float | None) -> Reply:
        return self.answer(request, timeout)


def documents(count: int) -> list[Candidate]:
    return [Candidate(f"text nr{number}") for number in range(count)]


def rising(number: int) -> float:
    return number / 1000 - 1


def test_the_protocol_is_that_of_a_backend() -> None:
    assert isinstance(Letters(rising), base.CallBackend)


@pytest.mark.parametrize(("count", "calls"), [(2, 1), (20, 1), (21, 2), (50, 4), (100, 9)])
def test_calls_are_as_few_as_the_paper_has(count: int, calls: int) -> None:
    model = Letters(rising)
    ranking = rerank(First(), "q", documents(count), backends=model)
    assert len(model.windows) == calls
    assert ranking.order[:10] == list(range(count - 1, -1, -1))[:10]
    assert model.windows[0] == list(range(max(0, count - 20), count))


def test_one_window_is_ordered_whole() -> None:
    ranking = rerank(First(), "q", documents(7), backends=Letters(lambda number: -((number - 3) ** 2) - 0.5))
    assert ranking.order == [3, 2, 4, 1, 5, 0, 6]
    assert ranking[0].why == {"log_probability": -0.5}
    assert ranking.score_kind == "order"


def test_a_list_of_one_asks_nobody() -> None:
    model = Letters(rising)
    assert rerank(First(), "q", ["one"], backends=model).order == [0]
    assert not model.windows


def test_letters_that_are_not_given_follow_in_first_stage_order_and_are_noted() -> None:
    model = Letters(lambda number: float(-number - 1) if number in (4, 2) else None)
    ranking = rerank(First(), "q", documents(6), backends=model)
    assert ranking.order == [2, 4, 0, 1, 3, 5]
    assert [note.kind for note in ranking.notes] == ["info"]
    assert "4 documents" in ranking.notes[0].message
    assert ranking[5].why == {"log_probability": None}


def test_a_window_that_fails_stays_as_it_is() -> None:
    steps = First(window=3, stride=2).steps("q", documents(5))
    next(steps)
    steps.send([Failed(CallTimeout("late"))])
    with pytest.raises(StopIteration) as end:
        steps.send([Chosen({"A": -3.0, "B": -2.0, "C": -1.0})])
    assert end.value.value.order == [2, 1, 0, 3, 4]


def test_where_all_fails_the_first_stage_stands() -> None:
    model = FakeModel(fails=lambda number, request: CallTimeout("late"))
    ranking = rerank(First(), "q", documents(30), backends=model, limits=Limits(retries=0))
    assert ranking.order == list(range(30))
    assert {note.kind for note in ranking.notes} == {"failed", "repaired"}


def test_a_checkpoints_labels_follow_its_bracket() -> None:
    (request,) = next(First(prompt="castorini/first_mistral").steps("q", documents(3)))
    assert isinstance(request, Choose)
    assert request.labels == ("[A", "[B", "[C")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"window": 1}, "not 1"),
        ({"window": 27}, "not 27"),
        ({"window": 5, "stride": 6}, "skip documents"),
        ({"prompt": "x/y"}, "'x/y'"),
        ({"prompt": "ielabgroup/Rank-R1-7B-v0.1"}, "castorini/first_mistral"),
    ],
)
def test_a_wrong_option_gets_a_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        First(**options)
