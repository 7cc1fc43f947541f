"""What can be compared: a method of ours, an order that is known beforehand, or anything that reorders a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter
from typing import ClassVar, Protocol

from rerank_plugins.backends.base import Backend
from rerank_plugins.cache import Cache
from rerank_plugins.candidates import Candidate
from rerank_plugins.drive import rerank_stream
from rerank_plugins.evaluation.measures import Qrels
from rerank_plugins.evaluation.records import Record, digest_of, record_of
from rerank_plugins.events import CallEnded, Event, Observer
from rerank_plugins.limits import Limits
from rerank_plugins.methods import Method
from rerank_plugins.methods.base import needs_of, wants_of
from rerank_plugins.ranking import Usage
from rerank_plugins.requests import Chat, Choose, Failed

__all__ = ["MethodSystem", "Oracle", "Reorders", "System", "Task"]


@dataclass(frozen=True)
class Task:
    """One query: its id, the question and the candidates of the first stage."""

    query: str
    question: str
    candidates: Sequence[Candidate]

    @cached_property
    def given(self) -> str:
        """A digest of all of it but the id."""
        return digest_of(self.question, self.candidates)


class System(Protocol):
    """A row of the table. One that asks nothing of any model may say so by an attribute `free`."""

    @property
    def label(self) -> str:
        """Its name in the table."""
        ...

    @property
    def key(self) -> str:
        """What else decides its rankings, such as the models."""
        ...

    def records(self, tasks: Sequence[Task]) -> Iterator[Record]:
        """One record for each task, in any order, each as soon as it is there."""
        ...


@dataclass(frozen=True)
class MethodSystem:
    """A method of this package with its models.

    Args:
        method: The method.
        backends: The models.
        limits: Bounds on each batch of queries that is handed over.
        cache: As in `rerank`.
        observer: As in `rerank`.
    """

    method: Method
    backends: Sequence[Backend] = ()
    limits: Limits | None = None
    cache: Cache | None = None
    observer: Observer | None = None

    @property
    def label(self) -> str:
        """The method's repr."""
        return repr(self.method)

    @property
    def key(self) -> str:
        """The models."""
        return ", ".join(backend.identity or repr(backend) for backend in self.backends)

    @property
    def free(self) -> bool:
        """Whether the method asks for nothing."""
        return not (needs_of(self.method) or wants_of(self.method))

    def check(self) -> None:
        """Refuse what could not be run, before anything is paid for.

        Raises:
            UnmetNeed: No backend answers what the method asks for.
        """
        rerank_stream(self.method, (), backends=self.backends, limits=self.limits)

    def records(self, tasks: Sequence[Task]) -> Iterator[Record]:
        """Rerank all together, so that a local model gets full batches; an id stands for one document."""
        watch = _Watch(self.observer)
        pairs = ((task.question, task.candidates) for task in tasks)
        rankings = rerank_stream(
            self.method, pairs, backends=self.backends, limits=self.limits, cache=self.cache, observer=watch
        )
        for place, (task, ranking) in enumerate(zip(tasks, rankings, strict=True)):
            yield record_of(
                task.query,
                ranking,
                watch.chat.pop(place, None),
                watch.failed.pop(place, 0),
                task.given,
                watch.from_cache.pop(place, 0),
            )


class _Watch:
    """An observer that adds up, per query, what went to chat models, what failed and what a cache answered."""

    def __init__(self, then: Observer | None) -> None:
        self.chat: dict[int, Usage] = {}
        self.failed: Counter[int] = Counter()
        self.from_cache: Counter[int] = Counter()
        self._then = then

    def __call__(self, event: Event) -> None:
        if isinstance(event, CallEnded):
            self.failed[event.query_index] += isinstance(event.reply, Failed)
            self.from_cache[event.query_index] += event.cached
            if isinstance(event.request, (Chat, Choose)) and not event.cached:
                spent = replace(event.reply.usage, calls=max(1, event.reply.usage.calls))
                self.chat[event.query_index] = self.chat.get(event.query_index, Usage()) + spent
        if self._then is not None:
            self._then(event)


@dataclass(frozen=True)
class Reorders:
    """Anything else that reorders a list, one query after another: a peer through its own interface.

    Args:
        label: Its name in the table.
        reorder: Takes the question and the candidates, and gives positions of candidates, best first. What it leaves
            out is counted as lost, what it repeats or invents is ignored, and what it raises counts as a failed call.
        key: What else decides its rankings, such as the model.
    """

    label: str
    reorder: Callable[[str, Sequence[Candidate]], Iterable[int]]
    key: str = ""

    def records(self, tasks: Sequence[Task]) -> Iterator[Record]:
        """One after another, each timed."""
        for task in tasks:
            began, failed = perf_counter(), 0
            try:
                order = list(dict.fromkeys(self.reorder(task.question, task.candidates)))
            except Exception:  # noqa: BLE001 # a foreign reranker raises what it likes, and its row says how often
                order, failed = [], 1
            known = [place for place in order if 0 <= place < len(task.candidates)]
            yield Record(
                task.query,
                tuple(str(task.candidates[place].id) for place in known),
                usage=Usage(seconds=perf_counter() - began),
                lost=len(task.candidates) - len(known),
                failed=failed,
                given=task.given,
            )


@dataclass(frozen=True)
class Oracle:
    """The best order that the candidates allow: by grade, and among equals in first-stage order."""

    qrels: Qrels
    label: str = "Oracle()"
    key: str = ""
    free: ClassVar[bool] = True

    def records(self, tasks: Sequence[Task]) -> Iterator[Record]:
        """By the judgements."""
        for task in tasks:
            grades = self.qrels.get(task.query, {})
            names = sorted((str(candidate.id) for candidate in task.candidates), key=lambda name: -grades.get(name, 0))
            yield Record(task.query, tuple(names), given=task.given)
