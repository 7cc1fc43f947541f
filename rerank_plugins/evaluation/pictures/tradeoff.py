"""Quality against cost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from math import floor, log10
from typing import Any

from rerank_plugins.evaluation.compare import Comparison, Row
from rerank_plugins.evaluation.costs import SECONDS, Cost, cost_of
from rerank_plugins.evaluation.findings import Findings, is_partial
from rerank_plugins.evaluation.pictures.labels import Box, place, shortened
from rerank_plugins.evaluation.pictures.style import COLOURS, SMALL, new_figure
from rerank_plugins.evaluation.systems import Oracle

__all__ = ["pareto", "plot_tradeoff"]

Point = tuple[float, float]

_HEIGHT = 3.5
_LINE = 0.165  # inches, of the key


def pareto(points: Sequence[Point]) -> list[int]:
    """The positions of the points that none beats: none costs no more and is no worse, but for its equals.

    Args:
        points: Cost and quality of each.

    >>> pareto([(0, 0.5), (1, 0.4), (2, 0.7), (2, 0.6)])
    [0, 2]
    """

    def beaten(cost: float, quality: float) -> bool:
        return any(other <= cost and value >= quality and (other, value) != (cost, quality) for other, value in points)

    front = [index for index, point in enumerate(points) if not beaten(*point)]
    return sorted(front, key=lambda index: points[index])


def plot_tradeoff(comparison: Comparison, cost: Cost | None = None, *, baseline: str | None = None) -> Any:
    """Quality against cost, the Pareto front marked.

    Bars show the 95 % interval. A row that was not run on all queries, or that a cache answered so that its cost is
    not known, is hollow and not held against the others; the oracle is no method, and stands as a line. Where there is
    no room for names, points have numbers and a key.

    Args:
        comparison: The comparison; its first measure is drawn.
        cost: What a query costs; None takes what `cost_of` finds, or else seconds.
        baseline: The label of the row that is marked by a square; None marks the first.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        InvalidInput: There is no row of that label.
        MissingExtra: matplotlib is not installed.
    """
    cost, findings = cost or cost_of(comparison) or SECONDS, Findings(comparison, baseline)
    rows = [row for row in comparison.rows if row.records and row.label != Oracle.label]
    names = [
        _name(row, short, comparison) for row, short in zip(rows, shortened([r.label for r in rows], 28), strict=True)
    ]
    with new_figure(_HEIGHT) as figure:
        axes = figure.add_axes((0.135, 0.145, 0.84, 0.825))
        points = _draw(axes, cost, findings, rows)
        boxes = _places(figure, axes, points, names)
        if all(boxes):
            _write(axes, points, boxes, names)
        else:
            _number(figure, axes, points, names)
    return figure


def _draw(axes: Any, cost: Cost, findings: Findings, rows: Sequence[Row]) -> list[Point]:
    axes.set_xlabel(cost.title)
    axes.set_ylabel(findings.measure)
    axes.grid(color=COLOURS["faint"], linewidth=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    _spread(axes, cost, [cost.of(row) for row in rows])
    points = [(cost.of(row), row.mean(findings.measure) or 0.0) for row in rows]
    whole = [
        index
        for index, row in enumerate(rows)
        if not is_partial(row, findings.comparison) and not row.total("from_cache")
    ]
    front = [whole[index] for index in pareto([points[index] for index in whole])]
    _join(axes, [points[index] for index in front])
    for index, (row, point) in enumerate(zip(rows, points, strict=True)):
        colour = COLOURS["gain"] if index in front else COLOURS["muted"]
        axes.plot([point[0]] * 2, row.interval(findings.measure), color=colour, linewidth=0.8, alpha=0.45)
        _mark(axes, point, "s" if row is findings.baseline else "o", colour, colour if index in whole else "none")
    _best_possible(axes, findings)
    return points


def _join(axes: Any, front: Sequence[Point]) -> None:
    costs, values = [cost for cost, _ in front], [value for _, value in front]
    axes.plot(costs, values, drawstyle="steps-post", color=COLOURS["gain"], linewidth=1.2, linestyle=(0, (4, 2)))


def _mark(axes: Any, point: Point, marker: str, edge: str, face: str) -> None:
    drawn = {"marker": marker, "markersize": 6, "markeredgecolor": edge, "markerfacecolor": face}
    axes.plot([point[0]], [point[1]], linestyle="none", **drawn)


def _spread(axes: Any, cost: Cost, amounts: Sequence[float]) -> None:
    """Costs that differ by orders of magnitude stand on a logarithmic axis, with 0 on it."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

    positive = [max(amount, cost.floor) for amount in amounts if amount > 0]
    most = max(positive, default=1.0)
    if positive and most > 20 * min(positive):
        step = float(10.0 ** floor(log10(min(positive))))
        axes.set_xscale("symlog", linthresh=step, linscale=0.6)
        axes.set_xticks([0.0, *(step * 10**power for power in range(floor(log10(most / step)) + 2))])
        axes.set_xlim(-0.35 * step, most * 2.5)
    else:
        wide = max(most, 20 * cost.floor)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlim(-0.06 * wide, wide * 1.12)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda amount, _: _tick(cost, amount)))


