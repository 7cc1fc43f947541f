"""The retriever that searches for every part of a question."""

from __future__ import annotations

import asyncio
import time

import pytest
from llama_index.core import MockEmbedding, Settings, VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from llama_index.postprocessor.rerank_plugins import DecompositionRetriever
from rerank_plugins import Cascade, CrossEncode, Decompose, FirstStage, InsertRank, Limits
from rerank_plugins.errors import InvalidInput, UnmetNeed
from rerank_plugins.ranking import Verdict
from rerank_plugins.requests import Retrieve, ScorePairs
from rerank_plugins.testing import FakeModel

QUESTION = "Where was the author of Emma born?"
PARTS = ["Who wrote the novel?", "In which town did Jane Austen first live?"]
SAID = "1. Who wrote the novel?\n2. In which town did Jane Austen first live?"
NODES = [
    TextNode(text="Emma is a name.", id_="name", metadata={"source": "names"}),
    TextNode(text="The novel is by Jane Austen.", id_="novel", metadata={"source": "books"}),
    TextNode(text="Jane Austen came from Steventon, a town in Hampshire.", id_="town", metadata={"source": "people"}),
    TextNode(text="Spoons are round.", id_="spoon"),
]
METHOD = Decompose(rerank=FirstStage(), k=2)
WAYS = pytest.mark.parametrize("way", ["sync", "async"])


class Words(BaseRetriever):
    """Finds what shares most words; remembers what it was asked."""

    def __init__(self, nodes=NODES, delay_s=0.0, fails_on=None):
        super().__init__()
        self.nodes, self.delay_s, self.fails_on, self.asked = nodes, delay_s, fails_on, []

    def _retrieve(self, query_bundle):
        time.sleep(self.delay_s)
        return self._best(query_bundle.query_str)

    async def _aretrieve(self, query_bundle):
        await asyncio.sleep(self.delay_s)
        return self._best(query_bundle.query_str)

    def _best(self, query):
        self.asked.append(query)
        if self.fails_on is not None and self.fails_on in query:
            raise ConnectionResetError("lost")
        words = set(query.lower().strip("?").split())
        shared = [len(words & set(node.text.lower().strip(".").split())) for node in self.nodes]
        order = sorted(range(len(self.nodes)), key=lambda number: -shared[number])
        return [NodeWithScore(node=self.nodes[number], score=shared[number]) for number in order if shared[number]]


async def run(way, retriever, question=QUESTION):
    return retriever.retrieve(question) if way == "sync" else await retriever.aretrieve(question)


def names(found):
    return [item.node.node_id for item in found]


def plain(k=2):
    return names(Words().retrieve(QUESTION))[:k]


@WAYS
async def test_what_no_single_search_finds_is_found(way, scripted_llm):
    assert "town" not in plain()[:1]
    words = Words()
    found = await run(way, DecompositionRetriever(METHOD, retriever=words, llm=scripted_llm(SAID)))
    assert set(names(found)) >= {"novel", "town"}
    assert len(names(found)) == len(set(names(found)))
    assert sorted(words.asked) == sorted([QUESTION, *PARTS])


@WAYS
async def test_nodes_come_back_with_the_sub_questions_that_they_serve(way, scripted_llm):
    found = await run(way, DecompositionRetriever(METHOD, retriever=Words(), llm=scripted_llm(SAID)))
    (town,) = [item for item in found if item.node.node_id == "town"]
    assert (town.node.text, town.node.metadata["source"]) == (NODES[2].text, "people")
    why = town.node.metadata["rerank_plugins"]["why"]
    assert why["searched_for"] == PARTS
    assert PARTS[1] in [served["question"] for served in why["serves"]]
    assert NODES[2].metadata == {"source": "people"}


@WAYS
async def test_over_an_index_and_with_top_n(way, scripted_llm):
    index = VectorStoreIndex(NODES, embed_model=MockEmbedding(embed_dim=3))
    retriever = DecompositionRetriever(METHOD, retriever=index, llm=scripted_llm(SAID), top_n=2)
    assert len(await run(way, retriever)) == 2
    assert len(await run(way, retriever, QueryBundle(QUESTION))) == 2


