"""Methods made of methods: run together, or one after another."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any

from rerank_plugins.candidates import Candidate
from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods.base import Method, needs_of
from rerank_plugins.ranking import Ranking, Verdict, settle
from rerank_plugins.requests import Request, Steps

__all__ = ["checked_methods", "needs_of_all", "together"]


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


def settled(verdict: Verdict, candidates: Sequence[Candidate]) -> Ranking:
    """A part's verdict as a whole ranking, to go on from."""
    return settle(verdict, candidates)


def checked_methods(name: str, methods: Iterable[Any]) -> None:
    """Refuse what is no method, such as a class that was not instantiated."""
    for method in methods:
        if not isinstance(method, Method) or isinstance(method, type):
            raise InvalidInput(f"{name} takes methods, such as Embedding(), not {method!r}.")


def needs_of_all(methods: Iterable[Method]) -> tuple[type[Request], ...]:
    """What some methods together ask for."""
    return tuple(dict.fromkeys(kind for method in methods for kind in needs_of(method)))
