"""The first stage itself, as a method: the baseline, and a voice in a fusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rerank_plugins.candidates import Candidate
from rerank_plugins.methods.base import Options
from rerank_plugins.ranking import ScoreKind, Verdict
from rerank_plugins.requests import Steps

__all__ = ["FirstStage"]


@dataclass(frozen=True, kw_only=True, repr=False)
class FirstStage(Options):
    """Keep the order in which the candidates came, with their own scores as reasons.

    It asks for nothing. Its `score_kind` is "order", because stores disagree about what their scores mean (a
    distance, a cosine, a sum) while the order of the list is never in doubt.

    >>> list(FirstStage().steps("why?", [Candidate("a"), Candidate("b")]))
    []
    """

    score_kind: ClassVar[ScoreKind | None] = "order"

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        yield from ()
        why = {index: {"first_stage_score": candidate.score} for index, candidate in enumerate(candidates)}
        return Verdict(order=range(len(candidates)), why=why)
