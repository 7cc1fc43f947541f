"""What a model keeps of documents that it has read, from one call to the next, within a bound in bytes."""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rerank_plugins.backends.local.states import States

if TYPE_CHECKING:
    import torch

__all__ = ["DocumentCache"]


class DocumentCache:
    """The states of beginnings of prompts, the least recently used forgotten first. Safe across threads.

    A beginning is kept stretch by stretch: an instruction that stands before all documents is kept once.

    Args:
        limit: The most bytes.
        dtype: The precision in which numbers are kept; None is that of the model.
    """

    def __init__(self, limit: int, dtype: torch.dtype | None = None) -> None:
        self._limit = limit
        self._dtype = dtype
        self._kept: OrderedDict[bytes, States] = OrderedDict()
        self._lock = threading.Lock()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, ids: Sequence[int]) -> States | None:
        """The states of exactly these tokens, from the first of a prompt on."""
        with self._lock:
            states = self._kept.get(_key(ids))
            if states is not None:
                self._touch(ids, states)
            return states

    def put(self, ids: Sequence[int], states: States) -> None:
        """Keep the states of these tokens, and what comes before them, as far as there is room."""
        with self._lock:
            if sum(stretch.bytes for stretch in states.chain) <= self._limit:
                self._add(ids, states)
                self._touch(ids, states)
                self._forget()

    def _add(self, ids: Sequence[int], states: States) -> None:
        before: States | None = None
        for stretch in states.chain:
            key = _key(ids[: stretch.tokens])
            if key not in self._kept:
                self._kept[key] = stretch.packed(self._dtype, before)
                self.bytes += self._kept[key].bytes
            before = self._kept[key]

    def _forget(self) -> None:
        while self.bytes > self._limit:
            _, forgotten = self._kept.popitem(last=False)
            self.bytes -= forgotten.bytes

    def _touch(self, ids: Sequence[int], states: States) -> None:
        """Make a beginning the most recent, and what others build on more recent still: it is to be forgotten last."""
        for stretch in reversed(states.chain):
            key = _key(ids[: stretch.tokens])
            if key in self._kept:
                self._kept.move_to_end(key)


def _key(ids: Sequence[int]) -> bytes:
    return array("q", ids).tobytes()
