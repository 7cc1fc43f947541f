"""What a backend asks an endpoint, as a generator that does no I/O, and the two ways of driving it.

The generator yields the body of a request, is sent the JSON of its reply or has the request's exception raised in it,
and returns the answer. So sync and async cannot differ in anything but how they wait.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import replace
from typing import Any, Generic, TypeVar

from rerank_plugins.requests import Reply

__all__ = ["Asking", "Body", "arun", "countdown", "run"]

Body = dict[str, Any]
R = TypeVar("R", bound=Reply)
Asking = Generator[Body, Any, R]

_LEAST_S = 0.001  # SDKs take 0 for "no bound"


def run(asking: Asking[R], post: Callable[[Body, float | None], Any], timeout: float | None) -> R:
    """Make each request of a generator from this thread; the reply's usage counts them."""
    left, talk = countdown(timeout), _Talk(asking)
    while (body := talk.next_body()) is not None:
        try:
            talk.outcome = post(body, left())
        except Exception as error:  # noqa: BLE001 # the generator knows which failures mean something
            talk.failure = error
    return talk.result


async def arun(asking: Asking[R], post: Callable[[Body, float | None], Awaitable[Any]], timeout: float | None) -> R:
    """Do the same from the running event loop."""
    left, talk = countdown(timeout), _Talk(asking)
    while (body := talk.next_body()) is not None:
        try:
            talk.outcome = await post(body, left())
        except Exception as error:  # noqa: BLE001 # as above
            talk.failure = error
    return talk.result


def countdown(timeout: float | None) -> Callable[[], float | None]:
    """A function that gives the seconds that are left; None for no bound.

    >>> countdown(None)() is None, 4.9 < countdown(5.0)() <= 5.0
    (True, True)
    """
    if timeout is None:
        return lambda: None
    ends = time.monotonic() + timeout
    return lambda: max(_LEAST_S, ends - time.monotonic())


class _Talk(Generic[R]):
    """A generator, what it is to be told next, and in the end its result."""

    result: R

    def __init__(self, asking: Asking[R]) -> None:
        self._asking = asking
        self._calls = 0
        self.outcome: Any = None
        self.failure: Exception | None = None

    def next_body(self) -> Body | None:
        """Tell the generator what came of its last request; its next one, or None at its end."""
        failure, self.failure = self.failure, None
        try:
            body = self._asking.send(self.outcome) if failure is None else self._asking.throw(failure)
        except StopIteration as end:
            self.result = replace(end.value, usage=replace(end.value.usage, calls=self._calls))
            return None
        self._calls += 1
        return body
