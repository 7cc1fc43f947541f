"""InsertRank: a listwise model that sees each document's BM25 score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from rerank_plugins.candidates import Candidate, finite
from rerank_plugins.errors import InvalidInput, PromptTooLong
from rerank_plugins.lexical import BM25Index, candidate_scores
from rerank_plugins.methods.base import Options
from rerank_plugins.methods.rules import Rule, one_of, whole
from rerank_plugins.methods.schedules import SCHEDULES, Schedule, scheduled
from rerank_plugins.methods.windows import Window, check_stride
from rerank_plugins.prompts.listwise import listwise_request, parse_order
from rerank_plugins.ranking import Note, ScoreKind, Verdict
from rerank_plugins.requests import Chat, Failed, Request, Steps

__all__ = ["InsertRank"]


@dataclass(frozen=True, kw_only=True, repr=False)
class InsertRank(Options):
    """Ask a chat model for the order of the whole list, with the BM25 score shown beside each document.

    The documents are shown in decreasing order of that score, in one call. A list that does not fit the model's
    context goes to sliding windows by itself, last window first, and a note says so. A document keeps its own score in
    every window. Only the order of the result means anything (`score_kind` "order").

    Source: InsertRank, arXiv 2506.14086. The abstract gives the method; how scores are scaled and what the prompt says
    in full is not published there: both are this project's choice. A small model can be hurt by the scores (a 7B
    model was, on TREC DL20: .582 against .601 without), so measure.

    Args:
        bm25: Where the score comes from. "candidates" computes BM25 over the list itself (its notion of a rare word is
            then the list's, not the corpus's); a `BM25Index` has the corpus's; "metadata:<key>" reads each document's
            metadata; "first-stage" shows the first stage's own score under that name. None shows no score and keeps
            the first stage's order: the plain listwise baseline (RankGPT, arXiv 2304.09542).
        shown: "raw" shows the score with one decimal (three where all are below 10 in size), "0-1" and "0-100" scale
            it between the list's lowest (or 0, if that is lower) and highest.
        window: Documents per call; None puts the whole list into one.
        stride: By how many documents a window moves; None is half a window.
        schedule: Which lists are shown if there are more documents than a window holds: "windows", one after another;
            "blocks", all at once; "pivot", in a few round trips (see `schedules.scheduled`).
        reasoning: Whether the model names the essential problem and reasons before it answers, as in the paper. It
            costs up to a thousand tokens a call; models that reason by themselves do not need it.

    >>> steps = InsertRank(bm25=None).steps("q", [Candidate("a"), Candidate("b")])
    >>> (request,) = next(steps)
    >>> from rerank_plugins.requests import ChatReply
    >>> try:
    ...     steps.send([ChatReply("[2] > [1]")])
    ... except StopIteration as end:
    ...     print(end.value.order)
    [1, 0]
    """

    needs: ClassVar[tuple[type[Request], ...]] = (Chat,)
    score_kind: ClassVar[ScoreKind | None] = "order"
    bm25: str | BM25Index | None = "candidates"
    shown: Literal["raw", "0-1", "0-100"] = "raw"
    window: int | None = None
    stride: int | None = None
    schedule: Schedule = "windows"
    reasoning: bool = False

    rules: ClassVar[Mapping[str, Rule]] = {
        "shown": one_of("raw", "0-1", "0-100"),
        "window": whole(2, none="for one call"),
        "stride": whole(1, none="for half a window"),
        "schedule": one_of(*SCHEDULES),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.bm25, str) and not _is_source(self.bm25):
            raise InvalidInput(
                "InsertRank(bm25=...) is 'candidates', 'first-stage', 'metadata:<key>', a BM25Index or None, "
                f"not {self.bm25!r}."
            )
        check_stride("InsertRank", self.window, self.stride)

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        if len(candidates) < 2:
            return Verdict(order=range(len(candidates)))
        scores = self._scores(query, candidates)
        board = _Board(query, candidates, _as_shown(scores, self.shown), self._score_name, self.reasoning)
        best_first = sorted(range(len(candidates)), key=lambda index: (-_or_lowest(scores[index]), index))
        size = self.window or len(candidates)
        order, fitted = yield from scheduled(self.schedule, best_first, size, self.stride, board.rank)
        if fitted < min(size, len(candidates)):
            board.notes.append(Note("limit", f"The list did not fit the model: it was ranked in windows of {fitted}."))
        return Verdict(
            order=board.with_unnamed_in_first_stage_order(order),
            why={index: self._why(index, scores, board) for index in range(len(candidates))},
            notes=[*self._missing(scores), *board.notes],
        )

    def _scores(self, query: str, candidates: Sequence[Candidate]) -> Sequence[float | None]:
        if self.bm25 is None:
            return [None] * len(candidates)
        if isinstance(self.bm25, BM25Index):
            return self.bm25.scores(query, candidates)
        if self.bm25 == "candidates":
            return candidate_scores(query, candidates)
        if self.bm25 == "first-stage":
            return [candidate.score for candidate in candidates]
        key = self.bm25.removeprefix("metadata:")
        return [finite(candidate.metadata.get(key)) for candidate in candidates]

    @property
    def _score_name(self) -> str:
        return "first-stage" if self.bm25 == "first-stage" else "BM25"

    def _missing(self, scores: Sequence[float | None]) -> list[Note]:
        missing = scores.count(None)
        if self.bm25 is None or not missing:
            return []
        return [Note("info", f"{missing} of {len(scores)} documents have no {self._score_name} score and show none.")]

    def _why(self, index: int, scores: Sequence[float | None], board: _Board) -> dict[str, Any]:
        why: dict[str, Any] = {}
        if self.bm25 is not None:
            source = self.bm25 if isinstance(self.bm25, str) else "corpus"
            why = {"bm25": scores[index], "bm25_source": source, "shown": board.shown[index]}
            if self.bm25 == "first-stage":
                why = {"first_stage_score": scores[index], "shown": board.shown[index]}
        if index in board.reasoning_of:
            why["reasoning"] = board.reasoning_of[index]
        return why | {"ranked_by_model": index in board.named}


@dataclass
class _Board:
    """One run: what is shown for each document, and what the replies said."""

    query: str
    candidates: Sequence[Candidate]
    shown: Sequence[str | None]
    score_name: str
    reasoning: bool
    named: set[int] = field(default_factory=set)
    reasoning_of: dict[int, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def rank(self, window: Sequence[int], may_cut: bool) -> Window:
        """Rank one window by one call; numbers are looked up by document, so that they travel with it."""
        (reply,) = yield [
            listwise_request(
                self.query,
                [self.candidates[index].text for index in window],
                [self.shown[index] for index in window],
                self.score_name,
                reasoning=self.reasoning,
                may_cut=may_cut,
            )
        ]
        if isinstance(reply, Failed):
            return reply.error if isinstance(reply.error, PromptTooLong) and not may_cut else ()
        said = parse_order(reply, len(window))
        if said.fault:
            self.notes.append(Note("repaired", f"A reply {said.fault}; documents it does not name follow in order."))
        named = [window[position] for position in said.positions]
        self.named.update(named)
        self.reasoning_of.update(dict.fromkeys(named, said.reasoning) if said.reasoning else {})
        return named

    def with_unnamed_in_first_stage_order(self, order: Sequence[int]) -> list[int]:
        """Fill the places of documents that no reply ever named with these documents, in first-stage order."""
        if not self.named:
            return []
        unnamed = iter(sorted(set(order) - self.named))
        return [index if index in self.named else next(unnamed) for index in order]


def _is_source(bm25: str) -> bool:
    return bm25 in ("candidates", "first-stage") or (bm25.startswith("metadata:") and bm25 != "metadata:")


def _or_lowest(score: float | None) -> float:
    return -math.inf if score is None else score


def _as_shown(scores: Sequence[float | None], scale: str) -> list[str | None]:
    """The scores as they are printed."""
    known = [score for score in scores if score is not None]
    if not known:
        return [None] * len(scores)
    low, high = min(0.0, *known), max(known)
    digits, factor = {"raw": (1 if max(map(abs, known)) >= 10 else 3, 1.0), "0-1": (2, 1.0), "0-100": (0, 100.0)}[scale]
    if scale != "raw" and high > low:
        return [None if score is None else f"{(score - low) / (high - low) * factor:.{digits}f}" for score in scores]
    return [None if score is None else f"{score if scale == 'raw' else 0.0:.{digits}f}" for score in scores]
