"""The policy of a rerank, without any waiting: what to send now, what to make of what came back.

`Engine` is given tasks, advances the methods' generators, collects their requests into jobs and decides on retries,
limits, cache and notes. It starts no thread and touches no event loop. The two small shells in `waiting` hand it tasks,
ask it for jobs, run them and hand it the outcomes, so that sync and async differ in nothing but how they wait.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from rerank_plugins._numbers import checked
from rerank_plugins.backends import registry
from rerank_plugins.backends.base import Backend, BatchBackend, index_by_kind
from rerank_plugins.cache import Cache, ReplyCache
from rerank_plugins.candidates import Candidate, encodable, well_formed
from rerank_plugins.errors import (
    BadReply,
    CallError,
    CallTimeout,
    LimitReached,
    MethodFault,
    PromptTooLong,
    Refused,
    RerankError,
    Unanswered,
    UnmetNeed,
    classify,
)
from rerank_plugins.events import CallEnded, CallRetried, CallStarted, Event, Observer, QueryEnded, QueryStarted
from rerank_plugins.limits import Limits
from rerank_plugins.methods.base import Method, needs_of, wants_of
from rerank_plugins.ranking import Note, Ranking, Usage, Verdict, settle
from rerank_plugins.requests import Attend, Chat, Failed, Found, Reply, Request, Steps

__all__ = ["Engine", "Job", "OnError", "Task"]

OnError = Literal["degrade", "raise"]
Task = tuple[str, Sequence[Candidate]]

_log = logging.getLogger("rerank_plugins")

_OPEN_QUERIES = 32  # enough to fill a local model's batch across queries, few enough to keep memory flat
_AHEAD = 256  # rankings that may wait for one before them that is slow
_LONGEST_WAIT_S = 60.0  # a server that asks for more is as good as down for a chat
_MOST_IN_VAIN = 10_000  # rounds that bring nothing before a method counts as one that never ends


@dataclass(eq=False)
class Run:
    """One query on its way to its ranking."""

    index: int
    query: str
    candidates: Sequence[Candidate]
    steps: Steps
    opened: float
    replies: list[Reply | None] = field(default_factory=list)
    usage: Usage = Usage()
    notes: list[Note] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    limits_hit: Counter[str] = field(default_factory=Counter)
    missing: int = 0
    in_vain: int = 0

    def expect(self, count: int) -> None:
        """Make room for the replies to a batch, and count the rounds that brought nothing, one after another."""
        in_vain = all(isinstance(reply, Failed) and isinstance(reply.error, LimitReached) for reply in self.replies)
        self.in_vain = self.in_vain + 1 if in_vain else 0
        self.replies = [None] * count
        self.missing = count

    def deliver(self, slot: int, reply: Reply) -> None:
        """Take the reply to one request of the batch."""
        self.replies[slot] = reply
        self.missing -= 1
        self.notes.extend(reply.notes)

    @property
    def answered(self) -> bool:
        """Whether every request of the batch has its reply."""
        return not self.missing


@dataclass(eq=False)
class Call:
    """One request of a batch, or what the cache leaves of it."""

    run: Run
    slot: int
    request: Request
    backend: Backend
    units: Sequence[Request]
    keys: Sequence[str] | None
    hits: dict[int, Reply]
    batched: bool
    asked: float
    attempts: int = 0
    ready_at: float = 0.0
    reserved: int = 0


@dataclass(eq=False)
class Job:
    """What a shell runs: one call to an endpoint, or one batch for a local model."""

    backend: Backend
    calls: Sequence[Call]
    expires_at: float | None
    stop: threading.Event = field(default_factory=threading.Event)
    open: set[int] = field(default_factory=set)

    @property
    def requests(self) -> list[Request]:
        """What is asked, by position."""
        return [call.request for call in self.calls]

    @property
    def batched(self) -> bool:
        """Whether the backend takes all requests at once."""
        return self.calls[0].batched


class Engine:
    """See the module. All methods are called from one thread."""

    def __init__(
        self,
        method: Method,
        backends: Sequence[Backend],
        *,
        limits: Limits,
        cache: Cache | None,
        on_error: OnError,
        observer: Observer | None,
        top_n: int | None,
    ) -> None:
        self._method = method
        self._label = repr(method)
        self._backends = backends
        self._by_kind = index_by_kind(backends)
        self._batched = {id(backend) for backend in backends if isinstance(backend, BatchBackend)}
        self._limits = limits
        self._cache = ReplyCache(cache)
        self._raise = on_error == "raise"
        self._observer = observer
        self._top_n = top_n
        self._deadline = None if limits.deadline_s is None else time.monotonic() + limits.deadline_s
        self._passed = LimitReached(f"the deadline of {limits.deadline_s} s passed")
        # What methods have to conclude in and tasks to be read in, once the deadline has passed.
        self._grace = 0.0 if limits.deadline_s is None else max(0.03, 0.03 * limits.deadline_s)
        self._waiting: deque[Call] = deque()
        self._running: set[Job] = set()
        self._open: set[Run] = set()
        self._hold: dict[int, float] = {}
        self._refusing: dict[int, CallError] = {}
        self._sent = self._spent = self._reserved = 0
        self._moves = 0
        self._looked = 0.0
        self._tasks_left = True
        self._rankings: dict[int, Ranking] = {}
        self._opened = self._taken = 0
        self._wanted = wants_of(method)
        for kind in needs_of(method):
            self._backend_for(kind)

    # What the shells call

    @property
    def finished(self) -> bool:
        """Whether every query has its ranking."""
        return not self._tasks_left and not self._open

    @property
    def wanted(self) -> int:
        """How many tasks it would have taken up by now, if they had been there.

        A local model is given the requests of many queries at once. For an endpoint there is room as long as calls
        are free, so that a task is not read before something can be done for it.
        """
        now = time.monotonic()
        calls = sum(not call.batched and call.ready_at <= now for call in self._waiting)
        calls += sum(not job.batched for job in self._running)
        room = min(
            _OPEN_QUERIES - len(self._open),
            _AHEAD - (self._opened - self._taken),
            self._limits.max_concurrency - calls,
        )
        return self._opened + max(0, room)

    @property
    def has_rankings(self) -> bool:
        """Whether `take` has something to give."""
        return self._taken in self._rankings

    @property
    def is_overdue(self) -> bool:
        """Whether the deadline has passed by so much that no further task can be waited for."""
        return self._is_late(self._grace)

    def begin(self, query: str, candidates: Sequence[Candidate]) -> None:
        """Take up the next task."""
        steps = self._steps(query, candidates)
        run = Run(self._opened, query, candidates, steps, time.monotonic())
        self._opened += 1
        self._emit(QueryStarted(run.index, query, len(candidates), self._label))
        self._open.add(run)
        if self.is_overdue:  # as many as there are have to end at once: no method has time to look at them
            self._give_up(run)
        else:
            self._advance(run)

    def end_of_tasks(self) -> None:
        """Expect no further task."""
        self._tasks_left = False

    def due_jobs(self) -> list[Job]:
        """Give the jobs to start now."""
        jobs: list[Job] = []
        while True:
            moves = self._moves
            self._expire()
            self._looked = time.monotonic()
            jobs += self._batch_jobs() + self._call_jobs()
            # A call that was refused can bring its query to the next batch or to its end: look again.
            if moves == self._moves:
                return jobs

    def take(self) -> list[Ranking]:
        """The rankings that are next in the order of the tasks, each given once."""
        taken = []
        while self._taken in self._rankings:
            taken.append(self._rankings.pop(self._taken))
            self._taken += 1
        return taken

    def patience(self) -> float | None:
        """Seconds until something is due even if nothing comes back; None for as long as it takes."""
        moments = [job.expires_at for job in self._running if job.expires_at is not None]
        # A call that was due already when jobs were last handed out waits for room, not for the clock.
        moments += [call.ready_at for call in self._waiting if call.ready_at > self._looked]
        if self._deadline is not None and (self._open or self._tasks_left):
            moments.append(self._deadline if not self._is_late() else self._deadline + self._grace)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def receive(self, job: Job, position: int | None, outcome: object) -> None:
        """Take an outcome: a reply at a position, or the end of the job, with the exception that ended it.

        A job of one call ends with its reply. One of a batch ends when its backend has, and then takes the next.
        """
        if job not in self._running:
            return  # given up on before
        if position is None:
            self._end(job, self._error_of(job, outcome))
        elif position in job.open:
            job.open.remove(position)
            reply = outcome if isinstance(outcome, Reply) else Failed(self._error_of(job, outcome))
            if job.batched:
                job.expires_at = self._expiry(batched=True)  # a model that replies is alive
            else:
                self._running.discard(job)
            self._take(job.calls[position], reply)
            if not job.open:
                job.stop.set()  # what it might go on to say, nobody waits for

    def _error_of(self, job: Job, outcome: object) -> CallError:
        name = _name_of(job.backend)
        if not isinstance(outcome, BaseException):
            given = "no answer" if outcome is None else f"a {type(outcome).__name__}, which is no reply"
            return BadReply(f"{name} gave {given}.")
        if not isinstance(outcome, CallError):
            _log.debug("A call to %s failed with %s.", name, type(outcome).__name__)
        return classify(outcome, name)

    def abandon(self) -> None:
        """Tell all that still runs to stop."""
        for job in self._running:
            job.stop.set()
        for run in self._open:
            run.steps.close()

    # Queries

    def _steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        try:
            steps = self._method.steps(encodable(query), [well_formed(candidate) for candidate in candidates])
        except Exception as error:
            raise self._fault(error) from error
        if not isinstance(steps, Generator):
            raise MethodFault(
                f"{self._label}: `steps` is a generator that yields requests and returns a Verdict, "
                f"and gave a {type(steps).__name__}."
            )
        return steps

    def _advance(self, run: Run) -> None:
        """Send the replies and take the next batch, until a batch has to wait for a model."""
        while run.answered and run in self._open:
            try:
                batch = run.steps.send(run.replies if run.replies else None)  # type: ignore[arg-type] # None starts it
                empty = 0
                while not batch and empty < _MOST_IN_VAIN:  # it is answered by an empty list, not by None
                    batch = run.steps.send([])
                    empty += 1
            except StopIteration as end:
                self._close(run, end.value)
                return
            except Exception as error:
                raise self._fault(error) from error
            self._check_batch(batch)
            run.expect(len(batch))
            if run.in_vain > _MOST_IN_VAIN or (run.in_vain and self._is_late(self._grace)):
                self._give_up(run)
                return
            for slot, request in enumerate(batch):
                self._ask(run, slot, request)

    def _check_batch(self, batch: object) -> None:
        requests = batch if isinstance(batch, Sequence) else ()
        if not requests or not all(isinstance(request, Request) for request in requests):
            what = f"a {type(batch).__name__}" if not requests else "a list with something else in it"
            what = f"{_MOST_IN_VAIN} empty lists one after another" if batch in ([], ()) else what
            raise MethodFault(f"{self._label}: what `steps` yields is a list of requests, not {what}.")

    def _give_up(self, run: Run) -> None:
        """End a query without its method's verdict: there is no time for one, or it would never come."""
        run.steps.close()
        why = str(self._passed) if self._is_late() else "the method went on asking when nothing could be spent any more"
        run.notes.append(Note("limit", f"The order is the first stage's: {why}."))
        self._close(run, Verdict(order=range(len(run.candidates))))

    def _close(self, run: Run, verdict: object) -> None:
        if not isinstance(verdict, Verdict):
            raise MethodFault(f"{self._label}: `steps` returns a Verdict, and returned a {type(verdict).__name__}.")
        notes = [*_counted("failed", run.failures), *_counted("limit", run.limits_hit), *dict.fromkeys(run.notes)]
        for note in notes:
            if note.kind in ("failed", "limit"):
                _log.warning("%s: %s", self._label, note.message)
        try:
            ranking = settle(
                verdict,
                run.candidates,
                top_n=self._top_n,
                method=self._label,
                usage=replace(run.usage, seconds=time.monotonic() - run.opened),
                notes=notes,
            )
        except Exception as error:
            raise self._fault(error) from error
        self._open.discard(run)
        self._rankings[run.index] = ranking
        self._emit(QueryEnded(run.index, ranking))

    def _fault(self, error: Exception) -> RerankError:
        """What to raise for an exception out of a method's own code; ours are sentences already."""
        if isinstance(error, RerankError):
            return error
        return MethodFault(f"{self._label} failed with {type(error).__name__}: a fault of the method, not of a model.")

    # Requests

    def _ask(self, run: Run, slot: int, request: Request) -> None:
        if type(request) in self._wanted and type(request) not in self._by_kind:
            run.deliver(slot, Failed(Unanswered(str(self._unmet(type(request))))))
            return
        backend = self._backend_for(type(request))
        units = list(request.units()) or [request]
        keys = self._cache.keys_of(units, backend.identity)
        found = [] if keys is None else [self._cache.get(key, unit) for key, unit in zip(keys, units, strict=True)]
        hits = {position: reply for position, reply in enumerate(found) if reply is not None}
        if len(hits) == len(units):
            reply = request.join([hits[position] for position in range(len(units))])
            self._emit(CallEnded(run.index, request, reply, 0.0, cached=True))
            run.deliver(slot, reply)
            return
        if hits:
            request = request.of_units([unit for position, unit in enumerate(units) if position not in hits])
        batched = id(backend) in self._batched
        self._waiting.append(Call(run, slot, request, backend, units, keys, hits, batched, time.monotonic()))

    def _backend_for(self, kind: type[Request]) -> Backend:
        try:
            return self._by_kind[kind]
        except KeyError:
            raise self._unmet(kind) from None

    def _unmet(self, kind: type[Request]) -> UnmetNeed:
        return registry.unmet(kind, self._label, [_name_of(backend) for backend in self._backends])

    def _take(self, call: Call, reply: Reply) -> None:
        reply = checked(call.request, reply, _name_of(call.backend))
        if isinstance(reply, Failed):
            self._retry_or_fail(call, reply.error)  # one request of a batch, of which the others may be well
        else:
            self._settle_call(call, reply)

    def _settle_call(self, call: Call, reply: Reply) -> None:
        """Account for a reply from a model, keep it, and advance its query if it was the last one missing."""
        self._moves += 1
        self._reserved -= call.reserved
        self._spent += reply.usage.prompt_tokens + reply.usage.completion_tokens
        further = max(0, reply.usage.calls - 1)  # a backend that had to ask more than once says so
        self._sent += further
        call.run.usage += replace(reply.usage, calls=further, seconds=0.0)
        whole = reply
        if call.keys is not None and not isinstance(reply, Failed):
            whole = self._keep(call, call.keys, reply)
        self._emit(CallEnded(call.run.index, call.request, reply, time.monotonic() - call.asked))
        call.run.deliver(call.slot, whole)
        if call.run.answered:
            self._advance(call.run)

    def _keep(self, call: Call, keys: Sequence[str], reply: Reply) -> Reply:
        missing = [position for position in range(len(call.units)) if position not in call.hits]
        for position, part in zip(missing, call.request.split(reply, len(missing)), strict=True):
            if checked(call.units[position], part) is part:  # else the next try may do better
                self._cache.put(keys[position], part)
            call.hits[position] = part
        if len(missing) == len(call.units):
            return reply
        whole: Reply = call.request.join([call.hits[position] for position in range(len(call.units))])
        return replace(whole, notes=(*whole.notes, *reply.notes))

    # Jobs

    def _batch_jobs(self) -> list[Job]:
        busy = {id(job.backend) for job in self._running}
        groups: dict[int, list[Call]] = {}
        for call in self._waiting:
            due = call.ready_at <= self._looked
            if due and call.batched and id(call.backend) not in busy:
                groups.setdefault(id(call.backend), []).append(call)
        admitted = [[call for call in calls if self._admit(call)] for calls in groups.values()]
        return [self._start(calls) for calls in admitted if calls]

    def _call_jobs(self) -> list[Job]:
        jobs: list[Job] = []
        for call in [call for call in self._waiting if not call.batched]:
            if len(self._running) >= self._limits.max_concurrency:
                break
            due = max(call.ready_at, self._hold.get(id(call.backend), 0.0))
            if due > self._looked:
                call.ready_at = due
            elif self._admit(call):
                jobs.append(self._start([call]))
        return jobs

    def _admit(self, call: Call) -> bool:
        """Check a waiting call against the budgets: take it off the queue to be sent or refused, or let it wait."""
        limits = self._limits
        if (refusal := self._refusing.get(id(call.backend))) is not None:
            return self._refuse(call, refusal)
        if limits.max_calls is not None and self._sent >= limits.max_calls:
            return self._refuse(call, LimitReached(f"the budget of {limits.max_calls} calls was used up"))
        if limits.max_tokens is not None:
            call.reserved = _longest(call.request)
            if self._spent + self._reserved + call.reserved > limits.max_tokens:
                if self._reserved:
                    call.reserved = 0
                    return False  # what is in flight may cost less than was set aside for it
                call.reserved = 0
                return self._refuse(call, LimitReached(f"the budget of {limits.max_tokens} tokens was used up"))
        self._waiting.remove(call)
        self._sent += 1
        self._reserved += call.reserved
        return True

    def _refuse(self, call: Call, error: CallError) -> bool:
        self._waiting.remove(call)
        self._fail(call, error)
        return False

    def _start(self, calls: Sequence[Call]) -> Job:
        job = Job(calls[0].backend, calls, self._expiry(batched=calls[0].batched), open=set(range(len(calls))))
        self._running.add(job)
        for call in calls:
            call.attempts += 1
            call.ready_at = 0.0
            call.run.usage += Usage(calls=1)
            self._emit(CallStarted(call.run.index, call.request, call.attempts))
        return job

    def _expiry(self, *, batched: bool) -> float | None:
        timeout = self._limits.silence_s if batched else self._limits.timeout_s
        moments = [self._deadline, None if timeout is None else time.monotonic() + timeout]
        return min((moment for moment in moments if moment is not None), default=None)

    def _end(self, job: Job, error: CallError) -> None:
        """Retry or fail what the job leaves open."""
        self._running.discard(job)
        job.stop.set()
        for position in sorted(job.open):
            self._retry_or_fail(job.calls[position], error)

    def _retry_or_fail(self, call: Call, error: CallError) -> None:
        self._reserved -= call.reserved
        call.reserved = 0
        if (wait := self._retry_in(call, error)) is None:
            self._fail(call, error)
            return
        call.ready_at = time.monotonic() + wait
        if error.retry_after is not None:
            self._hold[id(call.backend)] = max(call.ready_at, self._hold.get(id(call.backend), 0.0))
        self._waiting.append(call)
        self._emit(CallRetried(call.run.index, call.request, error, wait))

    def _retry_in(self, call: Call, error: CallError) -> float | None:
        """Seconds to the next try, or None if there is none."""
        tries = 0 if getattr(call.backend, "retries_itself", False) else self._limits.retries
        if not error.retryable or call.attempts > tries:
            return None
        # Full jitter keeps calls that failed together from coming back together.
        wait = random.uniform(0.5, 1.0) * self._limits.backoff_s * 2 ** (call.attempts - 1)
        wait = max(wait, error.retry_after or 0.0)
        left = _LONGEST_WAIT_S if self._deadline is None else self._deadline - time.monotonic()
        return wait if wait <= min(left, _LONGEST_WAIT_S) else None

    def _fail(self, call: Call, error: CallError) -> None:
        if isinstance(error, LimitReached):
            call.run.limits_hit[str(error)] += 1
        elif not _asked_for(call.request, error):
            if self._raise:
                raise error
            call.run.failures[str(error)] += 1
        if isinstance(error, Refused) and error.scope == "backend" and call.request.reply is not Found:
            self._refusing[id(call.backend)] = error
        self._settle_call(call, Failed(error))

    def _is_late(self, by: float = 0.0) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline + by

    def _expire(self) -> None:
        """Give up on calls that are over their time, and past the deadline on everything."""
        now, late = time.monotonic(), self._is_late()
        for job in [job for job in self._running if late or (job.expires_at is not None and now >= job.expires_at)]:
            self._end(job, self._passed if late else self._overdue(job))
        while late and self._waiting:
            self._fail(self._waiting.popleft(), self._passed)

    def _overdue(self, job: Job) -> CallError:
        """The failure of a call that took too long. A model in this process that is silent gets nothing more to do."""
        name = _name_of(job.backend)
        if not job.batched:
            return CallTimeout(f"{name} gave no answer in {self._limits.timeout_s} s.")
        error = Refused(f"{name} computed {self._limits.silence_s} s without a reply; nothing more is asked of it.")
        self._refusing[id(job.backend)] = error
        return error

    def _emit(self, event: Event) -> None:
        if self._observer is None:
            return
        try:
            self._observer(event)
        except KeyboardInterrupt:
            raise  # that is the user's, who happened to press Ctrl-C just now
        except BaseException:  # noqa: BLE001 # an observer's fault must not cost the user the ranking
            _log.exception("An observer failed on %s; the rerank goes on.", type(event).__name__)


def _asked_for(request: Request, error: CallError) -> bool:
    """Whether this failure is an answer: the method asked to be told that its prompt does not fit."""
    return isinstance(request, Chat | Attend) and not request.may_cut and isinstance(error, PromptTooLong)


def _longest(request: Request) -> int:
    """The most tokens that a call may cost, by the rule of thumb of four bytes a token; a search costs none."""
    if request.reply is Found:
        return 0
    return len(str(request.payload()).encode("utf-8", "replace")) // 4 + int(getattr(request, "max_tokens", 0))


def _name_of(backend: Backend) -> str:
    return backend.identity or type(getattr(backend, "backend", backend)).__name__  # what a wrapper wraps


def _counted(kind: Literal["failed", "limit"], messages: Counter[str]) -> list[Note]:
    return [Note(kind, f"{count} call{'s' if count > 1 else ''} failed: {text}") for text, count in messages.items()]
