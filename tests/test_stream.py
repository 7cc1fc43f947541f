"""`rerank_stream`: each ranking as soon as it and all before it are there, whatever the number of tasks."""

import asyncio
import contextlib
import gc
import itertools
import os
import queue
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from rerank_plugins import (
    CrossEncode,
    FirstStage,
    InsertRank,
    Limits,
    Ranking,
    arerank,
    arerank_many,
    arerank_stream,
    rerank,
    rerank_many,
    rerank_stream,
)
from rerank_plugins.errors import InvalidInput, UnmetNeed
from rerank_plugins.requests import Request
from rerank_plugins.testing import FakeModel

Task = tuple[str, list[str]]


def endless(read: list[int]) -> Iterator[Task]:
    for number in itertools.count():
        read.append(number)
        yield f"question {number}", ["a", "b"]


def test_tasks_are_read_as_room_is_made_for_them() -> None:
    read: list[int] = []
    stream = rerank_stream(FirstStage(), endless(read))
    for _ in range(1000):
        next(stream)
    assert 1000 <= len(read) <= 1600
    stream.close()


def test_the_order_is_that_of_the_tasks_even_if_the_first_is_slow() -> None:
    release = threading.Event()

    def says(request: object) -> str:
        if "the slow one" in str(request):
            assert release.wait(10)
            return "[2] > [1]"
        release.set()
        return "[1] > [2]"

    tasks = [("the slow one", ["a", "b"]), *((f"question {number}", ["a", "b"]) for number in range(50))]
    rankings = list(rerank_stream(InsertRank(bm25=None), tasks, backends=FakeModel(says)))
    assert [ranking.order for ranking in rankings] == [[1, 0]] + [[0, 1]] * 50


def test_one_that_never_ends_does_not_let_the_others_pile_up() -> None:
    read: list[int] = []
    release = threading.Event()
    piled_up = threading.Event()

    def fails(number: int, request: Request) -> None:
        if "question 0'" in repr(request):
            release.wait(10)

    def watched() -> Iterator[Task]:
        for task in endless(read):
            if len(read) == 2000:
                piled_up.set()
            yield task

    stream = rerank_stream(CrossEncode(), watched(), backends=FakeModel(fails=fails))
    taker = threading.Thread(target=lambda: next(stream))
    taker.start()
    assert not piled_up.wait(0.5)
    assert len(read) < 400
    release.set()
    taker.join(10)
    assert not taker.is_alive()
    stream.close()


def test_it_gives_what_rerank_many_gives() -> None:
    tasks = [(f"question {number}", [f"text {number} {letter}" for letter in "abcde"]) for number in range(40)]
    streamed = list(rerank_stream(CrossEncode(), tasks, backends=FakeModel()))
    assert [ranking.order for ranking in streamed] == [
        ranking.order for ranking in rerank_many(CrossEncode(), tasks, backends=FakeModel())
    ]


def test_arguments_are_checked_before_the_first_is_asked_for() -> None:
    with pytest.raises(InvalidInput):
        rerank_stream(FirstStage(), [], top_n=-1)
    with pytest.raises(UnmetNeed):
        rerank_stream(CrossEncode(), [])


PATIENCE_S = 0.5
"""What a busy machine may add to a time; `python -m benchmarks soak` measures how exactly deadlines are kept."""


class Tasks:
    """An iterator that notes what it was asked for, and can be slow."""

    def __init__(self, count: float = float("inf"), *, slow_from: int = 10**9, slow_s: float = 0.0) -> None:
        self.read = 0
        self._count, self._slow_from, self._slow_s = count, slow_from, slow_s

    def __iter__(self) -> Iterator[Task]:
        while self.read < self._count:
            if self.read >= self._slow_from:
                time.sleep(self._slow_s)
            self.read += 1
            yield f"question {self.read}", ["a", "b"]


async def _collected(stream: AsyncIterator[Ranking], most: int = 10**9) -> list[Ranking]:
    found: list[Ranking] = []
    async with contextlib.aclosing(stream) as rankings:  # type: ignore[type-var] # an asynchronous generator has aclose
        async for ranking in rankings:
            found.append(ranking)
            if len(found) == most:
                break
    return found


def _sync(tasks: Any, most: int = 10**9, **options: Any) -> list[Ranking]:
    return list(itertools.islice(rerank_stream(InsertRank(bm25=None), tasks, **options), most))


def _async(tasks: Any, most: int = 10**9, **options: Any) -> list[Ranking]:
    return asyncio.run(_collected(arerank_stream(InsertRank(bm25=None), tasks, **options), most))


both = pytest.mark.parametrize("stream", [_sync, _async], ids=["rerank_stream", "arerank_stream"])
Stream = Callable[..., list[Ranking]]


@both
def test_the_first_comes_as_soon_as_its_calls_are_done(stream: Stream) -> None:
    tasks = Tasks(slow_from=1, slow_s=5.0)
    began = time.monotonic()
    assert stream(tasks, 1, backends=FakeModel("[2] > [1]"))[0].order == [1, 0]
    assert time.monotonic() - began < 0.5


@both
def test_tasks_are_read_only_while_calls_have_room(stream: Stream) -> None:
    tasks = Tasks()
    stream(tasks, 5, backends=FakeModel("[2] > [1]", delay_s=0.01), limits=Limits(max_concurrency=2))
    assert 5 <= tasks.read <= 5 + 2 * 2


