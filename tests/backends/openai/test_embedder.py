from __future__ import annotations

import asyncio
import math
import time

import numpy as np
import openai
import pytest

from rerank_plugins import Embedding, rerank
from rerank_plugins.backends import OpenAIEmbedder
from rerank_plugins.backends.base import CallBackend
from rerank_plugins.errors import BadReply, CallTimeout, InvalidInput, PromptTooLong, classify
from rerank_plugins.requests import Embed
from rerank_plugins.testing.bodies import embedding_list, word_vector
from rerank_plugins.testing.endpoint import Fault, ScriptedEndpoint

KEY = "sk-secret-123"
TEXTS = tuple(f"text number {number}" for number in range(10))


def model_at(endpoint: ScriptedEndpoint, **options) -> OpenAIEmbedder:
    return OpenAIEmbedder("m", endpoint.base_url, KEY, **options)


def close(vectors, texts) -> bool:
    return np.allclose(np.asarray(vectors), [word_vector(text) for text in texts], atol=1e-6)


def sizes(endpoint) -> list[int]:
    return [len(request.body["input"]) for request in endpoint.requests]


def both(model, request, timeout=5.0):
    return model.answer(request, timeout), asyncio.run(model.aanswer(request, timeout))


def test_one_request_for_a_few_texts():
    with ScriptedEndpoint() as endpoint:
        replies = both(model_at(endpoint, dimensions=32, extra_body={"truncate": True}), Embed(TEXTS))
    for reply in replies:
        assert close(reply.vectors, TEXTS)
        assert reply.usage.calls == 1 and reply.usage.prompt_tokens == sum(map(len, TEXTS)) // 4
    assert endpoint.requests[0].body == endpoint.requests[1].body
    assert endpoint.requests[0].body == {
        "model": "m",
        "input": list(TEXTS),
        "encoding_format": "base64",
        "dimensions": 32,
        "truncate": True,
    }


def test_many_texts_go_out_in_several_requests_and_keep_their_order():
    with ScriptedEndpoint() as endpoint:
        sync, concurrent = both(model_at(endpoint, batch_size=4), Embed(TEXTS))
    assert sizes(endpoint)[:3] == [4, 4, 2] and sorted(sizes(endpoint)[3:]) == [2, 4, 4]
    assert close(sync.vectors, TEXTS) and close(concurrent.vectors, TEXTS)
    assert sync.usage.calls == concurrent.usage.calls == 3


def test_a_request_holds_no_more_characters_than_an_endpoint_takes():
    with ScriptedEndpoint() as endpoint:
        reply = model_at(endpoint).answer(Embed(("a" * 200_000, "b" * 40_000, "c" * 40_000)), 5)
    assert sizes(endpoint) == [2, 1] and len(reply.vectors) == 3


async def test_async_requests_run_together_and_bounded():
    with ScriptedEndpoint(delay_s=0.2) as endpoint:
        model = model_at(endpoint, batch_size=1)
        await model.aanswer(Embed(("warm",)), 5)
        started = time.monotonic()
        await model.aanswer(Embed(tuple(map(str, range(16)))), 10)
        assert 0.4 <= time.monotonic() - started < 1.2
    assert endpoint.peak == 8


def test_prefixes_tell_queries_from_documents():
    with ScriptedEndpoint() as endpoint:
        model = model_at(endpoint, query_prefix="query: ", document_prefix="passage: ")
        model.answer(Embed(("a",), "query"), 5)
        model.answer(Embed(("a", " \n", ""), "document"), 5)
    assert [request.body["input"] for request in endpoint.requests] == [["query: a"], ["passage: a", " ", " "]]


def test_vectors_are_put_in_order_by_their_index():
    def reversed_(asked):
        body = embedding_list([word_vector(text) for text in asked["input"]])
        return body | {"data": body["data"][::-1]}

    with ScriptedEndpoint(embeddings=reversed_) as endpoint:
        assert close(model_at(endpoint).answer(Embed(TEXTS), 5).vectors, TEXTS)


def test_an_endpoint_without_base64():
    def plain(asked):
        refusal = Fault("status", 400, error={"message": "encoding_format base64 is not supported"})
        return refusal if asked["encoding_format"] == "base64" else [word_vector(text) for text in asked["input"]]

    with ScriptedEndpoint(embeddings=plain) as endpoint:
        model = model_at(endpoint)
        replies = [model.answer(Embed(TEXTS), 5) for _ in range(2)]
    assert [reply.usage.calls for reply in replies] == [2, 1] and close(replies[0].vectors, TEXTS)


def test_numbers_where_base64_was_asked_for():
    with ScriptedEndpoint(embeddings=lambda asked: embedding_list([[0.5, 0.25]])) as endpoint:
        assert model_at(endpoint).answer(Embed(("a",)), 5).vectors[0].tolist() == [0.5, 0.25]


