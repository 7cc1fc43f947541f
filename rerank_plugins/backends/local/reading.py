"""Rows of tokens put into passes: what several of them begin with is read once, and then each of them from there on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from rerank_plugins.backends.local.batching import form_batches
from rerank_plugins.backends.local.causal_lm import CausalLM, Row
from rerank_plugins.backends.local.document_cache import DocumentCache
from rerank_plugins.backends.local.prefixes import Branch, Start, shared_beginnings
from rerank_plugins.backends.local.states import States

__all__ = ["Compute", "Reading"]

_REMEMBERED = 16  # tokens that are remembered in the room of one that is computed: keys and values of one layer
_WASTE = 0.03  # of what is computed may be padding: rows are long, so that the overhead of further passes is small
_AHEAD = 2  # batches of beginnings that are read before the rows that need them

T = TypeVar("T")
Compute = Callable[[Callable[[], T]], T | None]
"""Runs something on the model, and gives None where memory does not suffice."""

Place = tuple[Branch, States | None]


class Reading:
    """One call's rows on their way through a model.

    Args:
        lm: The model.
        rows: What is to be read.
        limit: The most tokens in a pass, padding included.
        compute: Runs each reading of a beginning.
        cache: What was kept of documents, and where to keep more.
    """

    def __init__(
        self,
        lm: CausalLM,
        rows: Sequence[Row],
        limit: int,
        compute: Compute[list[States]],
        cache: DocumentCache | None = None,
    ) -> None:
        self._lm = lm
        self._rows = rows
        self._limit = limit
        self._compute = compute
        self._cache = cache

    def batches(self) -> Iterator[list[tuple[int, Row]]]:
        """Yield batches, each row once with its position, and with the states of what has been read of it.

        The rows that share nothing come first, the shortest before the others.
        """
        if self._lm.can_resume(max((len(row.ids) for row in self._rows), default=0)):
            tree = shared_beginnings([Start(row.beginning, row.stop) for row in self._rows])
        else:
            tree = Branch(0, 0, list(range(len(self._rows))))
        yield from self._from([(tree, None)])

    def _from(self, places: Sequence[Place]) -> Iterator[list[tuple[int, Row]]]:
        """Yield the rows that go on from some places in the tree, and then those that share more."""
        here = [(position, replace(self._rows[position], past=states)) for b, states in places for position in b.rows]
        for batch in self._formed([(row.rest, row.past) for _, row in here]):
            yield [here[index] for index in batch]
        further = [(branch, self._known(branch) or states) for b, states in places for branch in b.branches]
        further.sort(key=lambda place: len(self._part(*place)))
        for group in _grouped([len(self._part(*place)) for place in further], self._limit * _AHEAD):
            yield from self._from(self._read([further[index] for index in group]))

    def _read(self, places: Sequence[Place]) -> list[Place]:
        """The same places with the states at the ends of their branches, as far as memory allows."""
        ends = [states for _, states in places]
        unread = [index for index, place in enumerate(places) if self._part(*place)]
        parts = [(self._part(*places[index]), ends[index]) for index in unread]
        for batch in self._formed(parts):
            for place, states in zip(batch, self._passed([parts[place] for place in batch]), strict=True):
                ends[unread[place]] = states
                self._keep(places[unread[place]][0], states)
        return [(branch, end) for (branch, _), end in zip(places, ends, strict=True)]

    def _passed(self, parts: Sequence[tuple[Sequence[int], States | None]]) -> list[States | None]:
        """Read parts in one pass, or in several where memory does not suffice; at worst a part is left unread."""
        ids, before = [ids for ids, _ in parts], [states for _, states in parts]
        read = self._compute(lambda: self._lm.read(ids, before))
        if read is not None:
            return list(read)
        if len(parts) == 1:
            return before
        middle = len(parts) // 2
        return [*self._passed(parts[:middle]), *self._passed(parts[middle:])]

    def _formed(self, parts: Sequence[tuple[Sequence[int], States | None]]) -> list[list[int]]:
        remembered = max((states.tokens if states else 0 for _, states in parts), default=0)
        lengths = [len(ids) for ids, _ in parts]
        return form_batches(lengths, self._limit, further=remembered // _REMEMBERED, waste=_WASTE)

    def _part(self, branch: Branch, before: States | None) -> Sequence[int]:
        return self._ids(branch)[before.tokens if before else 0 :]

    def _ids(self, branch: Branch) -> Sequence[int]:
        return self._rows[branch.sample].ids[: branch.length]

    def _known(self, branch: Branch) -> States | None:
        return None if self._cache is None else self._cache.get(self._ids(branch))

    def _keep(self, branch: Branch, states: States | None) -> None:
        row = self._rows[branch.sample]
        whole = states is not None and states.tokens == branch.length == row.stop
        if self._cache is not None and states is not None and whole and row.kept:
            self._cache.put(self._ids(branch), states)


def _grouped(lengths: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Put neighbours together up to a limit for the sum of their lengths."""
    group: list[int] = []
    total = 0
    for index, length in enumerate(lengths):
        if group and total + length > limit:
            yield group
            group, total = [], 0
        group.append(index)
        total += length
    if group:
        yield group
