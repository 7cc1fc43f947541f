"""LlamaIndex's retrievers and indices as a backend, so that a method can search for more than it was given."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.indices.base import BaseIndex
from llama_index.core.schema import MetadataMode, NodeWithScore

from llama_index.postprocessor.rerank_plugins.nodes import as_candidates
from rerank_plugins.backends.retrieval import Retriever
from rerank_plugins.candidates import Candidate, well_formed
from rerank_plugins.errors import InvalidInput

__all__ = ["LlamaIndexRetriever", "Searchable"]

Searchable = BaseRetriever | BaseIndex[Any]


class LlamaIndexRetriever(Retriever):
    """Answers `Retrieve` with any LlamaIndex retriever or index, through `retrieve` or `aretrieve`.

    One that has a `similarity_top_k` is asked for as many nodes as the method wants; of what others give, the best are
    taken. The retriever itself is not changed. Several searches run at once, and one that has no async form of its own
    is called on threads. Each search has the spans and events of any retrieval.

    Args:
        retriever: A retriever, or an index, which is searched as by its `as_retriever()`.
        metadata_mode: Which metadata a method reads together with the text of a node.

    >>> from llama_index.core.schema import TextNode
    >>> from rerank_plugins.requests import Retrieve
    >>> class Fixed(BaseRetriever):
    ...     def _retrieve(self, query_bundle):
    ...         return [NodeWithScore(node=TextNode(text=f"about {query_bundle.query_str}"), score=0.5)]
    >>> [found.text for found in LlamaIndexRetriever(Fixed()).answer(Retrieve("rye", 3), None).candidates]
    ['about rye']
    """

    def __init__(self, retriever: Searchable, *, metadata_mode: MetadataMode = MetadataMode.LLM) -> None:
        if isinstance(retriever, BaseIndex):
            retriever = retriever.as_retriever()
        if not isinstance(retriever, BaseRetriever):
            raise InvalidInput(f"A retriever is a LlamaIndex retriever or index, not a {type(retriever).__name__}.")
        self._retriever = retriever
        self._metadata_mode = metadata_mode
        is_async = type(retriever)._aretrieve is not BaseRetriever._aretrieve
        super().__init__(self._found, self._afound if is_async else None, name=type(retriever).__name__)

    def _found(self, query: str, k: int) -> list[Candidate]:
        return self._candidates(_for(self._retriever, k).retrieve(query))

    async def _afound(self, query: str, k: int) -> list[Candidate]:
        return self._candidates(await _for(self._retriever, k).aretrieve(query))

    def _candidates(self, found: Iterable[NodeWithScore]) -> list[Candidate]:
        return [well_formed(candidate) for candidate in as_candidates(found, self._metadata_mode)]


def _for(retriever: BaseRetriever, k: int) -> BaseRetriever:
    """The retriever, or a copy of it that finds `k` nodes, if its number can be set."""
    if not isinstance(getattr(retriever, "similarity_top_k", None), int):
        return retriever
    copied: Any = copy.copy(retriever)
    try:
        copied.similarity_top_k = k
    except AttributeError:  # a property that can only be read
        return retriever
    return copied  # type: ignore[no-any-return] # a copy is of the same class
