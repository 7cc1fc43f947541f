"""What the driver tells an observer while it works: for progress bars, traces and logs.

An observer is any callable that takes one of these. It is called from the thread or the event loop that called
`rerank` or `arerank`, never from a worker, so that it needs no lock. What it raises is logged and goes no further.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rerank_plugins.errors import CallError
from rerank_plugins.ranking import Ranking
from rerank_plugins.requests import Reply, Request

__all__ = ["CallEnded", "CallRetried", "CallStarted", "Event", "Observer", "QueryEnded", "QueryStarted"]


@dataclass(frozen=True, slots=True)
class QueryStarted:
    """A query is taken up. `query_index` is its position in `rerank_many`, 0 in `rerank`."""

    query_index: int
    query: str
    candidates: int
    method: str


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A request is sent; `attempt` is 1 for the first try."""

    query_index: int
    request: Request
    attempt: int


@dataclass(frozen=True, slots=True)
class CallRetried:
    """A try failed, and the next follows in `wait_s` seconds."""

    query_index: int
    request: Request
    error: CallError
    wait_s: float


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A request has its reply; `Failed` if all tries failed. `cached` says that nothing was sent."""

    query_index: int
    request: Request
    reply: Reply
    seconds: float
    cached: bool = False


@dataclass(frozen=True, slots=True)
class QueryEnded:
    """A query has its ranking."""

    query_index: int
    ranking: Ranking


Event = QueryStarted | CallStarted | CallRetried | CallEnded | QueryEnded
"""What an observer is told."""

Observer = Callable[[Event], object]
"""What `observer=` takes; what it returns is not looked at."""
