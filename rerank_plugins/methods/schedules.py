"""Schedules: which lists a listwise method shows, and how the orders of several lists become one.

A list that is longer than one prompt goes through windows, one after another: nine round trips for 100 documents. Other
schedules ask for several lists at once. All are generators around the ranking of one list, so that every method that
orders a list can take any of them, and a document keeps what is shown beside it in every list.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterable, Sequence
from typing import Any, Literal

from rerank_plugins.errors import PromptTooLong
from rerank_plugins.methods.windows import SMALLEST, RankWindow, Window, slide, smaller
from rerank_plugins.requests import Request

__all__ = ["SCHEDULES", "Schedule", "at_once", "scheduled"]

Schedule = Literal["windows", "blocks", "pivot"]
SCHEDULES: tuple[Schedule, ...] = ("windows", "blocks", "pivot")

_REPEATS = 4  # blocks in which a document stands; two cost half as much, and order worse
_PRIOR = 0.1  # wins and losses against a document of strength 1, without which a strength has no bound
_ROUNDS = 100

Ranked = Generator[Sequence[Request], Sequence[Any], tuple[list[int], int]]


class _DoesNotFit(Exception):
    """A list that is too long for the model; `size` is one that may do."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size


def scheduled(schedule: Schedule, order: Sequence[int], size: int, stride: int | None, rank: RankWindow) -> Ranked:
    """Rank a list by a schedule; the arguments and the result are those of `windows.slide`.

    - "windows" moves a window from the end of the list to its beginning (RankGPT, arXiv 2304.09542).
    - "blocks" shows every document in several overlapping blocks, all at once, and adds the orders up by Bradley and
      Terry's model: one round trip (JointRank, arXiv 2506.22262). The blocks are drawn at random, the same each time;
      that a document stands in four of them is our choice.
    - "pivot" ranks the first list, takes its middle as a pivot, compares all others with that at once, and goes on with
      those that stand above it (TDPart, arXiv 2405.14589).
    """
    if schedule == "windows" or len(order) <= size:
        return (yield from slide(order, size, stride, rank))
    run = {"blocks": _blocks, "pivot": _pivot}[schedule]
    while True:
        try:
            return (yield from run(list(order), size, rank)), size
        except _DoesNotFit as too_long:
            size = too_long.size


def at_once(
    windows: Iterable[Window],
) -> Generator[Sequence[Request], Sequence[Any], list[Sequence[int] | PromptTooLong]]:
    """Rank several lists together: what they ask for goes out as one batch, in as many round trips as the longest."""
    tracks = [_Track(window) for window in windows]
    while active := [track for track in tracks if track.named is None]:
        replies = iter((yield [request for track in active for request in track.batch]))
        for track in active:
            track.send([next(replies) for _ in track.batch])
    return [track.named for track in tracks if track.named is not None]


class _Track:
    """One list under way: the batch that it waits for, or the order that was named."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self.named: Sequence[int] | PromptTooLong | None = None
        self.batch: Sequence[Request] = ()
        self.send(None)

    def send(self, replies: Sequence[Any] | None) -> None:
        try:
            self.batch = self._window.send(replies)  # type: ignore[arg-type] # None starts a generator
        except StopIteration as end:
            self.named = end.value


def _ranked(lists: Sequence[Sequence[int]], rank: RankWindow) -> Generator[Any, Any, list[list[int]]]:
    """The orders that are named for these lists, all at once; empty for a call that failed."""
    found = yield from at_once([rank(shown, len(shown) <= SMALLEST) for shown in lists])
    orders = []
    for shown, named in zip(lists, found, strict=True):
        if isinstance(named, PromptTooLong):
            raise _DoesNotFit(smaller(len(shown), named))
        orders.append(list(named))
    return orders


def _blocks(order: list[int], size: int, rank: RankWindow) -> Generator[Any, Any, list[int]]:
    """One round trip: overlapping blocks, and what they say together."""
    orders = yield from _ranked(drawn_blocks(order, size, _REPEATS), rank)
    if not any(orders):
        return order
    strength = bradley_terry(order, orders)
    return sorted(order, key=lambda index: -strength[index])  # equal ones stay in the order that came


def drawn_blocks(order: Sequence[int], size: int, repeats: int) -> list[list[int]]:
    """Cut `repeats` shuffles of a list into blocks of at most `size`; within a block the list's order stays.

    >>> sorted(sum(drawn_blocks(range(6), 3, 2), [])) == sorted([*range(6)] * 2)
    True
    """
    rng, place = random.Random(len(order)), {index: rank for rank, index in enumerate(order)}
    blocks = []
    count = -(-len(order) // size)
    for _ in range(repeats):
        shuffled = list(order)
        rng.shuffle(shuffled)
        blocks += [sorted(shuffled[start::count], key=place.__getitem__) for start in range(count)]
    return blocks


def bradley_terry(items: Sequence[int], orders: Iterable[Sequence[int]]) -> dict[int, float]:
    """Strengths by which the pairs that orders imply are most probable, up to a factor; higher is better.

    Fitted by minorisation and maximisation (Hunter, 2004), with a little of a draw against strength 1 for each item, so
    that one that always wins has a strength, too.

    >>> strength = bradley_terry([0, 1, 2], [[2, 1], [1, 0]])
    >>> sorted(strength, key=strength.get, reverse=True)
    [2, 1, 0]
    """
    import numpy as np  # here, so that importing the package stays quick

    place = {item: position for position, item in enumerate(items)}
    wins = np.zeros((len(items), len(items)))
    for order in orders:
        rows = [place[item] for item in order]
        for position, row in enumerate(rows):
            wins[row, rows[position + 1 :]] += 1
    met, won = wins + wins.T, wins.sum(axis=1) + _PRIOR
    strength = np.ones(len(items))
    for _ in range(_ROUNDS):
        expected = (met / (strength[:, None] + strength[None, :])).sum(axis=1) + 2 * _PRIOR / (strength + 1)
        strength = won / expected
    return dict(zip(items, strength.tolist(), strict=True))


def _pivot(order: list[int], size: int, rank: RankWindow) -> Generator[Any, Any, list[int]]:
    """Rank the first list, then compare all others with its middle, again while more than a list stands above it."""
    below: list[int] = []
    while len(order) > size:
        ((*named,),) = yield from _ranked([order[:size]], rank)
        first = [*named, *(index for index in order[:size] if index not in set(named))]
        middle = max(1, size // 2) - 1
        above, pivot, under = first[:middle], first[middle], first[middle + 1 :]
        others = [order[start : start + size - 1] for start in range(size, len(order), size - 1)]
        orders = yield from _ranked([[pivot, *chunk] for chunk in others], rank)
        passed, left = _by_pivot(pivot, others, orders)
        below = [pivot, *under, *left, *below]
        if len(passed) + len(above) >= len(order) - 1:  # nobody was sorted out: another round would do the same
            return [*above, *passed, *below]
        order = [*above, *passed]
    ((*named,),) = yield from _ranked([order], rank)
    return [*named, *(index for index in order if index not in set(named)), *below]


def _by_pivot(
    pivot: int, chunks: Sequence[Sequence[int]], orders: Sequence[Sequence[int]]
) -> tuple[list[int], list[int]]:
    """Those that stand above the pivot, and the others: what a reply names below it before what it leaves out."""
    passed, left = list[int](), list[int]()
    for chunk, named in zip(chunks, orders, strict=True):
        cut = list(named).index(pivot) if pivot in named else 0
        passed += named[:cut]
        left += [index for index in named[cut:] if index != pivot]
        left += [index for index in chunk if index not in set(named)]
    return passed, left
