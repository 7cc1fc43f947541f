"""The best few by sets: right with a judge that is, few calls, and few round trips."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_plugins.methods.sorting import Asking, BestOf, heap_top, tournament_top

Top = Callable[[int, int, int, BestOf], Asking]
BOTH = pytest.mark.parametrize("top_of", [heap_top, tournament_top])


class Judge:
    """Names the document of the highest worth in each set, and counts."""

    def __init__(self, worth: Sequence[float]) -> None:
        self.rounds: list[list[Sequence[int]]] = []
        self._worth = worth

    def best_of(self, sets: Sequence[Sequence[int]]) -> Asking:
        yield from ()
        self.rounds.append(list(sets))
        return [max(members, key=lambda index: self._worth[index]) for members in sets]

    @property
    def sizes(self) -> list[int]:
        return [len(members) for sets in self.rounds for members in sets]


def run(top_of: Top, worth: Sequence[float], size: int, k: int) -> tuple[list[int], Judge]:
    judge = Judge(worth)
    steps = top_of(len(worth), size, k, judge.best_of)
    with pytest.raises(StopIteration) as end:
        next(steps)
    top: list[int] = end.value.value
    return top, judge


@BOTH
@given(st.integers(1, 60), st.integers(3, 26), st.integers(1, 70), st.randoms(use_true_random=False))
def test_the_best_come_first(top_of: Top, count: int, size: int, k: int, draw: random.Random) -> None:
    worth = [float(number) for number in range(count)]
    draw.shuffle(worth)
    top, judge = run(top_of, worth, size, k)
    assert top == sorted(range(count), key=lambda index: -worth[index])[:k]
    assert all(2 <= asked <= size for asked in judge.sizes)
    for sets in judge.rounds:
        members = [index for group in sets for index in group]
        assert len(members) == len(set(members)), "what goes out together is independent"


@BOTH
@pytest.mark.parametrize("seed", range(5))
def test_ten_of_a_hundred_take_about_23_calls(top_of: Top, seed: int) -> None:
    worth = random.Random(seed).sample(range(100), 100)
    _, judge = run(top_of, worth, 20, 10)
    assert 20 <= len(judge.sizes) <= 28


@BOTH
def test_the_beginning_takes_a_round_trip_for_each_level(top_of: Top) -> None:
    worth = [float(-number) for number in range(100)]  # in order already
    _, judge = run(top_of, worth, 20, 1)
    assert [len(sets) for sets in judge.rounds] == [5, 1]


@BOTH
def test_the_best_alone_is_not_sorted_further(top_of: Top) -> None:
    top, judge = run(top_of, [3.0, 9.0, 1.0], 3, 1)
    assert (top, len(judge.sizes)) == ([1], 1)


@BOTH
def test_nothing_to_sort_asks_nobody(top_of: Top) -> None:
    top, judge = run(top_of, [1.0], 3, 5)
    assert (top, judge.sizes) == ([0], [])
