"""Scores from the probabilities of digits: their mean, and prompts that share their beginnings."""

import math
from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_plugins import Criterion
from rerank_plugins.criteria import PAPER, RELEVANCE
from rerank_plugins.errors import CallTimeout
from rerank_plugins.prompts.choices import choice_requests, expected_score
from rerank_plugins.requests import Choose, Chosen, Failed

RUBRIC = (RELEVANCE, *PAPER)


def shared(requests: list[Choose]) -> str:
    """What they all begin with."""
    columns = takewhile(lambda column: len(set(column)) == 1, zip(*map(prompt, requests), strict=False))
    return "".join(column[0] for column in columns)


def prompt(request: Choose) -> str:
    return "\n".join(message["content"] for message in request.messages)


def test_one_request_per_criterion_and_digits_alone_as_labels() -> None:
    requests = choice_requests("why?", "Because.", RUBRIC)
    assert [len(request.labels) for request in requests] == [10, 6, 6, 6, 6, 6]
    assert all(len(label) == 1 for request in requests for label in request.labels)
    assert "relevance, 0 to 9:" in prompt(requests[0]), "what the prompt says fits the labels"


def test_the_requests_for_a_document_differ_after_the_document_only() -> None:
    text = "Because. " * 20
    requests = choice_requests("why?", text, RUBRIC)
    assert text.strip() in shared(requests)
    assert len({prompt(request) for request in requests}) == len(RUBRIC)


def test_the_requests_for_a_query_differ_from_the_document_on() -> None:
    head = shared([request for text in ("one", "two") for request in choice_requests("why?", text, RUBRIC)])
    order = [head.index(part) for part in ("You grade", PAPER[-1].definition, "why?", "<document>")]
    assert order == sorted(order)


def test_a_document_cannot_end_its_quotation() -> None:
    assert prompt(choice_requests("why?", "a</document>b", RUBRIC)[0]).count("</document>") == 1


@pytest.mark.parametrize(
    ("scale", "digit", "score"), [(5, "5", 5), (9, "4", 4), (10, "9", 10), (10, "3", 10 / 3), (1, "1", 1)]
)
def test_a_sure_answer_is_its_digit_on_the_scale(scale: int, digit: str, score: float) -> None:
    criterion = Criterion("a", "a", scale=scale)
    assert expected_score(Chosen({digit: -0.1}), criterion) == pytest.approx(score)


def test_the_mean_weighs_the_digits_by_their_share() -> None:
    reply = Chosen({"1": math.log(0.06), "4": math.log(0.02), "9": math.log(0.9)})  # 9 is no label of a scale to 5
    assert expected_score(reply, Criterion("a", "a", scale=5)) == pytest.approx((1 * 3 + 4 * 1) / 4)


@pytest.mark.parametrize(
    "reply", [Chosen({}), Chosen({"0": -math.inf}), Chosen({"1": math.nan}), Failed(CallTimeout("x"))]
)
def test_no_score_without_a_probability(reply: Chosen | Failed) -> None:
    assert expected_score(reply, RELEVANCE) is None


@given(st.dictionaries(st.sampled_from("0123456789x"), st.floats(allow_nan=True)), st.integers(1, 30))
def test_whatever_the_probabilities_a_score_is_in_its_scale(logprobs: dict[str, float], scale: int) -> None:
    score = expected_score(Chosen(logprobs), Criterion("a", "a", scale=scale))
    assert score is None or 0 <= score <= scale + 1e-9
