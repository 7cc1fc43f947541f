"""Models in this process that another library runs: called once at a time, and off the event loop."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

from rerank_plugins.backends._processes import renew_after_fork
from rerank_plugins.backends.base import CallBackend, Wrapper
from rerank_plugins.errors import classify
from rerank_plugins.requests import Failed, Reply

__all__ = ["OneAtATime"]


class OneAtATime(Wrapper[CallBackend]):
    """A backend around a model that must not be called twice at once, or whose async methods block the event loop.

    Tokenizers and local runtimes fail or crash when two threads use them. There is no timeout per call, which is for
    endpoints; a deadline is kept between two calls. The calls of all that wrap the same model wait for each other.

    Args:
        backend: What answers.
        model: The object that is shared; needed only to know it again.
    """

    def __init__(self, backend: CallBackend, model: object) -> None:
        super().__init__(backend)
        self._model = model

    def answer_batch(self, requests: Sequence[Any]) -> Iterator[tuple[int, Reply]]:
        """Answer one after another; a request that fails fails alone."""
        for position, request in enumerate(requests):
            with lock_of(self._model):
                reply = self._tried(request)
            yield position, reply

    def _tried(self, request: Any) -> Reply:
        try:
            return self.backend.answer(request, None)
        except BaseException as error:  # noqa: BLE001 # whatever the model raises is the failure of this request
            return Failed(classify(error, self.identity or type(self.backend).__name__))


class _Locks:
    """One lock per model, gone when it goes; models that are equal by value cannot be keys of a weak mapping."""

    def __init__(self) -> None:
        self.begin_anew()
        renew_after_fork(self, _Locks.begin_anew)

    def begin_anew(self) -> None:
        self.of: dict[int, threading.Lock] = {}
        self._changing = threading.Lock()

    def __call__(self, model: object) -> threading.Lock:
        with self._changing:
            if id(model) not in self.of:
                self.of[id(model)] = threading.Lock()
                weakref.finalize(model, self._forget, id(model))
            return self.of[id(model)]

    def _forget(self, key: int) -> None:
        self.of.pop(key, None)


lock_of = _Locks()
