"""Peers through their own interfaces: what they rank, what they lose, what they cost."""

import importlib
from collections.abc import Sequence
from typing import Any

import pytest

from rerank_plugins import Candidate
from rerank_plugins.errors import InvalidInput, MissingExtra
from rerank_plugins.evaluation import Collection, Reorders, compare
from rerank_plugins.evaluation import peers as module
from rerank_plugins.evaluation.peers import Meter, peer, peer_names
from rerank_plugins.evaluation.records import Record
from rerank_plugins.evaluation.systems import Task
from rerank_plugins.testing import Fault, ScriptedEndpoint

WORDS = ["rye", "spelt", "wheat"]
TASK = Task("q", "which grain?", [Candidate(f"all about {word}", word, score=1.0) for word in WORDS])
LLM_RERANK, RANK_GPT, LISTWISE, RERANKERS = peer_names()
PACKAGES = {
    LLM_RERANK: "llama_index.llms.openai",
    RANK_GPT: "llama_index.llms.openai",
    LISTWISE: "langchain_openai",
    RERANKERS: "rerankers",
}
WELL_FORMED = {
    LLM_RERANK: "Doc: 3, Relevance: 9\nDoc: 1, Relevance: 7\nDoc: 2, Relevance: 1",
    RANK_GPT: "[3] > [1] > [2]",
    LISTWISE: '{"ranked_document_ids": [2, 0, 1]}',
    RERANKERS: "[3] > [1] > [2]",
}
needs_peers = pytest.mark.slow  # to import a framework takes seconds


def asked(name: str, replies: Any, tasks: Sequence[Task] = (TASK,)) -> list[Record]:
    pytest.importorskip(PACKAGES[name])
    with ScriptedEndpoint(replies) as endpoint:
        return list(peer(name, "some-model", endpoint.base_url, "a key").records(tasks))


@needs_peers
@pytest.mark.parametrize("name", peer_names())
def test_a_well_formed_reply_is_the_order_and_the_calls_are_counted(name: str) -> None:
    pytest.importorskip(PACKAGES[name])
    with ScriptedEndpoint(WELL_FORMED[name]) as endpoint:
        row = peer(name, "some-model", endpoint.base_url, "a key")
        first, second = row.records([TASK, TASK])
    assert isinstance(row, Reorders)
    assert row.label == name
    assert "some-model" in row.key
    assert "a key" not in repr(row)
    for record in (first, second):
        assert record.order == ("wheat", "rye", "spelt")
        assert (record.lost, record.failed, record.usage.calls) == (0, 0, 1)
        assert record.chat.prompt_tokens == record.usage.prompt_tokens > 10
        assert record.usage.seconds > 0
    assert [received.body["model"] for received in endpoint.requests] == ["some-model"] * 2
    assert endpoint.requests[0].headers["authorization"] == "Bearer a key"
    assert all(f"all about {word}" in str(endpoint.requests[0].body) for word in WORDS)


@needs_peers
@pytest.mark.parametrize(
    ("name", "reply", "order", "failed"),
    [
        (LLM_RERANK, "Doc: 3, Relevance: 9", ("wheat",), 0),
        (LLM_RERANK, "I cannot rank these.", (), 0),
        (LLM_RERANK, "Doc: 0, Relevance: 9", ("wheat",), 0),
        (RANK_GPT, "Here are the top 3 of 3 passages: [2] > [1]", ("wheat", "spelt", "rye"), 0),
        (LISTWISE, '{"ranked_document_ids": [2, 2, 2]}', ("wheat",), 0),
        (LISTWISE, '{"ranked_document_ids": [1, 2, 3]}', (), 1),
        (LISTWISE, "I cannot rank these.", (), 1),
        (RERANKERS, "Here are the top 3 of 3 passages: [2] > [1]", ("wheat", "spelt", "rye"), 0),
    ],
)
def test_an_odd_reply_is_what_the_peer_makes_of_it(name: str, reply: str, order: tuple[str, ...], failed: int) -> None:
    (record,) = asked(name, reply)
    assert (record.order, record.lost, record.failed) == (order, 3 - len(order), failed)
    assert record.usage.calls == 1


@needs_peers
@pytest.mark.parametrize("name", peer_names())
def test_a_call_that_is_refused_loses_all_and_is_counted(name: str) -> None:
    (record,) = asked(name, [Fault("status", 400)])
    assert (record.order, record.lost, record.failed) == ((), 3, 1)
    assert record.usage.calls >= 1


@needs_peers
def test_a_peer_is_a_row_of_a_comparison() -> None:
    pytest.importorskip(PACKAGES[RANK_GPT])
    documents = {str(candidate.id): candidate for candidate in TASK.candidates}
    grain = Collection("grain", documents, {"q": TASK.question}, {"q": {"wheat": 1}})
    with ScriptedEndpoint("[3] > [1] > [2]") as endpoint:
        row = peer(RANK_GPT, "some-model", endpoint.base_url, "a key")
        found = compare(grain, {"q": TASK.candidates}, [row], measures=["RR@10"])
    assert found.row(RANK_GPT).mean("RR@10") == 1
    assert found.row(RANK_GPT).usage.calls == 1


def test_the_endpoint_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str, str]] = []

    def build(model: str, base_url: str, api_key: str, meter: Meter) -> Any:
        seen.append((model, base_url, api_key))
        return lambda query, candidates: [0]

    monkeypatch.setattr(module, "_PEERS", {"mine": (build, "nothing")})
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    peer("mine", "m")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://here/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    peer("mine", "m")
    assert seen == [("m", "https://api.openai.com/v1", "none"), ("m", "http://here/v1", "k")]


def test_a_name_or_a_package_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="LLMRerank"):
        peer("nobody", "m")

    def build(*endpoint: Any) -> Any:
        return importlib.import_module("no_such_package")

    monkeypatch.setattr(module, "_PEERS", {"mine": (build, "no-such-package another")})
    with pytest.raises(MissingExtra, match=r"'no_such_package'.*pip install no-such-package another"):
        peer("mine", "m")


def test_a_meter_counts_replies_that_say_nothing_of_their_cost() -> None:
    meter = Meter()
    with ScriptedEndpoint([Fault("html", 502), Fault("wrong-json")]) as endpoint:
        for _ in range(2):
            meter.client.post(f"{endpoint.base_url}/chat/completions", json={"messages": []})
    assert meter.take().calls == 2
    assert meter.take().calls == 0
