"""The first stage itself, as a method: the baseline, and a voice in a fusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

from rerank_plugins.candidates import Candidate
from rerank_plugins.methods.base import Options
from rerank_plugins.methods.rules import Rule, flag
from rerank_plugins.ranking import Note, ScoreKind, Verdict, order_by
from rerank_plugins.requests import Steps

__all__ = ["FirstStage"]


@dataclass(frozen=True, kw_only=True, repr=False)
class FirstStage(Options):
    """Keep the order in which the candidates came, or judge them by the scores that came with them.

    It asks for nothing. By default its `score_kind` is "order", because stores disagree about what their scores mean (a
    distance, a cosine, a sum) while the order of the list is never in doubt. With `scores=True` the scores count:
    higher is better, comparable within one list ("relative"). A fusion then sees by how much a document leads, and not
    only that it does.

    Args:
        scores: Whether the first stage's scores count. Scores that run against the order of the list are distances, and
            count with the other sign; a note says so. Candidates without a score follow the others in their order; if
            none has one, the order counts, and a note says so.

    >>> list(FirstStage().steps("why?", [Candidate("a"), Candidate("b")]))
    []
    >>> from rerank_plugins import Fuse, rerank
    >>> found = [Candidate("a", score=9.0), Candidate("b", score=8.9), Candidate("c", score=1.0)]
    >>> [item.score for item in rerank(FirstStage(scores=True), "why?", found)]
    [9.0, 8.9, 1.0]
    """

    scores: bool = False

    rules: ClassVar[Mapping[str, Rule]] = {"scores": flag()}

    @property
    def score_kind(self) -> ScoreKind | None:  # type: ignore[override] # whether its scores count is an option
        return "relative" if self.scores else "order"

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        yield from ()
        why = {index: {"first_stage_score": candidate.score} for index, candidate in enumerate(candidates)}
        given = [candidate.score for candidate in candidates]
        if not self.scores or not candidates:
            return Verdict(order=range(len(candidates)), why=why)
        if all(score is None for score in given):
            note = Note("info", "The candidates came without scores: their order counts.")
            return Verdict(order=range(len(candidates)), why=why, notes=[note])
        notes = _missing(given)
        if _run_against_the_order(given):
            given = [None if score is None else -score for score in given]
            notes.append(Note("info", "The first stage's scores run against its order: they count as distances."))
        return order_by(given, why=why, notes=notes)


def _missing(scores: Sequence[float | None]) -> list[Note]:
    count = sum(score is None for score in scores)
    if not count:
        return []
    return [Note("info", f"{count} of {len(scores)} candidates came without a score, and follow the others.")]


def _run_against_the_order(scores: Sequence[float | None]) -> bool:
    """Whether of two documents the first usually has the lower score."""
    known = [score for score in scores if score is not None]
    return sum((second > first) - (second < first) for first, second in combinations(known, 2)) > 0
