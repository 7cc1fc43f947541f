"""The wire format of a vLLM server, scripted: no server has been asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from rerank_plugins import Likelihood as LikelihoodMethod
from rerank_plugins import arerank, rerank
from rerank_plugins.backends import VLLM
from rerank_plugins.backends.base import CallBackend
from rerank_plugins.errors import BadReply, InvalidInput, PromptTooLong, Refused
from rerank_plugins.requests import Chat, Choose, Likelihood
from rerank_plugins.testing.bodies import chat_completion, text_completion
from rerank_plugins.testing.endpoint import Fault, ScriptedEndpoint
from rerank_plugins.text import Document, Prompt

MESSAGES = [{"role": "user", "content": "Which?"}]


def by_words(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Each word is a token, with the blanks before it; its value is its length, below zero."""
    return text_completion([(word, -float(len(word))) for word in re.findall(r"\s*\S+", asked["prompt"])])


def model_at(endpoint: ScriptedEndpoint, **options: Any) -> VLLM:
    return VLLM("m", endpoint.base_url, **options)


def test_it_answers_one_call_at_a_time_from_threads_and_loops() -> None:
    assert isinstance(VLLM("m"), CallBackend)


def test_a_text_is_measured_token_by_token() -> None:
    with ScriptedEndpoint(completions=by_words) as endpoint:
        reply = model_at(endpoint).answer(Likelihood("Rye bread is", " very fine"), 5)
    assert reply.logprobs == (-5.0, -5.0)
    assert (reply.usage.calls, reply.usage.prompt_tokens) == (1, 5)
    (received,) = endpoint.requests
    assert received.path == "/v1/completions"
    assert received.body == {
        "model": "m",
        "prompt": "Rye bread is very fine",
        "max_tokens": 1,
        "prompt_logprobs": 0,
        "temperature": 0,
    }


async def test_the_same_from_an_event_loop() -> None:
    with ScriptedEndpoint(completions=by_words) as endpoint:
        reply = await model_at(endpoint).aanswer(Likelihood("Rye bread is", " very fine"), 5)
    assert reply.logprobs == (-5.0, -5.0)


def test_tokens_whose_text_lacks_its_blanks_are_found() -> None:
    tokens = [("Rye", 0.0), ("is", -1.0), ("ver", -2.0), ("y", -3.0), ("fine", -4.0)]
    with ScriptedEndpoint(completions=[text_completion(tokens)]) as endpoint:
        reply = model_at(endpoint).answer(Likelihood("Rye is", " very fine"), 5)
    assert reply.logprobs == (-2.0, -3.0, -4.0)


def test_where_the_text_of_tokens_does_not_show_the_border_they_are_counted_once() -> None:
    def split(asked: Mapping[str, Any]) -> dict[str, Any]:
        tokens = [("�", -float(len(word))) for word in asked["prompt"].split()]
        return text_completion(tokens)

    with ScriptedEndpoint(completions=split) as endpoint:
        backend = model_at(endpoint)
        replies = [backend.answer(Likelihood(prompt, " パン 酵母"), 5) for prompt in ("rye bread", "a loaf of rye")]
    assert [reply.logprobs for reply in replies] == [(-2.0, -2.0)] * 2
    assert [reply.usage.calls for reply in replies] == [2, 1]
    assert [received.body.get("add_special_tokens") for received in endpoint.requests] == [None, False, None]


def test_nothing_to_measure_costs_nothing() -> None:
    with ScriptedEndpoint() as endpoint:
        assert model_at(endpoint).answer(Likelihood("Rye", ""), 5).logprobs == ()
        assert endpoint.requests == []
        with pytest.raises(InvalidInput, match="is empty"):
            model_at(endpoint).answer(Likelihood("", " rye"), 5)


def test_documents_are_cut_where_the_server_says_that_the_prompt_is_too_long() -> None:
    message = "This model's maximum context length is 100 tokens. However, you requested 200 tokens in the prompt."

    def strict(asked: Mapping[str, Any]) -> Any:
        return by_words(asked) if len(asked["prompt"]) < 400 else Fault("status", 400, error={"message": message})

    prompt = Prompt.of("Passage: ", Document("rye " * 200), "\nQuestion:")
    with ScriptedEndpoint(completions=strict) as endpoint:
        reply = model_at(endpoint).answer(Likelihood(prompt, " why"), 5)
        assert reply.logprobs == (-4.0,)
        assert [note.kind for note in reply.notes] == ["cut"]
        with pytest.raises(Exception, match="maximum context length") as caught:
            model_at(endpoint).answer(Likelihood("rye " * 200, " why"), 5)
    assert not isinstance(caught.value, PromptTooLong)


def test_a_server_without_prompt_logprobs_is_named() -> None:
    body = text_completion([("Rye", 0.0), (" why", -1.0)])
    del body["choices"][0]["prompt_logprobs"]
    with ScriptedEndpoint(completions=[body]) as endpoint, pytest.raises(Refused, match="use a vLLM server"):
        model_at(endpoint).answer(Likelihood("Rye", " why"), 5)


def test_json_of_another_kind_is_named() -> None:
    with ScriptedEndpoint(completions=[{"answer": 1}]) as endpoint, pytest.raises(BadReply, match="no completion"):
        model_at(endpoint).answer(Likelihood("Rye", " why"), 5)


def test_labels_come_from_the_chat_endpoint_as_many_as_are_asked_for() -> None:
    body = chat_completion("A", logprobs={"A": -0.1, "B": -2.5, "C": -9.0})
    with ScriptedEndpoint([body]) as endpoint:
        reply = model_at(endpoint, top_logprobs=500).answer(Choose(MESSAGES, ("A", "B", "Z")), 5)
    assert reply.logprobs == {"A": -0.1, "B": -2.5}
    (received,) = endpoint.requests
    assert (received.path, received.body["top_logprobs"]) == ("/v1/chat/completions", 500)
    assert received.body["chat_template_kwargs"] == {"enable_thinking": False}


def test_text_comes_from_the_chat_endpoint() -> None:
    with ScriptedEndpoint("[2] > [1]") as endpoint:
        assert model_at(endpoint).answer(Chat(MESSAGES), 5).text == "[2] > [1]"


@pytest.mark.parametrize("number", [0, -1, True, 2.5])
def test_a_number_of_logprobs_is_at_least_one(number: Any) -> None:
    with pytest.raises(InvalidInput, match=r"top_logprobs=\.\.\.\)"):
        VLLM("m", top_logprobs=number)


def test_the_identity_holds_what_decides_replies() -> None:
    options: list[dict[str, Any]] = [{}, {"top_logprobs": 50}, {"temperature": None}, {"extra_body": {"top_k": 1}}]
    assert len({VLLM("m", **option).identity for option in options}) == len(options)
    assert "secret" not in VLLM("m", "http://user:secret@localhost:8000/v1", "secret").identity


async def test_a_method_ranks_by_it() -> None:
    documents = ["rye", "a very much longer text", "spelt flour"]
    with ScriptedEndpoint(completions=by_words) as endpoint:
        backend = model_at(endpoint)
        ranking = rerank(LikelihoodMethod(), "why is it so?", documents, backends=backend)
        again = await arerank(LikelihoodMethod(), "why is it so?", documents, backends=backend)
    assert sorted(ranking.order) == [0, 1, 2]
    assert again.order == ranking.order
    assert ranking.usage.calls == 3
