"""Cosine similarity of query and document: the baseline that every comparison shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rerank_plugins.candidates import Candidate
from rerank_plugins.methods.base import Options
from rerank_plugins.ranking import order_by
from rerank_plugins.requests import Embed, Embedded, Request, Steps

__all__ = ["Embedding"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Embedding(Options):
    """Score each document by the cosine of its vector with the query's.

    Scores lie in -1..1, higher is better, and are comparable across queries ("absolute"). It costs two calls to an
    embedder, at once: one for the query, one for all documents. With a cache, a document is embedded once for all
    queries.

    >>> steps = Embedding().steps("q", [Candidate("a"), Candidate("b")])
    >>> [request.role for request in next(steps)]
    ['query', 'document']
    """

    needs: ClassVar[tuple[type[Request], ...]] = (Embed,)

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        if not candidates:
            return order_by([])
        texts = tuple(candidate.text for candidate in candidates)
        asked, found = yield [Embed((query,), "query"), Embed(texts, "document")]
        if not (isinstance(asked, Embedded) and isinstance(found, Embedded)):
            return order_by([None] * len(candidates), score_kind="absolute")
        scores = cosines(asked.vectors[0], found.vectors)
        why = {index: {"cosine": score} for index, score in enumerate(scores)}
        return order_by(scores, why=why, score_kind="absolute")


def cosines(vector: Sequence[float], others: Sequence[Sequence[float]]) -> list[float]:
    """Cosine of one vector with each of the others; 0 where either is all zeros.

    >>> cosines([1, 0], [[2, 0], [0, 0], [1, 1]])
    [1.0, 0.0, 0.707...]
    """
    import numpy as np  # here, so that importing the package stays quick

    query, matrix = np.asarray(vector, dtype=np.float64), np.asarray(others, dtype=np.float64)
    lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(query)
    products = matrix @ query
    return [float(value) for value in np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)]
