"""Expansion: the chunks that stand beside the chosen ones in their own documents."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rerank_plugins.candidates import Candidate
from rerank_plugins.errors import Unanswered
from rerank_plugins.ranking import Note
from rerank_plugins.requests import Failed, Found, Neighbours, Request

__all__ = ["Expansion", "expanded"]


@dataclass(frozen=True)
class Expansion:
    """What the neighbourhood adds.

    Args:
        parents: Chunk to the chosen chunk that it stands beside. New ones have the indices after the candidates'.
        added: Those that are not among the candidates.
        notes: What a reader should know.
    """

    parents: Mapping[int, int]
    added: Sequence[Candidate] = ()
    notes: Sequence[Note] = ()


def expanded(
    candidates: Sequence[Candidate], chosen: Sequence[int], reach: int
) -> Generator[Sequence[Request], Sequence[Any], Expansion]:
    """Ask for the neighbours of all chosen chunks at once.

    A neighbour is a candidate if it has its id or, where one of the two has none, its text.

    Args:
        candidates: All of them.
        chosen: Indices, the best first: a chunk between two chosen ones is put down to the better.
        reach: How many on each side.
    """
    replies = yield [Neighbours(candidates[index], reach, reach) for index in chosen]
    unanswered = [r.error for r in replies if isinstance(r, Failed) and isinstance(r.error, Unanswered)]
    if unanswered:
        return Expansion({}, notes=[Note("info", f"Nothing was expanded to its neighbours. {unanswered[0].need}")])
    pool, parents = list(candidates), dict[int, int]()
    for parent, reply in zip(chosen, replies, strict=True):
        for neighbour in reply.candidates if isinstance(reply, Found) else ():
            index = _place(pool, neighbour)
            if index == len(pool):
                pool.append(neighbour)
            if index not in chosen:
                parents.setdefault(index, parent)
    return Expansion(parents, pool[len(candidates) :], _notes(replies))


def _place(pool: Sequence[Candidate], found: Candidate) -> int:
    """The index of a chunk that is known, or the next free one."""
    return next((index for index, known in enumerate(pool) if _same(known, found)), len(pool))


def _same(known: Candidate, found: Candidate) -> bool:
    if known.id is not None and found.id is not None:
        return known.id == found.id
    return known.text == found.text


def _notes(replies: Sequence[Any]) -> list[Note]:
    if any(reply.candidates for reply in replies if isinstance(reply, Found)):
        return []
    return [Note("info", "No chosen chunk has a neighbour that is known, so that nothing was expanded.")]
