"""A real HTTP server on the loopback interface that answers as scripted, and fails as scripted.

It speaks the common form of `/v1/chat/completions`, `/v1/completions`, `/v1/embeddings` and `/v1/models`, needs nothing
but the standard library, starts in a millisecond and holds hundreds of connections at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from rerank_plugins.testing.bodies import chat_completion, embedding_list, text_completion, word_vector

__all__ = ["Fault", "Received", "ScriptedEndpoint"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fault:
    """What goes wrong instead of an answer.

    Args:
        kind: "status" answers with an HTTP status and a JSON error, "html" with a page (as a proxy does), "hang"
            never answers, "reset" resets the connection, "truncated" ends the body half way, "drip" sends it one byte
            at a time without an end, "wrong-json" answers with JSON of no known shape.
        status: The HTTP status.
        headers: Further headers, such as `{"Retry-After": "1"}`.
        error: What stands under "error" in the body of "status".
        pause_s: Seconds between two bytes of "drip".

    >>> Fault("status", 429, {"Retry-After": "1"}).status
    429
    """

    kind: Literal["status", "html", "hang", "reset", "truncated", "drip", "wrong-json"]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    error: Mapping[str, Any] | str = field(default_factory=lambda: {"message": "scripted", "type": "scripted"})
    pause_s: float = 0.05


@dataclass(frozen=True)
class Received:
    """A request that arrived: its path, its JSON body, its headers in lower case, and when (`time.monotonic`)."""

    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    at: float


ChatAnswer = str | Mapping[str, Any] | Fault
"""The text of the answer, or a whole response body, or a fault."""

CompletionAnswer = Mapping[str, Any] | Fault
"""A whole response body, or a fault."""

EmbedAnswer = Sequence[Sequence[float]] | Mapping[str, Any] | Fault
"""One vector per text, or a whole response body, or a fault."""


_NOTHING = text_completion(())


def _inputs(asked: Mapping[str, Any]) -> list[str]:
    given = asked["input"]
    return [given] if isinstance(given, str) else list(given)


def _word_vectors(asked: Mapping[str, Any]) -> list[list[float]]:
    return [word_vector(text) for text in _inputs(asked)]


class ScriptedEndpoint:
    """An OpenAI-compatible server with scripted replies, as a context manager.

    Args:
        replies: What to answer to chat requests: one text for all, texts and faults in the order of their arrival (the
            last one repeats), or a function of the request's JSON. It runs on the server's event loop, so it must
            not block.
        embeddings: The same for embedding requests; without them each text gets its `word_vector`.
        completions: Whole response bodies, faults or a function for requests that complete a text.
        delay_s: Seconds before each answer, as a model needs them; may be changed at any time.

    Attributes:
        requests: All that arrived at these paths, in order.
        in_flight: Requests that arrived and are not answered yet.
        peak: The most requests that were in flight at once.

    >>> import urllib.request
    >>> with ScriptedEndpoint(["[2] > [1]"]) as endpoint:
    ...     body = json.dumps({"model": "any", "messages": [{"role": "user", "content": "Which?"}]}).encode()
    ...     with urllib.request.urlopen(endpoint.base_url + "/chat/completions", body) as response:
    ...         print(json.load(response)["choices"][0]["message"]["content"], endpoint.peak)
    [2] > [1] 1
    """

    def __init__(
        self,
        replies: str | Sequence[ChatAnswer] | Callable[[Mapping[str, Any]], ChatAnswer] = "",
        *,
        embeddings: Sequence[EmbedAnswer] | Callable[[Mapping[str, Any]], EmbedAnswer] = _word_vectors,
        completions: Sequence[CompletionAnswer] | Callable[[Mapping[str, Any]], CompletionAnswer] = (_NOTHING,),
        delay_s: float = 0.0,
    ) -> None:
        self._scripts: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "/v1/chat/completions": _script([replies] if isinstance(replies, str) else replies),
            "/v1/completions": _script(completions),
            "/v1/embeddings": _script(embeddings),
        }
        self.delay_s = delay_s
        self.requests: list[Received] = []
        self.in_flight = self.peak = 0
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @property
    def base_url(self) -> str:
        """The URL to give to a client, up to and with `/v1`."""
        assert self._socket is not None, "A ScriptedEndpoint has an address inside its `with` block."
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        ready = threading.Event()
        # A thread and a loop of its own, so that it answers whatever the test's own thread or loop is busy with.
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), name="endpoint", daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None and self._stop is not None and self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._socket = None

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        connections: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._converse(reader, writer))
            connections.add(task)
            task.add_done_callback(connections.discard)

        server = await asyncio.start_server(accept, sock=self._socket, limit=2**26)
        ready.set()
        await self._stop.wait()
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until it ends."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path, headers = _read_head(head)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                await self._answer(path, headers, body, reader, writer)
        except (OSError, EOFError):
            pass  # the client has gone, or the script sent it away
        finally:
            writer.close()

    async def _answer(
        self,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if path == "/v1/models":
            return await _send(writer, 200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})
        if path not in self._scripts:
            return await _send(writer, 404, {"error": {"message": f"There is no {path}.", "type": "not_found"}})
        asked = json.loads(body)
        self.requests.append(Received(path, asked, headers, time.monotonic()))
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            answer = self._scripted(path, asked)
            await asyncio.sleep(self.delay_s)
            if isinstance(answer, Fault):
                await _fail(answer, reader, writer)
            else:
                await _send(writer, 200, answer)
        finally:
            self.in_flight -= 1

    def _scripted(self, path: str, asked: Mapping[str, Any]) -> Mapping[str, Any] | Fault:
        try:
            answer = self._scripts[path](asked)
            return answer if isinstance(answer, Fault | Mapping) else _as_body(answer, asked)
        except Exception as error:  # noqa: BLE001 # a mistake in a test's script must not look like a lost connection
            _log.exception("The script for %s failed.", path)
            return Fault("status", 500, error={"message": f"The script failed: {error!r}.", "type": "script"})


def _script(answers: Sequence[Any] | Callable[[Mapping[str, Any]], Any]) -> Callable[[Mapping[str, Any]], Any]:
    if callable(answers):
        return answers
    left, last = iter(answers), answers[-1]
    return lambda asked: next(left, last)


def _as_body(answer: Any, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(answer, str):
        characters = sum(len(str(message.get("content"))) for message in asked["messages"])
        return chat_completion(answer, prompt_tokens=characters // 4)
    encoding = asked.get("encoding_format", "float")
    return embedding_list(answer, encoding=encoding, prompt_tokens=sum(map(len, _inputs(asked))) // 4)


def _read_head(head: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return first.split()[1], {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _send(writer: asyncio.StreamWriter, status: int, body: Mapping[str, Any]) -> None:
    writer.write(_response(status, json.dumps(body).encode(), "application/json"))
    await writer.drain()


def _response(status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> bytes:
    fields = {"Content-Type": content_type, "Content-Length": str(len(body))} | dict(headers or {})
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


async def _fail(fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    page = b"<!DOCTYPE html><html><body><h1>Something is in the way</h1></body></html>"
    sound = json.dumps(chat_completion("[1]")).encode()
    match fault.kind:
        case "status":
            body = json.dumps({"error": fault.error}).encode()
            writer.write(_response(fault.status, body, "application/json", fault.headers))
        case "html":
            writer.write(_response(fault.status, page, "text/html", fault.headers))
        case "wrong-json":
            writer.write(_response(fault.status, b'{"answer": [1, 2]}', "application/json", fault.headers))
        case "truncated":
            writer.write(_response(fault.status, sound, "application/json", fault.headers)[: -len(sound) // 2])
            await writer.drain()
            raise EOFError
        case "hang":
            await reader.read()  # until the client gives up
            raise EOFError
        case "drip":
            writer.write(
                _response(fault.status, b"", "application/json", {"Content-Length": "1048576"} | fault.headers)
            )
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(fault.pause_s)
        case "reset":
            with contextlib.suppress(OSError):
                # Lingering for no time makes the kernel send a reset instead of an orderly end.
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            raise EOFError
    await writer.drain()
