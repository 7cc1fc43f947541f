"""What comes out: an order, the reasons, what was left out, what it cost, and what went wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, overload

from rerank_plugins.candidates import Candidate, finite

__all__ = [
    "Dropped",
    "Note",
    "Ranked",
    "Ranking",
    "ScoreKind",
    "Usage",
    "Verdict",
    "explanation",
    "order_by",
    "settle",
]

ScoreKind = Literal["absolute", "relative", "order"]
"""What a score means: "absolute" can be compared across queries, "relative" within one list, "order" not at all."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a reader of the ranking should know.

    Args:
        kind: "failed" (a call), "repaired" (a reply), "limit" (a deadline or budget), "cut" (a prompt that was
            shortened) or "info".
        message: One sentence. It never holds a key or the text of a document.
    """

    kind: Literal["failed", "repaired", "limit", "cut", "info"]
    message: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What was spent.

    Args:
        calls: Requests sent to models, retries counted and cache hits not.
        prompt_tokens: Tokens read, the cached ones included.
        completion_tokens: Tokens written.
        cached_tokens: The part of `prompt_tokens` that the provider served from its own prefix cache.
        seconds: Wall time.

    >>> Usage(calls=1, prompt_tokens=10) + Usage(calls=1, seconds=0.5)
    Usage(calls=2, prompt_tokens=10, completion_tokens=0, cached_tokens=0, seconds=0.5)
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
            self.seconds + other.seconds,
        )


@dataclass(frozen=True, slots=True)
class Ranked:
    """A document in its place.

    Args:
        index: Its position in the list that was handed in: its identity. The documents that a method found itself
            have the positions after those.
        candidate: The candidate itself, unchanged.
        rank: 1 for the best.
        score: Higher is better; what it means stands in `Ranking.score_kind`. Where only the order means
            anything it is 1 / rank. None for a document that the method could not score.
        why: The method's reasons, as plain data.
        added: Whether the method found it itself, so that it was not in the list that was handed in.
        judged: Whether the method gave it its place. If not, because a call failed or a reply left it out, it follows
            in first-stage order.
    """

    index: int
    candidate: Candidate
    rank: int
    score: float | None
    why: Mapping[str, Any]
    added: bool = False
    judged: bool = True


@dataclass(frozen=True, slots=True)
class Dropped:
    """A document that was left out on purpose, and the reason."""

    index: int
    candidate: Candidate
    reason: str
    score: float | None = None
    why: Mapping[str, Any] = field(default_factory=dict)
    added: bool = False


@dataclass(frozen=True, repr=False)
class Ranking(Sequence[Ranked]):
    """The documents, best first. With `.dropped` it holds each document that was handed in exactly once.

    A method that retrieves can add documents; they stand in it once each, too, marked as `added`.

    Args:
        ranked: The documents in order.
        dropped: Those that the method or `top_n` left out, in the order they would have had.
        usage: What it cost.
        notes: Calls that failed, replies that were repaired, limits that were hit.
        method: The repr of the method.
        score_kind: What the scores mean.
    """

    ranked: tuple[Ranked, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    usage: Usage = Usage()
    notes: tuple[Note, ...] = ()
    method: str = ""
    score_kind: ScoreKind = "order"

    @overload
    def __getitem__(self, position: int) -> Ranked: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[Ranked]: ...
    def __getitem__(self, position: int | slice) -> Ranked | Sequence[Ranked]:
        return self.ranked[position]

    def __len__(self) -> int:
        return len(self.ranked)

    def __iter__(self) -> Iterator[Ranked]:
        return iter(self.ranked)

    def __repr__(self) -> str:
        from rerank_plugins.display import as_text  # looked at seldom

        return as_text(self)

    def _repr_html_(self) -> str:
        """The table that a notebook shows: before, after and why."""
        from rerank_plugins.display import as_html  # as above

        return as_html(self)

    @property
    def order(self) -> list[int]:
        """The indices of the ranked documents, best first."""
        return [item.index for item in self.ranked]


def explanation(ranking: Ranking, item: Ranked) -> dict[str, Any]:
    """All that is known about a document's place, as plain data: what adapters put under their one metadata key.

    >>> found = settle(Verdict(order=[1, 0]), [Candidate("a", score=0.9), Candidate("b", score=0.8)])
    >>> explained = explanation(found, found[0])
    >>> explained["rank"], explained["first_stage_rank"], explained["first_stage_score"]
    (1, 2, 0.8)
    """
    return {
        "method": ranking.method,
        "rank": item.rank,
        "score": item.score,
        "score_kind": ranking.score_kind,
        "judged": item.judged,
        "first_stage_rank": None if item.added else item.index + 1,
        "first_stage_score": item.candidate.score,
        "why": dict(item.why),
    }


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a method concludes; everything but the order is optional, and the order may be partial.

    Args:
        order: Indices of candidates, best first.
        scores: Index to score, for methods that have scores; higher is better.
        why: Index to reasons, as plain data.
        dropped: Index to the reason why the method leaves this document out by design.
        notes: What a reader should know.
        score_kind: What the scores mean.
        added: Documents that the method found itself. Their indices follow those of the candidates.
    """

    order: Sequence[int]
    scores: Mapping[int, float | None] = field(default_factory=dict)
    why: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    dropped: Mapping[int, str] = field(default_factory=dict)
    notes: Sequence[Note] = ()
    score_kind: ScoreKind = "order"
    added: Sequence[Candidate] = ()


