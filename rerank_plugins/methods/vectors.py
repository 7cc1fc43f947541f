"""Vectors of a query and its candidates: those that the store gave are used again, the others computed in one batch."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, cast

from rerank_plugins.candidates import Candidate
from rerank_plugins.requests import Embed, Embedded, Request

__all__ = ["Vector", "cosine_table", "cosines", "query_and_vectors", "vectors_of"]

Vector = Sequence[float]


def query_and_vectors(
    query: str, candidates: Sequence[Candidate], *also: Request
) -> Generator[Sequence[Request], Sequence[Any], tuple[Vector | None, list[Vector | None], list[Any]]]:
    """Ask for the query's vector and for those that candidates do not bring with them; one round trip.

    A candidate's own vector counts if it has as many dimensions as the query's, all of them finite. Where some have
    another number, which shows only when the query's vector is there, they are computed in a second round trip.

    Args:
        query: The query.
        candidates: At least one.
        also: Requests to send along.

    Returns:
        The query's vector, one vector per candidate (None where a call failed), and the replies to `also`.
    """
    vectors: list[Vector | None] = [_stored(candidate) for candidate in candidates]
    missing = [index for index, vector in enumerate(vectors) if vector is None]
    replies = yield [*also, Embed((query,), "query"), *_embed(candidates, missing)]
    asked, found = replies[len(also)], replies[len(also) + 1 :]
    _fill(vectors, missing, found)
    if not isinstance(asked, Embedded) or not len(asked.vectors[0]):
        return None, vectors, list(replies[: len(also)])
    dimensions = len(asked.vectors[0])
    strange = [i for i, vector in enumerate(vectors) if vector is not None and len(vector) != dimensions]
    computed = yield from vectors_of([candidates[index] for index in strange], dimensions)
    for index, vector in zip(strange, computed, strict=True):
        vectors[index] = vector
    return asked.vectors[0], vectors, list(replies[: len(also)])


def vectors_of(
    candidates: Sequence[Candidate], dimensions: int
) -> Generator[Sequence[Request], Sequence[Any], list[Vector | None]]:
    """Ask for the vectors that candidates do not bring with them in that many dimensions; None if that fails."""
    stored = [_stored(candidate) for candidate in candidates]
    vectors = [vector if vector is not None and len(vector) == dimensions else None for vector in stored]
    missing = [index for index, vector in enumerate(vectors) if vector is None]
    if missing:
        _fill(vectors, missing, (yield _embed(candidates, missing)))
    # An embedder that answers in another number of dimensions than before gives nothing that can be compared.
    return [vector if vector is not None and len(vector) == dimensions else None for vector in vectors]


def _stored(candidate: Candidate) -> Vector | None:
    import numpy as np  # here, so that importing the package stays quick

    if candidate.embedding is None:
        return None
    try:
        vector = np.asarray(candidate.embedding, dtype=np.float64)
    except (TypeError, ValueError):  # a store's odd value costs the vector, and nothing else
        return None
    sound = vector.ndim == 1 and vector.size and np.isfinite(vector).all()
    return cast("Vector", vector) if sound else None


def _embed(candidates: Sequence[Candidate], places: Sequence[int]) -> list[Embed]:
    return [Embed(tuple(candidates[place].text for place in places))] if places else []


def _fill(vectors: list[Vector | None], places: Sequence[int], found: Sequence[Any]) -> None:
    reply = found[0] if found else None
    for position, place in enumerate(places):
        vector = reply.vectors[position] if isinstance(reply, Embedded) else ()
        vectors[place] = vector if len(vector) else None


def cosines(vector: Vector, others: Sequence[Vector]) -> list[float]:
    """Cosine of one vector with each of the others; 0 where either is all zeros.

    >>> cosines([1, 0], [[2, 0], [0, 0], [1, 1]])
    [1.0, 0.0, 0.707...]
    """
    return cosine_table([vector], others)[0]


def cosine_table(vectors: Sequence[Vector], others: Sequence[Vector]) -> list[list[float]]:
    """Cosine of each vector with each of the others, of shape (vectors, others), within -1..1.

    >>> cosine_table([[1, 0], [0, 3]], [[2, 0], [0, 1]])
    [[1.0, 0.0], [0.0, 1.0]]
    """
    import numpy as np  # as above

    rows, columns = np.asarray(vectors, dtype=np.float64), np.asarray(others, dtype=np.float64)
    lengths = np.outer(np.linalg.norm(rows, axis=1), np.linalg.norm(columns, axis=1))
    products = rows @ columns.T
    ratios = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    table: list[list[float]] = np.clip(ratios, -1.0, 1.0).tolist()
    return table
