"""Retrievers and indices as backends: how many nodes they are asked for, and what comes back from a rerank."""

from __future__ import annotations

import pickle
import threading
from dataclasses import dataclass
from typing import ClassVar

import pytest
from llama_index.core import MockEmbedding, SummaryIndex, VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import MetadataMode, NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode

from llama_index.postprocessor.rerank_plugins import LlamaIndexRetriever, RerankPostprocessor
from rerank_plugins.backends.base import CallBackend
from rerank_plugins.errors import BadReply, InvalidInput, UnmetNeed
from rerank_plugins.events import QueryEnded
from rerank_plugins.ranking import Note, Verdict
from rerank_plugins.requests import Failed, Retrieve

NODES = [
    TextNode(
        id_=f"p{number}",
        text=f"passage {number}",
        metadata={"page": number},
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id="book")},
    )
    for number in range(20)
]
FOUND = [NodeWithScore(node=node, score=1 - number / 100) for number, node in enumerate(NODES)]


@dataclass(frozen=True)
class Searching:
    """Puts what it finds for two questions before what it was given, each document once."""

    k: int = 3
    wants: ClassVar = (Retrieve,)

    def steps(self, query, candidates):
        replies = yield [Retrieve(query, self.k), Retrieve("part two", self.k)]
        failed = [reply.error for reply in replies if isinstance(reply, Failed)]
        found = [candidate for reply in replies if not isinstance(reply, Failed) for candidate in reply.candidates]
        known = {candidate.id for candidate in candidates}
        added = list({candidate.id: candidate for candidate in found if candidate.id not in known}.values())
        later = range(len(candidates), len(candidates) + len(added))
        return Verdict(
            order=[*later, *range(len(candidates))],
            why={index: {"searched": ["part two"]} for index in later},
            notes=[Note("info", type(error).__name__) for error in failed],
            added=added,
        )


class Fixed(BaseRetriever):
    """Finds the same whatever it is asked for, and has no async form."""

    def __init__(self, found=FOUND):
        super().__init__()
        self.found = found

    def _retrieve(self, query_bundle):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def _handle_recursive_retrieval(self, query_bundle, nodes):
        return nodes  # the base class would refuse what the tests want to see through


class Numbered(BaseRetriever):
    """Has a number that can be set, and an async form alone."""

    similarity_top_k = 2

    def _retrieve(self, query_bundle):
        return FOUND[: self.similarity_top_k]

    async def _aretrieve(self, query_bundle):
        return self._retrieve(query_bundle)


class Unsettable(Fixed):
    """Tells its number and lets nobody set it."""

    @property
    def similarity_top_k(self):
        return 20


@pytest.fixture
def index():
    return VectorStoreIndex(NODES, embed_model=MockEmbedding(embed_dim=3))


async def ask(way, backend, asked):
    is_async = way == "async" and isinstance(backend, CallBackend)
    return await backend.aanswer(asked, None) if is_async else backend.answer(asked, None)


async def run(way, reranker, nodes, query="why rye?"):
    if way == "sync":
        return reranker.postprocess_nodes(nodes, query_str=query)
    return await reranker.apostprocess_nodes(nodes, query_str=query)


WAYS = pytest.mark.parametrize("way", ["sync", "async"])


@WAYS
@pytest.mark.parametrize("k", [1, 3, 12])
async def test_as_many_as_asked_for(way, k, index):
    for retriever in (index, index.as_retriever(similarity_top_k=2), Numbered(), SummaryIndex(NODES)):
        assert len((await ask(way, LlamaIndexRetriever(retriever), Retrieve("q", k))).candidates) == k
    assert Numbered().similarity_top_k == 2


@pytest.mark.parametrize("kind", [Fixed, Unsettable])
def test_of_what_others_give_the_best(kind):
    found = LlamaIndexRetriever(kind()).answer(Retrieve("q", 4), None).candidates
    assert [candidate.id for candidate in found] == ["p0", "p1", "p2", "p3"]


def test_the_retriever_is_not_changed(index):
    retriever = index.as_retriever(similarity_top_k=2)
    LlamaIndexRetriever(retriever).answer(Retrieve("q", 12), None)
    assert retriever.similarity_top_k == 2


def test_what_has_no_async_form_is_left_to_threads():
    assert not hasattr(LlamaIndexRetriever(Fixed()), "aanswer")


