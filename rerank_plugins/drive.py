"""Rerank: bring a method and backends together, and wait. The only place with I/O policy.

The policy itself is `engine.Engine`. Here are the functions that users call and the two ways of waiting:
threads and a queue, or tasks and a queue.
"""

from __future__ import annotations

import contextlib
import contextvars
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, cast

from rerank_plugins.backends.base import Backend, BatchBackend, CallBackend
from rerank_plugins.cache import Cache
from rerank_plugins.candidates import Candidate, as_candidates
from rerank_plugins.engine import Engine, Job, OnError, Task
from rerank_plugins.errors import InvalidInput
from rerank_plugins.events import Observer
from rerank_plugins.limits import Limits
from rerank_plugins.methods.base import Method
from rerank_plugins.ranking import Ranking
from rerank_plugins.requests import Reply

if TYPE_CHECKING:
    import asyncio

__all__ = ["arerank", "arerank_many", "check_options", "rerank", "rerank_many", "rerank_stream"]

Backends = Backend | Sequence[Backend]
Outcome = tuple[Job, int | None, Reply | BaseException | None]


def rerank(
    method: Method,
    query: str,
    candidates: Iterable[Candidate | str],
    *,
    backends: Backends = (),
    top_n: int | None = None,
    limits: Limits | None = None,
    cache: Cache | None = None,
    on_error: OnError = "degrade",
    observer: Observer | None = None,
) -> Ranking:
    """Rerank the candidates of one query.

    It works from any thread and inside a running event loop (as in Jupyter), because it never touches one.

    Args:
        method: What to do, such as `InsertRank()`.
        query: The question.
        candidates: The first stage's documents in its order; plain strings will do.
        backends: The models that answer the method's requests; for each kind of request the first that can.
        top_n: How many to keep; the others are listed in `Ranking.dropped`. None keeps all.
        limits: Bounds on time, calls, tokens and concurrency.
        cache: A mapping from string to string that keeps replies, such as a dict or a disk cache.
        on_error: "degrade" goes on without a call that failed after its retries, and notes it; "raise" raises it.
        observer: Called with each `events.Event`.

    Returns:
        The ranking; with its `.dropped` it holds each candidate exactly once.

    Raises:
        InvalidInput: An argument breaks a rule.
        UnmetNeed: No backend answers what the method asks for.
        CallError: A call failed, and `on_error` is "raise".

    >>> from rerank_plugins import FirstStage
    >>> rerank(FirstStage(), "how long to proof?", ["one hour", "two hours"], top_n=1).order
    [0]
    """
    task = (query, candidates)
    return rerank_many(
        method,
        [task],
        backends=backends,
        top_n=top_n,
        limits=limits,
        cache=cache,
        on_error=on_error,
        observer=observer,
    )[0]


async def arerank(
    method: Method,
    query: str,
    candidates: Iterable[Candidate | str],
    *,
    backends: Backends = (),
    top_n: int | None = None,
    limits: Limits | None = None,
    cache: Cache | None = None,
    on_error: OnError = "degrade",
    observer: Observer | None = None,
) -> Ranking:
    """Do what `rerank` does on the running event loop; a backend that computes in this process gets a thread."""
    task = (query, candidates)
    rankings = await arerank_many(
        method,
        [task],
        backends=backends,
        top_n=top_n,
        limits=limits,
        cache=cache,
        on_error=on_error,
        observer=observer,
    )
    return rankings[0]


