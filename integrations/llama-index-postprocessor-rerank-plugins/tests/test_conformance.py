"""The suite that every method passes, run through the postprocessor: what holds for `rerank` holds here."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import ClassVar

import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.schema import NodeWithScore, TextNode

from llama_index.postprocessor.rerank_plugins import RerankPostprocessor
from rerank_plugins import (
    Decompose,
    Embedding,
    FirstStage,
    Fuse,
    Graded,
    InsertRank,
    Meteora,
    Ranking,
    Rebel,
    Setwise,
    rerank,
)
from rerank_plugins.events import QueryEnded
from rerank_plugins.requests import Chat, Embed, Retrieve
from rerank_plugins.testing import FakeModel, MethodConformance


class Embedded(BaseEmbedding):
    """A fake of the core as LlamaIndex's embedding model."""

    fake: FakeModel

    def _get_query_embedding(self, query):
        return self.fake.answer(Embed((query,), "query"), None).vectors[0]

    def _get_text_embedding(self, text):
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts):
        return self.fake.answer(Embed(tuple(texts)), None).vectors

    async def _aget_query_embedding(self, query):
        return self._get_query_embedding(query)

    async def _aget_text_embeddings(self, texts):
        return self._get_text_embeddings(texts)


class Finding(BaseRetriever):
    """A fake of the core as a LlamaIndex retriever."""

    similarity_top_k = 4

    def __init__(self, fake):
        super().__init__()
        self.fake = fake

    def _retrieve(self, query_bundle):
        asked = Retrieve(query_bundle.query_str, self.similarity_top_k)
        return [_node(candidate) for candidate in self.fake.answer(asked, None).candidates]


def sync(reranker, nodes, query):
    return reranker.postprocess_nodes(nodes, query_str=query)


def on_a_loop(reranker, nodes, query):
    return asyncio.run(reranker.apostprocess_nodes(nodes, query_str=query))


class ThroughThePostprocessor(MethodConformance):
    """Each driver checks the nodes against the ranking that they were made from, and gives that to the suite."""

    @pytest.fixture(autouse=True)
    def _drive_through_llama_index(self, scripted_llm, monkeypatch):
        def through(run):
            def drive(task):
                rankings: list[Ranking] = []
                (fake,) = task.backends
                reranker = RerankPostprocessor(
                    task.method,
                    llm=scripted_llm(
                        lambda prompt: fake.answer(Chat([{"role": "user", "content": prompt}]), None).text
                    ),
                    embed_model=Embedded(fake=fake),
                    retriever=Finding(fake),
                    top_n=task.top_n,
                    limits={"backoff_s": 0},
                    metadata_mode="none",
                    observer=lambda event: rankings.append(event.ranking) if isinstance(event, QueryEnded) else None,
                )
                nodes = [_node(candidate) for candidate in task.candidates]
                if not task.query.strip():  # LlamaIndex's rerankers want a query; the core does not mind
                    with pytest.raises(ValueError, match="there is none"):
                        run(reranker, nodes, task.query)
                    return rerank(task.method, task.query, task.candidates, backends=fake, top_n=task.top_n)
                found = run(reranker, nodes, task.query)
                (ranking,) = rankings
                expected = [_node(item.candidate) if item.added else nodes[item.index] for item in ranking]
                assert [item.node.text for item in found] == [item.node.text for item in expected]
                assert [item.node.node_id for item in found] == [item.node.node_id for item in expected]
                assert [item.score for item in found] == [item.score for item in ranking]
                return _of_task(ranking, task)

            return drive

        monkeypatch.setattr(type(self), "drivers", {"rerank": through(sync), "arerank": through(on_a_loop)})

    drivers: ClassVar = {"rerank": sync, "arerank": on_a_loop}


def _node(candidate):
    node = TextNode(
        text=candidate.text, metadata=dict(candidate.metadata), **({"id_": candidate.id} if candidate.id else {})
    )
    return NodeWithScore(node=node, score=candidate.score)


def _of_task(ranking, task):
    """The ranking with the task's own candidates, which the suite looks for."""
    ranked, dropped = (
        tuple(item if item.added else replace(item, candidate=task.candidates[item.index]) for item in items)
        for items in (ranking.ranked, ranking.dropped)
    )
    return replace(ranking, ranked=ranked, dropped=dropped)


class TestListwise(ThroughThePostprocessor):
    method = InsertRank()


@pytest.mark.slow
class TestDecomposed(ThroughThePostprocessor):
    method = Decompose(rerank=FirstStage(), k=4)


@pytest.mark.slow
class TestEvidence(ThroughThePostprocessor):
    method = Meteora()


@pytest.mark.slow
class TestFused(ThroughThePostprocessor):
    method = Fuse(Embedding(), InsertRank(window=5))


@pytest.mark.slow
class TestOnCriteria(ThroughThePostprocessor):
    method = Rebel(effort="brief", samples=2, batch=6)


@pytest.mark.slow
class TestOnCriteriaAsInThePaper(ThroughThePostprocessor):
    method = Rebel.paper(1)


@pytest.mark.slow
class TestSetwise(ThroughThePostprocessor):
    method = Setwise(k=3, by="chat")


@pytest.mark.slow
class TestWrittenGrades(ThroughThePostprocessor):
    method = Graded(reading="text")
