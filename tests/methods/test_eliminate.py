"""Elimination: one goes after each call, and none is lost."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rerank_plugins import Candidate, Eliminate, Limits, rerank
from rerank_plugins.errors import CallTimeout, InvalidInput
from rerank_plugins.requests import Chat, Choose, Chosen, Failed
from rerank_plugins.testing import FakeModel, prompt_of


def documents(count: int) -> list[Candidate]:
    return [Candidate(f"text nr{number}.") for number in range(count)]


def lowest(request: Chat) -> str:
    """The letter of the document with the lowest number."""
    numbers = [int(number) for number in re.findall(r"nr(\d+)", prompt_of(request))]
    return f"[{chr(ord('A') + numbers.index(min(numbers)))}]"


def test_the_order_is_that_of_dropping() -> None:
    model = FakeModel(lowest)
    ranking = rerank(Eliminate(by="chat"), "q", documents(8), backends=model)
    assert ranking.order == [7, 6, 5, 4, 3, 2, 1, 0]
    assert len(model.requests) == 7
    assert not ranking.dropped
    assert [item.why.get("dropped_after") for item in ranking] == [None, 6, 5, 4, 3, 2, 1, 0]


def test_what_is_left_keeps_first_stage_order() -> None:
    model = FakeModel(lowest)
    ranking = rerank(Eliminate(k=3, by="chat"), "q", documents(6), backends=model)
    assert ranking.order == [3, 4, 5, 2, 1, 0]
    assert len(model.requests) == 3


def test_long_lists_are_eaten_from_the_end() -> None:
    model = FakeModel(lowest)
    ranking = rerank(Eliminate(set_size=4, by="chat"), "q", documents(9), backends=model)
    seen = [re.findall(r"nr(\d+)", prompt_of(request)) for request in model.requests if isinstance(request, Chat)]
    assert seen[0] == ["5", "6", "7", "8"]
    assert seen[1] == ["4", "6", "7", "8"]
    assert len(seen) == 8
    assert ranking.order[0] == 8


def test_several_go_at_once_by_their_probability() -> None:
    steps = Eliminate(at_once=3, k=2).steps("q", documents(4))
    (request,) = next(steps)
    assert isinstance(request, Choose)
    assert "helps least" in request.messages[-1]["content"]
    with pytest.raises(StopIteration) as end:
        steps.send([Chosen({"A": -0.1, "B": -3.0, "C": -0.5, "D": -2.0})])
    assert end.value.value.order == [1, 3, 2, 0]


def test_a_call_that_fails_drops_the_last() -> None:
    steps = Eliminate(k=2).steps("q", documents(4))
    next(steps)
    steps.send([Failed(CallTimeout("late"))])
    with pytest.raises(StopIteration) as end:
        steps.send([Chosen({"A": -0.1})])
    assert end.value.value.order == [1, 2, 0, 3]


def test_two_failures_in_a_row_end_it() -> None:
    model = FakeModel(fails=lambda number, request: CallTimeout("late") if number >= 2 else None)
    ranking = rerank(Eliminate(), "q", documents(40), backends=model, limits=Limits(retries=0))
    assert len(model.requests) == 4
    assert sorted(ranking.order) == list(range(40))
    assert [note.kind for note in ranking.notes] == ["failed"]


def test_what_names_nothing_is_noted() -> None:
    ranking = rerank(Eliminate(k=2, by="chat"), "q", documents(3), backends=FakeModel("None of them."))
    assert ranking.order == [0, 1, 2]
    assert "the last document of the list goes instead" in ranking.notes[0].message


def test_a_list_that_is_short_enough_asks_nobody() -> None:
    model = FakeModel(lowest)
    ranking = rerank(Eliminate(k=5, by="chat"), "q", documents(4), backends=model)
    assert (ranking.order, model.requests, ranking.notes) == ([0, 1, 2, 3], [], ())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k": 0}, "not 0"),
        ({"set_size": 1}, "not 1"),
        ({"at_once": 20}, "not 20"),
        ({"at_once": 2, "by": "chat"}, "not 2"),
        ({"by": "vote"}, "'vote'"),
        ({"reasoning": True}, "by='chat'"),
    ],
)
def test_a_wrong_option_gets_a_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        Eliminate(**options)


def test_reasoning_is_kept_beside_the_document_that_went() -> None:
    model = FakeModel('{"reasoning": "It is off the topic.", "document": "B"}')
    ranking = rerank(Eliminate(k=2, by="chat", reasoning=True), "q", ["a", "b", "c"], backends=model)
    assert ranking.order == [0, 2, 1]
    assert [item.why.get("reasoning") for item in ranking] == [None, None, "It is off the topic."]
