"""Snippets: the code that does in a framework what a request to the server does."""

from __future__ import annotations

import re

from rerank_plugins.methods import METHODS, Method
from rerank_plugins.methods.base import needs_of, wants_of
from rerank_plugins.requests import Chat, Embed, Retrieve

__all__ = ["langchain", "llama_index"]


def llama_index(method: Method) -> str:
    """The code for LlamaIndex.

    >>> from rerank_plugins import InsertRank
    >>> print(llama_index(InsertRank()))
    from llama_index.postprocessor.rerank_plugins import RerankPostprocessor
    from rerank_plugins import InsertRank
    <BLANKLINE>
    reranker = RerankPostprocessor(InsertRank(), llm=llm, top_n=5)
    engine = index.as_query_engine(similarity_top_k=50, node_postprocessors=[reranker])
    """
    return (
        "from llama_index.postprocessor.rerank_plugins import RerankPostprocessor\n"
        f"{_imports(method)}\n\n"
        f"reranker = RerankPostprocessor({_arguments(method, 'embed_model')}top_n=5)\n"
        "engine = index.as_query_engine(similarity_top_k=50, node_postprocessors=[reranker])"
    )


def langchain(method: Method) -> str:
    """The code for LangChain.

    >>> from rerank_plugins import Embedding
    >>> print(langchain(Embedding()).splitlines()[-2])
    reranker = RerankCompressor(Embedding(), embeddings=embeddings, top_n=5)
    """
    return (
        "from langchain_classic.retrievers import ContextualCompressionRetriever\n"
        "from langchain_rerank_plugins import RerankCompressor\n"
        f"{_imports(method)}\n\n"
        f"reranker = RerankCompressor({_arguments(method, 'embeddings')}top_n=5)\n"
        "retriever = ContextualCompressionRetriever(base_compressor=reranker, base_retriever=store.as_retriever())"
    )


def _imports(method: Method) -> str:
    called = set(re.findall(r"\b([A-Z]\w*)\(", repr(method)))
    names = sorted(called & {*METHODS, "Criterion", "Rationale"})
    return f"from rerank_plugins import {', '.join(names)}" if names else "# and your own method"


def _arguments(method: Method, embedder: str) -> str:
    needs = {*needs_of(method)}
    models = [text for kind, text in _ANSWERED_BY.items() if kind in {*needs, *wants_of(method)}]
    models += [f"{embedder}={embedder}"] if Embed in needs else []
    models += ["backends=backends"] if needs - {*_ANSWERED_BY, Embed} else []
    return "".join(f"{part}, " for part in (repr(method), *models))


_ANSWERED_BY = {Chat: "llm=llm", Retrieve: "retriever=retriever"}
