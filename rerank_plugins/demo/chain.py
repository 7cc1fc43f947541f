"""The chain that the demo reranks in: passages in an embedded Chroma, a retriever, a compressor."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any
from uuid import uuid4

from rerank_plugins.backends import BatchBackend
from rerank_plugins.candidates import Candidate
from rerank_plugins.errors import MissingExtra
from rerank_plugins.lexical import BM25Index
from rerank_plugins.requests import Embed, Embedded
from rerank_plugins.sample import Passage

__all__ = ["by_bm25", "check_packages", "reranked", "retriever_over"]

_MODULES = ("chromadb", "langchain_chroma", "langchain_classic", "langchain_rerank_plugins", "ir_measures")


def check_packages() -> None:
    """Look for the packages that the chain is made of, before anything takes time.

    Raises:
        MissingExtra: One is not installed.
    """
    for module in _MODULES:
        if find_spec(module) is None:
            raise MissingExtra("The demo", module.replace("_", "-"), "demo")


def retriever_over(passages: Mapping[str, Passage], embedder: BatchBackend, k: int) -> Any:
    """Index passages in a Chroma that lives in memory, and make the retriever of the best `k` by cosine."""
    from chromadb import EphemeralClient
    from langchain_chroma import Chroma
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings

    class Embedder(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return _vectors(embedder, texts, "document")

        def embed_query(self, text: str) -> list[float]:
            return _vectors(embedder, [text], "query")[0]

    store = Chroma(
        f"rerank-plugins-demo-{uuid4().hex}",  # all clients in a process share their collections
        Embedder(),
        client=EphemeralClient(),  # any settings would clash with another one's in this process
        collection_metadata={"hnsw:space": "cosine"},
    )
    store.add_documents([Document(passage.text, id=name) for name, passage in passages.items()])
    return store.as_retriever(search_kwargs={"k": k})


def reranked(retriever: Any, query: str, **options: Any) -> list[Any]:
    """The documents of the retriever with a compressor behind it; `options` are those of `RerankCompressor`."""
    from langchain_classic.retrievers import ContextualCompressionRetriever

    from langchain_rerank_plugins import RerankCompressor

    chain = ContextualCompressionRetriever(base_retriever=retriever, base_compressor=RerankCompressor(**options))
    return list(chain.invoke(query))


def by_bm25(passages: Mapping[str, Passage], queries: Mapping[str, str], k: int) -> dict[str, list[Candidate]]:
    """What keyword search finds: for each query the best `k` passages by BM25."""
    documents = [Candidate(passage.text, id=name) for name, passage in passages.items()]
    index, found = BM25Index(documents), {}
    for name, query in queries.items():
        scores = [score or 0.0 for score in index.scores(query, documents)]
        best = sorted(range(len(documents)), key=lambda place: (-scores[place], place))[:k]
        found[name] = [Candidate(documents[place].text, documents[place].id, scores[place]) for place in best]
    return found


def _vectors(embedder: BatchBackend, texts: list[str], role: str) -> list[list[float]]:
    ((_, reply),) = embedder.answer_batch([Embed(tuple(texts), role)])
    assert isinstance(reply, Embedded)
    return [[float(value) for value in vector] for vector in reply.vectors]
