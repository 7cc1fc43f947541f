"""The clients of the openai SDK, for any number of threads and event loops, made when they are first needed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from rerank_plugins.backends._processes import renew_after_fork
from rerank_plugins.backends.loading import Once
from rerank_plugins.errors import InvalidInput

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

__all__ = ["MadeClients", "UsersClients"]


class MadeClients:
    """One sync client, and one async client per running event loop, since its connections belong to that loop.

    Args:
        options: What both kinds of client are made with: address, key, headers.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        import openai
        import openai.resources.chat.completions
        import openai.resources.completions
        import openai.resources.embeddings  # the SDK would import these within the first call, which has a timeout

        self._openai = openai
        self._options = {**options, "max_retries": 0}  # the driver retries, and counts it
        self._begin_anew()
        renew_after_fork(self, MadeClients._begin_anew)

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        self._of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Lease] = WeakKeyDictionary()
        self._sync: Once[OpenAI] = Once(lambda: self._openai.OpenAI(**self._options))

    def sync(self) -> OpenAI:
        """The client for threads."""
        return self._sync()

    async def of_loop(self) -> AsyncOpenAI:
        """The client of the running event loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if (lease := self._of_loop.get(loop)) is not None:
                return lease.client
            for closed in [other for other in self._of_loop if other.is_closed()]:
                del self._of_loop[closed]  # connections that were left open keep their loop alive
            # The transport that the SDK makes itself would be closed on whichever loop happens to run then.
            transport = self._openai.DefaultAsyncHttpxClient()
            lease = self._of_loop[loop] = _Lease(self._openai.AsyncOpenAI(**self._options, http_client=transport))
        await lease.begin()
        return lease.client


class UsersClients:
    """Clients of the user's own. One of the two may be missing."""

    def __init__(self, client: OpenAI | None, async_client: AsyncOpenAI | None) -> None:
        self._sync = None if client is None else client.with_options(max_retries=0)
        self._async = None if async_client is None else async_client.with_options(max_retries=0)

    def sync(self) -> OpenAI:
        """The client for threads."""
        if self._sync is None:
            raise InvalidInput("An async_client alone serves no sync call; pass client=... too, or call `arerank`.")
        return self._sync

    async def of_loop(self) -> AsyncOpenAI | None:
        """The async client, or None where the sync one has to do: its transport, proxy and credentials cannot be
        carried over to another client.
        """
        return self._async


class _Lease:
    """A client that is closed with its event loop: asyncio ends open generators before it closes a loop."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self.client = client
        self._held: AsyncGenerator[None, None] | None = self._hold()

    async def begin(self) -> None:
        assert self._held is not None
        await anext(self._held)

    async def _hold(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._held = None  # it refers to its loop, which would never be freed
            await self.client.close()
