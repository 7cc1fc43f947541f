"""The two ways of waiting: threads and a queue, or tasks of an event loop and a queue.

Both do the same round: read tasks while the engine has room for them, start the jobs that are due, give the rankings
that are ready, and wait for what comes next. What comes is read from one inbox: the outcome of a job, a task, or the
end of the tasks.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from rerank_plugins.backends._processes import computing
from rerank_plugins.backends.base import BatchBackend, CallBackend
from rerank_plugins.candidates import Candidate, as_candidates
from rerank_plugins.engine import Engine, Job, Task
from rerank_plugins.errors import InvalidInput
from rerank_plugins.ranking import Ranking
from rerank_plugins.requests import Reply

__all__ = ["Tasks", "run", "run_async"]

Tasks = Iterable[tuple[str, Iterable[Candidate | str]]]
"""Pairs of a query and its candidates."""

_TURN_S = 0.02  # the longest stretch of work before an event loop gets its turn
_FAREWELL_S = 0.02  # what a cancelled call has to clean up in; one that goes on all the same is left to itself


@dataclass(frozen=True)
class _Outcome:
    """What came of a job: a reply at a position, or its end."""

    job: Job
    position: int | None
    value: object


@dataclass(frozen=True)
class _NoMore:
    """The tasks have ended, by an exception or of themselves."""

    error: BaseException | None = None


_Item = _Outcome | Task | _NoMore
_Post = Callable[[_Item], object]


def run(engine: Engine, tasks: Tasks) -> Iterator[Ranking]:
    """Give the rankings in the order of the tasks, waiting in the calling thread."""
    inbox: queue.SimpleQueue[_Item] = queue.SimpleQueue()
    threads = _Threads(inbox.put)
    reader = _Listed(tasks, inbox.put) if isinstance(tasks, Sequence) else _InThread(tasks, inbox.put)
    try:
        while not engine.finished:
            _ask(reader, engine)
            while not inbox.empty() and not engine.has_rankings:  # all that has come, before jobs are looked for
                _hand_over(inbox.get(), engine)
                _ask(reader, engine)
            threads.start(engine.due_jobs())
            if engine.has_rankings:
                yield from engine.take()
            elif not engine.finished and (item := _next_item(inbox, engine.patience())) is not None:
                _hand_over(item, engine)
        yield from engine.take()
    finally:
        engine.abandon()
        threads.close()
        reader.close()


async def run_async(engine: Engine, tasks: Tasks | AsyncIterable[Any]) -> AsyncIterator[Ranking]:
    """Do what `run` does in the running event loop, which gets its turn between any two steps."""
    loop, inbox = asyncio.get_running_loop(), asyncio.Queue[_Item]()

    def post_from_thread(item: _Item) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(inbox.put_nowait, item)

    threads, calls = _Threads(post_from_thread), _Calls(inbox.put_nowait)
    reader: _Reader
    if isinstance(tasks, AsyncIterable):
        reader = _InLoop(tasks, inbox.put_nowait)
    elif isinstance(tasks, Sequence):
        reader = _Listed(tasks, inbox.put_nowait)
    else:
        reader = _InThread(tasks, post_from_thread)
    turn = _Turn()
    try:
        while not engine.finished:
            _ask(reader, engine)
            while not inbox.empty() and not engine.has_rankings:
                _hand_over(inbox.get_nowait(), engine)
                _ask(reader, engine)
                await turn.pass_on()
            jobs = engine.due_jobs()
            calls.start([job for job in jobs if _has_async_form(job)])
            threads.start([job for job in jobs if not _has_async_form(job)])
            calls.cancel_unwanted()
            await turn.pass_on()
            if engine.has_rankings:
                for ranking in engine.take():
                    yield ranking
            elif not engine.finished:
                item = await _next_item_async(inbox, engine.patience())
                turn.begin()
                if item is not None:
                    _hand_over(item, engine)
        for ranking in engine.take():
            yield ranking
    finally:
        engine.abandon()
        threads.close()
        reader.close()
        await calls.close()


def _next_item(inbox: queue.SimpleQueue[_Item], patience: float | None) -> _Item | None:
    try:
        return inbox.get(timeout=patience)
    except queue.Empty:
        return None


async def _next_item_async(inbox: asyncio.Queue[_Item], patience: float | None) -> _Item | None:
    try:
        async with asyncio.timeout(patience):
            return await inbox.get()
    except TimeoutError:
        return None


def _ask(reader: _Reader, engine: Engine) -> None:
    """Ask for as many tasks as the engine wants; past the deadline only for those that are there already."""
    if engine.is_overdue and not reader.is_list:
        engine.end_of_tasks()
    reader.ask(engine.wanted)


def _hand_over(item: _Item, engine: Engine) -> None:
    if isinstance(item, _Outcome):
        engine.receive(item.job, item.position, item.value)
    elif isinstance(item, _NoMore):
        engine.end_of_tasks()
        if item.error is not None:
            raise item.error
    else:
        engine.begin(*item)


class _Turn:
    """When the event loop last had its turn."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self._began = time.monotonic()

    async def pass_on(self) -> None:
        """Let the loop have its turn, if it was long ago."""
        if time.monotonic() - self._began > _TURN_S:
            await asyncio.sleep(0)
            self.begin()


