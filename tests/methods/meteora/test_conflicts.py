"""Conflicts: who has to go."""

import random

import hypothesis
from hypothesis import strategies as st

from rerank_plugins.methods.meteora.conflicts import losers

PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] < pair[1]), unique=True)


def test_who_contradicts_most_goes_and_the_others_stay() -> None:
    assert losers({(0, 3): 0.9, (1, 3): 0.9, (2, 3): 0.9}, [9, 9, 9, 0]) == {3: [0, 1, 2]}


def test_of_two_the_weaker_goes() -> None:
    assert losers({(0, 1): 0.9}, [(0.8, 0), (0.0, 5)]) == {0: [1]}


def test_two_forgeries_go_one_after_the_other() -> None:
    # 0 and 1 are forged, each against two true ones
    assert losers({(0, 2): 1, (0, 3): 1, (1, 3): 1, (1, 4): 1}, [5, 4, 3, 2, 1]) == {0: [2, 3], 1: [3, 4]}


def test_nothing_to_settle() -> None:
    assert losers({}, []) == {}


@hypothesis.given(PAIRS, st.permutations(range(8)))
def test_no_contradiction_is_left_and_nobody_goes_without_one(pairs: list[tuple[int, int]], weak: list[int]) -> None:
    gone = losers(dict.fromkeys(pairs, 1.0), weak)
    assert all(set(pair) & set(gone) for pair in pairs)
    assert all(others for others in gone.values())


@hypothesis.given(PAIRS, st.permutations(range(8)), st.randoms(use_true_random=False))
def test_the_order_in_which_they_are_given_plays_no_part(
    pairs: list[tuple[int, int]], weak: list[int], draw: random.Random
) -> None:
    shuffled = draw.sample(pairs, len(pairs))
    assert losers(dict.fromkeys(shuffled, 1.0), weak) == losers(dict.fromkeys(pairs, 1.0), weak)
