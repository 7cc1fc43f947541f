"""How one query's documents move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rerank_plugins.errors import InvalidInput
from rerank_plugins.evaluation.compare import Comparison, Row
from rerank_plugins.evaluation.measures import Qrels
from rerank_plugins.evaluation.pictures.labels import apart, shortened
from rerank_plugins.evaluation.pictures.style import COLOURS, SMALL, new_figure

__all__ = ["plot_movement", "ranks"]

_LINES = {"faint": 0.6, "low": 1.6, "mid": 2.2, "high": 2.8}
_TEXT = 0.038  # height of a number, as a part of the axes


def ranks(row: Row, query: str) -> dict[str, int]:
    """Document id to rank, from 1.

    Raises:
        InvalidInput: The row was not run on that query.
    """
    if query not in row.records:
        raise InvalidInput(f"{row.label} was not run on query {query!r}; it was on {len(row.records)} others.")
    return {name: rank for rank, name in enumerate(row.records[query].order, start=1)}


def plot_movement(comparison: Comparison, label: str, query: str, qrels: Qrels | None = None) -> Any:
    """Where one query's documents stand in the first stage's list, and where a method puts them.

    Relevant documents are coloured by grade. What a method leaves out ends below the list, and what it found itself
    begins there.

    Args:
        comparison: The comparison.
        label: The method's row.
        query: The query's id.
        qrels: The judgements; None draws all documents alike.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        InvalidInput: There is no such row, or it was not run on that query.
        MissingExtra: matplotlib is not installed.
    """
    before, after = (ranks(row, query) for row in (comparison.rows[0], comparison.row(label)))
    grades = (qrels or {}).get(query, {})
    depth = max(len(before), len(after), 2)
    out = depth * 1.06 + 1
    documents = sorted({**before, **after}, key=lambda name: grades.get(name, 0))
    moves = [(before.get(name, out), after.get(name, out), _part(grades.get(name, 0), grades)) for name in documents]
    with new_figure(4.0) as figure:
        axes = figure.add_axes((0.09, 0.12, 0.82, 0.77))
        for old, new, part in moves:
            _slope(axes, old, new, part)
        _frame(axes, depth, out, before.keys() != after.keys())
        relevant = [move for move in moves if move[2] != "faint"]
        _write(axes, [old for old, _, _ in relevant], depth, "right")
        _write(axes, [new for _, new, _ in relevant], depth, "left")
        axes.set_title(f"{shortened([label], 40)[0]}, query {shortened([query], 16)[0]}", pad=20, x=-0.09)
        _legend(figure, [grades.get(name, 0) for name in documents], grades)
    return figure


def _part(grade: int, grades: Mapping[str, int]) -> str:
    """The part of a grade's colour: high for the query's highest, then mid and low."""
    levels = sorted({value for value in grades.values() if value > 0}, reverse=True)
    if grade <= 0:
        return "faint"
    return ("high", "mid", "low")[round(2 * levels.index(grade) / max(1, len(levels) - 1))]


def _slope(axes: Any, before: float, after: float, part: str) -> None:
    marker = {"marker": "o", "markersize": 4} if part != "faint" else {}
    axes.plot([0, 1], [before, after], color=COLOURS[part], linewidth=_LINES[part], clip_on=False, **marker)


def _write(axes: Any, found: Sequence[float], depth: int, align: str) -> None:
    """The ranks beside their points, moved apart where they would cover each other."""
    listed = [rank for rank in found if rank <= depth]
    for rank, height in zip(listed, apart(listed, depth * _TEXT), strict=True):
        side = -0.025 if align == "right" else 1.025
        axes.text(side, height, f"{rank:.0f}", ha=align, va="center", fontsize=SMALL)


def _frame(axes: Any, depth: int, out: float, changed: bool) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(out if changed else depth + 0.02 * depth, 1 - 0.02 * depth)
    axes.set_xticks([0, 1], [f"first stage, ranks 1 to {depth}", "reranked"])
    axes.tick_params(axis="x", top=True, labeltop=True, bottom=False, labelbottom=False, length=0, pad=2)
    for text, align in zip(axes.get_xticklabels(), ("left", "right"), strict=True):
        text.set_horizontalalignment(align)
    axes.set_yticks([])
    axes.spines["bottom"].set_visible(False)
    axes.spines["right"].set_visible(True)
    if changed:
        axes.text(0.5, out, "not in the list", ha="center", va="bottom", fontsize=SMALL, color=COLOURS["muted"])


def _legend(figure: Any, found: Sequence[int], grades: Mapping[str, int]) -> None:
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=COLOURS[part], linewidth=_LINES[part], label=f"grade {grade} ({found.count(grade)})")
        for grade in sorted({grade for grade in found if grade > 0}, reverse=True)
        for part in [_part(grade, grades)]
    ]
    others = sum(grade <= 0 for grade in found)
    if others:
        lines.append(Line2D([], [], color=COLOURS["faint"], linewidth=1, label=f"other ({others})"))
    figure.legend(
        handles=lines,
        loc="lower left",
        bbox_to_anchor=(0.01, 0.0),
        ncols=5,
        frameon=False,
        fontsize=SMALL,
        handlelength=1.0,
        columnspacing=0.9,
        handletextpad=0.5,
        borderaxespad=0.2,
    )