def test_text_score_and_vector_are_the_nodes():
    node = TextNode(text="rye", metadata={"page": 3}, embedding=[0.5, 0.5])
    backend = LlamaIndexRetriever(Fixed([NodeWithScore(node=node, score=0.7)]), metadata_mode=MetadataMode.NONE)
    (candidate,) = backend.answer(Retrieve("q", 3), None).candidates
    assert (candidate.text, candidate.score, candidate.embedding) == ("rye", 0.7, [0.5, 0.5])


@pytest.mark.parametrize("found", [None, "text", ["text"], NODES], ids=["None", "text", "texts", "bare nodes"])
def test_what_is_no_list_of_nodes_is_a_bad_reply(found):
    steps = RerankPostprocessor(Searching(), retriever=Fixed(found), on_error="raise")
    with pytest.raises(BadReply, match="Fixed failed with"):
        steps.postprocess_nodes([], query_str="q")


@pytest.mark.parametrize("odd", [None, 3, "text", NODES])
def test_what_is_no_retriever_is_refused(odd):
    with pytest.raises(InvalidInput, match="retriever or index"):
        LlamaIndexRetriever(odd)


# In the postprocessor


@WAYS
async def test_what_was_found_comes_back_like_the_others(way):
    given = [NodeWithScore(node=TextNode(id_="p1", text="passage 1", metadata={"mine": True}), score=0.5)]
    found = await run(way, RerankPostprocessor(Searching(), retriever=Fixed()), given)
    assert [item.node.node_id for item in found] == ["p0", "p2", "p1"]
    added = found[0].node
    assert (added.text, added.metadata["page"], added.relationships) == ("passage 0", 0, NODES[0].relationships)
    assert added.metadata["rerank_plugins"]["first_stage_rank"] is None
    assert added.metadata["rerank_plugins"]["first_stage_score"] == 1.0
    assert added.metadata["rerank_plugins"]["why"] == {"searched": ["part two"]}
    assert "rerank_plugins" in added.excluded_llm_metadata_keys
    assert found[-1].node.metadata["mine"]
    assert NODES[0].metadata == {"page": 0}


@WAYS
async def test_with_a_retriever_there_may_be_no_nodes_to_begin_with(way, index):
    assert await run(way, RerankPostprocessor(Searching()), []) == []
    assert len(await run(way, RerankPostprocessor(Searching(), retriever=index), [])) == 3
    assert len(await run(way, RerankPostprocessor(Searching(), backends=LlamaIndexRetriever(index)), [])) == 3


@WAYS
@pytest.mark.parametrize("found", [RuntimeError("odd"), None, [], FOUND[:1] * 3], ids=str)
async def test_whatever_it_finds_no_node_is_lost(way, found, make):
    ranked = await run(way, RerankPostprocessor(Searching(), retriever=Fixed(found)), make(3))
    added = 1 if isinstance(found, list) and found else 0
    assert [item.node.node_id for item in ranked][added:] == ["n0", "n1", "n2"]
    assert len(ranked) == 3 + added


@WAYS
async def test_without_a_retriever_it_goes_on_and_is_told(way, make):
    rankings = []
    reranker = RerankPostprocessor(
        Searching(), observer=lambda event: rankings.append(event.ranking) if isinstance(event, QueryEnded) else None
    )
    assert len(await run(way, reranker, make(3))) == 3
    assert [note.message for note in rankings[0].notes] == ["Unanswered"] * 2


def test_a_method_that_needs_one_is_refused_without():
    class Needs(Searching):
        needs = (Retrieve,)

    with pytest.raises(UnmetNeed, match="given as retriever"):
        RerankPostprocessor(Needs())
    RerankPostprocessor(Needs(), retriever=Fixed())


def test_what_cannot_be_searched_is_refused_when_it_is_made():
    with pytest.raises(InvalidInput, match="retriever or index"):
        RerankPostprocessor(Searching(), retriever=3)


@WAYS
async def test_searches_run_at_once_and_off_the_loop(way):
    both = threading.Barrier(2, timeout=20)  # passed only by two at once

    class Meeting(Fixed):
        def _retrieve(self, query_bundle):
            both.wait()
            return self.found

    assert len(await run(way, RerankPostprocessor(Searching(), retriever=Meeting(), on_error="raise"), [])) == 3


def test_it_is_not_written_and_may_be_beyond_pickling():
    reranker = RerankPostprocessor("FirstStage", retriever=Fixed(threading.Lock()))
    assert not {"retriever", "docstore"} & reranker.to_dict().keys()
    assert pickle.loads(pickle.dumps(reranker)).retriever is None
    assert reranker.retriever is not None
