"""The whole ranking reaches the user: by query, in the first node, and in the end event."""

import asyncio
import json

import pytest
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent

from llama_index.postprocessor.rerank_plugins import RerankPostprocessor
from rerank_plugins import FirstStage
from rerank_plugins.reports import report


class Kept(BaseEventHandler):
    events: list

    def handle(self, event, **_):
        self.events.append(event)


@pytest.fixture
def kept():
    handler, dispatcher = Kept(events=[]), get_dispatcher("root")
    dispatcher.add_event_handler(handler)
    yield handler.events
    dispatcher.event_handlers.remove(handler)


def test_what_was_left_out_is_there_without_an_observer(make, kept):
    reranker = RerankPostprocessor(FirstStage(), top_n=2)
    assert reranker.last_ranking() is None
    found = reranker.postprocess_nodes(make(), query_str="why?")
    ranking = reranker.last_ranking("why?")
    assert len(ranking.dropped) == len(make()) - 2
    assert found[0].node.metadata["rerank_plugins"]["ranking"]["dropped"][0]["reason"] == "ranked below top_n=2"
    assert "ranking" not in found[1].node.metadata["rerank_plugins"]
    (end,) = [event for event in kept if isinstance(event, ReRankEndEvent)]
    assert end.report == report(ranking) and end.class_name() == "ReRankEndEvent"
    assert reranker.last_ranking("another question") is None


async def test_at_the_same_time_each_task_has_its_own(make):
    async def asked(top_n):
        own = RerankPostprocessor(FirstStage(), top_n=top_n)
        await own.apostprocess_nodes(make(), query_str="q")
        await asyncio.sleep(0.001)
        return len(own.last_ranking())

    assert await asyncio.gather(*map(asked, (1, 2, 3))) == [1, 2, 3]


def test_flat_metadata_holds_nothing_nested_and_stays_out_of_prompts(make):
    found = RerankPostprocessor(FirstStage(), flat_metadata=True).postprocess_nodes(make(), query_str="q")
    for item in found:
        ours = {key: value for key, value in item.node.metadata.items() if key.startswith("rerank_plugins")}
        assert all(isinstance(value, (str, int, float, bool)) for value in ours.values())
        assert set(ours) <= set(item.node.excluded_llm_metadata_keys) & set(item.node.excluded_embed_metadata_keys)
    assert json.loads(found[0].node.metadata["rerank_plugins_ranking"])["method"] == "FirstStage()"
