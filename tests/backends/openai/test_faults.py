"""Faults of a real HTTP server, through the real SDK and the real driver: each costs one call and nothing else."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

import pytest

from rerank_plugins import InsertRank, Limits, arerank, rerank
from rerank_plugins.backends import OpenAIChat
from rerank_plugins.errors import Refused
from rerank_plugins.ranking import order_by
from rerank_plugins.requests import Chat, Failed
from rerank_plugins.testing.endpoint import Fault, ScriptedEndpoint

pytestmark = pytest.mark.slow  # most of it waits for servers that do not answer

KEY = "sk-secret-123"
TEXTS = [f"document {number} of this collection" for number in range(8)]
BAD = "document 3 "


@dataclass(frozen=True)
class Lengths:
    """One call per document; the score is the number in the answer."""

    def steps(self, query, candidates):
        replies = yield [Chat([{"role": "user", "content": f"{query}: {item.text}"}]) for item in candidates]
        return order_by([None if isinstance(reply, Failed) else float(reply.text) for reply in replies])


def graded(asked) -> str:
    return asked["messages"][0]["content"].split("document ")[1].split()[0]


def at_fault(fault):
    """A server that grades each document by its number, and fails on the document that is bad."""
    return lambda asked: fault if BAD in asked["messages"][0]["content"] else graded(asked)


async def ranked(mode, endpoint, method=None, **options):
    model = OpenAIChat("m", endpoint.base_url, KEY)
    options.setdefault("limits", Limits(retries=0))
    arguments = (method or Lengths(), "q", TEXTS)
    if mode == "async":
        return await arerank(*arguments, backends=model, **options)
    return await asyncio.to_thread(lambda: rerank(*arguments, backends=model, **options))


both = pytest.mark.parametrize("mode", ["sync", "async"])


@both
@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", 400),
        Fault("status", 429, {"Retry-After": "3600"}),
        Fault("status", 500),
        Fault("html", 502),
        Fault("html"),
        Fault("wrong-json"),
        Fault("truncated"),
        Fault("reset"),
        Fault("hang"),
        Fault("drip", pause_s=0.01),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
async def test_a_fault_costs_its_call_alone(fault, mode, caplog):
    caplog.set_level(logging.DEBUG)
    timeout = 1.5 if fault.kind in ("hang", "drip") else 30.0
    with ScriptedEndpoint(at_fault(fault)) as endpoint:
        found = await ranked(mode, endpoint, limits=Limits(timeout_s=timeout, retries=0))
    assert found.order == [7, 6, 5, 4, 2, 1, 0, 3], "the others are ranked, and what failed follows"
    assert [note.kind for note in found.notes] == ["failed", "repaired"]
    assert "1 call failed" in found.notes[0].message and "OpenAIChat" in found.notes[0].message
    assert KEY not in caplog.text and not any(KEY in note.message for note in found.notes)
    own = [record.getMessage() for record in caplog.records if record.name.startswith("rerank_plugins")]
    assert own and not any("of this collection" in message for message in own)


@both
async def test_a_server_that_is_not_there(mode):
    with ScriptedEndpoint() as endpoint:
        address = endpoint.base_url
    model = OpenAIChat("m", address, KEY)
    call = arerank if mode == "async" else asyncio.to_thread
    arguments = (Lengths(), "q", TEXTS)
    limits = Limits(retries=0)
    if mode == "async":
        found = await call(*arguments, backends=model, limits=limits)
    else:
        found = await call(rerank, *arguments, backends=model, limits=limits)
    assert found.order == list(range(8)) and "8 calls failed" in found.notes[0].message


@both
@pytest.mark.parametrize("fault", [Fault("status", 503), Fault("reset"), Fault("truncated")], ids=lambda f: f.kind)
async def test_a_fault_that_passes_is_mended_by_another_try(fault, mode):
    script = [fault, "[2] > [1]"]
    with ScriptedEndpoint(script) as endpoint:
        found = await ranked(mode, endpoint, InsertRank(bm25=None), limits=Limits(retries=1))
    assert found.order[:2] == [1, 0] and found.usage.calls == len(endpoint.requests) == 2


@both
async def test_the_wait_that_is_asked_for_is_kept(mode):
    with ScriptedEndpoint([Fault("status", 429, {"Retry-After": "1.2"}), "[2] > [1]"]) as endpoint:
        found = await ranked(mode, endpoint, InsertRank(bm25=None), limits=Limits(retries=1))
    first, second = endpoint.requests
    assert found.order[0] == 1 and not any(note.kind == "failed" for note in found.notes)
    assert 1.2 <= second.at - first.at < 1.6


@both
@pytest.mark.parametrize(
    ("status", "code", "most"),
    [(401, "no", 2), (404, "model_not_found", 2), (403, "insufficient_quota", 2), (403, "no", 8), (404, "no", 8)],
)
async def test_a_refusal_is_not_tried_again_and_stops_the_rest_if_it_holds_for_every_call(status, code, most, mode):
    with ScriptedEndpoint([Fault("status", status, error={"message": "no", "code": code})]) as endpoint:
        found = await ranked(mode, endpoint, limits=Limits(max_concurrency=2, retries=3))
    assert len(endpoint.requests) <= most and found.order == list(range(8))
    assert most == 2 or len(endpoint.requests) == 8
    assert any(str(status) in note.message for note in found.notes)


@both
@pytest.mark.parametrize("status", [403, 404])
async def test_a_refusal_of_one_request_costs_that_request(status, mode):
    with ScriptedEndpoint(lambda asked: Fault("status", status) if BAD in str(asked) else "1") as endpoint:
        await ranked(mode, endpoint, limits=Limits(max_concurrency=1, retries=3))
    assert len(endpoint.requests) == 8


@both
@pytest.mark.parametrize("kind", ["hang", "drip"])
async def test_a_deadline_holds_against_a_server_that_does_not_end(kind, mode):
    with ScriptedEndpoint([Fault(kind, pause_s=0.01)]) as endpoint:
        model = OpenAIChat("m", endpoint.base_url, KEY)
        limits = Limits(deadline_s=1.0, timeout_s=None)
        started = time.monotonic()
        if mode == "async":
            found = await arerank(InsertRank(), "q", TEXTS, backends=model, limits=limits)
        else:
            found = rerank(InsertRank(), "q", TEXTS, backends=model, limits=limits)
        assert time.monotonic() - started == pytest.approx(1.0, abs=0.06)
    assert found.order == list(range(8)) and any(note.kind == "limit" for note in found.notes)


@both
async def test_an_error_that_is_raised_holds_no_key_and_no_document(mode, caplog):
    caplog.set_level(logging.DEBUG)
    echo = Fault("status", 401, error={"message": f"Incorrect API key provided: {KEY}; {TEXTS[0]}", "code": KEY})
    with ScriptedEndpoint([echo]) as endpoint, pytest.raises(Refused) as caught:
        await ranked(mode, endpoint, on_error="raise")
    shown = repr(caught.getrepr(style="long", chain=True)) + str(caught.value)
    assert "of this collection" not in str(caught.value) and KEY not in str(caught.value)
    assert shown and caught.value.__cause__ is None
    assert KEY not in caplog.text


@both
async def test_concurrency_is_bounded_at_the_server(mode):
    with ScriptedEndpoint(graded, delay_s=0.05) as endpoint:
        found = await ranked(mode, endpoint, limits=Limits(max_concurrency=3))
    assert found.order == [7, 6, 5, 4, 3, 2, 1, 0] and endpoint.peak == 3


@both
async def test_requests_for_finding_out_are_counted(mode):
    refusal = Fault("status", 400, error={"message": "response_format is not supported"})
    with ScriptedEndpoint(lambda asked: refusal if "response_format" in asked else "[3]") as endpoint:
        found = await ranked(mode, endpoint, InsertRank(bm25=None))
    assert found.order[0] == 2 and found.usage.calls == len(endpoint.requests) == 3
