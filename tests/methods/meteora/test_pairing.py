"""Pairing: each rationale takes the nearest chunk."""

import hypothesis
from hypothesis import strategies as st

from rerank_plugins.methods.meteora.pairing import converge, distinct

TABLE = [[0.9, 0.8, 0.1], [0.7, 0.6, 0.2], [0.9, 0.1, 0.3], [0.0, 0.0, 0.0]]


def test_converging_rationales_meet_on_one_chunk_and_ties_go_to_the_earlier() -> None:
    assert converge(TABLE) == [0, 0, 0, 0]


def test_distinct_rationales_take_what_is_left_in_their_order() -> None:
    assert distinct(TABLE) == [0, 1, 2, None]


@hypothesis.given(st.integers(1, 6).flatmap(lambda n: st.lists(st.lists(st.floats(-1, 1), min_size=n, max_size=n))))
def test_distinct_takes_as_many_chunks_as_there_are_for_it(table: list[list[float]]) -> None:
    taken = [chunk for chunk in distinct(table) if chunk is not None]
    assert len(taken) == len(set(taken)) == (min(len(table), len(table[0])) if table else 0)


@hypothesis.given(st.integers(1, 6).flatmap(lambda n: st.lists(st.lists(st.floats(-1, 1), min_size=n, max_size=n))))
def test_converge_takes_a_highest_value_of_each_row(table: list[list[float]]) -> None:
    assert [row[c] for row, c in zip(table, converge(table), strict=True) if c is not None] == list(map(max, table))
