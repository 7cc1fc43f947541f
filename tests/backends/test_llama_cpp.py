"""A real endpoint, with a form of its own: llama.cpp's Python server, which knows no `json_schema`."""

from __future__ import annotations

import pytest

from rerank_plugins import InsertRank, Limits, arerank, rerank
from rerank_plugins.backends import OpenAIChat
from rerank_plugins.errors import PromptTooLong, classify
from rerank_plugins.requests import Chat, Choose
from rerank_plugins.text import Document, Prompt
from tests.llama_cpp_server import LLAMA_CONTEXT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("llama")]

TIMEOUT_S = 300.0
SCHEMA = {
    "type": "object",
    "properties": {"ranking": {"type": "array", "items": {"type": "integer"}, "maxItems": 4}},
    "required": ["ranking"],
    "additionalProperties": False,
}
MESSAGES = [
    {"role": "system", "content": "You put search results in order."},
    {"role": "user", "content": "[1] rye [2] spelt. Which is about rye? Answer with the number."},
]
TEXTS = [
    "Rye flour holds more water than wheat flour.",
    "A baguette needs steam in the first minutes.",
    "Sourdough for rye bread is kept warm and is refreshed three times.",
    "Brioche has butter and eggs.",
    "Spelt doughs are kneaded for a short time only.",
    "Rye bread is cut on the day after it was baked.",
    "Yeast works fastest at 35 degrees.",
    "A banneton leaves its pattern on the loaf.",
    "Salt slows the yeast down.",
    "Pumpernickel is a rye bread that bakes for a whole day.",
]


@pytest.fixture
def model(llama_server: str) -> OpenAIChat:
    return OpenAIChat("smollm2", llama_server)


def test_chat(model):
    reply = model.answer(Chat(MESSAGES, max_tokens=12), TIMEOUT_S)
    assert reply.text and reply.parsed is None
    assert reply.usage.calls == 1 and 20 < reply.usage.prompt_tokens < 80
    assert 0 < reply.usage.completion_tokens <= 12


def test_the_form_of_a_schema_is_found_out_once_and_holds(model):
    request = Chat(MESSAGES, schema=SCHEMA, max_tokens=40)
    replies = [model.answer(request, TIMEOUT_S) for _ in range(2)]
    assert [reply.usage.calls for reply in replies] == [2, 1]
    for reply in replies:
        assert list(reply.parsed) == ["ranking"] and all(isinstance(value, int) for value in reply.parsed["ranking"])
    assert replies[0].text == replies[1].text, "at temperature 0 the same question has the same answer"


async def test_async_answers_as_sync_does(model):
    request = Chat(MESSAGES, schema=SCHEMA, max_tokens=40)
    assert (await model.aanswer(request, TIMEOUT_S)).text == model.answer(request, TIMEOUT_S).text


def test_an_answer_that_is_stopped_by_its_limit(model):
    reply = model.answer(Chat([{"role": "user", "content": "Count from 1 to 50."}], max_tokens=5), TIMEOUT_S)
    assert reply.truncated and reply.usage.completion_tokens == 5


def test_the_probabilities_of_labels(model):
    chosen = model.answer(Choose(MESSAGES, ("1", "2", "The", "no such token")), TIMEOUT_S)
    assert "no such token" not in chosen.logprobs and chosen.logprobs
    assert all(value < 0 for value in chosen.logprobs.values())


def long_request(may_cut: bool) -> Chat:
    documents = [Document("bread " * 600), Document("a short one"), Document("water " * 900)]
    prompt = Prompt.of("Say yes.\n", *documents, "\nSay yes.")
    return Chat([{"role": "user", "content": prompt}], max_tokens=20, may_cut=may_cut)


def test_a_prompt_that_is_too_long_and_may_not_be_cut(model):
    with pytest.raises(Exception) as caught:
        model.answer(long_request(may_cut=False), TIMEOUT_S)
    error = classify(caught.value)
    assert isinstance(error, PromptTooLong) and error.limit == LLAMA_CONTEXT
    assert 1520 <= error.needed < 1600, "1500 words of one token each, the template, and 20 tokens of answer"


def test_a_prompt_that_is_too_long_is_cut_to_fit(model):
    reply = model.answer(long_request(may_cut=True), TIMEOUT_S)
    assert reply.usage.calls == 2 and [note.kind for note in reply.notes] == ["cut"]
    assert LLAMA_CONTEXT * 0.8 < reply.usage.prompt_tokens <= LLAMA_CONTEXT - 20


async def test_insert_rank_from_end_to_end(llama_server):
    limits = Limits(timeout_s=TIMEOUT_S)
    question = "How is rye bread made?"
    first = rerank(InsertRank(), question, TEXTS, backends=OpenAIChat("smollm2", llama_server), limits=limits)
    again = await arerank(InsertRank(), question, TEXTS, backends=OpenAIChat("smollm2", llama_server), limits=limits)
    assert sorted(first.order) == list(range(10)) and not first.dropped
    assert not any(note.kind in ("failed", "limit") for note in first.notes)
    assert (first.order, first.notes, first.usage.prompt_tokens) == (
        again.order,
        again.notes,
        again.usage.prompt_tokens,
    )
    assert any(item.why["ranked_by_model"] for item in first)
