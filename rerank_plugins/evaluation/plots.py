"""Pictures of a comparison: quality against cost, gains and losses by query, and how one query's documents move."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rerank_plugins.evaluation.compare import Comparison
from rerank_plugins.evaluation.costs import SECONDS, cost_of
from rerank_plugins.evaluation.findings import Findings
from rerank_plugins.evaluation.measures import Qrels
from rerank_plugins.evaluation.pictures.changes import extremes, plot_changes
from rerank_plugins.evaluation.pictures.movement import plot_movement
from rerank_plugins.evaluation.pictures.style import styled
from rerank_plugins.evaluation.pictures.tradeoff import pareto, plot_tradeoff

__all__ = ["pareto", "plot_changes", "plot_movement", "plot_tradeoff", "save_plots"]


def save_plots(
    comparison: Comparison,
    folder: str | Path,
    *,
    qrels: Qrels | None = None,
    baseline: str | None = None,
    formats: Sequence[str] = ("png", "svg"),
) -> list[Path]:
    """Draw all pictures of a comparison into a folder, which is made.

    The movements are those of the best method's queries that gain and lose most. A picture for which there is nothing
    to draw is left out.

    Args:
        comparison: The comparison.
        folder: Where the files go; earlier ones of the same names are replaced.
        qrels: The judgements, for the colours of the movements.
        baseline: The label of the row to compare with; None is the first.
        formats: File types that matplotlib writes.

    Returns:
        The files.

    Raises:
        InvalidInput: There is no row with the baseline's label.
        MissingExtra: matplotlib is not installed.
    """
    place, files = Path(folder), list[Path]()
    place.mkdir(parents=True, exist_ok=True)
    with styled():
        for name, draw in _pictures(comparison, qrels, baseline):
            figure = draw()
            for form in formats:
                files.append(place / f"{name}.{form}")
                figure.savefig(files[-1], metadata={"Date": None} if form == "svg" else None)
    return files


def _pictures(
    comparison: Comparison, qrels: Qrels | None, baseline: str | None
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """A name for each picture, and how it is drawn."""
    findings = Findings(comparison, baseline)
    if not any(row.records for row in comparison.rows):
        return
    if (cost := cost_of(comparison)) is not None:
        yield f"quality-{cost.name}", partial(plot_tradeoff, comparison, cost, baseline=baseline)
    yield "quality-seconds", partial(plot_tradeoff, comparison, SECONDS, baseline=baseline)
    if findings.methods:
        yield "gains-losses", partial(plot_changes, comparison, baseline=baseline)
    if findings.best is not None and findings.baseline is not None:
        row = findings.best.row
        for name, query in zip(("gain", "loss"), extremes(row, findings.baseline, findings.measure), strict=True):
            if query is not None:
                yield f"movement-{name}", partial(plot_movement, comparison, row.label, query, qrels)
