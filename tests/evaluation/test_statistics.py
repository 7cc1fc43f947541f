"""Intervals and tests against scipy, and at their edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rerank_plugins.evaluation.statistics import difference, interval


def test_the_interval_is_that_of_scipy() -> None:
    from scipy import stats

    values = np.random.default_rng(3).beta(2, 3, size=60)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=10_000, method="percentile").confidence_interval
    low, high = interval(list(values))
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.005)
    assert low < values.mean() < high


def test_the_test_is_that_of_scipy() -> None:
    from scipy import stats

    rng = np.random.default_rng(4)
    before = rng.random(40)
    after = before + rng.normal(0.04, 0.15, size=40)

    def mean_difference(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        return (x - y).mean(axis=axis)

    theirs = stats.permutation_test(
        (after, before), mean_difference, permutation_type="samples", n_resamples=10_000, vectorized=True
    ).pvalue
    found = difference(dict(enumerate(after.tolist())), dict(enumerate(before.tolist())))  # type: ignore[arg-type]
    assert found.p == pytest.approx(theirs, abs=0.02)


def test_only_queries_that_both_have_count() -> None:
    found = difference({"a": 1.0, "b": 0.5, "c": 0.0}, {"a": 0.5, "b": 0.5, "d": 1.0})
    assert (found.mean, found.better, found.worse, found.queries) == (0.25, 1, 0, 2)


def test_no_difference_is_none() -> None:
    found = difference({"a": 0.5, "b": 0.2}, {"a": 0.5, "b": 0.2})
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_a_large_one_is_seen() -> None:
    queries = [str(number) for number in range(30)]
    found = difference(dict.fromkeys(queries, 0.9), dict.fromkeys(queries, 0.1))
    assert found.p < 0.001 and found.low > 0.79


def test_nothing_in_common_says_nothing() -> None:
    found = difference({"a": 1.0}, {"b": 1.0})
    assert found.queries == 0 and math.isnan(found.mean) and math.isnan(found.p)
    assert all(math.isnan(end) for end in interval([]))
    assert interval([0.4]) == (0.4, 0.4)


def test_it_is_the_same_every_time_and_for_many_queries() -> None:
    values = [number / 5000 for number in range(5000)]
    assert interval(values) == interval(values)
