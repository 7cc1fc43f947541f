"""Cross-encoder scores: query and document read together by a model trained for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rerank_plugins.candidates import Candidate
from rerank_plugins.methods.base import Options
from rerank_plugins.ranking import ScoreKind, order_by
from rerank_plugins.requests import Request, Scored, ScorePairs, Steps

__all__ = ["CrossEncode"]


@dataclass(frozen=True, kw_only=True, repr=False)
class CrossEncode(Options):
    """Score each document with a cross-encoder: one call, real scores, nothing to parse.

    It is what any method that asks a language model has to beat. Scores are the model's logits, higher is better,
    comparable across queries ("absolute"). Source: Nogueira and Cho, Passage Re-ranking with BERT, arXiv 1901.04085.

    >>> [len(request.texts) for request in next(CrossEncode().steps("q", [Candidate("a"), Candidate("b")]))]
    [2]
    """

    needs: ClassVar[tuple[type[Request], ...]] = (ScorePairs,)
    score_kind: ClassVar[ScoreKind | None] = "absolute"

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        if not candidates:
            return order_by([])
        (reply,) = yield [ScorePairs(query, tuple(candidate.text for candidate in candidates))]
        scores = list(reply.scores) if isinstance(reply, Scored) else [None] * len(candidates)
        why = {index: {"cross_encoder": score} for index, score in enumerate(scores) if score is not None}
        return order_by(scores, why=why, score_kind="absolute")
