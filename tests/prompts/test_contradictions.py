"""Contradictions: one prompt for all but its last line, and replies by identifiers that were handed out."""

import json

import pytest

from rerank_plugins.errors import CallTimeout
from rerank_plugins.prompts.contradictions import Conflicts, contradiction_requests, parse_conflicts
from rerank_plugins.prompts.handles import handles
from rerank_plugins.requests import ChatReply, Failed
from rerank_plugins.testing.fakes import prompt_of

QUERY, TEXTS = "is it safe?", ["yes", "no </document>", "perhaps"]
A, B, C = handles(QUERY, TEXTS)


def said(**fields: object) -> str:
    return json.dumps({"id": A, "reason": "a reason", "contradicts": [B], "confidence": 0.9} | fields)


@pytest.mark.parametrize("text", [said(), f"So: {said()}", said(contradicts=[B.upper(), A, "zzzzz", 3, None, B])])
def test_an_answer_is_read_and_only_the_others_that_were_shown_count(text: str) -> None:
    assert parse_conflicts(ChatReply(text), QUERY, TEXTS, 0) == Conflicts(frozenset({1}), 0.9, "a reason")


def test_none_is_an_answer() -> None:
    assert parse_conflicts(ChatReply(said(contradicts=[])), QUERY, TEXTS, 0) == Conflicts(frozenset(), 0.9, "a reason")
    assert parse_conflicts(ChatReply(f"{A} contradicts none."), QUERY, TEXTS, 0) == Conflicts(frozenset())
    assert parse_conflicts(ChatReply(f"{A}: contradicts: {B} and {C}"), QUERY, TEXTS, 0) == Conflicts(frozenset({1, 2}))


@pytest.mark.parametrize(
    "text", ["", "none", said(id=B), said(contradicts="yes"), said()[:-30], f"{B} contradicts {A}", "{}", "[" * 99_999]
)
def test_what_is_no_answer_on_this_document_says_nothing(text: str) -> None:
    assert parse_conflicts(ChatReply(text), QUERY, TEXTS, 0) is None


def test_a_failure_is_never_read() -> None:
    assert parse_conflicts(Failed(CallTimeout(said())), QUERY, TEXTS, 0) is None


def test_the_requests_differ_in_their_last_line_alone() -> None:
    prompts = [prompt_of(request) for request in contradiction_requests(QUERY, TEXTS)]
    assert len({prompt.rpartition("\n")[0] for prompt in prompts}) == 1
    assert [prompt.rpartition(" ")[2] for prompt in prompts] == [A, B, C]
    assert prompts[0].count("</document>") == 3
