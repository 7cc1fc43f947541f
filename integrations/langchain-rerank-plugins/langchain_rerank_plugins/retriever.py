"""The retriever: a method that searches for itself, over any retriever of LangChain's."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable
from pydantic import ConfigDict

from langchain_rerank_plugins.compressor import RerankCompressor
from rerank_plugins import Ranking
from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods import Method
from rerank_plugins.methods.base import needs_of, wants_of
from rerank_plugins.requests import Retrieve

__all__ = ["DecompositionRetriever"]

_OF_ANY_RETRIEVER = ("name", "tags", "metadata")


class DecompositionRetriever(BaseRetriever):
    """Retrieve with a method that searches for itself, such as `Decompose`: for every part of the question.

    What comes back are copies of the documents that `retriever` found, as from `RerankCompressor`:
    `metadata["rerank_plugins"]["why"]` says which sub-questions a document serves. In the trace it is a run of a
    retriever, with that of the reranker below it, and below that each search and each call to a model. How many
    documents come back can also be said in the call: `retriever.invoke(question, top_n=3)`.

    Args:
        method: What to do, such as `Decompose()`, or its repr as a string.
        retriever: What it searches with: a retriever, or any runnable from a text to a list of documents.
        options: Those of `RerankCompressor` (`llm`, `embeddings`, `backends`, `top_n`, `limits`, `cache` and so on),
            and `name`, `tags` and `metadata` of any retriever.

    Raises:
        InvalidInput: An argument breaks a rule, or the method says that it does not retrieve.
        UnmetNeed: Nothing that was given answers what the method asks for.

    >>> from langchain_core.runnables import RunnableLambda
    >>> shelf = RunnableLambda(lambda question: [Document(f"On: {question}", id=question)])
    >>> retriever = DecompositionRetriever("Decompose(rerank=FirstStage(), subquestions=['Who?'])", retriever=shelf)
    >>> [found.page_content for found in retriever.invoke("Who did it, and why?")]
    ['On: Who did it, and why?', 'On: Who?']
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", hide_input_in_errors=True)

    reranker: RerankCompressor

    def __init__(self, method: Method | str, *, retriever: Runnable[Any, Any], **options: Any) -> None:
        fields: dict[str, Any] = {name: options.pop(name) for name in _OF_ANY_RETRIEVER if name in options}
        fields["reranker"] = RerankCompressor(method, retriever=retriever, **options)
        _refuse_what_does_not_retrieve(fields["reranker"].method)
        super().__init__(**fields)

    def last_ranking(self, query: str | None = None) -> Ranking | None:
        """Give the whole ranking behind the documents; see `RerankCompressor.last_ranking`."""
        return self.reranker.last_ranking(query)

    def __repr_args__(self) -> Any:
        return self.reranker.__repr_args__()

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, top_n: int | None = None
    ) -> list[Document]:
        found = self._reranker(top_n).compress_documents([], query, callbacks=run_manager.get_child())
        return list(found)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, top_n: int | None = None
    ) -> list[Document]:
        found = await self._reranker(top_n).acompress_documents([], query, callbacks=run_manager.get_child())
        return list(found)

    def _reranker(self, top_n: int | None) -> RerankCompressor:
        return self.reranker if top_n is None else self.reranker.model_copy(update={"top_n": top_n})


def _refuse_what_does_not_retrieve(method: Method) -> None:
    says = hasattr(method, "needs") or hasattr(method, "wants")
    if says and Retrieve not in (*needs_of(method), *wants_of(method)):
        raise InvalidInput(
            f"DecompositionRetriever takes a method that retrieves, such as Decompose(), and {method!r} does not; "
            "rerank what a retriever found with RerankCompressor."
        )
