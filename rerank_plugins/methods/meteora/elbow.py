"""The elbow: how many of a sorted list to keep, read off the shape of its scores."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

__all__ = ["Cut", "ElbowRule", "elbow", "knee_elbow", "paper_elbow"]

ElbowRule = Literal["paper", "knee"]


@dataclass(frozen=True)
class Cut:
    """Where a list is cut.

    Args:
        kept: How many are kept, at least 1.
        found_by: "gap" or "bend" (the two branches of the paper's rule), "knee", or None where the scores fall too
            evenly, or are too few, to have an elbow.
    """

    kept: int
    found_by: Literal["gap", "bend", "knee"] | None = None


def elbow(scores: Sequence[float], rule: ElbowRule, z: float, epsilon: float) -> Cut:
    """Cut by the rule of that name; see `paper_elbow` and `knee_elbow`."""
    return paper_elbow(scores, z, epsilon) if rule == "paper" else knee_elbow(scores, epsilon)


def paper_elbow(scores: Sequence[float], z: float = 1.0, epsilon: float = 1e-6) -> Cut:
    """The paper's rule: cut after the first gap that is more than `z` standard deviations above the mean gap.

    Where there is none, cut where the gaps grow most: with gap d_i below the score at place i, from 0, it is the first
    i of the greatest d_(i+1) - d_i; in both cases i + 1 are kept. What exceeds by no more than `epsilon` does not
    exceed: evenly spaced scores have no outstanding gap, whatever their last digits are.

    Args:
        scores: Sorted, the highest first; at least one.
        z: The threshold, in standard deviations (of the population).
        epsilon: Differences up to this are rounding, in the unit of the scores.

    >>> paper_elbow([0.9, 0.88, 0.5, 0.49, 0.48])
    Cut(kept=2, found_by='gap')
    >>> paper_elbow([0.5, 0.4, 0.3, 0.2])
    Cut(kept=1, found_by=None)
    """
    gaps = [above - below for above, below in pairwise(scores)]
    if len(gaps) < 2:
        return Cut(1)
    mean = statistics.fmean(gaps)
    deviation = math.sqrt(statistics.fmean((gap - mean) ** 2 for gap in gaps))
    bar = mean + z * deviation + epsilon
    first = next((place for place, gap in enumerate(gaps) if gap > bar), None)
    if first is not None:
        return Cut(first + 1, "gap")
    bends = [after - before for before, after in pairwise(gaps)]
    if max(bends) - min(bends) <= epsilon:
        return Cut(1)
    return Cut(next(place for place, bend in enumerate(bends) if bend >= max(bends) - epsilon) + 1, "bend")


def knee_elbow(scores: Sequence[float], epsilon: float = 1e-6) -> Cut:
    """Cut before the score that lies deepest below the straight line from the first score to the last.

    It looks at the whole list where the paper's rule looks at one gap after another, so that a single wide gap at the
    top, which chance makes often, does not end it. The idea is that of Kneedle (Satopää et al. 2011), unsmoothed.

    Args:
        scores: Sorted, the highest first; at least one.
        epsilon: What lies below the line by no more than this does not lie below it.

    >>> knee_elbow([0.9, 0.6, 0.58, 0.2, 0.19, 0.18, 0.17])
    Cut(kept=3, found_by='knee')
    >>> knee_elbow([0.5, 0.4, 0.3, 0.2])
    Cut(kept=1, found_by=None)
    """
    last = len(scores) - 1
    depths = [
        scores[0] + (scores[-1] - scores[0]) * place / last - score for place, score in enumerate(scores) if last > 0
    ]
    deepest = max(depths, default=0.0)
    if deepest <= epsilon:
        return Cut(1)
    return Cut(next(place for place, depth in enumerate(depths) if depth >= deepest - epsilon), "knee")
