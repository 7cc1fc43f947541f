"""First stages as backends: any search function, and BM25 over documents in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import ClassVar

from rerank_plugins.backends._processes import ByArguments
from rerank_plugins.candidates import Candidate, as_candidates
from rerank_plugins.errors import InvalidInput
from rerank_plugins.lexical import BM25Index
from rerank_plugins.requests import Found, Request, Retrieve

__all__ = ["BM25Retriever", "Retriever"]

Search = Callable[[str, int], Iterable[Candidate | str]]
AsyncSearch = Callable[[str, int], Awaitable[Iterable[Candidate | str]]]


class Retriever(ByArguments):
    """A search function as a backend: it is called with a query and `k`, and gives documents, best first.

    Several searches run at once, so the function has to be safe to call from several threads. What it gives beyond `k`
    is left out. Replies are not cached, because an index changes.

    Args:
        search: The function; plain strings will do as documents.
        asearch: The same for an event loop. Where it is missing, async callers search on threads, too.
        name: What messages call it.

    >>> shelf = {"rye": "Rye needs acid.", "spelt": "Spelt needs care."}
    >>> backend = Retriever(lambda query, k: [Candidate(shelf[query], id=query)])
    >>> [found.id for found in backend.answer(Retrieve("rye", 10), None).candidates]
    ['rye']
    """

    kinds: ClassVar[tuple[type[Request], ...]] = (Retrieve,)
    aanswer: Callable[[Retrieve, float | None], Awaitable[Found]]

    def __init__(self, search: Search, asearch: AsyncSearch | None = None, *, name: str = "Retriever") -> None:
        if not callable(search):
            raise InvalidInput(f"Retriever takes a function of query and k, not {search!r}.")
        self.identity = name
        self._search = search
        if asearch is not None:  # without one the driver answers on a thread of its own, which cannot block its loop
            self.aanswer = _awaiting(asearch)

    def __repr__(self) -> str:
        return f"<{self.identity}>"

    def answer(self, request: Retrieve, timeout: float | None) -> Found:
        """Search from the calling thread; the time limit is the driver's to keep."""
        return _found(self._search(request.query, request.k), request.k)


class BM25Retriever(Retriever):
    """Keyword search over documents in memory, with `BM25Index`. A document that shares no word is not found.

    Args:
        documents: The corpus; candidates or plain strings.
        k1: As for `BM25Index`.
        b: As for `BM25Index`.

    >>> backend = BM25Retriever(["Rye needs acid.", "Spelt needs care.", "A spoon."])
    >>> [found.text for found in backend.answer(Retrieve("rye or spelt?", 10), None).candidates]
    ['Rye needs acid.', 'Spelt needs care.']
    """

    def __init__(self, documents: Iterable[Candidate | str], *, k1: float = 0.9, b: float = 0.4) -> None:
        self._corpus = as_candidates(documents)
        self._index = BM25Index(self._corpus, k1=k1, b=b)
        super().__init__(self._best, name=f"BM25Retriever of {len(self._corpus)} documents")

    def _best(self, query: str, k: int) -> list[Candidate]:
        return [replace(self._corpus[place], score=score) for place, score in self._index.search(query, k)]


def _awaiting(asearch: AsyncSearch) -> Callable[[Retrieve, float | None], Awaitable[Found]]:
    async def aanswer(request: Retrieve, timeout: float | None) -> Found:
        return _found(await asearch(request.query, request.k), request.k)

    return aanswer


def _found(documents: Iterable[Candidate | str], k: int) -> Found:
    return Found(as_candidates(documents)[:k])
