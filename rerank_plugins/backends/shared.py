"""One local model for many callers at once: what they ask meanwhile is computed together."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from rerank_plugins.backends._processes import computing, renew_after_fork
from rerank_plugins.backends.base import BatchBackend, Wrapper
from rerank_plugins.errors import InvalidInput
from rerank_plugins.requests import Reply

__all__ = ["SharedBatches"]

_FIRST, _MOST = 16, 1024  # requests in the first batch, whose pace is not known, and in any
_WEIGHT = 0.3

Place = tuple["_Caller", int]


class SharedBatches(Wrapper[BatchBackend]):
    """A backend that computes in this process, shared by reranks that run at the same time.

    A rerank gives a local model the requests of its own queries. In a server many reranks are under way, each with a
    few requests or, for a listwise method, with one. Here what they ask while the model is busy goes into its next
    batch together. Each batch holds at least one request of every caller, and so many in all as take about `turn_s`
    seconds, in fair shares: a caller with a thousand requests does not hold up one with five. What a caller no longer
    wants is not computed, and a batch that fails is tried once more for each of its callers alone, so that nobody gets
    another's failure.

    Args:
        backend: The local model, such as a `TransformersLM`. Its replies must not depend on what else is in a batch.
        turn_s: Seconds of work that the model is given at a time, which is what a newcomer waits for. More fills
            the batches of a fast device better, and shares more of the beginnings that requests have in common.

    Raises:
        InvalidInput: `backend` takes no batches, or `turn_s` is not above 0.

    >>> from rerank_plugins.backends import TransformersLM
    >>> SharedBatches(TransformersLM("HuggingFaceTB/SmolLM2-135M-Instruct"))  # one for all threads and event loops
    SharedBatches(TransformersLM('HuggingFaceTB/SmolLM2-135M-Instruct'))
    """

    def __init__(self, backend: BatchBackend, *, turn_s: float = 2.0) -> None:
        if not isinstance(backend, BatchBackend):
            raise InvalidInput(f"SharedBatches takes a backend that computes in batches here, not {backend!r}.")
        if not turn_s > 0:
            raise InvalidInput(f"SharedBatches(turn_s=...) is a number of seconds above 0, not {turn_s!r}.")
        super().__init__(backend)
        self._turn_s = turn_s
        self._begin_anew()
        renew_after_fork(self, SharedBatches._begin_anew)

    def _begin_anew(self) -> None:
        self._callers: deque[_Caller] = deque()
        self._changing = threading.Lock()
        self._working = False
        self._ending = threading.Event()
        self._pace: float | None = None

    def __repr__(self) -> str:
        return f"SharedBatches({self.backend!r})"

    def answer_batch(self, requests: Sequence[Any]) -> Iterator[tuple[int, Reply]]:
        """Yield the replies to these requests as they come, whoever else asks at the same time."""
        caller = _Caller(requests)
        self._join(caller)
        try:
            for _ in requests:
                outcome = caller.inbox.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                if outcome is not None:
                    yield outcome
        finally:
            caller.gone = True

    def _join(self, caller: _Caller) -> None:
        """Stand in line, and see to it that somebody works."""
        with self._changing:
            self._callers.append(caller)
            if self._working:
                return
            # Under the lock: where no thread is to be had, the next caller tries again.
            threading.Thread(target=self._work, name="rerank-shared-batches", daemon=True).start()
            self._working = True

    def _work(self) -> None:
        places: list[Place] = []
        try:
            with computing(self._ending):
                while places := self._next_batch():
                    began = time.monotonic()
                    self._answer(places)
                    pace = len(places) / max(time.monotonic() - began, 1e-6)
                    self._pace = pace if self._pace is None else self._pace + _WEIGHT * (pace - self._pace)
        except BaseException as error:  # noqa: BLE001 # this thread must not end with callers waiting for it
            with self._changing:
                self._working = False
                waiting = [(caller, position) for caller in self._callers for position in caller.waiting]
                self._callers.clear()
            _hand_out([*places, *waiting], error)

    def _next_batch(self) -> list[Place]:
        """A fair share of what each caller still wants, who came first first; nothing where nobody waits."""
        with self._changing:
            self._callers = deque(caller for caller in self._callers if caller.waiting and not caller.gone)
            if self._ending.is_set():  # the process ends: nobody reads an answer any more
                self._callers.clear()
            self._working = bool(self._callers)
            room = max(len(self._callers), self._size())
            places: list[Place] = []
            for number in range(len(self._callers), 0, -1):
                caller = self._callers.popleft()
                # Neighbours stay together: requests of one query have their beginning in common.
                places += caller.take((room - len(places)) // number)
                self._callers.append(caller)
            return places

    def _size(self) -> int:
        return _FIRST if self._pace is None else min(_MOST, int(self._pace * self._turn_s))

    def _answer(self, places: Sequence[Place]) -> None:
        try:
            unanswered = self._compute(places)
        except _BatchFailed as failed:
            self._answer_apart(failed)
        else:
            _hand_out(unanswered, None)

    def _answer_apart(self, failed: _BatchFailed) -> None:
        """Try what a failed batch left open for each caller alone; a caller who was alone has its failure already."""
        callers = dict.fromkeys(caller for caller, _ in failed.places)
        for caller in callers:
            own = [place for place in failed.places if place[0] is caller]
            if len(callers) == 1:
                _hand_out(own, failed.error)
                return
            try:
                _hand_out(self._compute(own), None)
            except _BatchFailed as again:
                _hand_out(again.places, again.error)

    def _compute(self, places: Sequence[Place]) -> list[Place]:
        """Answer these, as long as somebody wants it, and give those that got no reply."""
        missing = dict(enumerate(places))
        try:
            answers = self.backend.answer_batch([caller.requests[position] for caller, position in places])
            with contextlib.closing(iter(answers)) as replies:  # type: ignore[type-var] # or it has no close
                for index, reply in replies:
                    if (place := missing.pop(index, None)) is not None:
                        place[0].inbox.put((place[1], reply))
                    if self._ending.is_set() or all(caller.gone for caller, _ in missing.values()):
                        break
        except BaseException as error:  # whatever the model raises is its callers' to judge
            raise _BatchFailed(list(missing.values()), error) from error
        return list(missing.values())


class _Caller:
    """A rerank's batch: its requests, those of them that were not begun, and where its outcomes go."""

    def __init__(self, requests: Sequence[Any]) -> None:
        self.requests = requests
        self.waiting = deque(range(len(requests)))
        self.inbox: queue.SimpleQueue[tuple[int, Reply] | BaseException | None] = queue.SimpleQueue()
        self.gone = False

    def take(self, count: int) -> list[Place]:
        return [(self, self.waiting.popleft()) for _ in range(min(count, len(self.waiting)))]


class _BatchFailed(Exception):
    """A batch that ended with an exception, and what it left open."""

    def __init__(self, places: list[Place], error: BaseException) -> None:
        super().__init__()
        self.places, self.error = places, error


def _hand_out(places: Sequence[Place], outcome: BaseException | None) -> None:
    for caller, _ in places:
        caller.inbox.put(outcome)