def order_by(
    scores: Sequence[float | None],
    *,
    why: Mapping[int, Mapping[str, Any]] | None = None,
    notes: Sequence[Note] = (),
    score_kind: ScoreKind = "relative",
) -> Verdict:
    """Conclude from one score per candidate: highest first, ties in first-stage order.

    A score that is None or not finite means "unknown": that document follows after the others.

    >>> order_by([0.2, None, 0.9]).order
    [2, 0]
    """
    known = {index: number for index, score in enumerate(scores) if (number := finite(score)) is not None}
    order = sorted(known, key=lambda index: (-known[index], index))
    return Verdict(order=order, scores=known, why=why or {}, notes=notes, score_kind=score_kind)


def settle(
    verdict: Verdict,
    candidates: Sequence[Candidate],
    *,
    top_n: int | None = None,
    method: str = "",
    usage: Usage = Usage(),
    notes: Sequence[Note] = (),
) -> Ranking:
    """Turn a verdict into a ranking that holds each candidate exactly once: the one place where this is enforced.

    What the verdict leaves out follows in first-stage order, what it repeats or invents is ignored, and both
    are noted. Documents that the verdict adds are treated as if they had been handed in after the others. If nothing
    has a score, because every call failed, the scores are those of an order: a chain may have a threshold behind the
    reranker, and would lose every document.

    >>> settle(Verdict(order=[2, 2, 7]), [Candidate("a"), Candidate("b"), Candidate("c")]).order
    [2, 0, 1]
    """
    given, candidates = len(candidates), (*candidates, *verdict.added)
    dropped = {index: reason for index, reason in verdict.dropped.items() if 0 <= index < len(candidates)}
    named = [index for index in dict.fromkeys(verdict.order) if 0 <= index < len(candidates) and index not in dropped]
    unnamed = sorted(set(range(len(candidates))).difference(named, dropped))
    scored = any(finite(verdict.scores.get(index)) is not None for index in (*named, *unnamed))
    kind: ScoreKind = verdict.score_kind if scored or not (named or unnamed) else "order"
    ranked = tuple(
        Ranked(
            index,
            candidates[index],
            rank,
            1 / rank if kind == "order" else finite(verdict.scores.get(index)),
            verdict.why.get(index, {}),
            index >= given,
            rank <= len(named),
        )
        for rank, index in enumerate(named + unnamed, start=1)
    )
    kept = ranked if top_n is None else ranked[:top_n]
    below = [_left_out(item, f"ranked below top_n={top_n}") for item in ranked[len(kept) :]]
    by_design = [
        Dropped(
            index,
            candidates[index],
            reason,
            finite(verdict.scores.get(index)),
            verdict.why.get(index, {}),
            index >= given,
        )
        for index, reason in dropped.items()
    ]
    return Ranking(
        kept,
        (*below, *by_design),
        usage,
        (*notes, *verdict.notes, *_accounted(verdict, len(candidates), len(unnamed))),
        method,
        kind,
    )


def _left_out(item: Ranked, reason: str) -> Dropped:
    return Dropped(item.index, item.candidate, reason, item.score, item.why, item.added)


def _accounted(verdict: Verdict, total: int, unnamed: int) -> list[Note]:
    notes = []
    if unnamed:
        notes.append(
            Note("repaired", f"{unnamed} of {total} documents were not ranked and follow in first-stage order.")
        )
    strange = len(verdict.order) - len({index for index in verdict.order if 0 <= index < total})
    if strange:
        notes.append(Note("repaired", f"{strange} repeated or unknown positions in the order were ignored."))
    return notes
