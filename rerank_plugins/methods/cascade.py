"""A cascade: a cheap method reads everything, a dear one only what survives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rerank_plugins.candidates import Candidate
from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods.base import Method, Options
from rerank_plugins.methods.compose import checked_methods, needs_of_all, wants_of_all
from rerank_plugins.methods.rules import Rule, checked, whole
from rerank_plugins.ranking import Note, ScoreKind, Verdict, settle
from rerank_plugins.requests import Request, Steps

__all__ = ["Cascade"]


@dataclass(frozen=True, repr=False, init=False)
class Cascade(Options):
    """Give the best `keep` of each method to the next; those that did not survive follow behind, in their order.

    It costs the calls of each method on what it sees, one method after another. Only the order of the result means
    anything ("order"), because its parts were scored by different methods.

    Args:
        methods: The methods, the cheapest first; at least two.
        keep: How many survive each method but the last: one number, or one per step.

    >>> from rerank_plugins import FirstStage
    >>> Cascade(FirstStage(), FirstStage(), keep=10)
    Cascade(FirstStage(), FirstStage(), keep=10)
    """

    score_kind: ClassVar[ScoreKind | None] = "order"
    methods: tuple[Method, ...]
    keep: int | tuple[int, ...]

    def __init__(self, *methods: Method, keep: int | Sequence[int] = 20) -> None:
        checked_methods("Cascade", methods)
        if len(methods) < 2:
            raise InvalidInput("Cascade takes at least two methods, such as Cascade(Embedding(), InsertRank()).")
        rule = Rule(
            f"a whole number of at least 1, or one for each step but the last ({len(methods) - 1})",
            lambda value: _counts(value, len(methods) - 1),
        )
        self._keep(methods=methods, **checked("Cascade", {"keep": keep}, {"keep": rule}))

    def __repr__(self) -> str:
        return f"Cascade({', '.join(map(repr, self.methods))}, keep={self.keep!r})"

    @property
    def needs(self) -> tuple[type[Request], ...]:  # what it asks for depends on its parts
        return needs_of_all(self.methods)

    @property
    def wants(self) -> tuple[type[Request], ...]:
        return wants_of_all(self.methods)

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        steps = len(self.methods)
        counts = (self.keep,) * (steps - 1) if isinstance(self.keep, int) else self.keep
        pool, alive, behind = list(candidates), list(range(len(candidates))), list[int]()
        why: dict[int, list[Mapping[str, Any]]] = {}
        dropped: dict[int, str] = {}
        notes: list[Note] = []
        for method, count in zip(self.methods, (*counts, len(candidates)), strict=True):
            seen = [pool[index] for index in alive]
            verdict = yield from method.steps(query, seen)
            ranking, label = settle(verdict, seen), repr(method)
            alive += range(len(pool), len(pool) + len(verdict.added))
            pool += verdict.added
            for item in (*ranking, *ranking.dropped):
                stage = {"method": label, "score": item.score, "why": dict(item.why)}
                why.setdefault(alive[item.index], []).append(stage)
            dropped |= {alive[item.index]: item.reason for item in ranking.dropped}
            notes += ranking.notes
            order = [alive[position] for position in ranking.order]
            alive, behind = order[:count], order[count:] + behind
        return Verdict(
            order=alive + behind,
            why={index: {"cascade": stages} for index, stages in why.items()},
            dropped=dropped,
            notes=notes,
            added=pool[len(candidates) :],
        )


def _counts(keep: Any, steps: int) -> int | tuple[int, ...]:
    if not isinstance(keep, Sequence):
        return _AT_LEAST_ONE(keep)
    if len(keep) != steps:
        raise ValueError
    return tuple(map(_AT_LEAST_ONE, keep))


_AT_LEAST_ONE: Callable[[Any], int] = whole(1).read