@pytest.mark.parametrize(
    "body",
    [
        embedding_list([[1.0]]),
        embedding_list([[1.0], [1.0, 2.0]]),
        embedding_list([[[1.0]], [[2.0]]]),
        {"data": [{"embedding": "no base64!"}, {"embedding": [1.0]}]},
        {"data": [{}, {}]},
        {"data": [None, None]},
        {"answer": 1},
        Fault("html"),
    ],
)
def test_what_is_no_list_of_vectors_is_a_bad_reply(body):
    with ScriptedEndpoint(embeddings=[body]) as endpoint, pytest.raises(BadReply):
        model_at(endpoint).answer(Embed(("a", "b")), 5)


def test_a_text_that_is_too_long_is_shortened_and_the_others_are_not():
    def small(asked):
        long = any(len(text) > 250 for text in asked["input"])
        refusal = Fault("status", 400, error={"message": "This model's maximum context length is 100 tokens."})
        return refusal if long else [word_vector(text) for text in asked["input"]]

    with ScriptedEndpoint(embeddings=small) as endpoint:
        reply = model_at(endpoint).answer(Embed(("a" * 900, "short")), 5)
    assert [[len(text) for text in request.body["input"]] for request in endpoint.requests] == [
        [900, 5],
        [400, 5],
        [200, 5],
    ]
    assert [note.kind for note in reply.notes] == ["cut"] and reply.usage.calls == 3


def test_shortening_is_given_up_after_a_few_tries():
    fault = Fault("status", 413)
    with ScriptedEndpoint(embeddings=[fault]) as endpoint, pytest.raises(openai.APIStatusError) as caught:
        model_at(endpoint).answer(Embed(("a" * 9000,)), 5)
    assert isinstance(classify(caught.value), PromptTooLong) and len(endpoint.requests) == 4


def test_no_texts_cost_no_request():
    with ScriptedEndpoint() as endpoint:
        for reply in both(model_at(endpoint), Embed(())):
            assert list(reply.vectors) == [] and reply.usage.calls == 0
    assert endpoint.requests == []


async def test_one_failing_request_fails_the_answer_and_leaves_nothing_running():
    def second_fails(asked):
        return Fault("status", 500) if asked["input"] == ["1"] else [[1.0]]

    with ScriptedEndpoint(embeddings=second_fails) as endpoint:
        with pytest.raises(openai.InternalServerError):
            await model_at(endpoint, batch_size=1).aanswer(Embed(("0", "1", "2")), 5)
        assert len(asyncio.all_tasks()) == 1


async def test_the_timeout_is_for_all_requests_together():
    with ScriptedEndpoint(delay_s=0.25) as endpoint:
        model = model_at(endpoint, batch_size=1)
        started = time.monotonic()
        with pytest.raises(Exception) as caught:
            await asyncio.to_thread(model.answer, Embed(TEXTS), 0.6)
        assert isinstance(classify(caught.value), CallTimeout) and time.monotonic() - started < 0.9


def test_it_serves_a_method():
    documents = ["wheat bread", "rye bread with rye flour", "oats"]
    with ScriptedEndpoint() as endpoint:
        found = rerank(Embedding(), "rye flour", documents, backends=model_at(endpoint))
    assert found.order[0] == 1 and found.usage.calls == 2
    assert all(math.isfinite(item.score) for item in found)


def test_what_decides_the_vectors_is_in_the_identity_and_no_key():
    made = [{}, {"dimensions": 64}, {"query_prefix": "q: "}, {"document_prefix": "d: "}, {"extra_body": {"k": KEY}}]
    identities = {OpenAIEmbedder("m", "http://u:p@h:1/v1", KEY, **options).identity for options in made}
    assert len(identities) == len(made) and not any(KEY in name or "u:p" in name for name in identities)
    assert repr(OpenAIEmbedder("m", "http://h:1/v1", KEY)) == "OpenAIEmbedder('m', base_url='http://h:1/v1')"
    assert OpenAIEmbedder("m", "http://h/v1", batch_size=1).identity == OpenAIEmbedder("m", "http://h/v1").identity
    assert isinstance(OpenAIEmbedder("m", "http://h/v1"), CallBackend)


@pytest.mark.parametrize("arguments", [{"model": ""}, {"batch_size": 0}, {"dimensions": 1.5}, {"batch_size": True}])
def test_arguments_that_break_a_rule(arguments):
    with pytest.raises(InvalidInput, match=next(iter(arguments))):
        OpenAIEmbedder(**{"model": "m", "base_url": "http://localhost:1/v1"} | arguments)