def rerank_many(
    method: Method,
    tasks: Iterable[tuple[str, Iterable[Candidate | str]]],
    *,
    backends: Backends = (),
    top_n: int | None = None,
    limits: Limits | None = None,
    cache: Cache | None = None,
    on_error: OnError = "degrade",
    observer: Observer | None = None,
) -> list[Ranking]:
    """Rerank many queries together: calls of all queries share the concurrency, and a local model gets full batches.

    Args:
        method: As in `rerank`; one instance serves all queries.
        tasks: Pairs of query and candidates; read as they are needed, so a generator will do.
        backends: As in `rerank`.
        top_n: As in `rerank`.
        limits: Bounds on the whole, not on each query.
        cache: As in `rerank`.
        on_error: As in `rerank`.
        observer: As in `rerank`; events carry the query's position.

    Returns:
        One ranking per task, in their order.

    >>> from rerank_plugins import FirstStage
    >>> [ranking.order for ranking in rerank_many(FirstStage(), [("a", ["x", "y"]), ("b", [])])]
    [[0, 1], []]
    """
    return list(
        rerank_stream(
            method,
            tasks,
            backends=backends,
            top_n=top_n,
            limits=limits,
            cache=cache,
            on_error=on_error,
            observer=observer,
        )
    )


def rerank_stream(
    method: Method,
    tasks: Iterable[tuple[str, Iterable[Candidate | str]]],
    *,
    backends: Backends = (),
    top_n: int | None = None,
    limits: Limits | None = None,
    cache: Cache | None = None,
    on_error: OnError = "degrade",
    observer: Observer | None = None,
) -> Iterator[Ranking]:
    """Do what `rerank_many` does, and give each ranking once it and all before it are there.

    Tasks are read as room is made for them and rankings are forgotten once they were given, so that memory does not
    grow with their number. Arguments are checked at once; the work begins, and goes on, whenever the next is asked for.

    >>> import itertools
    >>> from rerank_plugins import FirstStage
    >>> endless = ((f"question {number}", ["a", "b"]) for number in itertools.count())
    >>> next(rerank_stream(FirstStage(), endless)).order
    [0, 1]
    """
    return _run(_engine(method, tasks, backends, top_n, limits, cache, on_error, observer))


async def arerank_many(
    method: Method,
    tasks: Iterable[tuple[str, Iterable[Candidate | str]]],
    *,
    backends: Backends = (),
    top_n: int | None = None,
    limits: Limits | None = None,
    cache: Cache | None = None,
    on_error: OnError = "degrade",
    observer: Observer | None = None,
) -> list[Ranking]:
    """Do what `rerank_many` does on the running event loop."""
    engine = _engine(method, tasks, backends, top_n, limits, cache, on_error, observer)
    return await _arun(engine)


def _engine(
    method: Method,
    tasks: Iterable[tuple[str, Iterable[Candidate | str]]],
    backends: Backends,
    top_n: int | None,
    limits: Limits | None,
    cache: Cache | None,
    on_error: OnError,
    observer: Observer | None,
) -> Engine:
    check_options(method, top_n, on_error)
    return Engine(
        method,
        _checked(tasks),
        backends if isinstance(backends, Sequence) else [backends],
        limits=limits or Limits(),
        cache=cache,
        on_error=on_error,
        observer=observer,
        top_n=top_n,
    )


def check_options(method: object, top_n: object, on_error: object) -> None:
    """Refuse what `rerank` would refuse, for those who keep its arguments for later.

    Raises:
        InvalidInput: One of them breaks a rule.
    """
    if not isinstance(method, Method) or isinstance(method, type):
        raise InvalidInput(
            f"A method is an instance with a `steps` method, such as InsertRank(), not {method!r}; "
            "pass the instance, with its brackets."
        )
    if top_n is not None and (isinstance(top_n, bool) or not isinstance(top_n, int) or top_n < 0):
        raise InvalidInput(f"top_n is a whole number of at least 0, or None to keep all, not {top_n!r}.")
    if on_error not in ("degrade", "raise"):
        raise InvalidInput(f"on_error is 'degrade' or 'raise', not {on_error!r}.")


def _checked(tasks: Iterable[tuple[str, Iterable[Candidate | str]]]) -> Iterator[Task]:
    for query, candidates in tasks:
        if not isinstance(query, str):
            raise InvalidInput(f"A query is a string, not {type(query).__name__}; pass the question's text.")
        yield query, as_candidates(candidates)


