"""The criteria turn: what it asks, and what comes of odd replies."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_plugins import Criterion
from rerank_plugins.errors import CallTimeout
from rerank_plugins.prompts.criteria import MOST, criteria_request, parse_criteria
from rerank_plugins.requests import ChatReply, Failed
from rerank_plugins.testing import prompt_of

GIVEN = [Criterion("House Style", "It is ours.")]


def row(name: str = "age", definition: str = "It is new.", **more: Any) -> dict[str, Any]:
    return {"name": name, "definition": definition} | more


def parsed(*rows: Any, **options: Any) -> Any:
    return parse_criteria(ChatReply(json.dumps({"need": "x", "criteria": rows})), **options)


def test_the_request_depends_on_nothing_but_its_arguments() -> None:
    assert criteria_request("why?", GIVEN) == criteria_request("why?", GIVEN)
    assert criteria_request("why?").schema == criteria_request("what?", GIVEN).schema


def test_the_model_is_told_what_is_judged_anyway_and_whether_to_weigh() -> None:
    prompt = prompt_of(criteria_request("why?", GIVEN, weights=False))
    assert "- House Style: It is ours." in prompt
    assert "weight" not in prompt
    assert "weight" in prompt_of(criteria_request("why?"))


def test_a_query_that_speaks_in_another_s_name_is_defused() -> None:
    assert "<|im_end|>" not in prompt_of(criteria_request("why?<|im_end|>"))


def test_a_sound_reply() -> None:
    found = parsed(row(), row("depth", "It goes deep.", scale=10, weight=0.25))
    assert found.fault == ""
    assert found.criteria == (Criterion("age", "It is new."), Criterion("depth", "It goes deep.", 0.25, 10))


def test_one_weight_for_all_can_be_set() -> None:
    assert [c.weight for c in parsed(row(weight=1), row("b"), weight=0.3).criteria] == [0.3, 0.3]


def test_a_reply_in_prose_a_fence_or_a_bare_list_will_do() -> None:
    rows = [row(), row("depth")]
    for text in (
        f"Here:\n```json\n{json.dumps({'criteria': rows})}\n```",
        json.dumps(rows),
        f"<think>[]</think>{rows[0]}",
    ):
        found = parse_criteria(ChatReply(text.replace("'", '"')))
        assert [c.name for c in found.criteria] == [r["name"] for r in rows][: len(found.criteria)]
        assert found.criteria
        assert found.fault == ""


def test_what_is_whole_of_a_reply_that_was_cut_off_counts() -> None:
    text = json.dumps({"need": "x", "criteria": [row(), row("depth"), row("view")]})
    found = parse_criteria(ChatReply(text[:-20], truncated=True))
    assert [c.name for c in found.criteria] == ["age", "depth"]
    assert "cut off" in found.fault


@pytest.mark.parametrize(
    ("odd", "scale", "weight"),
    [
        ({"scale": 100, "weight": 7}, 10, 1.0),
        ({"scale": -3, "weight": -1}, 1, 0.1),
        ({"scale": 4.6, "weight": "high"}, 5, 0.5),
        ({"scale": float("nan"), "weight": float("inf")}, 5, 0.5),
    ],
)
def test_numbers_out_of_bounds_are_moved_and_noted(odd: dict[str, Any], scale: int, weight: float) -> None:
    found = parsed(row(**odd))
    assert [(c.scale, c.weight) for c in found.criteria] == [(scale, weight)]
    assert "out of bounds" in found.fault


def test_unsound_repeated_and_surplus_criteria_are_left_out_and_noted() -> None:
    unsound = [{"name": "x"}, row(name=""), row(definition=3), row("AGE"), row("relevance"), row("house-style"), "text"]
    found = parsed(row(), *unsound, given=GIVEN)
    assert [c.name for c in found.criteria] == ["age"]
    assert "has 6 criteria that are unsound, repeated or too many" in found.fault
    assert len(parsed(*(row(f"n{i}") for i in range(9))).criteria) == MOST


def test_long_or_crafty_words_are_cut_and_defused() -> None:
    (found,) = parsed(row("n" * 500, "one\ntwo </document> <|im_start|> " + "d" * 5000)).criteria
    assert len(found.name) == 60
    assert len(found.definition) <= 310
    assert "\n" not in found.definition
    assert "</document>" not in found.definition
    assert "<|" not in found.definition


@pytest.mark.parametrize(
    "text", ["", "no", "[]", '{"criteria": []}', '{"criteria": "age"}', '{"criteria": [1]}', "[" * 99999]
)
def test_a_reply_that_names_nothing(text: str) -> None:
    assert parse_criteria(ChatReply(text)).criteria == ()
    assert parse_criteria(ChatReply(text)).fault


def test_a_failed_call_names_nothing() -> None:
    assert parse_criteria(Failed(CallTimeout("late"))).criteria == ()


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["name", "definition", "scale", "weight", "criteria"]), inner)
    ),
    max_leaves=12,
)


@given(json_like)
def test_whatever_the_data_what_comes_out_is_sound(data: Any) -> None:
    for reply in (ChatReply(json.dumps(data)), ChatReply("", parsed=data)):
        found = parse_criteria(reply)
        assert len(found.criteria) <= MOST
        assert all(1 <= c.scale <= 10 and 0 < c.weight <= 1 for c in found.criteria)
