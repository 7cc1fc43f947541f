"""The best few of a list, by comparisons that each name the best of a set; independent ones go out together."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from itertools import pairwise
from typing import Any

from rerank_plugins.requests import Request

__all__ = ["BestOf", "heap_top", "tournament_top"]

Asking = Generator[Sequence[Request], Sequence[Any], list[int]]
BestOf = Callable[[Sequence[Sequence[int]]], Asking]
"""Name the best of each set of at least two; all sets are asked about in one round trip."""


def heap_top(count: int, size: int, k: int, best_of: BestOf) -> Asking:
    """The best `k` of `count` by heap sort, best first.

    Each node is at least as good as its `size` - 1 children. The heap is built level by level, from below, so that it
    takes a round trip for each level and not for each node; after that each of the best costs about one comparison for
    each level, one after another.

    Args:
        count: How many there are, known by their indices.
        size: The most in one comparison, at least 3.
        k: How many of the best are wanted.
        best_of: Names the best of sets.
    """
    heap, arity = list(range(count)), size - 1
    for level in reversed(_levels(count, arity)):
        yield from _sift(heap, level, arity, best_of)
    top: list[int] = []
    while heap and len(top) < k:
        top.append(heap[0])
        last = heap.pop()
        if heap and len(top) < k:
            heap[0] = last
            yield from _sift(heap, [0], arity, best_of)
    return top


def tournament_top(count: int, size: int, k: int, best_of: BestOf) -> Asking:
    """The best `k` of `count` by a tournament, best first.

    Neighbours in the list meet in groups, the winners meet in groups, and so on: a round trip for each round. When the
    winner has left, only the groups in which it stood are played again.

    Args:
        count: How many there are, known by their indices.
        size: The most in one group, at least 2.
        k: How many of the best are wanted.
        best_of: Names the best of sets.
    """
    rounds: list[list[int | None]] = [list(range(count))]
    while len(rounds[-1]) > 1:
        groups = range(-(-len(rounds[-1]) // size))
        rounds.append((yield from _winners([_group(rounds[-1], group, size) for group in groups], best_of)))
    top: list[int] = []
    while len(top) < k and rounds[-1] and rounds[-1][0] is not None:
        top.append(rounds[-1][0])
        if len(top) < k:
            yield from _play_again(rounds, top[-1], size, best_of)
    return top


def _levels(count: int, arity: int) -> list[list[int]]:
    """The nodes that have children, level by level from the top."""
    levels, nodes = [], [0]
    while nodes := [node for node in nodes if arity * node + 1 < count]:
        levels.append(nodes)
        nodes = [child for node in nodes for child in range(arity * node + 1, min(arity * node + arity + 1, count))]
    return levels


def _sift(
    heap: list[int], nodes: Sequence[int], arity: int, best_of: BestOf
) -> Generator[Sequence[Request], Sequence[Any], None]:
    """Let what stands at these nodes, none above another, sink to its place; all at once, level by level."""
    while nodes := [node for node in nodes if arity * node + 1 < len(heap)]:
        sets = [[heap[node], *heap[arity * node + 1 : arity * node + arity + 1]] for node in nodes]
        winners = yield from best_of(sets)
        sunk = []
        for node, members, winner in zip(nodes, sets, winners, strict=True):
            if place := members.index(winner):
                child = arity * node + place
                heap[node], heap[child] = heap[child], heap[node]
                sunk.append(child)
        nodes = sunk


def _play_again(
    rounds: list[list[int | None]], left: int, size: int, best_of: BestOf
) -> Generator[Sequence[Request], Sequence[Any], None]:
    """Take out the one that left, and play the groups in which it stood, one round after another."""
    place = left
    rounds[0][place] = None
    for earlier, later in pairwise(rounds):
        place //= size
        (later[place],) = yield from _winners([_group(earlier, place, size)], best_of)


def _group(contenders: Sequence[int | None], number: int, size: int) -> list[int]:
    return [index for index in contenders[number * size : (number + 1) * size] if index is not None]


def _winners(
    groups: Sequence[Sequence[int]], best_of: BestOf
) -> Generator[Sequence[Request], Sequence[Any], list[int | None]]:
    """The winner of each group; whoever is alone needs no comparison."""
    contested = [group for group in groups if len(group) > 1]
    won = iter((yield from best_of(contested)) if contested else [])
    return [next(won) if len(group) > 1 else next(iter(group), None) for group in groups]
