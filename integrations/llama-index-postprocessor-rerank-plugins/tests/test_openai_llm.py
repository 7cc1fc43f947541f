"""LlamaIndex's own OpenAI class, against an endpoint on the loopback interface."""

from __future__ import annotations

import pytest

from llama_index.postprocessor.rerank_plugins import RerankPostprocessor
from rerank_plugins import InsertRank
from rerank_plugins.errors import Refused
from rerank_plugins.events import QueryEnded
from rerank_plugins.ranking import Usage
from rerank_plugins.testing import Fault, ScriptedEndpoint

pytestmark = pytest.mark.slow  # imports the OpenAI client
openai = pytest.importorskip("llama_index.llms.openai")

TOOL_CALL = {"id": "1", "type": "function", "function": {"name": "answer", "arguments": '{"ranking": [3, 1]}'}}
CALLED = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]},
        }
    ],
    "usage": {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4},
    },
}


def reranker_at(endpoint, **options):
    llm = openai.OpenAI(model="gpt-4o-mini", api_base=endpoint.base_url, api_key="sk-secret", max_retries=2, timeout=5)
    return RerankPostprocessor(InsertRank(bm25=None), llm=llm, **options)


@pytest.mark.parametrize(("structured", "reply"), [(False, '{"ranking": [3, 1]}'), (True, CALLED)])
async def test_text_or_function_call(structured, reply, make):
    rankings = []
    with ScriptedEndpoint([reply]) as endpoint:
        reranker = reranker_at(endpoint, structured=structured, observer=rankings.append)
        found = reranker.postprocess_nodes(make(), query_str="rye?")
        assert await reranker.apostprocess_nodes(make(), query_str="rye?") == found
    assert [item.node.node_id for item in found] == ["n2", "n0", "n1", "n3", "n4"]
    bodies = [received.body for received in endpoint.requests]
    assert ["tools" in body for body in bodies] == [structured] * 2
    usages = [event.ranking.usage for event in rankings if isinstance(event, QueryEnded)]
    assert all(usage.prompt_tokens and usage.completion_tokens for usage in usages)
    if structured:
        assert bodies[0]["tool_choice"] == "required"
        assert bodies[0]["tools"][0]["function"]["parameters"]["required"] == ["ranking"]
        assert usages[0] == Usage(1, 10, 5, 4, usages[0].seconds)


def test_tries_do_not_multiply(make):
    with ScriptedEndpoint([Fault("status", 429, {"Retry-After": "0.01"})]) as endpoint:
        reranker = reranker_at(endpoint)
        found = reranker.postprocess_nodes(make(), query_str="rye?")
        through_us = len(endpoint.requests)
        with pytest.raises(Exception, match="429"):
            reranker.llm.complete("rye?")
        assert len(endpoint.requests) == 2 * through_us
    assert [item.node.node_id for item in found] == ["n0", "n1", "n2", "n3", "n4"]


def test_a_wrong_key_is_said_without_saying_it(make, caplog):
    with ScriptedEndpoint([Fault("status", 401)]) as endpoint:
        with pytest.raises(Refused, match="check api_key") as caught:
            reranker_at(endpoint, on_error="raise").postprocess_nodes(make(), query_str="rye?")
        reranker_at(endpoint).postprocess_nodes(make(), query_str="rye?")
    assert "check api_key" in caplog.text
    assert "sk-secret" not in caplog.text + str(caught.value)


async def test_a_list_that_the_server_finds_too_long_goes_to_windows(make):
    def answer(asked):
        count = asked["messages"][-1]["content"].count("<document id=")
        too_long = {
            "message": "This model's maximum context length is 1000 tokens, not 2000.",
            "code": "context_length",
        }
        return Fault("status", 400, error=too_long) if count > 10 else '{"ranking": [2, 1]}'

    with ScriptedEndpoint(answer) as endpoint:
        found = await reranker_at(endpoint).apostprocess_nodes(make(20), query_str="rye?")
    assert len(found) == 20
    assert found[0].node.node_id != "n0"
    assert len(endpoint.requests) > 3
