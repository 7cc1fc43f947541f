"""The retriever: a method that searches for itself, over any retriever or index of LlamaIndex's."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import NodeWithScore, QueryBundle

from llama_index.postprocessor.rerank_plugins.postprocessor import RerankPostprocessor
from llama_index.postprocessor.rerank_plugins.retrieval import Searchable
from rerank_plugins import Ranking
from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods.base import Method, needs_of, wants_of
from rerank_plugins.requests import Retrieve

__all__ = ["DecompositionRetriever"]


class DecompositionRetriever(BaseRetriever):
    """Retrieve with a method that searches for itself, such as `Decompose`: for every part of the question.

    What comes back are copies of the nodes that `retriever` found, as from `RerankPostprocessor`:
    `node.metadata["rerank_plugins"]["why"]` says which sub-questions a node serves. It has the spans and events of any
    retriever, and below them those of the reranker, of each search and of each call to a model.

    Args:
        method: What to do, such as `Decompose()`, or its repr as a string.
        retriever: What it searches with: a retriever or an index.
        callback_manager: As for any retriever.
        options: Those of `RerankPostprocessor` (`llm`, `embed_model`, `backends`, `top_n`, `limits`, `cache` and so
            on).

    Raises:
        InvalidInput: An argument breaks a rule, or the method says that it does not retrieve.
        UnmetNeed: Nothing that was given or may be in `Settings` answers what the method asks for.

    >>> from llama_index.core import MockEmbedding, VectorStoreIndex
    >>> from llama_index.core.schema import TextNode
    >>> index = VectorStoreIndex([TextNode(text="Rye needs acid.")], embed_model=MockEmbedding(embed_dim=2))
    >>> retriever = DecompositionRetriever("Decompose(rerank=FirstStage(), subquestions=['Why?'])", retriever=index)
    >>> (found,) = retriever.retrieve("Why does rye need acid?")
    >>> found.node.metadata["rerank_plugins"]["why"]["searched_for"]
    ['Why?']
    """

    def __init__(
        self,
        method: Method | str,
        *,
        retriever: Searchable,
        callback_manager: CallbackManager | None = None,
        **options: Any,
    ) -> None:
        self._reranker = RerankPostprocessor(method, retriever=retriever, callback_manager=callback_manager, **options)
        _refuse_what_does_not_retrieve(self._reranker.method)
        super().__init__(callback_manager=callback_manager)

    @property
    def reranker(self) -> RerankPostprocessor:
        """What does the work, with all options."""
        return self._reranker

    def last_ranking(self, query: str | None = None) -> Ranking | None:
        """Give the whole ranking behind the nodes; see `RerankPostprocessor.last_ranking`."""
        return self._reranker.last_ranking(query)

    def __repr__(self) -> str:
        return repr(self._reranker).replace(type(self._reranker).__name__, type(self).__name__, 1)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._reranker.postprocess_nodes([], query_bundle)

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await self._reranker.apostprocess_nodes([], query_bundle)


def _refuse_what_does_not_retrieve(method: Method) -> None:
    says = hasattr(method, "needs") or hasattr(method, "wants")
    if says and Retrieve not in (*needs_of(method), *wants_of(method)):
        raise InvalidInput(
            f"DecompositionRetriever takes a method that retrieves, such as Decompose(), and {method!r} does not; "
            "rerank what a retriever found with RerankPostprocessor."
        )
