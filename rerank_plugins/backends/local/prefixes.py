"""What rows of tokens have in common from their first token on, as a tree: each stretch needs to be read once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

__all__ = ["Branch", "Start", "distinct_tokens", "shared_beginnings"]

Ids = Sequence[int]
_WORTH = 16  # tokens saved from which on a stretch is read in a pass of its own


@dataclass(frozen=True, slots=True)
class Start:
    """The beginning of a row, as far as it can be read before the rest.

    Args:
        ids: Its tokens.
        stop: Tokens after which reading has to halt, whether or not other rows have them too; 0 for nowhere.
    """

    ids: Ids
    stop: int = 0


@dataclass(slots=True)
class Branch:
    """A beginning that its rows have in common.

    Args:
        length: Its tokens, from the first token of the rows on.
        sample: One of its rows.
        rows: The rows that have no more than this in common with others.
        branches: Longer beginnings of further rows.
    """

    length: int
    sample: int
    rows: list[int] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)


def shared_beginnings(starts: Sequence[Start]) -> Branch:
    """Find what is to be read once.

    >>> tree = shared_beginnings([Start([1] * 20 + [2]), Start([1] * 20 + [3]), Start([4])])
    >>> tree.rows, [(branch.length, sorted(branch.rows)) for branch in tree.branches]
    ([2], [(20, [0, 1])])
    """
    root = Branch(0, 0)
    ordered = sorted(range(len(starts)), key=lambda row: list(starts[row].ids))
    groups = [(root, ordered)] if ordered else []
    while groups:  # no recursion: beginnings can be nested as deep as there are rows
        branch, rows = groups.pop()
        common = _common(starts[rows[0]].ids, starts[rows[-1]].ids)
        if (halt := _halt(branch.length, common, starts, rows)) is not None:
            branch.branches.append(further := Branch(halt, rows[0]))
            groups.append((further, rows))
            continue
        for following, group in _split(starts, rows, common):
            if following:
                groups.append((branch, group))
            else:
                branch.rows += group
    return root


def distinct_tokens(rows: Sequence[Ids]) -> int:
    """How many tokens have to be read at least: a token counts once for all rows that are the same up to it.

    >>> distinct_tokens([[1, 2, 3], [1, 2, 4], [1, 2, 3]])
    4
    """
    ordered = sorted(map(list, rows))
    return sum(map(len, ordered)) - sum(_common(one, other) for one, other in pairwise(ordered))


def _split(starts: Sequence[Start], rows: Sequence[int], common: int) -> Iterator[tuple[Ids, list[int]]]:
    """Rows by the token that comes after what all have in common; no token where that is the whole row."""
    for following, group in groupby(rows, key=lambda row: starts[row].ids[common : common + 1]):
        yield following, list(group)


def _halt(reached: int, common: int, starts: Sequence[Start], ordered: Sequence[int]) -> int | None:
    """Where the next stretch that all these rows share ends, if there is one that is wanted or worth it."""
    stops = [starts[row].stop for row in ordered if reached < starts[row].stop <= common]
    if stops:
        return min(stops)
    return common if (common - reached) * (len(ordered) - 1) >= _WORTH else None


def _common(one: Ids, other: Ids) -> int:
    """How many tokens two rows have in common from the first on."""
    both = min(len(one), len(other))
    if one[:both] == other[:both]:
        return both
    low, high = 0, both  # equal up to low, different before high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle)
    return low