# Where tasks come from


class _Reader(Protocol):
    """Reads tasks as they are asked for, and posts each, and at last that there are no more."""

    is_list: bool
    """Whether all tasks are there from the beginning."""

    def ask(self, wanted: int) -> None:
        """Say how many tasks are wanted, counted from the first."""
        ...

    def close(self) -> None:
        """Read no further task."""
        ...


class _Listed:
    """Tasks that are all there: read where the caller waits."""

    is_list = True

    def __init__(self, tasks: Tasks, post: _Post) -> None:
        self._checked = _checked(tasks)
        self._post = post
        self._read = 0

    def ask(self, wanted: int) -> None:
        # One at a time: what a method asks for decides whether there is room for the next.
        if self._read < wanted:
            self._read += 1
            self._post(_next(self._checked))

    def close(self) -> None:
        self._checked.close()


class _InThread:
    """Tasks from any iterator, read in a thread of their own: one that is slow must not hold up a deadline."""

    is_list = False

    def __init__(self, tasks: Tasks, post: _Post) -> None:
        self._tasks = tasks
        self._post = post
        self._asked = 0
        self._orders: queue.SimpleQueue[bool] = queue.SimpleQueue()
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._read,), name="rerank-tasks", daemon=True)

    def ask(self, wanted: int) -> None:
        if wanted and not self._asked:
            self._thread.start()
        while self._asked < wanted:
            self._asked += 1
            self._orders.put(True)

    def close(self) -> None:
        self._orders.put(False)

    def _read(self) -> None:
        checked = _checked(self._tasks)
        while self._orders.get():
            item = _next(checked)
            self._post(item)
            if isinstance(item, _NoMore):
                return
        checked.close()


class _InLoop:
    """Tasks from an asynchronous iterator, read by a task of the event loop."""

    is_list = False

    def __init__(self, tasks: AsyncIterable[Any], post: _Post) -> None:
        self._post = post
        self._asked = 0
        self._orders = asyncio.Semaphore(0)
        self._reading = asyncio.create_task(self._read(tasks), name="rerank-tasks")

    def ask(self, wanted: int) -> None:
        while self._asked < wanted:
            self._asked += 1
            self._orders.release()

    def close(self) -> None:
        self._reading.cancel()

    async def _read(self, tasks: AsyncIterable[Any]) -> None:
        iterator = aiter(tasks)
        try:
            while await self._orders.acquire():
                self._post(_task(await anext(iterator)))
        except StopAsyncIteration:
            self._post(_NoMore())
        except BaseException as error:  # noqa: BLE001 # whatever the iterator raises is the caller's to see
            self._post(_NoMore(error))


def _checked(tasks: Tasks) -> Generator[Task, None, None]:
    for task in tasks:
        yield _task(task)


def _next(tasks: Iterator[Task]) -> Task | _NoMore:
    try:
        return next(tasks)
    except StopIteration:
        return _NoMore()
    except BaseException as error:  # noqa: BLE001 # raised again where the caller waits
        return _NoMore(error)


def _task(task: object) -> Task:
    if not isinstance(task, Sequence) or isinstance(task, str) or len(task) != 2:
        raise InvalidInput(f"A task is a pair of a query and its candidates, not a {type(task).__name__}.")
    query, candidates = task
    if not isinstance(query, str):
        raise InvalidInput(f"A query is a string, not {type(query).__name__}; pass the question's text.")
    return query, as_candidates(candidates)


