"""Setwise: which of these is best, by letters or in writing."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rerank_plugins import Candidate, Limits, Setwise, rerank
from rerank_plugins.errors import CallTimeout, InvalidInput
from rerank_plugins.requests import Chat, ChatReply, Choose, Chosen, Failed
from rerank_plugins.testing import FakeModel, prompt_of

RANK_R1 = "ielabgroup/Rank-R1-7B-v0.1"


def documents(count: int) -> list[Candidate]:
    return [Candidate(f"text nr{number}.") for number in range(count)]


def highest(request: Chat) -> str:
    """The letter of the document with the highest number."""
    numbers = [int(number) for number in re.findall(r"nr(\d+)", prompt_of(request))]
    return f"I take [{chr(ord('A') + numbers.index(max(numbers)))}]."


@pytest.mark.parametrize("sort", ["heap", "tournament"])
def test_the_best_are_found_wherever_they_stood(sort: Any) -> None:
    method = Setwise(k=5, set_size=6, sort=sort, by="chat")
    ranking = rerank(method, "q", documents(40), backends=FakeModel(highest))
    assert ranking.order == [39, 38, 37, 36, 35, *range(35)]
    assert ranking.score_kind == "order"
    assert [item.why["sorted_by_model"] for item in ranking[:6]] == [True] * 5 + [False]
    assert not ranking.notes


def test_letters_are_chosen_by_their_probability() -> None:
    steps = Setwise(k=1).steps("q", documents(3))
    (request,) = next(steps)
    assert isinstance(request, Choose)
    with pytest.raises(StopIteration) as end:
        steps.send([Chosen({"A": -2.0, "B": -1.0, "C": -1.5})])
    assert end.value.value.order == [1, 0, 2]


def test_a_comparison_that_fails_leaves_the_first_of_its_set() -> None:
    steps = Setwise(k=1, set_size=3).steps("q", documents(7))
    assert len(next(steps)) == 2
    (last,) = steps.send([Failed(CallTimeout("late")), Chosen({"C": -0.1})])
    assert isinstance(last, Choose)
    shown = re.findall(r"nr(\d+)", last.messages[-1]["content"])
    assert shown == ["0", "1", "6"]


def test_replies_that_name_nothing_are_noted() -> None:
    says = iter(["[C]", "I cannot say.", "[Z]"])
    ranking = rerank(Setwise(k=2, by="chat"), "q", documents(4), backends=FakeModel(lambda request: next(says)))
    assert ranking.order[0] == 2
    assert [note.message for note in ranking.notes] == [
        "A reply names no document; the first of its set counts as the best."
    ]


def test_where_all_fails_the_first_stage_stands_and_a_note_says_so() -> None:
    model = FakeModel(fails=lambda number, request: CallTimeout("late"))
    ranking = rerank(Setwise(), "q", documents(30), backends=model, limits=Limits(retries=0))
    assert ranking.order == list(range(30))
    assert len(model.requests) == 2, "it does not go on asking where nobody answers"
    assert {note.kind for note in ranking.notes} == {"failed", "repaired"}


def test_reasoning_is_kept_beside_the_document_it_chose() -> None:
    model = FakeModel('{"reasoning": "It has the number.", "document": "B"}')
    ranking = rerank(Setwise(k=1, by="chat", reasoning=True), "q", documents(3), backends=model)
    assert ranking.order == [1, 0, 2]
    assert ranking[0].why["reasoning"] == "It has the number."
    assert "reasoning" not in ranking[1].why


def test_a_checkpoint_answers_with_a_number_between_tags() -> None:
    steps = Setwise(k=1, by="chat", prompt=RANK_R1).steps("q", documents(20))
    (request,) = next(steps)
    assert isinstance(request, Chat)
    assert "[20] text nr19.\n" in prompt_of(request)
    with pytest.raises(StopIteration) as end:
        steps.send([ChatReply("<think>[3] or [12]?</think> <answer>[12]</answer>")])
    assert end.value.value.order[0] == 11


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k": 0}, "not 0"),
        ({"set_size": 2}, "not 2"),
        ({"set_size": 27}, "not 27"),
        ({"sort": "bubble"}, "'bubble'"),
        ({"by": "vote"}, "'vote'"),
        ({"reasoning": True}, "by='chat'"),
        ({"prompt": "castorini/first_mistral"}, "Rank-R1"),
    ],
)
def test_a_wrong_option_gets_a_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        Setwise(**options)
