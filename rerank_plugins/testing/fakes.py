"""Fake models: deterministic, instant unless told otherwise, and able to fail on demand."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from rerank_plugins.backends._processes import ByArguments
from rerank_plugins.candidates import Candidate
from rerank_plugins.ranking import Usage
from rerank_plugins.requests import (
    Attend,
    Attended,
    Chat,
    ChatReply,
    Choose,
    Chosen,
    Embed,
    Embedded,
    Found,
    Likelihood,
    Measured,
    Neighbours,
    Reply,
    Request,
    Retrieve,
    Scored,
    ScorePairs,
)

__all__ = ["FakeModel", "prompt_of"]

Says = str | Sequence[str] | Callable[[Chat], str]
Fails = Callable[[int, Request], BaseException | None]

_DIMENSIONS = 32


class FakeModel(ByArguments):
    """A backend that answers every kind of request, without any model.

    Args:
        says: What it answers to `Chat`: one text for all, texts in turn (the last one repeats), or a callable.
        fails: Called with the number of the call (from 0) and the request; what it returns is raised.
        delay_s: Seconds before each answer.
        found: What it finds for `Retrieve`: the same for every query, or a callable that is given the request.
        neighbours: What stands around a chunk in its document, for `Neighbours`.
        identity: Its name, as the cache key has it: two that answer differently and share a cache need two.
        kinds: The kinds of request that it answers, if not all: for each kind the first backend of a list is asked.

    Attributes:
        requests: All requests it was sent, in order of arrival.
        most_at_once: The most calls that were under way together.

    >>> from rerank_plugins import InsertRank, rerank
    >>> model = FakeModel("[2] > [1]")
    >>> rerank(InsertRank(), "which?", ["this", "that"], backends=model).order
    [1, 0]
    >>> len(model.requests)
    1
    """

    kinds: tuple[type[Request], ...] = (Chat, Choose, Likelihood, Attend, Embed, ScorePairs, Retrieve, Neighbours)

    def __init__(
        self,
        says: Says = "",
        *,
        fails: Fails | None = None,
        delay_s: float = 0.0,
        found: Sequence[Candidate] | Callable[[Retrieve], Sequence[Candidate]] = (),
        neighbours: Callable[[Neighbours], Sequence[Candidate]] = lambda asked: (),
        identity: str = "FakeModel",
        kinds: Sequence[type[Request]] | None = None,
    ) -> None:
        self.identity = identity
        if kinds is not None:
            self.kinds = tuple(kinds)
        self.requests: list[Request] = []
        self.most_at_once = 0
        self._says = says
        self._fails = fails
        self._delay_s = delay_s
        self._found = found if callable(found) else lambda asked: found
        self._neighbours = neighbours
        self._at_once = 0
        self._lock = threading.Lock()

    def answer(self, request: Request, timeout: float | None) -> Reply:
        """Answer after the delay, from any thread."""
        number = self._enter(request)
        try:
            time.sleep(self._delay_s)
            return self._reply(number, request)
        finally:
            self._leave()

    async def aanswer(self, request: Request, timeout: float | None) -> Reply:
        """Answer after the delay, from an event loop."""
        number = self._enter(request)
        try:
            await asyncio.sleep(self._delay_s)
            return self._reply(number, request)
        finally:
            self._leave()

    def _enter(self, request: Request) -> int:
        with self._lock:
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            return len(self.requests) - 1

    def _leave(self) -> None:
        with self._lock:
            self._at_once -= 1

    def _reply(self, number: int, request: Request) -> Reply:
        if self._fails is not None and (error := self._fails(number, request)) is not None:
            raise error
        if isinstance(request, Chat):
            text = self._text(number, request)
            return ChatReply(text, usage=Usage(1, len(prompt_of(request).split()), len(text.split())))
        if isinstance(request, Retrieve):
            return Found(tuple(self._found(request)[: request.k]))
        if isinstance(request, Neighbours):
            return Found(tuple(self._neighbours(request)))
        return _ANSWERS[type(request)](request)

    def _text(self, number: int, request: Chat) -> str:
        if isinstance(self._says, str):
            return self._says
        if callable(self._says):
            return self._says(request)
        return self._says[min(number, len(self._says) - 1)]


def prompt_of(request: Chat) -> str:
    """All that a chat request says, as one text."""
    return "\n".join(message["content"] for message in request.messages)


def _number(text: str) -> float:
    """A number in 0..1 that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def _vector(text: str) -> list[float]:
    """A bag of words, hashed: texts that share words are near each other."""
    counts = Counter(int(_number(word) * _DIMENSIONS) for word in text.lower().split())
    return [float(counts[dimension]) for dimension in range(_DIMENSIONS)]


def _attended(asked: Attend) -> Attended:
    """A value for each word, which stands for a token."""
    tokens = tuple(tuple(_number(asked.question + word) for word in segment.split()) for segment in asked.segments)
    return Attended(tuple(map(sum, tokens)), tokens)


_ANSWERS: dict[type[Request], Callable[[Any], Reply]] = {
    Choose: lambda asked: Chosen({label: -5 * _number(repr(asked.messages) + label) for label in asked.labels}),
    Likelihood: lambda asked: Measured(tuple(-5 * _number(asked.prompt + w) for w in asked.continuation.split())),
    Attend: _attended,
    Embed: lambda asked: Embedded([_vector(text) for text in asked.texts]),
    ScorePairs: lambda asked: Scored(tuple(_number(asked.query + text) for text in asked.texts)),
}