# Who runs jobs


def _has_async_form(job: Job) -> bool:
    return not job.batched and hasattr(job.backend, "aanswer")


class _Threads:
    """As many threads as jobs are under way; an idle one takes the next job.

    They are daemons of one rerank and no shared pool: a call that hangs must keep neither another rerank nor the
    interpreter from ending.
    """

    def __init__(self, post: _Post) -> None:
        self._post = post
        self._jobs: queue.SimpleQueue[tuple[contextvars.Context, Job] | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._count = 0

    def start(self, jobs: Sequence[Job]) -> None:
        """Run jobs in a copy of the caller's context."""
        for job in jobs:
            self._jobs.put((contextvars.copy_context(), job))
        missing = sum(not self._idle.acquire(blocking=False) for _ in jobs)
        self._hire(missing)
        self._count += missing

    def close(self) -> None:
        """Let each thread end when its job does."""
        for _ in range(self._count):
            self._jobs.put(None)

    def _hire(self, count: int) -> None:
        # Each starts the next: to start one is to wait until it runs, and the caller has other things to do.
        if count:
            threading.Thread(target=self._serve, args=(count - 1,), name="rerank-call", daemon=True).start()

    def _serve(self, further: int) -> None:
        with contextlib.suppress(RuntimeError):  # no more threads are to be had: those that run take all jobs
            self._hire(further)
        while (item := self._jobs.get()) is not None:
            context, job = item
            context.run(_work, job, self._post)
            self._idle.release()


def _work(job: Job, post: _Post) -> None:
    """Run a job in this thread, and post its end whatever happens: somebody waits for it."""
    try:
        if job.batched:
            with computing(job.stop):
                _compute(job, post)
            post(_Outcome(job, None, None))
        else:
            post(_Outcome(job, 0, _answer(job)))
    except BaseException as error:  # noqa: BLE001 # even SystemExit ends this call alone; the engine knows what to do
        post(_Outcome(job, None, error))


def _compute(job: Job, post: _Post) -> None:
    answers = cast("BatchBackend", job.backend).answer_batch(job.requests)
    with contextlib.closing(_as_generator(answers)) as replies:
        for position, reply in replies:
            post(_Outcome(job, _position(position), reply))
            if job.stop.is_set():
                return


def _answer(job: Job) -> Reply:
    request, timeout = job.requests[0], _time_left(job)
    backend = cast("CallBackend", job.backend)
    if hasattr(backend, "answer"):
        return backend.answer(request, timeout)
    return asyncio.run(backend.aanswer(request, timeout))  # in a thread of our own, which has no loop yet


def _position(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("a batch backend yields pairs of a position and a reply")
    return value


class _Calls:
    """Calls that are awaited in the running event loop."""

    def __init__(self, post: _Post) -> None:
        self._post = post
        self._running: dict[asyncio.Task[None], Job] = {}

    def start(self, jobs: Sequence[Job]) -> None:
        """Await each job's answer in a task of its own."""
        for job in jobs:
            self._running[asyncio.create_task(self._await_answer(job))] = job

    def cancel_unwanted(self) -> None:
        """Cancel what the engine no longer waits for, and forget what has ended."""
        for task, job in list(self._running.items()):
            if task.done():
                del self._running[task]
            elif job.stop.is_set():
                task.cancel()

    async def close(self) -> None:
        """Cancel all, and wait until they have cleaned up; one that will not end is not waited for."""
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=_FAREWELL_S)

    async def _await_answer(self, job: Job) -> None:
        try:
            reply = await cast("CallBackend", job.backend).aanswer(job.requests[0], _time_left(job))
            self._post(_Outcome(job, 0, reply))
        except BaseException as error:  # noqa: BLE001 # a client may raise CancelledError that nobody asked for
            self._post(_Outcome(job, None, error))


def _time_left(job: Job) -> float | None:
    return None if job.expires_at is None else max(0.001, job.expires_at - time.monotonic())


def _as_generator(replies: Iterator[tuple[int, Reply]]) -> Generator[tuple[int, Reply], None, None]:
    yield from replies
