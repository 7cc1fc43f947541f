"""Selection: pairing and pooling together, against numpy and by hand."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from rerank_plugins.methods.meteora.selection import Fit, Pooling, fits, pooled, select

NUMBER = st.floats(-3, 3).map(lambda value: round(value, 3))
VECTORS = st.lists(st.lists(NUMBER, min_size=4, max_size=4), min_size=1, max_size=12)


def test_by_hand() -> None:
    # Two rationales at right angles; their mean lies between them.
    found = fits([[1, 0], [0, 1]], [[1, 0], [1, 1], [-1, 0]])
    half = pytest.approx(0.5**0.5)
    assert [fit.mean for fit in found] == [half, pytest.approx(1.0), pytest.approx(-(0.5**0.5))]
    assert [list(fit.each) for fit in found] == [[1, 0], [half, half], [-1, 0]]
    assert [fit.nearest for fit in found] == [0, 0, 1]
    assert [fit.score for fit in found] == [1, pytest.approx(1.0), 0]
    chosen = select(found)
    assert chosen.paired == {0: [0], 1: [1]}
    assert chosen.ranks == [2, 1, 3]
    assert [chosen.stages_of(chunk) for chunk in range(3)] == [["pairing"], ["pairing", "pooling"], []]
    assert chosen.chosen == [0, 1]


def test_the_mean_is_that_of_the_vectors_as_they_are() -> None:
    assert fits([[3, 0], [0, 1]], [[3, 1]])[0].mean == pytest.approx(1.0)


@hypothesis.given(VECTORS, VECTORS)
def test_cosines_are_those_of_numpy(rationales: list[list[float]], chunks: list[list[float]]) -> None:
    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        length = np.linalg.norm(a) * np.linalg.norm(b)
        return float(a @ b / length) if length else 0.0

    mean = np.mean(np.array(rationales), axis=0)
    for fit, chunk in zip(fits(rationales, chunks), np.array(chunks), strict=True):
        # The mean of vectors that cancel each other out is rounding, and its direction means nothing.
        assert np.linalg.norm(mean) < 1e-9 or fit.mean == pytest.approx(cosine(mean, chunk), abs=1e-9)
        assert list(fit.each) == pytest.approx([cosine(np.array(r), chunk) for r in rationales], abs=1e-9)


@hypothesis.given(VECTORS, VECTORS, st.sampled_from(["converge", "distinct"]), st.sampled_from(["paper", "knee"]))
def test_something_is_always_chosen(
    rationales: list[list[float]], chunks: list[list[float]], pairing: str, rule: str
) -> None:
    found = fits(rationales, chunks)
    chosen = select(found, pairing, Pooling(rule))  # type: ignore[arg-type] # sampled from their values
    assert 1 <= len(chosen.chosen) <= len(chunks)
    assert sorted(chosen.ranks) == list(range(1, len(chunks) + 1))


@pytest.mark.parametrize(("least", "most", "kept"), [(1, None, 2), (4, None, 4), (1, 1, 1), (9, None, 5)])
def test_pooling_keeps_within_its_bounds(least: int, most: int | None, kept: int) -> None:
    assert pooled([0.1, 0.9, 0.89, 0.12, 0.11], Pooling(least=least, most=most))[1].kept == kept


def test_equal_fits_stand_in_the_order_of_the_chunks() -> None:
    assert pooled([0.5, 0.5, 0.5])[0] == [1, 2, 3]


def test_a_fit_is_told_by_its_nearest_rationale_or_the_mean() -> None:
    assert Fit(0.7, (0.1, 0.6)).score == 0.7
    assert Fit(0.5, (0.1, 0.6)).score == 0.6
