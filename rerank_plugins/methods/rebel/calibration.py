"""Batches of documents whose scores can be compared: anchors that stand in every batch show how strict each was."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

__all__ = ["aligned", "deal"]

Sheet = Mapping[int, float]
"""One grading of one batch on one criterion: index of a document to its score."""


def deal(count: int, size: int, anchors: int) -> tuple[list[list[int]], list[int]]:
    """Deal documents to batches, as few and as even as can be, and put the anchors into each.

    Documents go round, so that each batch is a cross-section of the first stage: graders also judge by comparison. The
    anchors are spread over the list for the same reason. A list that fits one batch needs none.

    Args:
        count: Documents, known by their indices.
        size: The most documents of its own that a batch has; the anchors come on top.
        anchors: How many documents stand in every batch, but no more than half of `size`.

    Returns:
        The indices in each batch, ascending, and the anchors.

    >>> deal(7, 3, 1)
    ([[0, 2, 3, 5], [1, 3, 4, 6]], [3])
    >>> deal(3, 3, 1)
    ([[0, 1, 2]], [])
    """
    if count <= size:
        return [list(range(count))], []
    anchors = min(anchors, size // 2)
    shared = [int((number + 0.5) * count / anchors) for number in range(anchors)]
    own = [index for index in range(count) if index not in shared]
    batches = math.ceil(len(own) / size)
    return [sorted([*own[start::batches], *shared]) for start in range(batches)], shared


def aligned(sheets: Sequence[Sheet], anchors: Sequence[int]) -> tuple[dict[int, float], list[float]]:
    """Take out of each sheet how much stricter or milder it is than the others on the anchors, then average.

    The offset of a sheet is the mean of what its anchors have above their own mean over all sheets. It is shrunk by
    what can be chance: with k anchors that vary by themselves with variance v, offsets of true variance t are found
    with an error of v / k, so that t / (t + v / k) of each is believed. Both variances are estimated from the anchors
    (a two-way analysis of variance), so that a steady grader is left alone. A scale per sheet is not fitted: in
    simulation it gained nothing that so few anchors could hold.

    Returns:
        Index to score, averaged over the sheets that have it; and the offset of each sheet.

    >>> aligned([{0: 5, 1: 7, 8: 2}, {0: 7, 1: 9, 9: 4}], [0, 1])
    ({0: 6.0, 1: 8.0, 8: 3.0, 9: 3.0}, [-1.0, 1.0])
    """
    offsets = _offsets(sheets, anchors)
    found: dict[int, list[float]] = {}
    for sheet, offset in zip(sheets, offsets, strict=True):
        for index, score in sheet.items():
            found.setdefault(index, []).append(score - offset)
    return {index: statistics.fmean(scores) for index, scores in found.items()}, offsets


def _offsets(sheets: Sequence[Sheet], anchors: Sequence[int]) -> list[float]:
    means = {
        anchor: statistics.fmean(scores)
        for anchor in anchors
        if len(scores := [sheet[anchor] for sheet in sheets if anchor in sheet]) > 1
    }
    above = [[sheet[anchor] - mean for anchor, mean in means.items() if anchor in sheet] for sheet in sheets]
    offsets = [statistics.fmean(values) if values else 0.0 for values in above]
    believed = _believed(above, offsets)
    return [believed * offset for offset in offsets]


def _believed(above: Sequence[Sequence[float]], offsets: Sequence[float]) -> float:
    """The share of the offsets that is not chance; all of it where one anchor leaves nothing to tell that by."""
    counts = [len(values) for values in above if values]
    if len(counts) < 2 or max(counts) < 2:
        return 1.0
    rest = sum((value - offset) ** 2 for values, offset in zip(above, offsets, strict=True) for value in values)
    chance = rest / ((max(counts) - 1) * (len(counts) - 1)) / statistics.fmean(counts)
    spread = sum(offset**2 for offset in offsets) / (len(counts) - 1)
    return max(0.0, 1.0 - chance / spread) if spread > 0 else 0.0
