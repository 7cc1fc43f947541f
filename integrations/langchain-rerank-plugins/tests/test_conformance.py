"""The suite that every method passes, run through the compressor: what holds for `rerank` holds here."""

import asyncio
from dataclasses import replace
from typing import ClassVar

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import SimpleChatModel
from langchain_core.retrievers import BaseRetriever

from langchain_rerank_plugins import RerankCompressor
from rerank_plugins import Decompose, Embedding, FirstStage, Fuse, Graded, InsertRank, Meteora, Rebel, Setwise
from rerank_plugins.candidates import encodable
from rerank_plugins.events import QueryEnded
from rerank_plugins.requests import Chat, Embed, Retrieve
from rerank_plugins.testing import FakeModel, MethodConformance
from rerank_plugins.testing.conformance import FOUND


class Chatting(SimpleChatModel):
    """A fake of the core as a LangChain chat model."""

    fake: object

    @property
    def _llm_type(self):
        return "chatting"

    def _call(self, messages, stop=None, run_manager=None, **kwargs):
        asked = Chat([{"role": "user", "content": str(message.content)} for message in messages])
        return self.fake.answer(asked, None).text


class Embedded(Embeddings):
    """A fake of the core as LangChain's embeddings."""

    def __init__(self, fake: FakeModel) -> None:
        self.fake = fake

    def embed_query(self, text):
        return self.fake.answer(Embed((text,), "query"), None).vectors[0]

    def embed_documents(self, texts):
        return self.fake.answer(Embed(tuple(texts)), None).vectors


class Finding(BaseRetriever):
    """A fake of the core as a LangChain retriever."""

    fake: object
    k: int = 4

    def _get_relevant_documents(self, query, *, run_manager):
        return [_document(candidate) for candidate in self.fake.answer(Retrieve(query, self.k), None).candidates]


def through(run):
    """A driver that goes through the compressor, and checks the documents against the ranking that it made."""

    def drive(task):
        rankings = []
        (fake,) = task.backends
        compressor = RerankCompressor(
            task.method,
            llm=Chatting(fake=fake),
            embeddings=Embedded(fake),
            retriever=Finding(fake=fake),
            neighbours=lambda *_: [_document(FOUND[0]), _document(FOUND[-1])],
            top_n=task.top_n,
            limits={"backoff_s": 0},
            observer=lambda event: rankings.append(event.ranking) if isinstance(event, QueryEnded) else None,
        )
        found = [_document(candidate) for candidate in task.candidates]
        ranked = run(compressor, found, task.query)
        (ranking,) = rankings
        expected = [_document(item.candidate) if item.added else found[item.index] for item in ranking]
        assert [document.page_content for document in ranked] == [document.page_content for document in expected]
        assert [document.id for document in ranked] == [document.id for document in expected]
        assert [document.metadata.get("relevance_score") for document in ranked] == [item.score for item in ranking]
        return _of_task(ranking, task)

    return drive


def _document(candidate):
    metadata = {**candidate.metadata, "score": candidate.score}
    return Document(encodable(candidate.text), id=candidate.id, metadata=metadata)


def _of_task(ranking, task):
    """The ranking with the task's own candidates, which the suite looks for."""
    ranked, dropped = (
        tuple(item if item.added else replace(item, candidate=task.candidates[item.index]) for item in items)
        for items in (ranking.ranked, ranking.dropped)
    )
    return replace(ranking, ranked=ranked, dropped=dropped)


class ThroughTheCompressor(MethodConformance):
    drivers: ClassVar = {
        "rerank": through(lambda compressor, found, query: compressor.compress_documents(found, query)),
        "arerank": through(lambda compressor, found, query: asyncio.run(compressor.acompress_documents(found, query))),
    }


class TestListwise(ThroughTheCompressor):
    method = InsertRank()


@pytest.mark.slow
class TestDecomposed(ThroughTheCompressor):
    method = Decompose(rerank=FirstStage(), k=4)


@pytest.mark.slow
class TestEvidence(ThroughTheCompressor):
    method = Meteora()


@pytest.mark.slow
class TestFused(ThroughTheCompressor):
    method = Fuse(Embedding(), InsertRank(window=5))


@pytest.mark.slow
class TestOnCriteria(ThroughTheCompressor):
    method = Rebel(effort="brief", samples=2, batch=6)


@pytest.mark.slow
class TestOnCriteriaAsInThePaper(ThroughTheCompressor):
    method = Rebel.paper(1)


@pytest.mark.slow
class TestSetwise(ThroughTheCompressor):
    method = Setwise(k=3, by="chat")


@pytest.mark.slow
class TestWrittenGrades(ThroughTheCompressor):
    method = Graded(reading="text")
