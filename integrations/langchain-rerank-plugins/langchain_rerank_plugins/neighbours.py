"""What stands before and after a chunk in its document, from its metadata: LangChain has no links between chunks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from langchain_core.documents import Document

from langchain_rerank_plugins.documents import candidates_of, document_of
from langchain_rerank_plugins.retrieval import read_documents
from rerank_plugins.candidates import finite, well_formed
from rerank_plugins.errors import InvalidInput
from rerank_plugins.ranking import Note
from rerank_plugins.requests import Found, Neighbours, Request

__all__ = ["LangChainNeighbours"]

Around = Callable[[Document, int, int], Sequence[Document]]

_NUMBER_KEYS = ("chunk_index", "chunk", "seq_num", "start_index")
_OFFSET_KEY = "start_index"  # what LangChain's text splitters write: an order, but no consecutive numbers


class LangChainNeighbours:
    """Answers `Neighbours` for chunks whose metadata says of which document they are, and where in it they stand.

    A chunk that says neither has no neighbours, which a note tells.

    Args:
        chunks: Where to look: a function of the document and how many are wanted before and after it, which gives them
            in document order and may be called from several threads; the documents themselves, as a list; or a vector
            store that can be asked by metadata with `get(where=...)`, such as Chroma.
        source_key: The metadata key that names the document.
        number_key: The metadata key of the chunk's number in the document. None looks for "chunk_index", "chunk",
            "seq_num", and "start_index", which LangChain's text splitters write with `add_start_index=True`.

    Raises:
        InvalidInput: `chunks` is none of these.

    >>> texts = ["one", "two", "three"]
    >>> chunks = [Document(text, metadata={"source": "a", "chunk": n}) for n, text in enumerate(texts)]
    >>> asked = Neighbours(candidates_of(chunks)[1])
    >>> [found.text for found in LangChainNeighbours(chunks).answer(asked, None).candidates]
    ['one', 'three']
    """

    kinds: ClassVar[tuple[type[Request], ...]] = (Neighbours,)
    identity = "LangChainNeighbours"

    def __init__(
        self, chunks: Around | Sequence[Document] | Any, *, source_key: str = "source", number_key: str | None = None
    ) -> None:
        keys = _Keys(source_key, _NUMBER_KEYS if number_key is None else (number_key,))
        self._around = _as_function(chunks, keys)

    def answer(self, request: Neighbours, timeout: float | None) -> Found:
        """Look from the calling thread; there is no async form, so that async callers look on a thread, too."""
        try:
            found = self._around(document_of(request.candidate), request.before, request.after)
        except _NoPlace as error:
            return Found((), notes=(Note("info", str(error)),))
        documents = read_documents(found, self.identity)
        return Found(tuple(well_formed(candidate) for candidate in candidates_of(documents)))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a chunk stands: its document, and its number under one of the keys."""

    source: str | int
    key: str
    number: int | float


@dataclass(frozen=True, slots=True)
class _Keys:
    source: str
    numbers: tuple[str, ...]

    def place_of(self, document: Document) -> _Place | None:
        source = document.metadata.get(self.source)
        key = next((key for key in self.numbers if finite(document.metadata.get(key)) is not None), None)
        if not isinstance(source, (str, int)) or key is None:
            return None
        return _Place(source, key, document.metadata[key])

    def required_place_of(self, document: Document) -> _Place:
        if (place := self.place_of(document)) is None:
            raise _NoPlace(
                f"Neighbours are not known of documents without {self.source!r} and one of "
                f"{', '.join(map(repr, self.numbers))} in their metadata."
            )
        return place

    def nearest(self, chunks: Iterable[Document], place: _Place, before: int, after: int) -> list[Document]:
        """Of the chunks of a document the last ones before a place and the first ones after it, in order."""
        placed = [
            (found.number, chunk) for chunk in chunks if (found := self.place_of(chunk)) and found.key == place.key
        ]
        placed.sort(key=lambda pair: pair[0])
        earlier = [chunk for number, chunk in placed if number < place.number]
        later = [chunk for number, chunk in placed if number > place.number]
        return earlier[max(0, len(earlier) - before) :] + later[:after]


class _NoPlace(Exception):
    """A chunk does not say where it stands."""


def _as_function(chunks: Any, keys: _Keys) -> Around:
    if callable(chunks):
        return chunks  # type: ignore[no-any-return] # what it gives is checked when it is called
    if isinstance(chunks, Sequence) and all(isinstance(chunk, Document) for chunk in chunks):
        return _among(chunks, keys)
    if hasattr(chunks, "get") and not isinstance(chunks, Mapping):
        return _in_store(chunks, keys)
    raise InvalidInput(
        "Neighbours are looked for by a function, in a list of documents or in a vector store with get(where=...), "
        f"such as Chroma, not in a {type(chunks).__name__}."
    )


def _among(chunks: Sequence[Document], keys: _Keys) -> Around:
    by_source: dict[str | int, list[Document]] = defaultdict(list)
    for chunk in chunks:
        if place := keys.place_of(chunk):
            by_source[place.source].append(chunk)

    def around(document: Document, before: int, after: int) -> list[Document]:
        place = keys.required_place_of(document)
        return keys.nearest(by_source.get(place.source, ()), place, before, after)

    return around


def _in_store(store: Any, keys: _Keys) -> Around:
    def around(document: Document, before: int, after: int) -> list[Document]:
        place = keys.required_place_of(document)
        found = store.get(where=_where(keys.source, place, before, after))
        texts = zip(found["ids"], found["documents"], found["metadatas"], strict=True)
        chunks = [Document(text or "", id=name, metadata=metadata or {}) for name, text, metadata in texts]
        return keys.nearest(chunks, place, before, after)

    return around


def _where(source_key: str, place: _Place, before: int, after: int) -> dict[str, Any]:
    of_source = {source_key: place.source}
    if place.key == _OFFSET_KEY:
        return of_source
    first = {place.key: {"$gte": place.number - before}}
    last = {place.key: {"$lte": place.number + after}}
    return {"$and": [of_source, first, last]}