def _tick(cost: Cost, amount: float) -> str:
    """An amount without digits that say nothing."""
    return (
        re.sub(r"(\.\d*?)0+(?=\D|$)", r"\1", cost.spell(amount)).replace(". ", " ").rstrip(".") if amount >= 0 else ""
    )


def _best_possible(axes: Any, findings: Findings) -> None:
    """A line for the best order of the candidates; only words where it would squeeze the points together."""
    value = findings.oracle.mean(findings.measure) if findings.oracle else None
    if value is None:
        return
    low, high = axes.get_ylim()
    if value <= high + 0.5 * (high - low):
        axes.axhline(value, color=COLOURS["muted"], linewidth=0.8, linestyle=":")
    axes.set_ylim(low, axes.get_ylim()[1] + 0.07 * (high - low))
    said = f"best possible order of these candidates: {value:.3f}"
    axes.text(0.995, 0.99, said, transform=axes.transAxes, ha="right", va="top", fontsize=SMALL, color=COLOURS["muted"])


def _name(row: Row, name: str, comparison: Comparison) -> str:
    return f"{name} ({len(row.records)} of {len(comparison.queries)})" if is_partial(row, comparison) else name


def _places(figure: Any, axes: Any, points: Sequence[Point], names: Sequence[str]) -> list[Box | None]:
    """Boxes from where their points are, in typographic points."""
    pixels = [tuple(map(float, axes.transData.transform(point))) for point in points]
    frame, scale = axes.get_window_extent(), 72 / figure.dpi
    room = Box(frame.x0 + 2, frame.y0 + 2, frame.width + 6, frame.height - 18)
    lines = _steps([axes.transData.transform(point) for point in axes.lines[0].get_xydata()])
    boxes = place([(x, y) for x, y in pixels], [_size(figure, name) for name in names], room, lines)
    return [
        box and Box((box.x - x) * scale, (box.y - y) * scale, box.width * scale, box.height * scale)
        for (x, y), box in zip(pixels, boxes, strict=True)
    ]


def _steps(front: Sequence[Any]) -> list[Box]:
    """The parts of the line that joins the front, as boxes."""
    pairs = list(pairwise(front))
    across = [Box(x, y - 1, end - x, 2) for (x, y), (end, _) in pairs]
    return across + [Box(x - 1, y, 2, top - y) for (_, y), (x, top) in pairs]


def _write(axes: Any, points: Sequence[Point], boxes: Sequence[Box | None], names: Sequence[str]) -> None:
    for point, box, name in zip(points, boxes, names, strict=True):
        shift = (box.x, box.y) if box else (3, 3)
        axes.annotate(name, point, xytext=shift, textcoords="offset points", fontsize=SMALL)


def _number(figure: Any, axes: Any, points: Sequence[Point], names: Sequence[str]) -> None:
    """Numbers at the points, and under the axes what they stand for, in two columns."""
    numbers = [str(number) for number in range(1, len(names) + 1)]
    _write(axes, points, _places(figure, axes, points, numbers), numbers)
    lines = (len(names) + 1) // 2
    height = _HEIGHT + _LINE * lines + 0.1
    figure.set_size_inches(figure.get_figwidth(), height)
    axes.set_position((0.135, 1 - (1 - 0.145) * _HEIGHT / height, 0.84, 0.825 * _HEIGHT / height))
    for position, (number, name) in enumerate(zip(numbers, names, strict=True)):
        across, down = divmod(position, lines)
        figure.text(
            0.02 + 0.5 * across, (_LINE * (lines - down) - 0.05) / height, f"{number}  {name}", fontsize=SMALL, va="top"
        )


def _size(figure: Any, text: str) -> tuple[float, float]:
    """What a label takes, in pixels."""
    from matplotlib.text import Text

    extent = Text(0, 0, text, figure=figure, fontsize=SMALL).get_window_extent(figure.canvas.get_renderer())
    return extent.width, extent.height
