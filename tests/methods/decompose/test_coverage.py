"""Coverage: the greedy rule, against the formula written out for one step at a time."""

import math

from hypothesis import given
from hypothesis import strategies as st

from rerank_plugins.methods.decompose.coverage import cover

UNIT = st.floats(0, 1)


def test_without_weight_it_is_the_order_of_relevance() -> None:
    assert cover([0.2, 0.9, 0.9, 0.5], [[1, 0, 0, 0]], 0.0) == [1, 2, 3, 0]


def test_each_part_gets_its_best_document_first() -> None:
    parts = [[1, 0.5, 0, 0, 0, 0], [0, 0, 1, 0.5, 0, 0], [0, 0, 0, 0, 1, 0.5]]
    assert sorted(cover([1, 0.9, 0.3, 0.2, 0.1, 0], parts, 0.9)[:3]) == [0, 2, 4]


def test_a_part_that_is_served_counts_no_more() -> None:
    assert cover([0, 0, 0], [[1.0, 0.9, 0.0], [0.0, 0.0, 0.1]], 1.0) == [0, 2, 1]


def test_nothing_to_order() -> None:
    assert cover([], [[], []], 0.5) == []


@given(
    st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(UNIT, min_size=n, max_size=n), min_size=2, max_size=6)), UNIT
)
def test_each_step_takes_the_greatest_gain(columns: list[list[float]], weight: float) -> None:
    relevance, *parts = columns
    order = cover(relevance, parts, weight)
    assert sorted(order) == list(range(len(relevance)))
    for step, chosen in enumerate(order):

        def gain(place: int, before: list[int] = order[:step]) -> float:
            lacks = [math.prod(1 - part[other] for other in before) for part in parts]
            new = sum(lack * part[place] for lack, part in zip(lacks, parts, strict=True)) / len(parts)
            return (1 - weight) * relevance[place] + weight * new

        assert all(gain(chosen) >= gain(other) - 1e-9 for other in order[step:])
