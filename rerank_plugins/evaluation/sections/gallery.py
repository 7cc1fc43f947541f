"""The pictures, each with what it shows in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rerank_plugins.evaluation.costs import SECONDS, cost_of
from rerank_plugins.evaluation.findings import Findings
from rerank_plugins.evaluation.measures import Qrels
from rerank_plugins.evaluation.pictures.changes import changes, extremes, plot_changes
from rerank_plugins.evaluation.pictures.inline import inline_svg
from rerank_plugins.evaluation.pictures.movement import plot_movement
from rerank_plugins.evaluation.pictures.tradeoff import plot_tradeoff
from rerank_plugins.evaluation.sections.html import Html, foreign, joined, tag

__all__ = ["gains_and_losses", "movements", "tradeoffs"]


def tradeoffs(findings: Findings) -> Html:
    """Quality against cost and against time."""
    base = findings.baseline.label if findings.baseline else None
    pictures = [
        _picture(
            plot_tradeoff(findings.comparison, cost, baseline=base),
            f"tradeoff-{cost.name}",
            f"{findings.measure} against {cost.title}. The figures are in the table above.",
        )
        for cost in (cost_of(findings.comparison), SECONDS)
        if cost is not None
    ]
    return tag("div", *pictures, class_="gallery")


def gains_and_losses(findings: Findings) -> Html:
    """A panel for each method."""
    base = findings.baseline
    pictures = [
        _picture(
            plot_changes(findings.comparison, baseline=base.label, rows=[row.label]),
            f"changes-{number}",
            f"{row.label}: what each query gains or loses, sorted.",
        )
        for number, row in enumerate(findings.methods)
        if base is not None and changes(row, base, findings.measure)
    ]
    return tag("div", *pictures, class_="gallery")


def movements(findings: Findings, qrels: Qrels | None) -> Html:
    """The best method's query that gains most and the one that loses most."""
    return tag("div", *_movements(findings, qrels), class_="gallery")


def _movements(findings: Findings, qrels: Qrels | None) -> Iterator[Html]:
    if findings.best is None or findings.baseline is None:
        return
    row = findings.best.row
    for word, query in zip(("gains", "loses"), extremes(row, findings.baseline, findings.measure), strict=True):
        if query is not None:
            asked = foreign(findings.comparison.queries.get(query, query))
            values = [one.values[findings.measure][query] for one in (findings.baseline, row)]
            change = f"{findings.measure} {values[0]:.3f} before, {values[1]:.3f} after."
            yield _picture(
                plot_movement(findings.comparison, row.label, query, qrels),
                f"movement-{word}",
                f"Ranks of the documents before and after {row.label}.",
                joined([f"The query that {word} most: ", tag("q", asked), f" {change}"]),
            )


def _picture(figure: Any, name: str, said: str, caption: str = "") -> Html:
    words = [tag("figcaption", caption)] if caption else []
    return tag("figure", Html(inline_svg(figure, name, said)), *words)
