"""Clients that know what the scripted server has to answer: each asks, and checks what comes back."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks._scripted_server import worth

__all__ = ["Client", "Load", "Question", "closed_loop", "open_loop"]

_FORMS = ("/v2/rerank", "/v1/rerank", "/rerank")
_DEADLINE_S = 60.0


@dataclass(frozen=True)
class Question:
    """A question of a number, with ten things; every number asks in another form, or for other things."""

    number: int

    @property
    def path(self) -> str:
        """The form that it is asked in."""
        return _FORMS[self.number % len(_FORMS)]

    @property
    def things(self) -> list[int]:
        """The documents, as numbers."""
        return [self.number * 13 + 17 * place for place in range(10)]

    @property
    def texts(self) -> list[str]:
        """The documents."""
        return [f"thing {thing} of rye" for thing in self.things]

    def body(self) -> bytes:
        """What is sent."""
        asked: dict[str, Any] = {"query": f"question {self.number}"}
        if self.path == "/rerank":
            asked |= {"texts": self.texts, "return_text": True}
        else:
            asked |= {"documents": self.texts, "model": ("chat", "encoder")[self.number // 3 % 2]}
        return json.dumps(asked).encode()

    def is_answered_by(self, body: bytes) -> bool:
        """Whether it is the whole answer to this question and to no other."""
        reply = json.loads(body)
        results = reply if self.path == "/rerank" else reply["results"]
        order = [result["index"] for result in results]
        texts = [self._text(result, index) for result, index in zip(results, order, strict=True)]
        right = sorted(range(10), key=lambda index: -worth(self.number, self.things[index]))
        return order == right and texts == [self.texts[index] for index in right]

    def _text(self, result: dict[str, Any], index: int) -> str:
        """The text as the form gives it back; the second form of Cohere gives none."""
        if self.path == "/rerank":
            return str(result["text"])
        return str(result["document"]["text"]) if self.path == "/v1/rerank" else self.texts[index]


class Client:
    """One connection, kept open. It reads HTTP by hand: an answer that breaks off is told from none at all.

    Args:
        port: Where the server listens on this machine.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, question: Question) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer.

        Raises:
            ConnectionError: There is no server, or it went away before it said anything.
            asyncio.IncompleteReadError: An answer began and broke off; `partial` has what there was of its part.
        """
        try:
            return await asyncio.wait_for(self._exchanged(question), _DEADLINE_S)
        except BaseException:
            self.close()
            raise

    async def _exchanged(self, question: Question) -> tuple[int, dict[str, str], bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        body = question.body()
        head = f"POST {question.path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        try:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            raise ConnectionResetError from None
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        answer = await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        return int(first.split()[1]), headers, answer

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


@dataclass
class Load:
    """What became of many questions."""

    seconds: dict[int, list[float]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[int] = field(default_factory=list)
    broken_off: list[int] = field(default_factory=list)
    unanswered: list[int] = field(default_factory=list)
    without_retry_after: int = 0
    took_s: float = 0.0

    async def ask(self, client: Client, question: Question) -> None:
        """Ask, check the answer, and count it."""
        began = time.perf_counter()
        try:
            status, headers, body = await client.ask(question)
        except asyncio.IncompleteReadError:
            self.broken_off.append(question.number)
            return
        except (ConnectionError, TimeoutError):
            self.unanswered.append(question.number)
            return
        self.seconds.setdefault(status, []).append(time.perf_counter() - began)
        self.statuses[status] += 1
        if status == 200 and not question.is_answered_by(body):
            self.wrong.append(question.number)
        if status == 429 and int(headers.get("retry-after", 0)) < 1:
            self.without_retry_after += 1

    def percentile(self, status: int, part: float) -> float:
        """Seconds that this part of the answers with a status took at most."""
        taken = sorted(self.seconds[status])
        return taken[min(len(taken) - 1, int(part * len(taken)))]


def closed_loop(port: int, numbers: Iterable[int], clients: int) -> Load:
    """Each client asks again as soon as it has its answer."""
    return asyncio.run(_closed_loop(port, iter(numbers), clients))


async def _closed_loop(port: int, numbers: Iterable[int], clients: int) -> Load:
    load, began = Load(), time.perf_counter()

    async def ask_on() -> None:
        client = Client(port)
        for number in numbers:  # all clients draw from the same iterator
            await load.ask(client, Question(number))
        client.close()

    await asyncio.gather(*(ask_on() for _ in range(clients)))
    load.took_s = time.perf_counter() - began
    return load


def open_loop(port: int, numbers: Iterable[int], per_second: float) -> Load:
    """Questions come at this pace, whatever becomes of those before: as from people, who do not wait for each other."""
    return asyncio.run(_open_loop(port, numbers, per_second))


async def _open_loop(port: int, numbers: Iterable[int], per_second: float) -> Load:
    load, began = Load(), time.perf_counter()
    idle: list[Client] = []

    async def ask(number: int) -> None:
        client = idle.pop() if idle else Client(port)
        await load.ask(client, Question(number))
        idle.append(client)

    async with asyncio.TaskGroup() as group:
        for place, number in enumerate(numbers):
            await asyncio.sleep(began + place / per_second - time.perf_counter())
            group.create_task(ask(number))
    for client in idle:
        client.close()
    load.took_s = time.perf_counter() - began
    return load
