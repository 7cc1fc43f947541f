"""The guard: what happens to every request before the application sees it, and to every answer after it."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from rerank_plugins.serving.refusals import Refusal

__all__ = ["Guard"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_OPEN = {"/", "/healthz", "/readyz", "/openapi.json"}
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]
_PORT = re.compile(r":\d*$")
_LONGEST_NAME = 100
_log = logging.getLogger(__name__)


class Guard:
    """Checks who asks and how much, stops the work for who has gone, and turns what goes wrong into an answer.

    Args:
        app: The application behind it.
        key: What the header `Authorization: Bearer ...` has to say; None asks for no key.
        hosts: The names that the header `Host` may have, in small letters and without a port; None allows any.
        max_body_bytes: The largest request.
        body_timeout_s: Seconds for a request to come in whole.
    """

    def __init__(
        self, app: App, key: str | None, hosts: Collection[str] | None, max_body_bytes: int, body_timeout_s: float
    ) -> None:
        self._app = app
        self._key = None if key is None else key.encode()
        self._hosts = hosts
        self._max_body_bytes = max_body_bytes
        self._body_timeout_s = body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; what is no HTTP goes straight to the application."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started = False

        async def send_on(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        try:
            await self._checked(scope, receive, send_on)
        except Refusal as refusal:
            await _refuse(refusal, scope["path"], send_on)
        except Exception as error:  # noqa: BLE001 # its message or traceback may hold a document: only its name is told
            _log.error("%s failed with %s.", scope["path"], type(error.__cause__ or error).__name__)
            if not started:
                await _refuse(Refusal(500, "The server failed at this request."), scope["path"], send_on)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        self._check_host(headers.get(b"host", b""))
        if scope["path"] not in _OPEN:
            self._check_key(headers.get(b"authorization", b""))
        body = await self._read_in_time(headers.get(b"content-length", b"0"), receive)
        if body is not None:
            await self._answer(scope, body, receive, send)

    def _check_host(self, header: bytes) -> None:
        """Refuse names that are not ours: a site could point its own at this machine, and send what it likes."""
        if self._hosts is None:
            return
        name = _PORT.sub("", header.decode("latin-1")).lower()
        if name not in self._hosts:
            sentence = f"This server does not answer to the host {name[:_LONGEST_NAME]!r}; --allow-host makes it do so."
            raise Refusal(421, sentence)

    def _check_key(self, header: bytes) -> None:
        if self._key is None:
            return
        kind, _, given = header.partition(b" ")
        if kind.lower() != b"bearer" or not hmac.compare_digest(given.strip(), self._key):
            raise Refusal(401, "This server asks for its key; send it as Authorization: Bearer KEY.")

    async def _read_in_time(self, announced: bytes, receive: Receive) -> bytes | None:
        try:
            async with asyncio.timeout(self._body_timeout_s):
                return await self._read(announced, receive)
        except TimeoutError:
            raise Refusal(408, f"The request did not come in whole within {self._body_timeout_s:g} s.") from None

    async def _read(self, announced: bytes, receive: Receive) -> bytes | None:
        """The whole body; None if the client went away. What is too large is refused before it is all in memory."""
        body = bytearray()
        size = int(announced) if announced.isdigit() else 0
        while True:
            if max(size, len(body)) > self._max_body_bytes:
                raise Refusal(413, f"A request has at most {self._max_body_bytes} bytes here; send fewer documents.")
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if not message.get("more_body") and len(body) <= self._max_body_bytes:
                return bytes(body)

    async def _answer(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Let the application answer; if the client goes away before it has, stop its work."""
        gone = asyncio.ensure_future(receive())  # after the body comes nothing but word that the client has gone
        parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replayed() -> Message:
            return parts.pop() if parts else await asyncio.shield(gone)

        work = asyncio.ensure_future(self._app(scope, replayed, send))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
        finally:
            gone.cancel()
            work.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)


async def _refuse(refusal: Refusal, path: str, send: Send) -> None:
    body = refusal.body(path)
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))} | dict(refusal.headers)
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
