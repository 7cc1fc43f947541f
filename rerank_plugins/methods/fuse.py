"""Fusion: several methods rank the list, and their scores or ranks are added."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from rerank_plugins.candidates import Candidate
from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods.base import Method, Options
from rerank_plugins.methods.compose import checked_methods, needs_of_all, pooled, together, wants_of_all
from rerank_plugins.methods.rules import Rule, checked, each, one_of
from rerank_plugins.ranking import Dropped, Note, Ranked, Ranking, ScoreKind, order_by, settle
from rerank_plugins.requests import Request, Steps

__all__ = ["Fuse"]

_RRF_CONSTANT = 60  # Cormack, Clarke and Büttcher, SIGIR 2009


@dataclass(frozen=True, repr=False, init=False)
class Fuse(Options):
    """Add up what several methods say; put `FirstStage()` among them to let the first stage speak too.

    The methods run at once: it costs the calls of all of them, and the round trips of the longest. A document that a
    method could not score counts as its average one, and a method that failed on all of them says nothing. Nothing is
    dropped, not even what a method leaves out. Scores are comparable within one query ("relative").

    Args:
        methods: The methods, at least one.
        weights: One number per method; all 1 if not given.
        norm: "zscore" brings each method's scores to mean 0 and standard deviation 1 over the list before they are
            added (a method that gives an order alone is heard by its ranks). "rrf" adds weight / (60 + rank):
            reciprocal rank fusion, which looks at no score.

    >>> from rerank_plugins import FirstStage
    >>> Fuse(FirstStage(), FirstStage(), weights=(2, 1), norm="rrf")
    Fuse(FirstStage(), FirstStage(), weights=(2, 1), norm='rrf')
    """

    score_kind: ClassVar[ScoreKind | None] = "relative"
    methods: tuple[Method, ...]
    weights: tuple[float, ...] | None
    norm: Literal["zscore", "rrf"]

    rules: ClassVar[Mapping[str, Rule]] = {
        "weights": each((int, float), "one number per method", none="for equal weights"),
        "norm": one_of("zscore", "rrf"),
    }

    def __init__(
        self, *methods: Method, weights: Sequence[float] | None = None, norm: Literal["zscore", "rrf"] = "zscore"
    ) -> None:
        checked_methods("Fuse", methods)
        if not methods:
            raise InvalidInput("Fuse takes at least one method, such as Fuse(Embedding(), FirstStage()).")
        if weights is not None and len(weights) != len(methods):
            raise InvalidInput(f"Fuse(weights=...) has one number per method ({len(methods)}), not {weights!r}.")
        plain = checked("Fuse", {"weights": weights, "norm": norm}, self.rules)
        self._keep(methods=methods, **plain)

    def __repr__(self) -> str:
        options = [] if self.weights is None else [f"weights={self.weights!r}"]
        options += [] if self.norm == "zscore" else [f"norm={self.norm!r}"]
        return f"Fuse({', '.join([*map(repr, self.methods), *options])})"

    @property
    def needs(self) -> tuple[type[Request], ...]:  # what it asks for depends on its parts
        return needs_of_all(self.methods)

    @property
    def wants(self) -> tuple[type[Request], ...]:
        return wants_of_all(self.methods)

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        verdicts = yield from together([method.steps(query, candidates) for method in self.methods])
        verdicts, added = pooled(verdicts, len(candidates))
        rankings = [settle(verdict, candidates) for verdict in verdicts]
        everything = range(len(candidates) + len(added))
        weights = self.weights or (1.0,) * len(self.methods)
        heard = _by_rank if self.norm == "rrf" else _by_score
        voices = [
            heard(ranking) if verdict.order or verdict.scores else {}  # else it is the first stage's order
            for verdict, ranking in zip(verdicts, rankings, strict=True)
        ]
        totals = [
            sum(weight * voice.get(index, 0.0) for weight, voice in zip(weights, voices, strict=True))
            for index in everything
        ]
        items = [{item.index: item for item in (*ranking, *ranking.dropped)} for ranking in rankings]
        parts = list(zip(map(repr, self.methods), items, voices, weights, strict=True))
        why = {index: {"fused": [_part(index, *part) for part in parts]} for index in everything}
        return replace(order_by(totals, why=why, notes=_notes(rankings)), added=added)


def _part(
    index: int, method: str, items: Mapping[int, Ranked | Dropped], voice: Mapping[int, float], weight: float
) -> dict[str, Any]:
    """What one method says of a document, and what that adds."""
    item = items[index]
    return {
        "method": method,
        "weight": weight,
        "adds": weight * voice.get(index, 0.0),
        "score": item.score,
        "why": dict(item.why),
    }


def _by_rank(ranking: Ranking) -> dict[int, float]:
    places = [item.index for item in ranking] + [item.index for item in ranking.dropped]
    return {index: 1 / (_RRF_CONSTANT + rank) for rank, index in enumerate(places, start=1)}


def _by_score(ranking: Ranking) -> dict[int, float]:
    """Z-scores of what has a score; what has none is left out, and so counts 0, the average."""
    if ranking.score_kind == "order":
        raw = {index: -float(rank) for rank, index in enumerate(ranking.order)}
    else:
        raw = {item.index: item.score for item in (*ranking, *ranking.dropped) if item.score is not None}
    if not raw:
        return {}
    mean, spread = statistics.fmean(raw.values()), statistics.pstdev(raw.values())
    return {index: (score - mean) / spread if spread > 0 else 0.0 for index, score in raw.items()}


def _notes(rankings: Sequence[Ranking]) -> list[Note]:
    return list(dict.fromkeys(note for ranking in rankings for note in ranking.notes))
