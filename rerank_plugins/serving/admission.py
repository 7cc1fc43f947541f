"""Admission: how many requests are under way, how many wait, and who is sent away until later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rerank_plugins.serving.refusals import Refusal

__all__ = ["Admission"]

_LONGEST_WAIT_S = 60.0
_WEIGHT = 0.2


class Admission:
    """A bounded number of places, and a queue of bounded length before them.

    A queue that may grow only moves the failure: each request in it would time out after all its work was paid for.

    Args:
        max_active: How many may be under way at once.
        max_waiting: How many may wait.

    Attributes:
        active: How many are under way.
        waiting: How many wait.

    >>> async def one() -> int:
    ...     admission = Admission(max_active=1, max_waiting=0)
    ...     async with admission.place():
    ...         return admission.active
    >>> asyncio.run(one())
    1
    """

    def __init__(self, max_active: int, max_waiting: int) -> None:
        self.active = self.waiting = 0
        self._max_active = max_active
        self._places = max_active + max_waiting
        self._free = asyncio.Semaphore(max_active)
        self._mean_s = 1.0

    @asynccontextmanager
    async def place(self, patience_s: float | None = None) -> AsyncIterator[None]:
        """Hold a place; wait for it in order of arrival.

        Raises:
            Refusal: All places and the queue are full, or none became free in time.
        """
        if self.active + self.waiting >= self._places:
            raise Refusal(429, "More is asked than can be answered in time; try again later.", self.retry_after_s)
        await self._wait(patience_s)
        self.active += 1
        began = time.monotonic()
        try:
            yield
        finally:
            self.active -= 1
            self._free.release()
            self._mean_s += _WEIGHT * (time.monotonic() - began - self._mean_s)

    @property
    def retry_after_s(self) -> float:
        """Seconds until the queue as it is now has probably gone; from 1 to 60."""
        return min(_LONGEST_WAIT_S, max(1.0, self._mean_s * (self.waiting + 1) / self._max_active))

    async def _wait(self, patience_s: float | None) -> None:
        self.waiting += 1
        try:
            async with asyncio.timeout(patience_s):
                await self._free.acquire()
        except TimeoutError:
            sentence = f"No place became free within the deadline of {patience_s:g} s; try again later."
            raise Refusal(503, sentence, self.retry_after_s) from None
        finally:
            self.waiting -= 1
