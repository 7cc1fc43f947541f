"""`rerank_stream`: each ranking as soon as it and all before it are there, whatever the number of tasks."""

import itertools
import threading
from collections.abc import Iterator

import pytest

from rerank_plugins import CrossEncode, FirstStage, InsertRank, rerank_many
from rerank_plugins.drive import rerank_stream
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
