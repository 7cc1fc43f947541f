"""Cosine similarity of query and document: the baseline that every comparison shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rerank_plugins.candidates import Candidate
from rerank_plugins.methods.base import Options
from rerank_plugins.methods.vectors import cosines, query_and_vectors
from rerank_plugins.ranking import ScoreKind, order_by
from rerank_plugins.requests import Embed, Request, Steps

__all__ = ["Embedding"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Embedding(Options):
    """Score each document by the cosine of its vector with the query's.

    Scores lie in -1..1, higher is better, and are comparable across queries ("absolute"). It costs two calls to an
    embedder, at once: one for the query, one for all documents that do not bring their vector with them. With a cache,
    a document is embedded once for all queries.

    >>> steps = Embedding().steps("q", [Candidate("a"), Candidate("b")])
    >>> [request.role for request in next(steps)]
    ['query', 'document']
    """

    needs: ClassVar[tuple[type[Request], ...]] = (Embed,)
    score_kind: ClassVar[ScoreKind | None] = "absolute"

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        if not candidates:
            return order_by([])
        asked, vectors, _ = yield from query_and_vectors(query, candidates)
        known = [(index, vector) for index, vector in enumerate(vectors) if vector is not None]
        scores: list[float | None] = [None] * len(candidates)
        if asked is not None and known:
            for (index, _), score in zip(known, cosines(asked, [vector for _, vector in known]), strict=True):
                scores[index] = score
        why = {index: {"cosine": score} for index, score in enumerate(scores) if score is not None}
        return order_by(scores, why=why, score_kind="absolute")
