"""How sure a difference is: bootstrap intervals and paired randomisation tests over queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Difference", "difference", "interval"]

_RESAMPLES = 10_000
_AT_ONCE = 1_000_000  # numbers drawn together, so that memory does not grow with the number of queries
_EQUAL = 1e-9


@dataclass(frozen=True)
class Difference:
    """A method against another on the same queries.

    Args:
        mean: Mean difference; above 0 it is better.
        low: Lower end of the 95 % bootstrap interval of that mean.
        high: Upper end.
        p: How often signs flipped at random give a mean at least as far from 0: the paired randomisation test.
        better: Queries on which it is better.
        worse: Queries on which it is worse.
        queries: Queries that both were measured on.
    """

    mean: float
    low: float
    high: float
    p: float
    better: int
    worse: int
    queries: int


def interval(values: Sequence[float], *, confidence: float = 0.95) -> tuple[float, float]:
    """The percentile bootstrap interval of a mean; (nan, nan) for no values, and of no width for one.

    The random numbers are the same in every call, so that a table does not change from run to run.

    >>> low, high = interval([0.0, 1.0] * 50)
    >>> round(low, 1), round(high, 1)
    (0.4, 0.6)
    """
    import numpy as np

    if not values:
        return (float("nan"), float("nan"))
    data, tail = np.asarray(values, dtype=float), (1 - confidence) / 2
    means = np.concatenate([data[draw].mean(axis=1) for draw in _draws(len(data), _places)])
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def difference(values: Mapping[str, float], baseline: Mapping[str, float]) -> Difference:
    """Compare two methods query by query, on the queries that both have.

    Source of the test: Smucker, Allan and Carterette, CIKM 2007: the randomisation test is the one to use for means
    over queries.

    >>> found = difference({"a": 0.5, "b": 0.7, "c": 0.4}, {"a": 0.1, "b": 0.3, "c": 0.1})
    >>> round(found.mean, 3), found.better, found.worse, found.p > 0.2  # three queries cannot show much
    (0.367, 3, 0, True)
    """
    import numpy as np

    shared = [query for query in values if query in baseline]
    data = np.asarray([values[query] - baseline[query] for query in shared], dtype=float)
    if not len(data):
        nan = float("nan")
        return Difference(nan, nan, nan, nan, 0, 0, 0)
    low, high = interval(list(data))
    return Difference(
        float(data.mean()),
        low,
        high,
        _randomisation_p(data),
        int((data > _EQUAL).sum()),
        int((data < -_EQUAL).sum()),
        len(data),
    )


def _randomisation_p(data: Any) -> float:
    import numpy as np

    seen = abs(data.sum()) - _EQUAL
    flips = _draws(len(data), lambda rng, shape: rng.integers(0, 2, shape) * 2 - 1)
    extreme = sum(int((np.abs(signs @ data) >= seen).sum()) for signs in flips)
    return (extreme + 1) / (_RESAMPLES + 1)


def _places(rng: Any, shape: tuple[int, int]) -> Any:
    return rng.integers(0, shape[1], shape)


def _draws(size: int, draw: Any) -> Any:
    """Random numbers for all resamples, some rows at a time, the same ones in every call."""
    import numpy as np

    rng, left = np.random.default_rng(0), _RESAMPLES
    while left > 0:
        rows = min(left, max(1, _AT_ONCE // size))
        yield draw(rng, (rows, size))
        left -= rows
