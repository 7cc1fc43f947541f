"""Retrievers as backends: how many documents they are asked for, what they give, and what comes back from a rerank."""

import asyncio
import threading
from dataclasses import dataclass
from typing import ClassVar

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore
from pydantic import Field

from langchain_rerank_plugins import LangChainRetriever, RerankCompressor
from rerank_plugins.backends import CallBackend
from rerank_plugins.errors import BadReply, InvalidInput, UnmetNeed
from rerank_plugins.ranking import Note, Verdict
from rerank_plugins.requests import Failed, Retrieve

CORPUS = [Document(f"passage {number}", id=f"p{number}", metadata={"page": number}) for number in range(20)]


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
    """Finds the same whatever it is asked for."""

    found: object = CORPUS

    def _get_relevant_documents(self, query, *, run_manager):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.fixture
def store():
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    store.add_documents(CORPUS)
    return store


@pytest.fixture(params=["sync", "async"])
def ask(request):
    def run(backend, asked):
        if request.param == "async":
            return asyncio.run(backend.aanswer(asked, None))
        return backend.answer(asked, None)

    return run


class Called(Fixed):
    """Takes `k` in the call."""

    def _get_relevant_documents(self, query, *, run_manager, k=4):
        return CORPUS[:k]


class Fielded(Fixed):
    """Has a field `k`, as keyword retrievers do."""

    k: int = 4

    def _get_relevant_documents(self, query, *, run_manager):
        return CORPUS[: self.k]


class Configured(Fixed):
    """Has `search_kwargs` and takes nothing in the call, as retrievers of parent documents do."""

    search_kwargs: dict = Field(default_factory=lambda: {"k": 4, "filter": "mine"})

    def _get_relevant_documents(self, query, *, run_manager):
        assert self.search_kwargs["filter"] == "mine"
        return CORPUS[: self.search_kwargs["k"]]


class TestTheNumberOfDocuments:
    def test_it_is_a_backend(self, store):
        assert isinstance(LangChainRetriever(store.as_retriever()), CallBackend)

    @pytest.mark.parametrize("k", [1, 3, 12])
    @pytest.mark.parametrize("kind", ["store", "with_config", "with_retry", "called", "fielded", "configured", "fixed"])
    def test_as_many_as_asked_for(self, ask, store, kind, k):
        stored = store.as_retriever(search_kwargs={"k": 2})
        retriever = {
            "store": stored,
            "with_config": stored.with_config(tags=["x"]),
            "with_retry": stored.with_retry(),
            "called": Called(),
            "fielded": Fielded(),
            "configured": Configured(),
            "fixed": Fixed(),
        }[kind]
        before = repr(retriever)
        assert len(ask(LangChainRetriever(retriever), Retrieve("q", k)).candidates) == k
        assert repr(retriever) == before

    def test_settings_of_the_users_own_stay(self, ask, store):
        retriever = store.as_retriever(
            search_kwargs={"k": 2, "filter": lambda document: document.metadata["page"] > 15}
        )
        assert len(ask(LangChainRetriever(retriever), Retrieve("q", 12)).candidates) == 4

    def test_any_runnable_will_do(self, ask):
        backend = LangChainRetriever(RunnableLambda(lambda query: [Document(query)]))
        assert [found.text for found in ask(backend, Retrieve("rye", 3)).candidates] == ["rye"]

    def test_a_store_is_not_a_retriever(self, store):
        with pytest.raises(InvalidInput, match=r"store\.as_retriever"):
            LangChainRetriever(store)


class TestWhatIsFound:
    def test_id_metadata_and_score_are_the_documents(self, ask):
        found = [Document("a", id="x", metadata={"page": 3, "score": 0.5})]
        (candidate,) = ask(LangChainRetriever(Fixed(found=found)), Retrieve("q", 3)).candidates
        assert (candidate.id, candidate.score, candidate.metadata["page"]) == ("x", 0.5, 3)

    @pytest.mark.parametrize("found", [None, "text", ["text"], {"a": 1}], ids=repr)
    def test_what_is_no_list_of_documents_is_a_bad_reply(self, ask, found):
        with pytest.raises(BadReply, match=r"RunnableLambda gave a .* which is no list of documents"):
            ask(LangChainRetriever(RunnableLambda(lambda query: found)), Retrieve("q", 3))

    def test_what_it_raises_goes_on_to_the_driver(self, ask):
        with pytest.raises(ZeroDivisionError):
            ask(LangChainRetriever(Fixed(found=ZeroDivisionError())), Retrieve("q", 3))


class TestInTheCompressor:
    def test_what_was_found_comes_back_like_the_others(self, compress):
        given = [CORPUS[1].model_copy(update={"metadata": {"page": 1, "mine": True}})]
        found = compress(RerankCompressor(Searching(), retriever=Fixed()), given, "why rye?")
        assert [document.id for document in found] == ["p0", "p2", "p1"]
        added, last = found[0], found[-1]
        assert (added.page_content, added.metadata["page"]) == ("passage 0", 0)
        assert added.metadata["rerank_plugins"]["first_stage_rank"] is None
        assert added.metadata["rerank_plugins"]["why"] == {"searched": ["part two"]}
        assert last.metadata["mine"]
        assert "rerank_plugins" not in CORPUS[0].metadata

    def test_documents_keep_their_class(self, compress):
        class Page(Document):
            number: int = 7

        found = compress(RerankCompressor(Searching(), retriever=Fixed(found=[Page(page_content="a", id="a")])), [])
        assert [type(document) for document in found] == [Page]

    @pytest.mark.parametrize("found", [ConnectionResetError("lost"), None, [], CORPUS[:1] * 3], ids=str)
    def test_whatever_it_finds_no_document_is_lost(self, compress, documents, found):
        compressor = RerankCompressor(Searching(), retriever=Fixed(found=found), limits={"backoff_s": 0})
        ranked = compress(compressor, documents(3))
        added = 1 if isinstance(found, list) and found else 0
        assert [document.id for document in ranked][added:] == ["d0", "d1", "d2"]
        assert len(ranked) == 3 + added

    def test_without_a_retriever_it_goes_on_and_is_told(self, compress, documents, trace):
        compress(RerankCompressor(Searching()), documents(3), callbacks=[trace])
        assert trace.outputs["RerankCompressor<Searching>"]["notes"][0]["message"] == "Unanswered"

    def test_a_method_that_needs_one_is_refused_without(self):
        class Needs(Searching):
            needs = (Retrieve,)

        with pytest.raises(UnmetNeed, match="given as retriever"):
            RerankCompressor(Needs())

    def test_each_search_is_a_run_below_the_reranker(self, compress, documents, trace):
        compress(RerankCompressor(Searching(), retriever=Fixed()), documents(3), "why rye?", callbacks=[trace])
        assert trace.parents == {"RerankCompressor<Searching>": None, "Fixed": "RerankCompressor<Searching>"}
        assert [kind for kind, name in trace.events if name == "Fixed"].count("start") == 2
        shown = trace.outputs["RerankCompressor<Searching>"]["ranked"][0]
        assert shown["why"] == {"searched": ["part two"]}

    def test_searches_run_at_once(self, compress):
        both = threading.Barrier(2, timeout=20)  # passed only by two at once

        def search(query):
            both.wait()
            return CORPUS

        retriever = RunnableLambda(search)
        assert len(compress(RerankCompressor(Searching(), retriever=retriever, on_error="raise"), [])) == 3
