"""The queries that gain and lose most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import shorten

from rerank_plugins.candidates import Candidate
from rerank_plugins.evaluation.findings import Finding, Findings
from rerank_plugins.evaluation.measures import Qrels
from rerank_plugins.evaluation.pictures.changes import EQUAL, changes
from rerank_plugins.evaluation.pictures.movement import ranks
from rerank_plugins.evaluation.sections.html import Html, cell, foreign, table, tag

__all__ = ["extreme_queries"]

_EACH = 3
_DOCUMENTS = 4


def extreme_queries(findings: Findings, qrels: Qrels | None, documents: Mapping[str, Candidate]) -> Html:
    """For each method the few queries that gain most and lose most; the best method's are open."""
    return tag("div", *(_method(item, findings, qrels or {}, documents) for item in findings.all), class_="methods")


def _method(item: Finding, findings: Findings, qrels: Qrels, documents: Mapping[str, Candidate]) -> Html:
    assert findings.baseline is not None  # there are findings
    found = changes(item.row, findings.baseline, findings.measure)
    gains = [query for query in list(found)[:_EACH] if found[query] > EQUAL]
    losses = [query for query in list(found)[::-1][:_EACH] if found[query] < -EQUAL]
    counts = f" {item.found.better} better, {item.found.worse} worse"
    summary = tag("summary", tag("code", item.row.label), tag("span", counts))
    if not gains and not losses:
        return tag("details", summary, tag("p", "No query changes."))
    before, after = findings.baseline, item.row
    rows = [
        (
            tag("span", foreign(findings.comparison.queries.get(query, query))),
            [
                cell("before", f"{before.values[findings.measure][query]:.3f}"),
                cell("after", f"{after.values[findings.measure][query]:.3f}"),
                cell("change", tag("b", f"{found[query]:+.3f}", class_="gain" if found[query] > 0 else "loss")),
                cell("relevant documents", tag("ul", *_moves(item, findings, query, qrels, documents))),
            ],
        )
        for query in [*gains, *losses[::-1]]
    ]
    heads = ["query", "before", "after", "change", "relevant documents: rank before → after"]
    shown = table(f"{item.row.label}: the largest gains and losses in {findings.measure}", heads, rows, "queries")
    best = {"open": ""} if item is findings.best else {}
    return tag("details", summary, shown, **best)


def _moves(
    item: Finding, findings: Findings, query: str, qrels: Qrels, documents: Mapping[str, Candidate]
) -> Iterator[Html]:
    """Where its relevant documents were and are, the most relevant first."""
    first, grades = findings.comparison.rows[0], qrels.get(query, {})
    before = ranks(first, query) if query in first.records else {}
    after = ranks(item.row, query)
    relevant = [name for name in {**after, **before} if grades.get(name, 0) > 0]
    for name in sorted(relevant, key=lambda name: -grades[name])[:_DOCUMENTS]:
        moved = f"{before.get(name, 'not found')} → {after.get(name, 'left out')} (grade {grades[name]})"
        text = shorten(documents[name].text, 90, placeholder=" ...") if name in documents else ""
        yield tag("li", moved, *([" ", tag("small", foreign(text))] if text else []))
    if len(relevant) > _DOCUMENTS:
        yield tag("li", f"and {len(relevant) - _DOCUMENTS} more")