@WAYS
async def test_in_a_query_engine(way, scripted_llm, monkeypatch):
    llm = scripted_llm(SAID)
    monkeypatch.setattr(Settings, "_llm", llm)  # the synthesizer wants one, even to say nothing
    retriever = DecompositionRetriever(METHOD, retriever=Words(), llm=llm)
    engine = RetrieverQueryEngine.from_args(retriever, llm=llm, response_mode="no_text")
    response = engine.query(QUESTION) if way == "sync" else await engine.aquery(QUESTION)
    assert "town" in names(response.source_nodes)
    assert response.source_nodes[0].node.metadata["rerank_plugins"]["why"]["searched_for"] == PARTS


class Log(SimpleSpanHandler):
    def span_enter(self, id_, bound_args, instance=None, parent_id=None, **kwargs):
        super().span_enter(id_=id_, bound_args=bound_args, instance=instance, parent_id=parent_id, **kwargs)
        parents.setdefault(short(id_), set()).add(short(parent_id))


class Events(BaseEventHandler):
    @classmethod
    def class_name(cls):
        return "Events"

    def handle(self, event, **kwargs):
        events.append(event)


parents: dict[str, set[str]] = {}
events: list = []


def short(span_id):
    return (span_id or "").rsplit("-", 5)[0]


@pytest.fixture
def log():
    root = get_dispatcher()
    before = list(root.span_handlers), list(root.event_handlers)
    root.add_span_handler(Log())
    root.add_event_handler(Events())
    parents.clear()
    events.clear()
    yield
    root.span_handlers, root.event_handlers = before


@WAYS
async def test_the_trace_shows_each_search_and_what_came_of_it(way, log, scripted_llm):
    found = await run(way, DecompositionRetriever(METHOD, retriever=Words(), llm=scripted_llm(SAID)))
    a = "a" if way == "async" else ""
    reranker = f"RerankPostprocessor._{a}postprocess_nodes"
    assert parents[f"Words.{a}retrieve"] == {reranker}
    assert parents[f"ScriptedLLM.{a}chat"] == {reranker}
    (above,) = parents[reranker]
    assert above in (f"DecompositionRetriever._{a}retrieve", f"DecompositionRetriever.{a}retrieve")
    kinds = [event.class_name() for event in events]
    assert kinds.count("RetrievalStartEvent") == kinds.count("RetrievalEndEvent") == 4
    assert kinds[0] == "RetrievalStartEvent"
    assert [kind for kind in kinds if "Retrieval" in kind or "ReRank" in kind][-2:] == [
        "ReRankEndEvent",
        "RetrievalEndEvent",
    ]
    asked = {str(event.str_or_query_bundle) for event in events if event.class_name() == "RetrievalStartEvent"}
    assert asked == {QUESTION, *PARTS}
    assert events[-1].nodes == found
    (start,) = [event for event in events if event.class_name() == "ReRankStartEvent"]
    assert start.model_name == f"{METHOD!r} on scripted"


@WAYS
async def test_legacy_callbacks(way, scripted_llm):
    debug = LlamaDebugHandler(print_trace_on_end=False)
    manager = CallbackManager([debug])
    retriever = DecompositionRetriever(METHOD, retriever=Words(), llm=scripted_llm(SAID), callback_manager=manager)
    await run(way, retriever)
    assert len(debug.get_event_pairs(CBEventType.RETRIEVE)) == 1
    assert len(debug.get_event_pairs(CBEventType.RERANKING)) == 1


@pytest.mark.slow  # by the clock
@WAYS
async def test_one_round_trip_each(way, scripted_llm):
    retriever = DecompositionRetriever(METHOD, retriever=Words(delay_s=0.1), llm=scripted_llm(SAID, delay_s=0.5))
    await run(way, retriever)  # imports, threads
    started = time.monotonic()
    await run(way, retriever)
    assert time.monotonic() - started < 1.1 * 0.6 + 0.02


async def test_async_is_native(scripted_llm):
    class AsyncOnly(Words):
        def _retrieve(self, query_bundle):
            raise AssertionError("On an event loop the async form is to be used.")

    retriever = DecompositionRetriever(METHOD, retriever=AsyncOnly(), llm=scripted_llm(SAID), on_error="raise")
    assert "town" in names(await retriever.aretrieve(QUESTION))


