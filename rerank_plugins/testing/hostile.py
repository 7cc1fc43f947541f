"""Backends that misbehave: in each form that a backend can have, in each way that one was seen to or might."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rerank_plugins.backends.base import Backend
from rerank_plugins.errors import BadReply
from rerank_plugins.requests import (
    Attended,
    ChatReply,
    Chosen,
    Embedded,
    Failed,
    Found,
    Measured,
    Reply,
    Request,
    Scored,
)
from rerank_plugins.testing.fakes import FakeModel

__all__ = ["FORMS", "HANGS_S", "WAYS", "hostile"]

_LATE_S = 0.15
HANGS_S = 30.0
"""Seconds that a hanging backend hangs: longer than anybody waits for it."""

Misbehave = Callable[[FakeModel, Sequence[Request]], Iterator[tuple[Any, Any]]]
"""Gives what a batch backend yields; the other forms take the first of it."""


def _well(model: FakeModel, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
    for position, request in enumerate(requests):
        yield position, model.answer(request, None)


def _raises(error: type[BaseException]) -> Misbehave:
    def misbehave(model: FakeModel, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        yield from list(_well(model, requests))[: len(requests) // 2 if len(requests) > 1 else 0]
        raise error("a hostile backend")

    return misbehave


def _changed(change: Callable[[int, Reply], Any]) -> Misbehave:
    return lambda model, requests: ((at, change(at, reply)) for at, reply in _well(model, requests))


def _hangs(model: FakeModel, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
    yield from list(_well(model, requests))[: len(requests) // 2 if len(requests) > 1 else 0]
    time.sleep(HANGS_S)


def _is_late(model: FakeModel, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
    time.sleep(_LATE_S)
    yield from _well(model, requests)


def _repeats(model: FakeModel, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
    while True:
        yield from _well(model, requests)


def _adds(model: FakeModel, requests: Sequence[Request]) -> Iterator[tuple[Any, Any]]:
    replies = list(_well(model, requests))
    yield from [(-1, replies[0][1]), (len(requests), replies[0][1]), (10**30, replies[0][1])]
    yield from replies


def _from_a_thread(model: FakeModel, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
    replies: list[tuple[int, Reply]] = []
    thread = threading.Thread(target=lambda: replies.extend(_well(model, requests)))
    thread.start()
    thread.join()
    yield from replies


def _without_numbers(position: int, reply: Reply) -> Reply:
    """The reply with NaN for every number, and a text that says so for one without numbers."""
    nan = float("nan")
    match reply:
        case Chosen():
            return replace(reply, logprobs=dict.fromkeys(reply.logprobs, nan))
        case Measured():
            return replace(reply, logprobs=(nan,) * len(reply.logprobs))
        case Attended():
            return Attended((nan,) * len(reply.mass))
        case Embedded():
            return Embedded([[nan] * len(vector) for vector in reply.vectors])
        case Scored():
            return Scored((nan,) * len(reply.scores))
        case ChatReply():
            return replace(reply, text="nan")
        case _:
            return reply


def _halved(position: int, reply: Reply) -> Reply:
    """The reply with half of what was asked for."""
    match reply:
        case Chosen():
            return replace(reply, logprobs=dict(list(reply.logprobs.items())[::2]))
        case Measured():
            return replace(reply, logprobs=reply.logprobs[::2])
        case Attended():
            return Attended(reply.mass[::2])
        case Embedded():
            return Embedded(list(reply.vectors)[::2])
        case Scored():
            return Scored(reply.scores[::2])
        case Found():
            return Found(reply.candidates[::2])
        case _:
            return reply


WAYS: Mapping[str, Misbehave] = {
    **{
        f"raises {error.__name__}": _raises(error)
        for error in (
            ValueError,
            OSError,
            TimeoutError,
            MemoryError,
            RecursionError,
            SystemExit,
            KeyboardInterrupt,
            GeneratorExit,
            asyncio.CancelledError,
        )
    },
    "hangs": _hangs,
    "is late": _is_late,
    "repeats for ever": _repeats,
    "answers out of order": lambda model, requests: reversed(list(_well(model, requests))),
    "answers too few": lambda model, requests: iter(list(_well(model, requests))[::2]),
    "answers nothing": lambda model, requests: iter(()),
    "answers too many": _adds,
    "answers from another thread": _from_a_thread,
    "gives no pairs": lambda model, requests: iter([reply for _, reply in _well(model, requests)]),  # type: ignore[misc] # the mistake
    "gives positions that are words": lambda model, requests: (
        (str(at), reply) for at, reply in _well(model, requests)
    ),
    "gives None": _changed(lambda at, reply: None),
    "gives a text": _changed(lambda at, reply: "[2] > [1]"),
    "gives another kind of reply": _changed(
        lambda at, reply: Found(()) if not isinstance(reply, Found) else Scored(())
    ),
    "gives failures": _changed(lambda at, reply: Failed(BadReply("a hostile backend"))),
    "gives numbers that are none": _changed(_without_numbers),
    "gives half of each reply": _changed(_halved),
}
"""Each way to misbehave, by its name."""


class _Call:
    """A backend that answers with one call, from threads and event loops."""

    def __init__(self, misbehave: Misbehave, model: FakeModel) -> None:
        self.kinds, self.identity = model.kinds, "Hostile"
        self._misbehave, self._model = misbehave, model

    def answer(self, request: Any, timeout: float | None) -> Any:
        for _, reply in self._misbehave(self._model, [request]):
            return reply
        return None

    async def aanswer(self, request: Any, timeout: float | None) -> Any:
        if self._misbehave is _hangs:
            await asyncio.sleep(HANGS_S)
        if self._misbehave is _is_late:
            await asyncio.sleep(_LATE_S)
            return self._model.answer(request, None)
        return self.answer(request, timeout)


class _Threads:
    """A backend that answers from threads alone."""

    def __init__(self, misbehave: Misbehave, model: FakeModel) -> None:
        self.kinds, self.identity = model.kinds, "Hostile"
        self.answer = _Call(misbehave, model).answer


class _Loop:
    """A backend that answers in event loops alone."""

    def __init__(self, misbehave: Misbehave, model: FakeModel) -> None:
        self.kinds, self.identity = model.kinds, "Hostile"
        self.aanswer = _Call(misbehave, model).aanswer


class _Batch:
    """A backend that takes batches."""

    def __init__(self, misbehave: Misbehave, model: FakeModel) -> None:
        self.kinds, self.identity = model.kinds, "Hostile"
        self._misbehave, self._model = misbehave, model

    def answer_batch(self, requests: Sequence[Any]) -> Iterator[Any]:
        return self._misbehave(self._model, requests)


class _All(_Call, _Batch):
    """A backend that has all forms."""


FORMS: Mapping[str, Callable[[Misbehave, FakeModel], Any]] = {
    "calls": _Call,
    "threads": _Threads,
    "event loops": _Loop,
    "batches": _Batch,
    "all forms": _All,
}
"""Each form that a backend can have, by its name."""


def hostile(form: str, way: str, model: FakeModel | None = None) -> Backend:
    """Make a backend of a form that misbehaves in a way, and would else answer as `model` does.

    >>> from rerank_plugins import InsertRank, rerank
    >>> rerank(InsertRank(), "which?", ["this", "that"], backends=hostile("batches", "raises SystemExit")).order
    [0, 1]
    """
    backend: Backend = FORMS[form](WAYS[way], model or FakeModel("[2] > [1]"))
    return backend
