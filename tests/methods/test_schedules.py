"""Schedules: what they cost, that nothing is lost, and that what is shown beside a document travels with it."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_plugins import Candidate, First, InsertRank, rerank
from rerank_plugins.errors import InvalidInput, PromptTooLong
from rerank_plugins.methods.schedules import SCHEDULES, bradley_terry, drawn_blocks, scheduled
from rerank_plugins.methods.windows import Window
from rerank_plugins.requests import Chat, ChatReply
from rerank_plugins.testing import FakeModel, prompt_of


class Judge:
    """Orders a list by value, counts its calls, and fails, forgets or does not fit as it is told."""

    def __init__(self, values: Sequence[float], *, fails: float = 0.0, forgets: float = 0.0, fits: int = 10**6) -> None:
        self._values, self._fails, self._forgets, self._fits = values, fails, forgets, fits
        self._rng = random.Random(3)
        self.lists: list[list[int]] = []

    def rank(self, window: Sequence[int], may_cut: bool) -> Window:
        yield [Chat([])]
        if len(window) > self._fits and not may_cut:
            return PromptTooLong(self._fits, len(window))
        self.lists.append(list(window))
        if self._rng.random() < self._fails:
            return ()
        named = sorted(window, key=lambda index: -self._values[index])
        return [index for index in named if self._rng.random() >= self._forgets]


def run(schedule: Any, judge: Judge, count: int, size: int = 20) -> tuple[list[int], int, int]:
    """The order, the size that fitted, and the round trips."""
    steps, trips, replies = scheduled(schedule, range(count), size, None, judge.rank), 0, None
    while True:
        try:
            batch = steps.send(replies)  # type: ignore[arg-type] # None starts it
        except StopIteration as end:
            return *end.value, trips
        trips += 1
        replies = [ChatReply("") for _ in batch]


VALUES = [float((number * 37) % 101) for number in range(100)]
RIGHT = sorted(range(100), key=lambda index: -VALUES[index])


@pytest.mark.parametrize(
    ("schedule", "trips", "calls", "best"), [("windows", 9, 9, 10), ("blocks", 1, 20, 10), ("pivot", 5, 11, 10)]
)
def test_what_it_costs_and_gains_for_a_hundred(schedule: str, trips: int, calls: int, best: int) -> None:
    judge = Judge(VALUES)
    order, fitted, took = run(schedule, judge, 100)
    assert (took, fitted) == (trips, 20)
    assert len(judge.lists) <= calls
    assert sorted(order) == list(range(100))
    found = len(set(order[:best]) & set(RIGHT[:best]))
    assert found >= best - 2 if schedule == "blocks" else found == best


@pytest.mark.parametrize("schedule", SCHEDULES)
@given(
    count=st.integers(0, 70),
    size=st.integers(2, 25),
    fails=st.sampled_from([0.0, 0.3, 1.0]),
    forgets=st.sampled_from([0.0, 0.4, 1.0]),
    fits=st.integers(1, 30),
)
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost_or_doubled(
    schedule: str, count: int, size: int, fails: float, forgets: float, fits: int
) -> None:
    order, _, trips = run(schedule, Judge(VALUES, fails=fails, forgets=forgets, fits=fits), count, size)
    assert sorted(order) == list(range(count))
    assert trips <= 2 * count + 40


def test_where_every_call_fails_the_order_stays() -> None:
    for schedule in SCHEDULES:
        assert run(schedule, Judge(VALUES, fails=1.0), 60)[0] == list(range(60))


def test_lists_that_do_not_fit_become_smaller() -> None:
    for schedule in SCHEDULES:
        judge = Judge(VALUES, fits=8)
        order, fitted, _ = run(schedule, judge, 60)
        assert sorted(order) == list(range(60)) and fitted <= 8
        assert max(map(len, judge.lists)) <= 8


def test_blocks_hold_each_document_equally_often_in_the_order_that_came() -> None:
    blocks = drawn_blocks(range(100), 20, 4)
    assert len(blocks) == 20 and all(block == sorted(block) and len(block) == 20 for block in blocks)
    assert all(sum(index in block for block in blocks) == 4 for index in range(100))
    assert drawn_blocks(range(100), 20, 4) == blocks


def test_strengths_are_those_of_the_pairs() -> None:
    strength = bradley_terry([0, 1], [[0, 1]] * 3 + [[1, 0]])
    assert 2 < strength[0] / strength[1] < 3.2
    assert bradley_terry([5, 6], []) == pytest.approx({5: 1.0, 6: 1.0})


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_document_keeps_its_own_score_in_every_list(schedule: Any) -> None:
    shown: dict[str, set[str]] = {}

    def says(request: Chat) -> str:
        for score, word in re.findall(r'first-stage="([\d.]+)">\s*passage (\w+)', prompt_of(request)):
            shown.setdefault(word, set()).add(score)
        return "[1]"

    candidates = [Candidate(f"passage {number} x", score=float(number)) for number in range(40)]
    method = InsertRank(bm25="first-stage", window=8, schedule=schedule)
    ranking = rerank(method, "q", candidates, backends=FakeModel(says))
    assert sorted(ranking.order) == list(range(40))
    assert len(shown) == 40 and all(len(scores) == 1 for scores in shown.values())


@pytest.mark.parametrize("schedule", ["blocks", "pivot"])
def test_letters_can_be_scheduled_as_well(schedule: Any) -> None:
    ranking = rerank(
        First(window=5, schedule=schedule), "q", [f"text {number}" for number in range(30)], backends=FakeModel()
    )
    assert sorted(ranking.order) == list(range(30))


def test_an_unknown_schedule_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'windows', 'blocks' or 'pivot', not 'swiss'"):
        InsertRank(schedule="swiss")  # type: ignore[arg-type] # the mistake under test