async def test_many_questions_at_once_on_one_instance(scripted_llm):
    llm = scripted_llm(SAID, delay_s=0.05)
    retriever = DecompositionRetriever(METHOD, retriever=Words(delay_s=0.05), llm=llm)
    started = time.monotonic()
    results = await asyncio.gather(*(retriever.aretrieve(QUESTION) for _ in range(30)))
    assert time.monotonic() - started < 2.5  # one after another it would be more than 3
    assert len({tuple(names(found)) for found in results}) == 1


@WAYS
@pytest.mark.parametrize("says", ["", "I cannot.", "\n".join(f"{n}. Question {n} about it?" for n in range(40))])
async def test_whatever_the_llm_says_it_finds_what_the_retriever_finds(way, says, scripted_llm):
    found = names(await run(way, DecompositionRetriever(METHOD, retriever=Words(), llm=scripted_llm(says))))
    assert set(plain()) <= set(found)


@WAYS
async def test_an_llm_that_is_down_costs_the_sub_questions_alone(way, scripted_llm, http_error, caplog):
    retriever = DecompositionRetriever(METHOD, retriever=Words(), llm=scripted_llm(http_error(401)))
    assert names(await run(way, retriever)) == plain()
    assert "failed" in caplog.text


@WAYS
async def test_a_search_that_fails_costs_its_own_results(way, scripted_llm):
    at_once = Limits(backoff_s=0)
    retriever = DecompositionRetriever(
        METHOD, retriever=Words(fails_on="author"), llm=scripted_llm(SAID), limits=at_once
    )
    assert "town" in names(await run(way, retriever))
    strict = DecompositionRetriever(
        METHOD, retriever=Words(fails_on=""), llm=scripted_llm(SAID), on_error="raise", limits=at_once
    )
    with pytest.raises(Exception, match="Words could not be reached"):
        await run(way, strict)


@WAYS
async def test_nothing_found_is_an_empty_list(way, scripted_llm):
    assert await run(way, DecompositionRetriever(METHOD, retriever=Words([]), llm=scripted_llm(SAID))) == []


async def test_any_reranker_and_any_model(scripted_llm):
    method = Cascade(Decompose(rerank=CrossEncode()), InsertRank(bm25=None))
    llm = scripted_llm(lambda prompt: "[2] > [1]" if "<document" in prompt else SAID)
    cross_encoder = FakeModel()
    cross_encoder.kinds = (ScorePairs,)
    retriever = DecompositionRetriever(method, retriever=Words(), llm=llm, backends=cross_encoder, top_n=2)
    assert len(retriever.retrieve(QUESTION)) == 2
    assert len(cross_encoder.requests) == 1


def test_the_llm_of_settings_is_used_where_one_was_set(scripted_llm, monkeypatch):
    monkeypatch.setattr(Settings, "_llm", None)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    without = DecompositionRetriever(METHOD, retriever=Words())
    assert names(without.retrieve(QUESTION)) == plain()  # and no OpenAI client was made
    llm = scripted_llm(SAID)
    monkeypatch.setattr(Settings, "_llm", llm)
    assert "town" in names(without.retrieve(QUESTION))
    assert len(llm.script.prompts) == 1


# When it is made


def test_a_method_that_does_not_retrieve_is_refused():
    with pytest.raises(InvalidInput, match=r"takes a method that retrieves.*FirstStage\(\) does not"):
        DecompositionRetriever(FirstStage(), retriever=Words())


def test_a_method_that_does_not_say_what_it_asks_for_is_taken_at_its_word():
    class Mine:
        def steps(self, query, candidates):
            (reply,) = yield [Retrieve(query, 1)]
            return Verdict(order=[0], added=reply.candidates)

    assert len(DecompositionRetriever(Mine(), retriever=Words()).retrieve(QUESTION)) == 1


def test_what_its_reranker_needs_has_to_be_there():
    with pytest.raises(UnmetNeed, match="CrossEncoder"):
        DecompositionRetriever(Decompose(), retriever=Words())


def test_a_query_has_to_be_there():
    with pytest.raises(InvalidInput, match="there is none"):
        DecompositionRetriever(METHOD, retriever=Words()).retrieve(" ")


def test_the_repr_is_short_and_keyless(scripted_llm):
    retriever = DecompositionRetriever(METHOD, retriever=Words(), llm=scripted_llm(SAID), top_n=5)
    assert repr(retriever).startswith("DecompositionRetriever(")
    assert repr(METHOD) in repr(retriever)
    assert "sk-secret" not in repr(retriever)
