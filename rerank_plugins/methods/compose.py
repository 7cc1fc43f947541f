"""Methods made of methods: run together, or one after another."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from typing import Any

from rerank_plugins.candidates import Candidate
from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods.base import Method, needs_of, wants_of
from rerank_plugins.ranking import Verdict
from rerank_plugins.requests import Request, Steps

__all__ = ["checked_methods", "needs_of_all", "pooled", "together", "wants_of_all"]


def together(all_steps: Sequence[Steps]) -> Generator[Sequence[Request], Sequence[Any], list[Verdict]]:
    """Run several methods at once: what they ask for in their first round goes out as one batch, and so on.

    It costs as many round trips as the longest of them.
    """
    tracks = [_Track(steps) for steps in all_steps]
    while active := [track for track in tracks if track.verdict is None]:
        replies = iter((yield [request for track in active for request in track.batch]))
        for track in active:
            track.send([next(replies) for _ in track.batch])
    return [track.verdict for track in tracks if track.verdict is not None]


class _Track:
    """One method under way: the batch that it waits for, or its verdict."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.verdict: Verdict | None = None
        self.batch: Sequence[Request] = ()
        self.send(None)

    def send(self, replies: Sequence[Any] | None) -> None:
        try:
            self.batch = self._steps.send(replies)  # type: ignore[arg-type] # None starts a generator
        except StopIteration as end:
            self.verdict = end.value


def pooled(verdicts: Sequence[Verdict], count: int) -> tuple[list[Verdict], list[Candidate]]:
    """The verdicts of several methods over one pool: the `count` candidates, then all that any of them added.

    What several have added, known by its id or else its text, is one document.

    >>> one = Verdict(order=[2, 0, 1], added=[Candidate("new", id="n")])
    >>> two = Verdict(order=[0, 3, 1, 2], added=[Candidate("other", id="o"), Candidate("new", id="n")])
    >>> verdicts, added = pooled([one, two], 2)
    >>> [verdict.order for verdict in verdicts], [candidate.id for candidate in added]
    ([[2, 0, 1], [0, 2, 1, 3]], ['n', 'o'])
    """
    places: dict[tuple[str | None, str], int] = {}
    added: list[Candidate] = []
    moved = []
    for verdict in verdicts:
        to = list(range(count))
        for candidate in verdict.added:
            key = ("id", candidate.id) if candidate.id is not None else (None, candidate.text)
            if key not in places:
                places[key] = count + len(added)
                added.append(candidate)
            to.append(places[key])
        moved.append(_moved(verdict, to))
    return [replace(verdict, added=added) for verdict in moved], added


def _moved(verdict: Verdict, to: Sequence[int]) -> Verdict:
    known = range(len(to))
    return replace(
        verdict,
        order=[to[index] if index in known else index for index in verdict.order],
        scores={to[index]: score for index, score in verdict.scores.items() if index in known},
        why={to[index]: why for index, why in verdict.why.items() if index in known},
        dropped={to[index]: reason for index, reason in verdict.dropped.items() if index in known},
    )


def checked_methods(name: str, methods: Iterable[Any]) -> None:
    """Refuse what is no method, such as a class that was not instantiated."""
    for method in methods:
        if not isinstance(method, Method) or isinstance(method, type):
            raise InvalidInput(f"{name} takes methods, such as Embedding(), not {method!r}.")


def needs_of_all(methods: Iterable[Method]) -> tuple[type[Request], ...]:
    """What some methods together ask for."""
    return tuple(dict.fromkeys(kind for method in methods for kind in needs_of(method)))


def wants_of_all(methods: Iterable[Method]) -> tuple[type[Request], ...]:
    """What some methods together would like to ask for, and each of them can do without."""
    return tuple(dict.fromkeys(kind for method in methods for kind in wants_of(method)))
