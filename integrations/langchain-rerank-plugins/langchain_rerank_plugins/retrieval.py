"""LangChain's retrievers as a backend, so that a method can search for more than it was given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, run_in_executor

from langchain_rerank_plugins.documents import candidates_of
from rerank_plugins import Candidate
from rerank_plugins.backends.retrieval import Retriever
from rerank_plugins.candidates import well_formed
from rerank_plugins.errors import BadReply, InvalidInput

__all__ = ["LangChainRetriever", "read_documents"]


class LangChainRetriever(Retriever):
    """Answers `Retrieve` with any LangChain retriever, through `invoke` or `ainvoke`.

    A retriever that takes the number of documents, as `k` of its call, in its `search_kwargs` or as its field `k`, is
    asked for as many as the method wants; of what others give, the best are taken. The retriever itself is not changed.
    Several searches run at once. Each is a run in the trace of the chain that it runs in.

    Args:
        retriever: A retriever, or any runnable from a text to a list of documents.
        score_key: The metadata key of the score that it gives, as in `RerankCompressor`.

    >>> from langchain_core.runnables import RunnableLambda
    >>> from rerank_plugins.requests import Retrieve
    >>> backend = LangChainRetriever(RunnableLambda(lambda query: [Document(f"about {query}"), Document("else")]))
    >>> [found.text for found in backend.answer(Retrieve("rye", 1), None).candidates]
    ['about rye']
    """

    def __init__(self, retriever: Runnable[Any, Any], *, score_key: str | None = None) -> None:
        if not isinstance(retriever, Runnable):
            raise InvalidInput(
                "A retriever is a LangChain retriever or a runnable from a text to documents, not "
                f"{type(retriever).__name__}; of a vector store, pass store.as_retriever()."
            )
        self._retriever = retriever
        self._score_key = score_key
        super().__init__(self._found, self._afound, name=retriever.get_name())

    def _found(self, query: str, k: int) -> list[Candidate]:
        retriever, arguments = _asked_for(self._retriever, k)
        return self._candidates(retriever.invoke(query, None, **arguments))

    async def _afound(self, query: str, k: int) -> list[Candidate]:
        retriever, arguments = _asked_for(self._retriever, k)
        if arguments and not _takes_k(_innermost(retriever)._aget_relevant_documents):  # then it has no async form
            return self._candidates(await run_in_executor(None, retriever.invoke, query, None, **arguments))
        return self._candidates(await retriever.ainvoke(query, None, **arguments))

    def _candidates(self, found: Any) -> list[Candidate]:
        documents = read_documents(found, self.identity)
        return [well_formed(candidate) for candidate in candidates_of(documents, self._score_key)]


def read_documents(found: Any, source: str) -> list[Document]:
    """What was given as a list of documents.

    Raises:
        BadReply: It is none.
    """
    documents = list(found) if isinstance(found, (list, tuple)) else None
    if documents is None or not all(isinstance(document, Document) for document in documents):
        raise BadReply(f"{source} gave a {type(found).__name__}, which is no list of documents.")
    return documents


def _asked_for(retriever: Runnable[Any, Any], k: int) -> tuple[Runnable[Any, Any], dict[str, int]]:
    """What to invoke, and with which arguments, to be given `k` documents: its own way, where it has one."""
    inner = _innermost(retriever)
    if isinstance(inner, BaseRetriever) and _takes_k(inner._get_relevant_documents):
        return retriever, {"k": k}
    if isinstance(retriever, BaseRetriever):
        return retriever.model_copy(update=_settings_for(retriever, k)), {}
    return retriever, {}


def _takes_k(search: Callable[..., Any]) -> bool:
    parameters = inspect.signature(search).parameters
    takes_more = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return "k" in parameters or (takes_more and hasattr(getattr(search, "__self__", None), "search_kwargs"))


def _settings_for(retriever: BaseRetriever, k: int) -> dict[str, Any]:
    settings = getattr(retriever, "search_kwargs", None)
    if isinstance(settings, Mapping):
        return {"search_kwargs": {**settings, "k": k}}
    return {"k": k} if "k" in type(retriever).model_fields else {}


def _innermost(retriever: Any) -> Any:
    """The retriever inside of `with_config`, `with_retry` and the like."""
    while isinstance(bound := getattr(retriever, "bound", None), Runnable):
        retriever = bound
    return retriever
