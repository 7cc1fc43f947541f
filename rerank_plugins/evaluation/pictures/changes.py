"""What each query gains and loses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rerank_plugins.evaluation.compare import Comparison, Row
from rerank_plugins.evaluation.findings import Findings
from rerank_plugins.evaluation.pictures.labels import shortened
from rerank_plugins.evaluation.pictures.style import COLOURS, SMALL, new_figure

__all__ = ["EQUAL", "changes", "extremes", "plot_changes"]

_HEIGHT = 1.2  # inches, of each panel
EQUAL = 1e-9
"""Smaller differences come from rounding."""


def changes(row: Row, baseline: Row, measure: str) -> dict[str, float]:
    """Query id to what a row gains on it over another, on the queries that both were run on; the largest gain first."""
    values, before = row.values[measure], baseline.values[measure]
    found = {query: values[query] - before[query] for query in values if query in before}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def extremes(row: Row, baseline: Row, measure: str) -> tuple[str | None, str | None]:
    """The queries that gain and lose most; None where none does."""
    found = list(changes(row, baseline, measure).items())
    gain = found[0][0] if found and found[0][1] > EQUAL else None
    loss = found[-1][0] if found and found[-1][1] < -EQUAL else None
    return gain, loss


def plot_changes(comparison: Comparison, *, baseline: str | None = None, rows: Sequence[str] | None = None) -> Any:
    """What each query gains and loses against the baseline: for each row its queries, sorted.

    All panels have the same scale, also where a figure shows only some of the rows.

    Args:
        comparison: The comparison; its first measure is drawn.
        baseline: The label of the row to compare with; None is the first.
        rows: The labels of the rows to show; None shows all but the oracle.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        InvalidInput: There is no row with the baseline's label.
        MissingExtra: matplotlib is not installed.
    """
    findings = Findings(comparison, baseline)
    found = {row.label: _values(row, findings) for row in findings.methods}
    reach = max((abs(value) for values in found.values() for value in values), default=0) or 1.0
    names = dict(zip(found, shortened(list(found), 56), strict=True))
    shown = [label for label in found if rows is None or label in rows]
    height = _HEIGHT * max(1, len(shown))
    with new_figure(height) as figure:
        panels = figure.subplots(max(1, len(shown)), 1, squeeze=False)[:, 0]
        for axes, label in zip(panels, shown, strict=False):
            _bars(axes, found[label], reach)
            axes.set_title(names[label], pad=3)
            axes.text(0.995, 0.98, f"{findings.measure}: {_counts(found[label])}", **_corner(axes))
        figure.subplots_adjust(left=0.115, right=0.985, top=1 - 0.24 / height, bottom=0.06 / height, hspace=0.36)
    return figure


def _values(row: Row, findings: Findings) -> list[float]:
    return list(changes(row, findings.baseline, findings.measure).values()) if findings.baseline else []


def _bars(axes: Any, values: Sequence[float], reach: float) -> None:
    """One path for the gains and one for the losses, so that a picture of many queries stays small."""
    edges = [place - 0.5 for place in range(len(values) + 1)]
    if values:
        axes.stairs([max(value, 0) for value in values], edges, fill=True, color=COLOURS["gain"])
        axes.stairs([min(value, 0) for value in values], edges, fill=True, color=COLOURS["loss"])
    axes.axhline(0, color=COLOURS["muted"], linewidth=0.8)
    axes.set_ylim(-1.08 * reach, 1.08 * reach)
    axes.set_xlim(-0.5, max(1, len(values)) - 0.5)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)


def _counts(values: Sequence[float]) -> str:
    better, worse = (sum(side * value > EQUAL for value in values) for side in (1, -1))
    return f"{better} better, {worse} worse, {len(values) - better - worse} equal"


def _corner(axes: Any) -> dict[str, Any]:
    return {"transform": axes.transAxes, "ha": "right", "va": "top", "fontsize": SMALL, "color": COLOURS["muted"]}