def _run(engine: Engine) -> Iterator[Ranking]:
    inbox: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    threads = _Threads(inbox.put)
    try:
        while True:
            threads.start(engine.due_jobs())
            if taken := engine.take():
                yield from taken
            elif engine.finished:
                return
            else:
                with contextlib.suppress(queue.Empty):
                    engine.receive(*inbox.get(timeout=engine.patience()))
                    while True:  # what else has come by now, before jobs are looked for again
                        engine.receive(*inbox.get_nowait())
    finally:
        engine.abandon()
        threads.close()


async def _arun(engine: Engine) -> list[Ranking]:
    import asyncio  # costs a tenth of a second that only those who have a loop, and so have paid it, need to pay

    loop, inbox = asyncio.get_running_loop(), asyncio.Queue[Outcome]()
    running: dict[asyncio.Task[None], Job] = {}
    rankings: list[Ranking] = []

    def post_from_thread(outcome: Outcome) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(inbox.put_nowait, outcome)

    threads = _Threads(post_from_thread)
    try:
        while True:
            jobs = engine.due_jobs()
            for job in [job for job in jobs if hasattr(job.backend, "aanswer")]:
                running[loop.create_task(_await_answer(job, inbox.put_nowait))] = job
            threads.start([job for job in jobs if not hasattr(job.backend, "aanswer")])
            for task in [task for task, job in running.items() if task.done() or job.stop.is_set()]:
                task.cancel()
                del running[task]
            if taken := engine.take():
                rankings += taken
            elif engine.finished:
                return rankings
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(engine.patience()):
                        outcome = await inbox.get()
                    engine.receive(*outcome)
                    while not inbox.empty():  # as above
                        engine.receive(*inbox.get_nowait())
    finally:
        engine.abandon()
        threads.close()
        for task in running:
            task.cancel()


class _Threads:
    """As many threads as jobs are under way; an idle one takes the next job.

    They are daemons of one rerank and no shared pool: a call that hangs must keep neither another rerank nor the
    interpreter from ending.
    """

    def __init__(self, post: Callable[[Outcome], None]) -> None:
        self._post = post
        self._jobs: queue.SimpleQueue[tuple[contextvars.Context, Job] | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._count = 0

    def start(self, jobs: Sequence[Job]) -> None:
        """Run jobs in a copy of the caller's context."""
        for job in jobs:
            self._jobs.put((contextvars.copy_context(), job))
        missing = sum(not self._idle.acquire(blocking=False) for _ in jobs)
        self._count += missing
        self._hire(missing)

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


def _work(job: Job, post: Callable[[Outcome], None]) -> None:
    try:
        if job.batched:
            answers = cast("BatchBackend", job.backend).answer_batch(job.requests)
            with contextlib.closing(_as_generator(answers)) as replies:
                for position, reply in replies:
                    post((job, position, reply))
                    if job.stop.is_set():
                        return
            post((job, None, None))
        else:
            reply = cast("CallBackend", job.backend).answer(job.requests[0], _time_left(job))
            post((job, 0, reply))
    except Exception as error:  # noqa: BLE001 # every failure of a call goes to the engine, which knows what to do
        post((job, None, error))


async def _await_answer(job: Job, post: Callable[[Outcome], None]) -> None:
    try:
        reply = await cast("CallBackend", job.backend).aanswer(job.requests[0], _time_left(job))
        post((job, 0, reply))
    except Exception as error:  # noqa: BLE001 # as above
        post((job, None, error))


def _time_left(job: Job) -> float | None:
    return None if job.expires_at is None else max(0.001, job.expires_at - time.monotonic())


def _as_generator(replies: Iterator[tuple[int, Reply]]) -> Generator[tuple[int, Reply], None, None]:
    yield from replies