@both
def test_a_slow_iterator_cannot_hold_the_deadline_up(stream: Stream) -> None:
    tasks = Tasks(slow_from=3, slow_s=5.0)
    began = time.monotonic()
    rankings = stream(tasks, backends=FakeModel("[2] > [1]"), limits=Limits(deadline_s=0.3))
    assert 0.25 < time.monotonic() - began < 0.3 + PATIENCE_S
    assert [ranking.order for ranking in rankings] == [[1, 0]] * 3


@both
def test_an_endless_iterator_cannot_either(stream: Stream) -> None:
    began = time.monotonic()
    rankings = stream(Tasks(), backends=FakeModel("[2] > [1]", delay_s=0.02), limits=Limits(deadline_s=0.3))
    assert time.monotonic() - began < 0.3 + PATIENCE_S
    assert rankings[0].order == [1, 0]


@both
def test_every_task_of_a_list_has_its_ranking_also_past_the_deadline(stream: Stream) -> None:
    tasks = [(f"question {number}", ["a", "b"]) for number in range(500)]
    began = time.monotonic()
    rankings = stream(tasks, backends=FakeModel("[2] > [1]", delay_s=0.05), limits=Limits(deadline_s=0.2))
    assert time.monotonic() - began < 0.2 + PATIENCE_S
    assert len(rankings) == 500
    assert rankings[-1].order == [0, 1] and rankings[-1].notes[0].kind == "limit"


@both
@pytest.mark.parametrize(
    "error", [ValueError("no"), SystemExit(3), InvalidInput("A rule."), TimeoutError("late"), queue.Empty()]
)
def test_what_an_iterator_raises_is_the_callers_to_see(stream: Stream, error: BaseException) -> None:
    def tasks() -> Iterator[Task]:
        yield "question", ["a", "b"]
        raise error

    with pytest.raises(type(error)) as raised:
        stream(tasks(), backends=FakeModel("[1]"))
    assert raised.value is error


@both
@pytest.mark.parametrize("task", [("q",), "qa", 7, (7, ["a"]), None])
def test_what_is_no_task_is_refused_in_a_sentence(stream: Stream, task: Any) -> None:
    for tasks in ([task], iter([task])):
        with pytest.raises(InvalidInput, match=r"^A (task|query) is a"):
            stream(tasks, backends=FakeModel("[1]"))


async def test_an_asynchronous_iterator_is_read_by_the_loop() -> None:
    async def tasks() -> AsyncIterator[Task]:
        for number in itertools.count():
            await asyncio.sleep(0.001)
            yield f"question {number}", ["a", "b"]

    rankings = await _collected(arerank_stream(InsertRank(bm25=None), tasks(), backends=FakeModel("[2] > [1]")), 20)
    assert [ranking.order for ranking in rankings] == [[1, 0]] * 20
    late = arerank_many(FirstStage(), tasks(), limits=Limits(deadline_s=0.1))
    assert len(await asyncio.wait_for(late, 1)) > 3


@pytest.fixture
def _no_collections() -> Iterator[None]:
    """No collection of garbage: one of all that pytest holds takes longer than a turn of the loop."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collections")
async def test_the_loop_has_its_turn_while_much_is_to_be_done() -> None:
    stalls: list[float] = []

    async def watch() -> None:
        while True:  # by what the thread of the loop computed meanwhile: others may keep the machine busy
            began = time.thread_time()
            await asyncio.sleep(0.001)
            stalls.append(time.thread_time() - began)

    await arerank(InsertRank(), "q", ["a", "b"], backends=FakeModel())  # what is imported at the first use
    watching = asyncio.create_task(watch())
    tasks = [(f"question {number}", [f"passage {number} {place}" for place in range(50)]) for number in range(200)]
    rankings = await arerank_many(InsertRank(), tasks, backends=FakeModel("[2] > [1]"))
    watching.cancel()
    assert len(rankings) == 200
    assert max(stalls) < 0.05


async def test_a_caller_that_gives_up_leaves_nothing_running() -> None:
    ended: list[str] = []

    class Slow(FakeModel):
        async def aanswer(self, request: Request, timeout: float | None) -> Any:
            try:
                await asyncio.sleep(10)
            finally:
                await asyncio.sleep(0.001)  # what a client does to close its connection
                ended.append("cleaned up")

    asked = asyncio.create_task(arerank(InsertRank(), "q", ["a", "b"], backends=Slow()))
    await asyncio.sleep(0.02)
    began = time.monotonic()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert ended == ["cleaned up"]
    assert time.monotonic() - began < PATIENCE_S
    assert {task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()} == set()


async def test_a_call_that_will_not_be_cancelled_is_not_waited_for() -> None:
    class Deaf(FakeModel):
        async def aanswer(self, request: Request, timeout: float | None) -> Any:
            for _ in range(20):
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.05)

    began = time.monotonic()
    ranking = await arerank(InsertRank(), "q", ["a", "b"], backends=Deaf(), limits=Limits(deadline_s=0.1))
    assert time.monotonic() - began < 0.1 + PATIENCE_S
    assert ranking.order == [0, 1]


def test_ctrl_c_ends_a_rerank_at_once() -> None:
    began = time.monotonic()
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        rerank(InsertRank(), "q", ["a", "b"], backends=FakeModel(delay_s=5))
    assert time.monotonic() - began < 1
