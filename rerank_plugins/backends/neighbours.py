"""What stands beside a chunk in its document: looked up among chunks in memory, or asked of a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from rerank_plugins.backends._processes import ByArguments
from rerank_plugins.candidates import Candidate, as_candidates
from rerank_plugins.errors import InvalidInput
from rerank_plugins.requests import Found, Neighbours, Request

__all__ = ["ChunkNeighbours"]

Around = Callable[[Candidate, int, int], Iterable[Candidate | str]]


class ChunkNeighbours(ByArguments):
    """Answers `Neighbours` from whole documents, cut into chunks.

    A chunk is found by its id or, where it has none, by its text; one that is not found has no neighbours. In async
    callers a function runs on a thread. Replies are not cached, because documents change.

    Args:
        documents: The documents, each a list of its chunks as they stand; or a function of a candidate and how many
            chunks are wanted before and after it, which gives them in document order, without the candidate itself.

    Raises:
        InvalidInput: It is neither.

    >>> backend = ChunkNeighbours([["one", "two", "three"], ["other"]])
    >>> [found.text for found in backend.answer(Neighbours(Candidate("two")), None).candidates]
    ['one', 'three']
    """

    kinds: ClassVar[tuple[type[Request], ...]] = (Neighbours,)
    identity = "ChunkNeighbours"

    def __init__(self, documents: Iterable[Iterable[Candidate | str]] | Around) -> None:
        self._around: Around = documents if callable(documents) else _Shelf(documents).around

    def __repr__(self) -> str:
        return f"<{self.identity}>"

    def answer(self, request: Neighbours, timeout: float | None) -> Found:
        """Look from the calling thread; the time limit is the driver's to keep."""
        return Found(as_candidates(self._around(request.candidate, request.before, request.after)))


class _Shelf:
    """The documents, and where on them each chunk stands."""

    def __init__(self, documents: Iterable[Iterable[Candidate | str]]) -> None:
        if isinstance(documents, str) or not isinstance(documents, Iterable):
            raise InvalidInput(f"ChunkNeighbours takes lists of chunks, one per document, not {documents!r}.")
        self._documents = [as_candidates(document) for document in documents]
        self._places: dict[Any, tuple[int, int]] = {}
        for number, chunks in enumerate(self._documents):
            for place, chunk in enumerate(chunks):
                self._places.setdefault(_key(chunk), (number, place))

    def around(self, candidate: Candidate, before: int, after: int) -> list[Candidate]:
        place = self._places.get(_key(candidate))
        if place is None:
            return []
        number, at = place
        chunks = self._documents[number]
        return [*chunks[max(0, at - before) : at], *chunks[at + 1 : at + 1 + after]]


def _key(chunk: Candidate) -> tuple[str, str]:
    return ("text", chunk.text) if chunk.id is None else ("id", chunk.id)
