"""Pairing: each rationale takes the chunk that is nearest to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

__all__ = ["PAIRINGS", "Pairing", "converge", "distinct"]

Pairing = Literal["converge", "distinct"]
Table = Sequence[Sequence[float]]
"""Cosines, of shape (rationales, chunks)."""


def converge(table: Table) -> list[int | None]:
    """The nearest chunk of each rationale; several rationales may meet on one. Ties go to the earlier chunk.

    >>> converge([[0.1, 0.9], [0.2, 0.8]])
    [1, 1]
    """
    return [_nearest(row, range(len(row))) for row in table]


def distinct(table: Table) -> list[int | None]:
    """The nearest chunk of each rationale that no earlier rationale took; None once all are taken.

    >>> distinct([[0.1, 0.9], [0.2, 0.8], [0.5, 0.5]])
    [1, 0, None]
    """
    taken: list[int | None] = []
    for row in table:
        taken.append(_nearest(row, [chunk for chunk in range(len(row)) if chunk not in taken]))
    return taken


def _nearest(row: Sequence[float], free: Sequence[int]) -> int | None:
    return max(free, key=lambda chunk: row[chunk], default=None)


PAIRINGS: Mapping[Pairing, Callable[[Table], list[int | None]]] = {"converge": converge, "distinct": distinct}
