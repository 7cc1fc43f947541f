"""Rerank: the functions that users call. They check their arguments, and bring a method, backends and tasks together.

The policy is that of `engine.Engine`; `_waiting` has the two ways of waiting for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from rerank_plugins.backends.base import Backend, as_backends
from rerank_plugins.cache import Cache
from rerank_plugins.candidates import Candidate
from rerank_plugins.engine import Engine, OnError
from rerank_plugins.errors import InvalidInput
from rerank_plugins.events import Observer
from rerank_plugins.limits import Limits, as_limits
from rerank_plugins.methods.base import Method
from rerank_plugins.ranking import Ranking

__all__ = ["arerank", "arerank_many", "arerank_stream", "check_options", "rerank", "rerank_many", "rerank_stream"]

Backends = Backend | Sequence[Backend]
Task = tuple[str, Iterable[Candidate | str]]


def rerank(
    method: Method,
    query: str,
    candidates: Iterable[Candidate | str],
    *,
    backends: Backends = (),
    top_n: int | None = None,
    limits: Limits | Mapping[str, Any] | None = None,
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
        limits: Bounds on time, calls, tokens and concurrency; a dict of the arguments of `Limits` will do.
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
    limits: Limits | Mapping[str, Any] | None = None,
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
    tasks: Iterable[Task],
    *,
    backends: Backends = (),
    top_n: int | None = None,
    limits: Limits | Mapping[str, Any] | None = None,
    cache: Cache | None = None,
    on_error: OnError = "degrade",
    observer: Observer | None = None,
) -> list[Ranking]:
    """Rerank many queries together: calls of all queries share the concurrency, and a local model gets full batches.

    Args:
        method: As in `rerank`; one instance serves all queries.
        tasks: Pairs of query and candidates. A list is read here; any other iterable, such as a generator, is read
            as calls become free and in a thread of its own, so that a slow one cannot hold up a deadline. Once the
            deadline has passed, every task of a list still gets its ranking, and no more is read of an iterator.
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
    tasks: Iterable[Task],
    *,
    backends: Backends = (),
    top_n: int | None = None,
    limits: Limits | Mapping[str, Any] | None = None,
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
    engine = _engine(method, backends, top_n, limits, cache, on_error, observer)
    return _run(engine, tasks)


async def arerank_many(
    method: Method,
    tasks: Iterable[Task] | AsyncIterable[Task],
    *,
    backends: Backends = (),
    top_n: int | None = None,
    limits: Limits | Mapping[str, Any] | None = None,
    cache: Cache | None = None,
    on_error: OnError = "degrade",
    observer: Observer | None = None,
) -> list[Ranking]:
    """Do what `rerank_many` does on the running event loop; tasks may come from an asynchronous iterator."""
    stream = arerank_stream(
        method,
        tasks,
        backends=backends,
        top_n=top_n,
        limits=limits,
        cache=cache,
        on_error=on_error,
        observer=observer,
    )
    return [ranking async for ranking in stream]


def arerank_stream(
    method: Method,
    tasks: Iterable[Task] | AsyncIterable[Task],
    *,
    backends: Backends = (),
    top_n: int | None = None,
    limits: Limits | Mapping[str, Any] | None = None,
    cache: Cache | None = None,
    on_error: OnError = "degrade",
    observer: Observer | None = None,
) -> AsyncIterator[Ranking]:
    """Do what `rerank_stream` does on the running event loop; tasks may come from an asynchronous iterator.

    Close it (`contextlib.aclosing`) if you stop before its end, so that what still runs is cancelled at once.

    >>> import asyncio
    >>> from rerank_plugins import FirstStage
    >>> async def orders():
    ...     return [ranking.order async for ranking in arerank_stream(FirstStage(), [("a", ["x", "y"]), ("b", [])])]
    >>> asyncio.run(orders())
    [[0, 1], []]
    """
    engine = _engine(method, backends, top_n, limits, cache, on_error, observer)
    from rerank_plugins._waiting import run_async  # as in `_run`

    return run_async(engine, tasks)


def _run(engine: Engine, tasks: Iterable[Task]) -> Iterator[Ranking]:
    from rerank_plugins._waiting import run  # it imports asyncio, a tenth of a second that importing us need not cost

    return run(engine, tasks)


def _engine(
    method: Method,
    backends: Backends,
    top_n: int | None,
    limits: Limits | Mapping[str, Any] | None,
    cache: Cache | None,
    on_error: OnError,
    observer: Observer | None,
) -> Engine:
    check_options(method, top_n, on_error)
    return Engine(
        method,
        as_backends(backends),
        limits=as_limits(limits),
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
