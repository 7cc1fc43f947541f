"""Spans and events of both of LlamaIndex's tracing systems."""

from __future__ import annotations

import asyncio

import pytest
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler

from llama_index.postprocessor.rerank_plugins import RerankPostprocessor
from rerank_plugins import FirstStage, InsertRank
from rerank_plugins.errors import Refused
from rerank_plugins.reports import report
from rerank_plugins.testing.fakes import FakeModel

LISTWISE = InsertRank(bm25=None)
WAYS = ["sync", "async"]


async def run(way, reranker, nodes):
    if way == "sync":
        return reranker.postprocess_nodes(nodes, query_str="rye?")
    return await reranker.apostprocess_nodes(nodes, query_str="rye?")


class Log(SimpleSpanHandler):
    """Spans and events in one list, in the order in which they happen."""

    def span_enter(self, id_, bound_args, instance=None, parent_id=None, **kwargs):
        super().span_enter(id_=id_, bound_args=bound_args, instance=instance, parent_id=parent_id, **kwargs)
        lines.append(f"+{id_.rsplit('-', 5)[0]}")

    def span_exit(self, id_, bound_args, instance=None, result=None, **kwargs):
        super().span_exit(id_=id_, bound_args=bound_args, instance=instance, result=result, **kwargs)
        lines.append(f"-{id_.rsplit('-', 5)[0]}")

    def span_drop(self, id_, bound_args, instance=None, err=None, **kwargs):
        super().span_drop(id_=id_, bound_args=bound_args, instance=instance, err=err, **kwargs)
        lines.append(f"!{id_.rsplit('-', 5)[0]}")


class Events(BaseEventHandler):
    @classmethod
    def class_name(cls):
        return "Events"

    def handle(self, event, **kwargs):
        lines.append(event.class_name())
        events.append(event)


lines: list[str] = []
events: list[object] = []


@pytest.fixture
def log():
    root = get_dispatcher()
    spans, handler = Log(), Events()
    before = list(root.span_handlers), list(root.event_handlers)
    root.add_span_handler(spans)
    root.add_event_handler(handler)
    lines.clear()
    events.clear()
    yield spans
    root.span_handlers, root.event_handlers = before


@pytest.mark.parametrize("way", WAYS)
async def test_span_and_events_in_order(way, log, scripted_llm, make):
    nodes, a = make(), "a" if way == "async" else ""
    reranker = RerankPostprocessor(LISTWISE, llm=scripted_llm("[2] > [1]"), top_n=2)
    found = await run(way, reranker, nodes)
    assert lines == [
        f"+RerankPostprocessor._{a}postprocess_nodes",
        "ReRankStartEvent",
        f"+ScriptedLLM.{a}chat",
        "LLMChatStartEvent",
        "LLMChatEndEvent",
        f"-ScriptedLLM.{a}chat",
        "ReRankEndEvent",
        f"-RerankPostprocessor._{a}postprocess_nodes",
    ]
    start = next(event for event in events if isinstance(event, ReRankStartEvent))
    end = next(event for event in events if isinstance(event, ReRankEndEvent))
    assert (start.query, start.top_n, start.model_name) == ("rye?", 2, "InsertRank(bm25=None) on scripted")
    assert start.nodes == nodes
    assert end.nodes == found
    rerank_span, llm_span = sorted(log.completed_spans, key=lambda span: span.id_)
    assert llm_span.parent_id == rerank_span.id_
    assert start.span_id == end.span_id == rerank_span.id_


@pytest.mark.parametrize("way", WAYS)
async def test_events_are_paired_also_on_error(way, log, scripted_llm, http_error, make):
    nodes, a = make(), "a" if way == "async" else ""
    reranker = RerankPostprocessor(LISTWISE, llm=scripted_llm(http_error(401)), on_error="raise")
    with pytest.raises(Refused):
        await run(way, reranker, nodes)
    mine = [line for line in lines if "ReRank" in line or "Rerank" in line]
    assert mine == [
        f"+RerankPostprocessor._{a}postprocess_nodes",
        "ReRankStartEvent",
        "ReRankEndEvent",
        f"!RerankPostprocessor._{a}postprocess_nodes",
    ]
    assert events[-2].nodes == []


async def test_events_are_paired_also_when_the_task_is_cancelled(log, make):
    reranker = RerankPostprocessor(LISTWISE, backends=FakeModel(delay_s=5))
    task = asyncio.create_task(run("async", reranker, make()))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [line for line in lines if line.startswith("ReRank")] == ["ReRankStartEvent", "ReRankEndEvent"]


@pytest.mark.parametrize(("method", "name"), [(FirstStage(), "FirstStage()"), (LISTWISE, f"{LISTWISE!r} on FakeModel")])
async def test_the_start_event_has_an_int_and_a_name_whatever_the_method(method, name, log, make):
    await run("async", RerankPostprocessor(method, backends=FakeModel("[1]")), make(7))
    start = next(event for event in events if isinstance(event, ReRankStartEvent))
    assert (start.top_n, start.model_name) == (7, name)


@pytest.mark.parametrize("way", WAYS)
async def test_legacy_callbacks(way, scripted_llm, make):
    debug = LlamaDebugHandler(print_trace_on_end=False)
    manager = CallbackManager([debug])
    llm = scripted_llm("[2] > [1]", callback_manager=manager)
    reranker = RerankPostprocessor(LISTWISE, llm=llm, top_n=2, callback_manager=manager)
    nodes = make()
    with manager.as_trace("query"):
        found = await run(way, reranker, nodes)
    ((start, end),) = debug.get_event_pairs(CBEventType.RERANKING)
    assert start.payload == {
        EventPayload.NODES: nodes,
        EventPayload.MODEL_NAME: "InsertRank(bm25=None) on scripted",
        EventPayload.QUERY_STR: "rye?",
        EventPayload.TOP_K: 2,
    }
    assert end.payload == {EventPayload.NODES: found, "rerank_plugins": report(reranker.last_ranking("rye?"))}
    ((llm_start, _),) = debug.get_event_pairs(CBEventType.LLM)
    assert manager.trace_map[start.id_] == [llm_start.id_]


@pytest.mark.parametrize("way", WAYS)
async def test_legacy_callbacks_say_what_was_raised(way, scripted_llm, http_error, make):
    debug = LlamaDebugHandler(print_trace_on_end=False)
    llm = scripted_llm(http_error(401))
    manager = CallbackManager([debug])
    reranker = RerankPostprocessor(LISTWISE, llm=llm, on_error="raise", callback_manager=manager)
    with pytest.raises(Refused) as caught:
        await run(way, reranker, make())
    ((_, end),) = debug.get_event_pairs(CBEventType.RERANKING)
    assert end.payload == {EventPayload.EXCEPTION: caught.value}
