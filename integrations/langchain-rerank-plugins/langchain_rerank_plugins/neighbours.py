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
from rerank_plugins.methods.meteora.placement import NUMBER_KEYS, SOURCE_KEYS
from rerank_plugins.ranking import Note
from rerank_plugins.requests import Found, Neighbours, Request

__all__ = ["LangChainNeighbours"]

Around = Callable[[Document, int, int], Sequence[Document]]

_OFFSET_KEY = "start_index"  # what LangChain's text splitters write: an order, but no consecutive numbers


class LangChainNeighbours:
    """Answers `Neighbours` for chunks whose metadata says of which document they are, and where in it they stand.

    A chunk that says neither has no neighbours, which a note tells.

    Args:
        chunks: Where to look: a function of the document and how many are wanted before and after it, which gives them
            in document order and may be called from several threads; the documents themselves, as a list; or a vector
            store that can be asked by metadata with `get(where=...)`, such as Chroma.
        source_key: The metadata key that names the document; None looks for "source" and other usual ones.
        number_key: The metadata key of the chunk's number in the document; None looks for "chunk_index" and other usual
            ones, among them "start_index", which LangChain's text splitters write with `add_start_index=True`.

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
        self,
        chunks: Around | Sequence[Document] | Any,
        *,
        source_key: str | None = None,
        number_key: str | None = None,
    ) -> None:
        sources = SOURCE_KEYS if source_key is None else (source_key,)
        numbers = NUMBER_KEYS if number_key is None else (number_key,)
        self._around = _as_function(chunks, _Keys(sources, numbers))

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
    """Where a chunk stands: its document and its number, each with the key that says it."""

    source_key: str
    source: str | int
    number_key: str
    number: int | float


@dataclass(frozen=True, slots=True)
class _Keys:
    sources: Sequence[str]
    numbers: Sequence[str]

    def place_of(self, document: Document) -> _Place | None:
        says = document.metadata
        source = next((key for key in self.sources if _is_name(says.get(key))), None)
        number = next((key for key in self.numbers if finite(says.get(key)) is not None), None)
        return _Place(source, says[source], number, says[number]) if source and number else None

    def required_place_of(self, document: Document) -> _Place:
        if (place := self.place_of(document)) is None:
            raise _NoPlace(
                "Neighbours are not known of chunks whose metadata does not say in which document they stand "
                f"({', '.join(self.sources)}) and where in it ({', '.join(self.numbers)})."
            )
        return place

    def nearest(self, chunks: Iterable[Document], place: _Place, before: int, after: int) -> list[Document]:
        """Of the chunks of a document the last ones before a place and the first ones after it, in order."""
        placed = [
            (found.number, chunk)
            for chunk in chunks
            if (found := self.place_of(chunk)) and found.number_key == place.number_key
        ]
        placed.sort(key=lambda pair: pair[0])
        earlier = [chunk for number, chunk in placed if number < place.number]
        later = [chunk for number, chunk in placed if number > place.number]
        return earlier[max(0, len(earlier) - before) :] + later[:after]


def _is_name(value: Any) -> bool:
    return isinstance(value, (str, int)) and value != ""


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
    by_source: dict[tuple[str, str | int], list[Document]] = defaultdict(list)
    for chunk in chunks:
        if place := keys.place_of(chunk):
            by_source[place.source_key, place.source].append(chunk)

    def around(document: Document, before: int, after: int) -> list[Document]:
        place = keys.required_place_of(document)
        return keys.nearest(by_source.get((place.source_key, place.source), ()), place, before, after)

    return around


def _in_store(store: Any, keys: _Keys) -> Around:
    def around(document: Document, before: int, after: int) -> list[Document]:
        place = keys.required_place_of(document)
        found = store.get(where=_where(place, before, after))
        texts = zip(found["ids"], found["documents"], found["metadatas"], strict=True)
        chunks = [Document(text or "", id=name, metadata=metadata or {}) for name, text, metadata in texts]
        return keys.nearest(chunks, place, before, after)

    return around


def _where(place: _Place, before: int, after: int) -> dict[str, Any]:
    of_source = {place.source_key: place.source}
    if place.number_key == _OFFSET_KEY:
        return of_source
    first = {place.number_key: {"$gte": place.number - before}}
    last = {place.number_key: {"$lte": place.number + after}}
    return {"$and": [of_source, first, last]}
