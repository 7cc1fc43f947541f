"""One model for many callers: their requests meet in its batches, and nothing else of them meets."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest

from rerank_plugins import YesNo, arerank
from rerank_plugins.backends import SharedBatches
from rerank_plugins.backends.shared import _Caller
from rerank_plugins.errors import InvalidInput
from rerank_plugins.requests import Chat, ChatReply, Reply
from rerank_plugins.testing import FakeModel


def ask(text: str) -> Chat:
    return Chat([{"role": "user", "content": text}])


class Repeats:
    """Says what it was asked. It waits for `go` before its first batch, and breaks on what it is told to."""

    kinds: ClassVar[tuple[type[Any], ...]] = (Chat,)
    identity = "repeats"

    def __init__(self, *, breaks: str = "", skips: str = "", seconds: float = 0.0, held: bool = False) -> None:
        self.batches: list[list[str]] = []
        self.answered: list[str] = []
        self.go = threading.Event()
        self._breaks, self._skips, self._seconds = breaks, skips, seconds
        if not held:
            self.go.set()

    def answer_batch(self, requests: Sequence[Any]) -> Iterator[tuple[int, Reply]]:
        texts = [request.messages[-1]["content"] for request in requests]
        self.batches.append(texts)
        assert self.go.wait(10)
        if self._breaks and any(self._breaks in text for text in texts):
            raise RuntimeError("broken")
        for position in reversed(range(len(texts))):  # any order is allowed
            time.sleep(self._seconds)
            self.answered.append(texts[position])
            if texts[position] != self._skips:
                yield position, ChatReply(texts[position])


def answers(shared: SharedBatches, texts: Sequence[str]) -> list[str | None]:
    found: list[str | None] = [None] * len(texts)
    for position, reply in shared.answer_batch([ask(text) for text in texts]):
        assert isinstance(reply, ChatReply) and found[position] is None
        found[position] = reply.text
    return found


def until(holds: Any) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


def begin(pool: ThreadPoolExecutor, shared: SharedBatches, *lists: Sequence[str]) -> list[Any]:
    """Ask in this order, each from a thread of its own."""
    futures = []
    for texts in lists:
        before = len(shared._callers)
        futures.append(pool.submit(answers, shared, texts))
        until(lambda before=before: len(shared._callers) > before)
    return futures


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as threads:
        yield threads


def test_what_is_asked_meanwhile_goes_into_one_batch(pool: ThreadPoolExecutor) -> None:
    model = Repeats(held=True)
    shared = SharedBatches(model)
    first = pool.submit(answers, shared, ["first"])
    until(lambda: model.batches)
    others = begin(pool, shared, ["a1"], ["b1", "b2"], ["c1"])
    model.go.set()
    assert first.result() == ["first"]
    assert [other.result() for other in others] == [["a1"], ["b1", "b2"], ["c1"]]
    assert model.batches == [["first"], ["a1", "b1", "b2", "c1"]]


def test_a_long_list_does_not_hold_up_a_short_one(pool: ThreadPoolExecutor) -> None:
    model = Repeats(held=True)
    shared = SharedBatches(model, turn_s=1e-9)  # one request of each caller at a time
    first = pool.submit(answers, shared, ["first"])
    until(lambda: model.batches)
    long, short = begin(pool, shared, [f"long {n}" for n in range(50)], ["short 0", "short 1"])
    model.go.set()
    assert short.result() == ["short 0", "short 1"] and first.result() == ["first"]
    assert long.result() == [f"long {n}" for n in range(50)]
    assert [len(batch) for batch in model.batches[:4]] == [1, 2, 2, 1]
    assert model.batches[1:3] == [["long 0", "short 0"], ["long 1", "short 1"]]


def test_a_batch_holds_what_takes_a_turn(pool: ThreadPoolExecutor) -> None:
    model = Repeats(seconds=0.002)
    shared = SharedBatches(model, turn_s=0.05)
    assert len(answers(shared, [str(n) for n in range(60)])) == 60
    sizes = [len(batch) for batch in model.batches]
    assert sizes[0] == 16 and sum(sizes) == 60
    assert all(size <= 26 for size in sizes[1:])  # a sleep of 2 ms takes at least that


def test_a_share_that_is_not_used_goes_to_the_others() -> None:
    shared = SharedBatches(Repeats())
    shared._working = True  # nobody works but this test
    for texts in (["a"], ["b"], [f"c{n}" for n in range(40)]):
        shared._join(_Caller([ask(text) for text in texts]))
    batches = [[caller.requests[position] for caller, position in shared._next_batch()] for _ in range(4)]
    assert [len(batch) for batch in batches] == [16, 16, 10, 0]
    assert batches[0][:3] == [ask("a"), ask("b"), ask("c0")]


def test_a_failure_is_that_of_its_caller(pool: ThreadPoolExecutor) -> None:
    model = Repeats(held=True, breaks="bad")
    shared = SharedBatches(model)
    first = pool.submit(answers, shared, ["first"])
    until(lambda: model.batches)
    good, bad, also_good = begin(pool, shared, ["a", "b"], ["bad"], ["c"])
    model.go.set()
    assert (first.result(), good.result(), also_good.result()) == (["first"], ["a", "b"], ["c"])
    with pytest.raises(RuntimeError, match="broken"):
        bad.result()
    assert answers(shared, ["still there"]) == ["still there"]


def test_a_failure_of_the_only_caller_is_not_tried_twice() -> None:
    model = Repeats(breaks="bad")
    with pytest.raises(RuntimeError, match="broken"):
        answers(SharedBatches(model), ["bad", "good"])
    assert model.batches == [["bad", "good"]]


def test_a_request_without_a_reply_ends_without_one() -> None:
    assert answers(SharedBatches(Repeats(skips="b")), ["a", "b", "c"]) == ["a", None, "c"]


def test_what_a_caller_no_longer_wants_is_not_computed() -> None:
    model = Repeats(seconds=0.01)
    shared = SharedBatches(model, turn_s=1e-9)
    replies = shared.answer_batch([ask(str(n)) for n in range(100)])
    next(replies)
    replies.close()  # type: ignore[attr-defined] # it is a generator
    assert answers(shared, ["after"]) == ["after"]
    assert model.answered.index("after") < 25  # the first batch, and one or two after it


def test_nothing_is_asked_where_nothing_is_wanted() -> None:
    model = Repeats()
    assert answers(SharedBatches(model), []) == []
    assert model.batches == []


def test_its_thread_ends_when_nobody_waits() -> None:
    assert answers(SharedBatches(Repeats()), ["a"]) == ["a"]
    until(lambda: not any(thread.name == "rerank-shared-batches" for thread in threading.enumerate()))


def test_many_callers_are_not_mixed_up(pool: ThreadPoolExecutor) -> None:
    shared = SharedBatches(Repeats(breaks="!", skips="?"), turn_s=0.0005)
    chance = random.Random(5)
    lists = [[f"{caller}:{n}" for n in range(chance.randrange(30))] for caller in range(300)]
    assert list(pool.map(lambda texts: answers(shared, texts), lists)) == lists


async def test_reranks_at_once_share_batches() -> None:
    import asyncio

    class Counted(FakeModel):
        sizes: ClassVar[list[int]] = []

        def answer_batch(self, requests: Sequence[Any]) -> Iterator[tuple[int, Reply]]:
            self.sizes.append(len(requests))
            time.sleep(0.01)
            for position, request in enumerate(requests):
                yield position, self.answer(request, None)

    model = SharedBatches(Counted())
    rankings = await asyncio.gather(*(arerank(YesNo(), f"{n}?", ["a", "b"], backends=model) for n in range(8)))
    assert all(sorted(ranking.order) == [0, 1] and not ranking.notes for ranking in rankings)
    assert sum(Counted.sizes) == 16 and max(Counted.sizes) > 2


def test_it_is_refused_what_it_cannot_share() -> None:
    with pytest.raises(InvalidInput, match="computes in batches"):
        SharedBatches(FakeModel())  # type: ignore[arg-type] # that is what is tested
    for seconds in (0, -1.0, float("nan")):
        with pytest.raises(InvalidInput, match="above 0"):
            SharedBatches(Repeats(), turn_s=seconds)
