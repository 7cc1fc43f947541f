"""The driver: both ways of waiting, retries, limits, the cache, and what an observer sees."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from rerank_plugins import (
    Candidate,
    Embedding,
    FirstStage,
    Fuse,
    InsertRank,
    Limits,
    Ranking,
    arerank,
    arerank_many,
    rerank,
    rerank_many,
)
from rerank_plugins.errors import (
    BadReply,
    InvalidInput,
    LimitReached,
    MethodFault,
    Refused,
    Transient,
    Unanswered,
    UnmetNeed,
)
from rerank_plugins.events import CallEnded, CallRetried, CallStarted, Event, QueryEnded, QueryStarted
from rerank_plugins.ranking import Note, Verdict, order_by
from rerank_plugins.requests import (
    Chat,
    ChatReply,
    Embed,
    Embedded,
    Failed,
    Neighbours,
    Reply,
    Request,
    Retrieve,
    Steps,
)
from rerank_plugins.testing import FakeModel
from tests.grading import TEXTS, WAYS, Grade, Way, grader, last_number, once

AT_ONCE = Limits(backoff_s=0)


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


class TestOrder:
    def test_best_first(self, way: Way) -> None:
        assert way(Grade(), "q", TEXTS, backends=grader()).order == [7, 6, 5, 4, 3, 2, 1, 0]

    def test_inside_a_running_loop_as_in_jupyter(self) -> None:
        async def cell() -> Ranking:
            return rerank(Grade(), "q", TEXTS, backends=grader())

        assert asyncio.run(cell()).order[0] == 7

    def test_many_keep_their_order(self) -> None:
        tasks = [(f"q{number}", TEXTS[: number % 5]) for number in range(80)]
        rankings = rerank_many(Grade(), iter(tasks), backends=grader())
        assert [len(ranking) for ranking in rankings] == [number % 5 for number in range(80)]
        again = asyncio.run(arerank_many(Grade(), tasks, backends=grader()))
        assert [ranking.order for ranking in again] == [ranking.order for ranking in rankings]

    def test_fifty_queries_on_one_instance_do_not_mix(self) -> None:
        method, model = Grade(rounds=2), FakeModel(last_number, delay_s=0.01)

        async def all_at_once() -> list[Ranking]:
            return await asyncio.gather(
                *(arerank(method, f"q{n}", [f"a {n}", f"b {n + 1}"], backends=model) for n in range(50))
            )

        rankings = asyncio.run(all_at_once())
        assert [[item.score for item in ranking] for ranking in rankings] == [[n + 1, n] for n in range(50)]

    def test_many_threads_on_one_instance(self) -> None:
        method, model = Grade(), grader(delay_s=0.002)
        with ThreadPoolExecutor(20) as pool:
            rankings = list(pool.map(lambda n: rerank(method, "q", [f"a {n}", "b 0"], backends=model), range(1, 60)))
        assert [ranking[0].score for ranking in rankings] == list(range(1, 60))


class TestConcurrency:
    def test_a_batch_runs_together(self, way: Way) -> None:
        model, start = grader(delay_s=0.1), time.perf_counter()
        way(Grade(), "q", TEXTS, backends=model)
        assert time.perf_counter() - start < 0.3
        assert model.most_at_once == 8

    def test_no_more_than_allowed(self, way: Way) -> None:
        model = grader(delay_s=0.01)
        way(Grade(), "q", TEXTS, backends=model, limits=Limits(max_concurrency=3))
        assert model.most_at_once == 3

    def test_many_queries_share_the_bound(self) -> None:
        model = grader(delay_s=0.005)
        rerank_many(Grade(), [("q", TEXTS)] * 10, backends=model, limits=Limits(max_concurrency=4))
        assert model.most_at_once == 4

    def test_the_callers_context_reaches_the_workers(self, way: Way) -> None:
        trace: contextvars.ContextVar[str] = contextvars.ContextVar("trace", default="none")
        seen: set[str] = set()

        def says(request: Chat) -> str:
            seen.add(trace.get())
            return "1"

        trace.set("mine")
        way(Grade(), "q", TEXTS, backends=FakeModel(says))
        assert seen == {"mine"}


class TestRetries:
    def test_a_passing_failure_leaves_no_trace_but_the_call(self, way: Way) -> None:
        model = grader(fails=once(Transient("busy")))
        ranking = way(Grade(), "q", TEXTS, backends=model, limits=AT_ONCE)
        assert ranking.order[0] == 7
        assert not ranking.notes
        assert ranking.usage.calls == 9

    def test_a_lasting_failure_costs_that_call_alone(self, way: Way) -> None:
        def fails(number: int, request: Request) -> BaseException | None:
            return Transient("busy") if "passage 7" in str(request) else None

        model = grader(fails=fails)
        ranking = way(Grade(), "q", TEXTS, backends=model, limits=Limits(retries=2, backoff_s=0))
        assert ranking.order == [6, 5, 4, 3, 2, 1, 0, 7]
        assert ranking[-1].score is None
        assert sum("passage 7" in str(request) for request in model.requests) == 3
        assert [note.kind for note in ranking.notes] == ["failed", "repaired"]

    def test_what_was_refused_is_not_tried_again(self, way: Way) -> None:
        model = grader(fails=lambda number, request: Refused("no", status=400))
        way(Grade(), "q", TEXTS, backends=model)
        assert len(model.requests) == 8

    def test_after_a_wrong_key_the_rest_is_not_sent(self) -> None:
        model = grader(fails=lambda number, request: Refused("wrong key", status=401))
        ranking = rerank(Grade(), "q", TEXTS, backends=model, limits=Limits(max_concurrency=1))
        assert len(model.requests) == 1
        assert ranking.order == list(range(8))
        assert "8 calls failed: wrong key" in ranking.notes[0].message

    @pytest.mark.parametrize("status", [400, 403, 404])
    def test_a_refusal_of_one_request_costs_that_request(self, way: Way, status: int) -> None:
        model = grader(fails=lambda number, asked: Refused("no", status) if "passage 7" in str(asked) else None)
        ranking = way(Grade(), "q", TEXTS, backends=model, limits=Limits(max_concurrency=1))
        assert len(model.requests) == 8
        assert ranking.order == [6, 5, 4, 3, 2, 1, 0, 7]

    def test_a_search_is_never_switched_off(self, way: Way) -> None:
        def steps() -> Iterator[Any]:
            for number in range(3):
                yield [Retrieve(f"q{number}", 1)]
            return Verdict(order=[])

        model = FakeModel(fails=lambda number, asked: Refused("no", 401) if number == 0 else None)
        way(Faulty(steps), "q", TEXTS, backends=model)
        assert len(model.requests) == 3

    @pytest.mark.parametrize("deadline", [0.0, 0.0005])
    def test_a_deadline_that_is_over_is_told_to_observers_too(self, way: Way, deadline: float) -> None:
        events: list[Event] = []
        limits = Limits(deadline_s=deadline)
        ranking = way(Grade(), "q", TEXTS, backends=grader(delay_s=0.05), observer=events.append, limits=limits)
        ended = [event.reply for event in events if isinstance(event, CallEnded)]
        assert len(ended) == 8 and all(isinstance(reply, Failed) for reply in ended)
        assert ranking.order == list(range(8)) and ranking.notes[0].kind == "limit"

    def test_the_longest_of_several_waits_holds(self, way: Way) -> None:
        waits, sent = [0.3, 0.01], list[float]()

        def fails(number: int, asked: Request) -> BaseException | None:
            sent.append(time.monotonic())
            return Transient("busy", retry_after=waits[number]) if number < 2 else None

        way(Grade(), "q", TEXTS, backends=grader(fails=fails), limits=Limits(max_concurrency=2, backoff_s=0))
        assert min(sent[2:]) - sent[0] >= 0.29

    def test_retry_after_is_honoured_by_all_calls_to_that_model(self, way: Way) -> None:
        sent: list[float] = []

        def fails(number: int, request: Request) -> BaseException | None:
            sent.append(time.monotonic())
            return Transient("busy", retry_after=0.2) if number == 0 else None

        ranking = way(Grade(), "q", TEXTS, backends=grader(fails=fails), limits=Limits(max_concurrency=1))
        assert ranking.order[0] == 7
        assert sent[1] - sent[0] >= 0.2

    def test_a_wait_beyond_the_deadline_is_not_waited(self, way: Way) -> None:
        model = grader(fails=once(Transient("busy", retry_after=30)))
        start = time.perf_counter()
        ranking = way(Grade(), "q", TEXTS, backends=model, limits=Limits(deadline_s=5))
        assert time.perf_counter() - start < 1
        assert ranking.notes

    def test_a_client_that_retries_itself_is_left_to_it(self, way: Way) -> None:
        model = grader(fails=once(Transient("busy")))
        model.retries_itself = True  # type: ignore[attr-defined] # an attribute that a backend may have
        assert way(Grade(), "q", TEXTS, backends=model).notes
        assert len(model.requests) == 8

    def test_raise_is_there_for_those_who_want_it(self, way: Way) -> None:
        model = grader(fails=lambda number, request: ValueError("what the provider says"))
        with pytest.raises(BadReply, match="FakeModel failed with ValueError"):
            way(Grade(), "q", TEXTS, backends=model, on_error="raise")

    def test_a_timeout_is_retried_and_then_noted(self, way: Way) -> None:
        model = grader(delay_s=0.5)
        ranking = way(Grade(), "q", TEXTS[:2], backends=model, limits=Limits(timeout_s=0.05, retries=1, backoff_s=0))
        assert len(model.requests) == 4
        assert "no answer in 0.05 s" in ranking.notes[0].message


class TestLimits:
    @pytest.mark.parametrize("deadline_s", [0.15, 0.4])
    def test_a_deadline_returns_what_is_known(self, way: Way, deadline_s: float) -> None:
        late = []
        for _ in range(3):  # the best of three: a busy machine can be late with anything
            model, start = grader(delay_s=0.1), time.perf_counter()
            ranking = way(Grade(rounds=9), "q", TEXTS, backends=model, limits=Limits(deadline_s=deadline_s))
            late.append(time.perf_counter() - start - deadline_s)
            assert ranking.order[0] == 7
            assert ranking.notes[0].kind == "limit"
        assert 0 <= min(late) < 0.05, late

    def test_a_deadline_cancels_what_is_in_flight(self) -> None:
        cancelled = []

        class Slow(FakeModel):
            async def aanswer(self, request: Request, timeout: float | None) -> Reply:
                try:
                    await asyncio.sleep(30)
                except asyncio.CancelledError:
                    cancelled.append(request)
                    raise
                return ChatReply("1")

        async def main() -> Ranking:
            ranking = await arerank(Grade(), "q", TEXTS, backends=Slow(), limits=Limits(deadline_s=0.05))
            await asyncio.sleep(0)
            return ranking

        assert asyncio.run(main()).order == list(range(8))
        assert len(cancelled) == 8

    def test_cancelling_the_caller_cancels_the_calls(self) -> None:
        ended = []

        class Slow(FakeModel):
            async def aanswer(self, request: Request, timeout: float | None) -> Reply:
                try:
                    await asyncio.sleep(30)
                finally:
                    ended.append(request)
                return ChatReply("1")

        async def main() -> None:
            task = asyncio.create_task(arerank(Grade(), "q", TEXTS, backends=Slow()))
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0)

        asyncio.run(main())
        assert len(ended) == 8

    def test_calls_are_counted_with_their_retries(self, way: Way) -> None:
        model = grader(fails=once(Transient("busy")))
        ranking = way(Grade(), "q", TEXTS, backends=model, limits=Limits(max_calls=5))
        assert len(model.requests) == 5
        assert ranking.usage.calls == 5
        assert any(note.kind == "limit" and "5 calls" in note.message for note in ranking.notes)

    def test_tokens_are_never_passed(self, way: Way) -> None:
        model = grader()
        ranking = way(Grade(rounds=20), "q", TEXTS, backends=model, limits=Limits(max_tokens=300))
        assert 0 < ranking.usage.prompt_tokens + ranking.usage.completion_tokens <= 300
        assert any(note.kind == "limit" and "300 tokens" in note.message for note in ranking.notes)

    def test_tokens_set_aside_are_given_back(self) -> None:
        model = grader()  # each call may cost about 60 tokens by the estimate, and costs 7
        ranking = rerank(Grade(), "q", TEXTS, backends=model, limits=Limits(max_tokens=130))
        assert len(model.requests) == 8
        assert not ranking.notes

    def test_a_search_costs_no_tokens(self, way: Way) -> None:
        class Widens:
            def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
                replies = yield [Retrieve(query, 3), Neighbours(candidates[0])]
                assert not any(isinstance(reply, Failed) for reply in replies)
                return Verdict(order=[0])

        long = Candidate("word " * 1000, embedding=[0.5] * 1000)
        assert not way(Widens(), "q", [long], backends=FakeModel(), limits=Limits(max_tokens=0)).notes


class TestBatchBackends:
    class Local:
        """Embeds in this process: one batch at a time, one reply after the other."""

        kinds = (Embed,)
        identity = "Local"

        def __init__(self, delay_s: float = 0.0) -> None:
            self.batches: list[int] = []
            self.stopped = threading.Event()
            self._delay_s = delay_s

        def answer_batch(self, requests: Sequence[Any]) -> Iterator[tuple[int, Reply]]:
            self.batches.append(len(requests))
            try:
                for position, request in enumerate(requests):
                    time.sleep(self._delay_s)
                    yield position, Embedded([[float(len(text)), 1.0] for text in request.texts])
            finally:
                self.stopped.set()

    def test_queries_share_batches(self) -> None:
        model = self.Local()
        rerank_many(Embedding(), [("q", TEXTS)] * 20, backends=model)
        assert model.batches == [40]

    def test_a_deadline_keeps_what_is_done_and_stops_the_rest(self, way: Way) -> None:
        model = self.Local(delay_s=0.1)

        @dataclass(frozen=True)
        class OneByOne:
            def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
                replies = yield [Embed((candidate.text,)) for candidate in candidates]
                return order_by([None if isinstance(reply, Failed) else 1.0 for reply in replies])

        ranking = way(OneByOne(), "q", TEXTS, backends=model, limits=Limits(deadline_s=0.35))
        scored = [item.index for item in ranking if item.score is not None]
        assert scored == [0, 1, 2]
        assert model.stopped.wait(1)

    def test_a_reply_that_never_comes_is_a_failure(self, way: Way) -> None:
        class Silent(self.Local):  # type: ignore[name-defined, misc] # a class of this test class
            def answer_batch(self, requests: Sequence[Any]) -> Iterator[tuple[int, Reply]]:
                yield from ()

        assert "gave no answer" in way(Embedding(), "q", TEXTS, backends=Silent()).notes[0].message


class TestObserver:
    def test_it_sees_all_that_happens(self, way: Way) -> None:
        events: list[Event] = []
        threads: set[int] = set()

        def observe(event: Event) -> None:
            events.append(event)
            threads.add(threading.get_ident())

        model = grader(fails=once(Transient("busy")))
        ranking = way(Grade(), "q", TEXTS[:2], backends=model, observer=observe, limits=AT_ONCE)
        assert isinstance(events[0], QueryStarted)
        assert isinstance(events[-1], QueryEnded)
        assert events[-1].ranking is ranking
        kinds = [type(event) for event in events]
        assert (kinds.count(CallStarted), kinds.count(CallRetried), kinds.count(CallEnded)) == (3, 1, 2)
        assert threads == {threading.get_ident()}

    def test_its_faults_cost_nothing(self, way: Way, caplog: pytest.LogCaptureFixture) -> None:
        def broken(event: Event) -> None:
            raise RuntimeError("observer")

        assert way(Grade(), "q", TEXTS, backends=grader(), observer=broken).order[0] == 7
        assert "An observer failed" in caplog.text

    @pytest.mark.parametrize("fault", [SystemExit, GeneratorExit, asyncio.CancelledError, StopIteration])
    def test_no_fault_of_it_costs_the_ranking(self, way: Way, fault: type[BaseException]) -> None:
        def broken(event: Event) -> None:
            raise fault

        assert way(Grade(), "q", TEXTS, backends=grader(), observer=broken).order[0] == 7

    def test_a_hit_is_told_from_a_call(self) -> None:
        cache: dict[str, str] = {}
        events: list[Event] = []
        rerank(Grade(), "q", TEXTS, backends=grader(), cache=cache)
        rerank(Grade(), "q", TEXTS, backends=grader(), cache=cache, observer=events.append)
        assert [event.cached for event in events if isinstance(event, CallEnded)] == [True] * 8


class TestBadInput:
    def test_a_class_for_a_method(self) -> None:
        with pytest.raises(InvalidInput, match="with its brackets"):
            rerank(InsertRank, "q", TEXTS, backends=grader())  # type: ignore[arg-type] # the mistake under test

    def test_no_backend(self) -> None:
        with pytest.raises(UnmetNeed, match=r"OpenAIChat \(pip install 'rerank-plugins\[openai\]'\)"):
            rerank(InsertRank(), "q", TEXTS)

    def test_a_backend_that_answers_something_else(self) -> None:
        with pytest.raises(UnmetNeed, match="Local"):
            rerank(InsertRank(), "q", TEXTS, backends=TestBatchBackends.Local())

    def test_a_need_that_the_method_did_not_name(self) -> None:
        with pytest.raises(UnmetNeed, match="Chat"):
            rerank(Grade(), "q", TEXTS)

    @pytest.mark.parametrize("top_n", [-1, 1.5, "3", True])
    def test_top_n(self, top_n: Any) -> None:
        with pytest.raises(InvalidInput, match="top_n"):
            rerank(FirstStage(), "q", TEXTS, top_n=top_n)

    def test_a_query_that_is_no_text(self) -> None:
        with pytest.raises(InvalidInput, match="A query is a string"):
            rerank(FirstStage(), None, TEXTS)  # type: ignore[arg-type] # the mistake under test

    def test_one_string_for_a_list(self) -> None:
        with pytest.raises(InvalidInput, match="not as one string"):
            rerank(FirstStage(), "q", "text")

    def test_a_text_that_is_none(self) -> None:
        with pytest.raises(InvalidInput, match="NoneType"):
            rerank(FirstStage(), "q", [None])  # type: ignore[list-item] # the mistake under test

    @pytest.mark.parametrize(
        ("backends", "says"),
        [
            ("gpt-5-mini", r"such as OpenAIChat\('gpt-5-mini'\)"),
            (["x"], "OpenAIChat"),
            (FakeModel, "pass an instance"),
            (7, "int"),
        ],
    )
    def test_what_is_no_backend(self, way: Way, backends: Any, says: str) -> None:
        with pytest.raises(InvalidInput, match=says):
            way(Grade(), "q", TEXTS, backends=backends)

    def test_limits_as_a_dict(self, way: Way) -> None:
        assert way(Grade(), "q", TEXTS, backends=grader(), limits={"max_calls": 1}).notes[0].kind == "limit"
        with pytest.raises(InvalidInput, match="no limit 'calls'; there are max_concurrency"):
            way(Grade(), "q", TEXTS, limits={"calls": 1})
        with pytest.raises(InvalidInput, match="is a Limits"):
            way(Grade(), "q", TEXTS, limits=30)

    def test_on_error(self) -> None:
        with pytest.raises(InvalidInput, match="'degrade' or 'raise'"):
            rerank(FirstStage(), "q", TEXTS, on_error="ignore")  # type: ignore[arg-type] # the mistake under test


class Faulty:
    """A method whose steps are those of a function."""

    def __init__(self, steps: Callable[[], Any]) -> None:
        self._steps = steps

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Any:
        return self._steps()

    def __repr__(self) -> str:
        return "Faulty()"


def raises() -> Iterator[Any]:
    yield [Chat([])]
    raise ZeroDivisionError


def concludes(verdict: Any) -> Callable[[], Iterator[Any]]:
    def steps() -> Iterator[Any]:
        yield [Chat([])]
        return verdict

    return steps


def yields(*batches: Any) -> Callable[[], Iterator[Any]]:
    def steps() -> Iterator[Any]:
        yield from batches
        return Verdict(order=[])

    return steps


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        (raises, "failed with ZeroDivisionError: a fault of the method"),
        (concludes(None), "returns a Verdict, and returned a NoneType"),
        (concludes([2, 1]), "returns a Verdict, and returned a list"),
        (concludes(Verdict(order=["a"])), "failed with TypeError"),
        (concludes(Verdict(order=None)), "failed with TypeError"),  # type: ignore[arg-type] # the mistake under test
        (yields(Chat([])), "a list of requests, not a Chat"),
        (yields("ask"), "a list with something else in it"),
        (yields([Chat([]), "ask"]), "a list with something else in it"),
        (yields(7), "a list of requests, not a int"),
        (lambda: [Chat([])], "is a generator that yields requests"),
        (lambda: None, "is a generator that yields requests"),
        (lambda: 1 / 0, "failed with ZeroDivisionError"),
    ],
)
def test_a_fault_of_the_method_is_told_in_a_sentence(way: Way, steps: Callable[[], Any], says: str) -> None:
    with pytest.raises(MethodFault, match=r"^Faulty\(\)") as raised:
        way(Faulty(steps), "q", TEXTS, backends=FakeModel("1"))
    assert says in str(raised.value)


def test_a_method_that_yields_nothing_for_ever_is_ended(way: Way) -> None:
    def steps() -> Iterator[Any]:
        while True:
            yield []

    with pytest.raises(MethodFault, match="empty lists one after another"):
        way(Faulty(steps), "q", TEXTS, backends=grader())


@pytest.mark.parametrize("limits", [Limits(deadline_s=0.2), Limits(max_calls=3)])
def test_a_method_that_asks_for_ever_is_ended_with_the_budget(way: Way, limits: Limits) -> None:
    def steps() -> Iterator[Any]:
        while True:
            yield [Chat([])]

    start = time.monotonic()
    ranking = way(Faulty(steps), "q", TEXTS, backends=FakeModel("1", delay_s=0.01), limits=limits)
    assert ranking.order == list(range(8))
    assert "The order is the first stage's" in " ".join(note.message for note in ranking.notes)
    assert limits.deadline_s is None or time.monotonic() - start < 0.7


def test_an_empty_batch_is_answered_at_once(way: Way) -> None:
    @dataclass(frozen=True)
    class Empty:
        def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
            assert (yield []) == []
            assert (yield []) == []
            return Verdict(order=[])

    assert way(Empty(), "q", TEXTS, backends=grader()).order == list(range(8))


def test_limits_reached_are_no_errors_to_raise(way: Way) -> None:
    ranking = way(Grade(), "q", TEXTS, backends=grader(), limits=Limits(max_calls=1), on_error="raise")
    assert ranking.notes
    assert issubclass(LimitReached, Exception)


@dataclass(frozen=True)
class WouldLike:
    """A method that embeds, and asks a chat model where there is one."""

    needs: ClassVar[tuple[type[Request], ...]] = (Embed,)
    wants: ClassVar[tuple[type[Request], ...]] = (Chat,)

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        said, _ = yield [Chat([{"role": "user", "content": query}]), Embed((query,), "query")]
        known = isinstance(said, Failed) and isinstance(said.error, Unanswered)
        return Verdict(order=range(len(candidates)), notes=[Note("info", said.error.need if known else said.text)])


def test_what_a_method_can_do_without_is_no_failure() -> None:
    embedder = FakeModel()
    embedder.kinds = (Embed,)
    ranking = rerank(WouldLike(), "q", ["a"], backends=[embedder], on_error="raise")
    (note,) = ranking.notes
    assert note.kind == "info" and "asks for a chat model's answer" in note.message and "OpenAIChat" in note.message
    assert ranking.usage.calls == 1


def test_what_a_method_wants_is_asked_where_something_answers() -> None:
    ranking = rerank(Fuse(WouldLike(), WouldLike()), "q", ["a"], backends=[FakeModel("well")])
    assert [note.message for note in ranking.notes] == ["well"]


def test_what_a_method_needs_is_still_needed() -> None:
    with pytest.raises(UnmetNeed, match="embedding vectors"):
        rerank(WouldLike(), "q", ["a"])
