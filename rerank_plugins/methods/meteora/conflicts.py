"""Who has to go where pieces of evidence contradict each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["losers"]

Edge = tuple[int, int]


def losers(edges: Mapping[Edge, float], weakness: Sequence[Any]) -> dict[int, list[int]]:
    """Take out, one by one, whatever contradicts most of what is left, until nothing contradicts.

    A forged document contradicts several true ones, and each of these only it: once it is gone, they stand. Where two
    contradict nobody but each other, the weaker one goes. It does not matter in what order they are given.

    Args:
        edges: Pairs that contradict each other, with the strength of it; each pair once, in either direction.
        weakness: Per document a value that is higher the sooner it has to go; values differ.

    Returns:
        Each document that goes, with those that it contradicts and that were still there.

    >>> losers({(0, 1): 1.0, (1, 2): 1.0}, [0.1, 0.2, 0.3])
    {1: [0, 2]}
    >>> losers({(0, 1): 1.0}, [0.1, 0.2])
    {1: [0]}
    """
    left = dict(edges)
    gone: dict[int, list[int]] = {}
    while left:
        weights: dict[int, float] = {}
        for pair in sorted(left):
            for document in pair:
                weights[document] = weights.get(document, 0.0) + left[pair]
        worst = max(weights, key=lambda document: (round(weights[document], 6), weakness[document]))
        gone[worst] = sorted(other for pair in left if worst in pair for other in pair if other != worst)
        left = {pair: strength for pair, strength in left.items() if worst not in pair}
    return gone
