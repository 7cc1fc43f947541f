"""Document order: chunks as they stand in their documents, where their metadata tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rerank_plugins.candidates import Candidate, finite

__all__ = ["NUMBER_KEYS", "SOURCE_KEYS", "document_order"]

SOURCE_KEYS = ("source", "document_id", "doc_id", "file_path", "file_name", "url", "title")
NUMBER_KEYS = ("chunk_index", "chunk", "seq_num", "start_index", "span")


def document_order(
    pool: Sequence[Candidate], ranked: Sequence[int], source_key: str | None, number_key: str | None
) -> tuple[list[int], int]:
    """Put chunks in document order: the document with the best chunk first, in each the chunks as they stand.

    A chunk without a place known stands by its rank, like a document of its own.

    Args:
        pool: All chunks.
        ranked: The indices of those to order, the best first.
        source_key: The metadata key of the document; None takes the first of `SOURCE_KEYS` that is there.
        number_key: The metadata key of the chunk's number or offset in it; None takes the first of `NUMBER_KEYS`.

    Returns:
        The indices in order, and how many had no place.

    >>> chunks = [Candidate("b2", metadata={"source": "b", "chunk": 2}), Candidate("?"),
    ...           Candidate("b1", metadata={"source": "b", "chunk": 1})]
    >>> document_order(chunks, [0, 1, 2], None, None)
    ([2, 0, 1], 1)
    """
    documents: dict[Any, list[tuple[float, int]]] = {}
    lost = 0
    for rank, index in enumerate(ranked):
        place = _place(pool[index].metadata, source_key, number_key)
        lost += place is None
        source, number = place or (index, 0.0)
        documents.setdefault(source, []).append((number, rank))
    return [ranked[rank] for chunks in documents.values() for _, rank in sorted(chunks)], lost


def _place(
    metadata: Mapping[str, Any], source_key: str | None, number_key: str | None
) -> tuple[tuple[str, str], float] | None:
    source = next((k for k in _keys(source_key, SOURCE_KEYS) if metadata.get(k) not in (None, "")), None)
    number = next((n for k in _keys(number_key, NUMBER_KEYS) if (n := _number(metadata.get(k))) is not None), None)
    return None if source is None or number is None else ((source, str(metadata[source])), number)


def _keys(given: str | None, usual: Sequence[str]) -> Sequence[str]:
    return usual if given is None else (given,)


def _number(value: Any) -> float | None:
    """A number, or where a span begins."""
    return finite(value[0] if isinstance(value, (list, tuple)) and value else value)
