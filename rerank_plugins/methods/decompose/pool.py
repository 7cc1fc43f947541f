"""What several searches found: each document once, with the rank that each search gave it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rerank_plugins.candidates import Candidate

__all__ = ["Pool"]


class Pool:
    """Documents under their indices, those that were given first; searches have numbers, 0 for the question itself.

    A document that is found again is known by its id, and where one of the two has none by its text. Documents that
    were given are never merged with each other. They count as found by the question itself, in their order.

    Attributes:
        documents: The documents.
        ranks: For each document, number of a search to the rank that it gave it, from 1.

    >>> pool = Pool([Candidate("a", id="1")])
    >>> pool.add(1, [Candidate("b"), Candidate("a", id="1"), Candidate("b")])
    >>> pool.ranks
    [{0: 1, 1: 2}, {1: 1}]
    """

    def __init__(self, given: Sequence[Candidate]) -> None:
        self.documents: list[Candidate] = []
        self.ranks: list[dict[int, int]] = []
        self._by_id: dict[str, int] = {}
        self._by_text: dict[str, list[int]] = {}
        for rank, candidate in enumerate(given, start=1):
            self._append(candidate, {0: rank})

    def add(self, search: int, found: Iterable[Candidate]) -> None:
        """Take in what a search found, best first; of a document that it found twice the first rank counts."""
        for rank, candidate in enumerate(found, start=1):
            index = self._index(candidate)
            if index is None:
                self._append(candidate, {search: rank})
            else:
                self.ranks[index].setdefault(search, rank)

    def extend(self, documents: Iterable[Candidate]) -> list[int]:
        """Take in documents that no search found, and give their indices."""
        start = len(self.documents)
        for candidate in documents:
            self._append(candidate, {})
        return list(range(start, len(self.documents)))

    def found_by(self, search: int) -> list[int]:
        """The documents that a search found, by its ranks."""
        found = [index for index, ranks in enumerate(self.ranks) if search in ranks]
        return sorted(found, key=lambda index: (self.ranks[index][search], index))

    def order(self) -> list[int]:
        """All documents by their best rank; of equal ones first what the earliest search found.

        No score is looked at, since those of different searches cannot be compared. Each search brings in its best
        before any brings in its second. Adding up reciprocal ranks (RRF) instead would favour what several searches
        found, and so what is near to all parts of the question and answers none.
        """
        return sorted(range(len(self.documents)), key=lambda index: (*self._best(index), index))

    def _best(self, index: int) -> tuple[int, int]:
        return min((rank, search) for search, rank in self.ranks[index].items())

    def _index(self, candidate: Candidate) -> int | None:
        if candidate.id and candidate.id in self._by_id:
            return self._by_id[candidate.id]
        same = self._by_text.get(candidate.text, ())
        return next((index for index in same if not (candidate.id and self.documents[index].id)), None)

    def _append(self, candidate: Candidate, ranks: dict[int, int]) -> None:
        index = len(self.documents)
        self.documents.append(candidate)
        self.ranks.append(ranks)
        self._by_text.setdefault(candidate.text, []).append(index)
        if candidate.id:
            self._by_id.setdefault(candidate.id, index)
