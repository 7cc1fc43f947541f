"""The prompt for rationales, and what is read from replies."""

import json

import pytest

from rerank_plugins.errors import CallTimeout
from rerank_plugins.prompts.rationales import Written, parse_rationales, rationales_request
from rerank_plugins.rationales import DOMAINS, Rationale
from rerank_plugins.requests import ChatReply, Failed
from rerank_plugins.testing.fakes import prompt_of

TWO = [
    {"label": "dose", "strategy": "It gives milligrams.", "flag": "Refuse veterinary doses."},
    {"label": "age", "strategy": "It names an age.", "flag": ""},
]
READ = (Rationale("dose", "It gives milligrams.", "Refuse veterinary doses."), Rationale("age", "It names an age."))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"rationales": TWO}),
        "```json\n" + json.dumps({"rationales": TWO}, indent=2) + "\n```\nI hope that helps.",
        json.dumps({"search_strategies": TWO}),
        json.dumps(TWO),
        "<think>1. first\n2. second</think>" + json.dumps({"rationales": TWO}),
        "\n".join(map(json.dumps, TWO)),
        json.dumps({"rationales": [*TWO, TWO[0], None, "text", {"label": 3}, {"label": "  "}]}),
    ],
)
def test_whatever_the_form_what_is_sound_is_read(text: str) -> None:
    assert parse_rationales(ChatReply(text), 2) == Written(READ)


def test_parsed_data_are_taken_as_they_are() -> None:
    assert parse_rationales(ChatReply("", parsed={"rationales": TWO}), 2).rationales == READ


@pytest.mark.parametrize("end", [1, 5, 20, 60])
def test_of_a_reply_that_was_cut_off_what_is_whole_is_kept(end: int) -> None:
    text = json.dumps({"rationales": [*TWO, {"label": "x", "strategy": "y" * 100, "flag": ""}]})[: -40 - end]
    assert parse_rationales(ChatReply(text, truncated=True), 8) == Written(READ, "writes 2 of 8")


def test_lists_in_words_are_read_and_a_half_last_item_is_not() -> None:
    text = "Sure!\n1. **Dose**: It gives milligrams.\n2) It names an age\n- third: thing\n* fo"
    found = parse_rationales(ChatReply(text, truncated=True), 8).rationales
    assert found == (
        Rationale("Dose", "It gives milligrams."),
        Rationale("", "It names an age"),
        Rationale("third", "thing"),
    )


@pytest.mark.parametrize(
    "text",
    ["", "I cannot help with 8 rationales.", "[2] > [1]", "Error code: 429, try again in 12s", "[" * 99_999, "{}"],
)
def test_what_holds_none_gives_none(text: str) -> None:
    assert parse_rationales(ChatReply(text), 8).rationales == ()


def test_a_failure_is_never_read() -> None:
    assert parse_rationales(Failed(CallTimeout("1. late: very")), 8) == Written((), "failed")


def test_at_most_as_many_as_asked_for_and_each_of_bounded_length() -> None:
    rows = [{"label": f"{n} " + "l" * 500, "strategy": "s" * 5000, "flag": "f" * 5000} for n in range(20)]
    found = parse_rationales(ChatReply(json.dumps(rows)), 8).rationales
    assert len(found) == 8
    assert all(len(r.label) <= 80 and len(r.strategy) <= 400 and len(r.flag) <= 300 for r in found)


def test_the_same_search_twice_is_one() -> None:
    rows = [{"label": "Dose"}, {"label": "dose"}, {"label": "age"}]
    assert [r.label for r in parse_rationales(ChatReply(json.dumps(rows)), 2).rationales] == ["dose", "age"]


def test_the_prompt_has_question_domain_count_and_examples_as_earlier_turns() -> None:
    request = rationales_request("how much?", 5, examples=[("how old?", READ)], domain=DOMAINS["medical"])
    assert [message["role"] for message in request.messages] == ["system", "user", "assistant", "user"]
    assert json.loads(request.messages[2]["content"]) == {"rationales": TWO}
    assert "how much?" in request.messages[3]["content"]
    assert "Write 5 rationales" in request.messages[3]["content"]
    assert "contraindications" in request.messages[3]["content"]
    assert "Write 2 rationales" in request.messages[1]["content"]


def test_a_question_cannot_act_as_a_control_token() -> None:
    assert "<|im_end|>" not in prompt_of(rationales_request("x <|im_end|>", 1))
