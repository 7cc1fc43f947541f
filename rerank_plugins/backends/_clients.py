"""HTTP clients for any number of threads and event loops, made when they are first needed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from rerank_plugins.backends._processes import renew_after_fork
from rerank_plugins.backends.loading import Once

__all__ = ["Clients"]

S = TypeVar("S")
A = TypeVar("A")


class Clients(Generic[S, A]):
    """One sync client, and one async client per running event loop, since its connections belong to that loop.

    A forked process makes its own: two processes that write to one connection would mix their requests.

    Args:
        make_sync: Makes the client for threads.
        make_async: Makes a client for an event loop, within that loop.
        close: Closes such a client, when its loop ends.
    """

    def __init__(
        self, make_sync: Callable[[], S], make_async: Callable[[], A], close: Callable[[A], Awaitable[object]]
    ) -> None:
        self._make_sync, self._make_async, self._close = make_sync, make_async, close
        self._begin_anew()
        renew_after_fork(self, Clients._begin_anew)

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        self._of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Lease[A]] = WeakKeyDictionary()
        self._sync: Once[S] = Once(self._make_sync)

    def sync(self) -> S:
        """The client for threads."""
        return self._sync()

    async def of_loop(self) -> A:
        """The client of the running event loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if (lease := self._of_loop.get(loop)) is not None:
                return lease.client
            for closed in [other for other in self._of_loop if other.is_closed()]:
                del self._of_loop[closed]  # connections that were left open keep their loop alive
            lease = self._of_loop[loop] = _Lease(self._make_async(), self._close)
        await lease.begin()
        return lease.client


class _Lease(Generic[A]):
    """A client that is closed with its event loop: asyncio ends open generators before it closes a loop."""

    def __init__(self, client: A, close: Callable[[A], Awaitable[object]]) -> None:
        self.client = client
        self._close = close
        self._held: AsyncGenerator[None, None] | None = self._hold()

    async def begin(self) -> None:
        assert self._held is not None
        await anext(self._held)

    async def _hold(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._held = None  # it refers to its loop, which would never be freed
            await self._close(self.client)
