"""The clients of the openai SDK: those made here, and those of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rerank_plugins.backends._clients import Clients
from rerank_plugins.errors import InvalidInput

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

__all__ = ["UsersClients", "made_clients"]


def made_clients(options: Mapping[str, Any]) -> Clients[OpenAI, AsyncOpenAI]:
    """Clients that are made with these options: address, key, headers."""
    import openai
    import openai.resources.chat.completions
    import openai.resources.completions
    import openai.resources.embeddings  # the SDK would import these within the first call, which has a timeout

    given = {**options, "max_retries": 0}  # the driver retries, and counts it

    def make_async() -> AsyncOpenAI:
        # The transport that the SDK makes itself would be closed on whichever loop happens to run then.
        return openai.AsyncOpenAI(**given, http_client=openai.DefaultAsyncHttpxClient())

    return Clients(lambda: openai.OpenAI(**given), make_async, lambda client: client.close())


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
