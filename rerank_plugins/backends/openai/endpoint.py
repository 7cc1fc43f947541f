"""An OpenAI-compatible endpoint: where it is, the key for it, and one request to it with a bound on its time."""

from __future__ import annotations

import asyncio
import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from rerank_plugins.backends._clients import Clients
from rerank_plugins.backends.asking import Body
from rerank_plugins.backends.loading import Once, require
from rerank_plugins.backends.openai.clients import UsersClients, made_clients
from rerank_plugins.errors import BadReply, CallTimeout, InvalidInput
from rerank_plugins.provider_errors import error_in, status_in

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

__all__ = ["Endpoint", "Resource"]

Resource = Literal["chat", "completions", "embeddings"]

_OPENAI = "https://api.openai.com/v1"
_HOSTS_OF_OPENAI = (".openai.com", ".azure.com")
_NO_KEY = "none"  # the SDK insists on a key; a server of one's own does not look at it
_THREADS = 64
_NAMED = ("model", "messages", "prompt", "input", "encoding_format")


class Endpoint:
    """An endpoint, and the clients for it.

    Args:
        feature: The class that this is for, for messages.
        base_url: Its address, up to and with `/v1`; None is `OPENAI_BASE_URL`, else OpenAI's own.
        api_key: None is `OPENAI_API_KEY`; a server that is not OpenAI's needs none.
        client: A sync client of the user's own, instead of address and key.
        async_client: An async client of the user's own.
        headers: Sent with each request.

    Raises:
        InvalidInput: The address is none, or there is no key for OpenAI.
        MissingExtra: The package openai is not installed.
    """

    def __init__(
        self,
        feature: str,
        base_url: str | None,
        api_key: str | None,
        client: OpenAI | None,
        async_client: AsyncOpenAI | None,
        headers: Mapping[str, str] | None,
    ) -> None:
        require(feature, "openai", "openai")
        self._feature = feature
        self._headers = dict(headers or {})
        self._threads = Once(lambda: ThreadPoolExecutor(_THREADS, thread_name_prefix="rerank-openai"))
        given = client if client is not None else async_client
        if given is not None:
            if base_url is not None or api_key is not None:
                raise InvalidInput(f"{feature} takes either a client, or base_url and api_key, not both.")
            self._address = str(given.base_url)
            self._clients: Clients[OpenAI, AsyncOpenAI] | UsersClients = UsersClients(client, async_client)
            return
        self._address = base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI
        key = api_key or os.environ.get("OPENAI_API_KEY")
        self._check(key)
        self._clients = made_clients({"base_url": self._address, "api_key": key or _NO_KEY})

    def _check(self, key: str | None) -> None:
        parts = urlsplit(self._address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            shown = self._address.rpartition("@")[2].partition("?")[0]
            raise InvalidInput(f"{self._feature}(base_url=...) begins with http:// or https://, not {shown!r}.")
        if not key and self.is_openai:
            raise InvalidInput(
                f"{self._feature} needs a key for {parts.hostname}; pass api_key=... or set OPENAI_API_KEY, or pass "
                "the base_url=... of another server."
            )

    @property
    def shown(self) -> str:
        """The address without credentials and query."""
        parts = urlsplit(self._address)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"

    @property
    def is_openai(self) -> bool:
        """Whether this is OpenAI's own service, or Azure's."""
        return f".{urlsplit(self._address).hostname}".endswith(_HOSTS_OF_OPENAI)

    def post(self, resource: Resource, body: Body, timeout: float | None) -> Any:
        """Send one request and give the JSON of its reply."""
        ends = math.inf if timeout is None else time.monotonic() + timeout
        with _create(self._clients.sync(), resource)(**self._arguments(body, timeout)) as response:
            content = b"".join(self._bounded(response.iter_bytes(), ends))
        return self._json(content, response)

    async def apost(self, resource: Resource, body: Body, timeout: float | None) -> Any:
        """Do the same from the running event loop."""
        async with asyncio.timeout(timeout):
            client = await self._clients.of_loop()
            if client is None:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads(), self.post, resource, body, timeout)
            async with _create(client, resource)(**self._arguments(body, timeout)) as response:
                content = await response.read()
        return self._json(content, response)

    def _arguments(self, body: Body, timeout: float | None) -> dict[str, Any]:
        """The body as the SDK takes it: what only some versions of it know goes into extra_body."""
        named = {name: value for name, value in body.items() if name in _NAMED}
        rest = {name: value for name, value in body.items() if name not in _NAMED}
        return named | {"extra_body": rest, "extra_headers": self._headers, "timeout": timeout}

    def _bounded(self, chunks: Iterable[bytes], ends: float) -> Iterator[bytes]:
        """Pass chunks on until the time is up: the transport's own timeout begins anew with each byte that arrives."""
        for chunk in chunks:
            yield chunk
            if time.monotonic() >= ends:
                raise CallTimeout(f"{self._feature} at {self.shown} sent its reply too slowly.")

    def _json(self, content: bytes, response: Any) -> Any:
        try:
            data = json.loads(content)
        except ValueError:
            kind = str(response.headers.get("content-type", "nothing")).partition(";")[0][:40]
            raise BadReply(
                f"{self._feature} at {self.shown} answered with HTTP {response.status_code} and {kind} instead of "
                "JSON; check base_url."
            ) from None
        if (error := error_in(data)) is not None:
            raise _ErrorInReply(error)
        return data


class _ErrorInReply(Exception):
    """An error that came with HTTP 200, as some servers and proxies send it; its own code counts."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error))
        self.body = error
        self.status_code = status_in(error, otherwise=400)


def _create(client: OpenAI | AsyncOpenAI, resource: Resource) -> Any:
    """The SDK's method that leaves the reading of the response to us."""
    found: dict[Resource, Any] = {
        "chat": client.chat.completions,
        "completions": client.completions,
        "embeddings": client.embeddings,
    }
    return found[resource].with_streaming_response.create
