"""The table of figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import isnan

from rerank_plugins.evaluation.compare import Row
from rerank_plugins.evaluation.costs import spell_count, spell_dollars, spell_seconds
from rerank_plugins.evaluation.findings import Findings, is_partial, spell_p
from rerank_plugins.evaluation.sections.html import NONE, Html, cell, joined, table, tag
from rerank_plugins.evaluation.statistics import Difference
from rerank_plugins.evaluation.systems import Oracle
from rerank_plugins.evaluation.tables import clear

__all__ = ["figures", "interval_bar", "number"]


def figures(findings: Findings) -> Html:
    """All rows with their measures, their difference to the baseline and what they cost per query."""
    comparison = findings.comparison
    others = comparison.measures[1:]
    costs = [(head, spell) for head, spell in _COSTS if any(spell(row) != NONE for row in comparison.rows)]
    heads = ["Method", findings.measure, "Difference", *others, *(head for head, _ in costs)]
    found = {item.row.label: item.found for item in findings.all}
    reach = _reach(found.values())

    def cells(row: Row) -> Iterator[Html]:
        yield cell(findings.measure, _with_interval(row, findings.measure))
        yield cell("Difference", *_difference(found.get(row.label), reach))
        for name in others:
            yield cell(name, number(row.mean(name)))
        for head, spell in costs:
            yield cell(head, spell(row))

    rows = [(_head(row, findings), list(cells(row))) for row in comparison.rows]
    caption = f"Means over the queries, with 95 % intervals; costs per query. Differences are to {_name(findings)}."
    return table(caption, heads, rows, "figures")


def number(value: float | None) -> str:
    """A measure with three digits; a dash where there is none."""
    return NONE if value is None or isnan(value) else f"{value:.3f}"


def interval_bar(found: Difference, reach: float) -> Html:
    """A small picture of a difference: its interval as a line, its mean as a point, and where 0 is."""
    low, mean, high = (50 + 46 * value / reach for value in (found.low, found.mean, found.high))
    kind = "none" if not clear(found) else "gain" if found.mean > 0 else "loss"
    return Html(
        f'<svg class="bar {kind}" viewBox="0 0 100 10" aria-hidden="true"><path class="zero" d="M50 0V10"/>'
        f'<path d="M{low:.1f} 5H{high:.1f}"/><circle cx="{mean:.1f}" cy="5" r="3"/></svg>'
    )


def _reach(found: Iterable[Difference]) -> float:
    ends = [abs(end) for item in found for end in (item.low, item.high) if not isnan(end)]
    return max(ends, default=0.0) or 1.0


def _name(findings: Findings) -> str:
    return findings.baseline.label if findings.baseline else "the first stage"


def _head(row: Row, findings: Findings) -> Html:
    return joined([tag("code", row.label), *(tag("small", note) for note in _notes(row, findings))])


def _notes(row: Row, findings: Findings) -> Iterator[str]:
    comparison = findings.comparison
    if row is findings.baseline:
        yield "the baseline"
    if row.label == Oracle.label:
        yield "the best order that these candidates allow"
    if is_partial(row, comparison):
        yield f"partial: {len(row.records)} of {len(comparison.queries)} queries"


def _with_interval(row: Row, name: str) -> Html:
    low, high = row.interval(name)
    mean = number(row.mean(name))
    return joined([mean] if mean == NONE else [tag("b", mean), tag("small", f"{low:.3f} to {high:.3f}")])


def _difference(found: Difference | None, reach: float) -> list[str]:
    if found is None or not found.queries:
        return [NONE]
    sure = [tag("small", f"{found.low:+.3f} to {found.high:+.3f}"), tag("small", spell_p(found.p))]
    mean = tag("b" if clear(found) else "span", f"{found.mean:+.3f}")
    return [mean, interval_bar(found, reach), *sure]


def _per_query(row: Row, amount: float) -> str:
    return spell_count(amount / len(row.records)) if amount and row.records else NONE


def _dollars(row: Row) -> Html:
    return joined([NONE if row.dollars is None or not row.records else spell_dollars(row.dollars / len(row.records))])


def _seconds(row: Row) -> Html:
    """The median, and what 95 % of the queries stay within."""
    if not row.usage.seconds:
        return joined([NONE])
    return joined([spell_seconds(row.seconds()), tag("small", f"95\u00a0%: {spell_seconds(row.seconds(0.95))}")])


def _troubles(row: Row) -> Html:
    """Documents lost, replies repaired and calls failed."""
    counts = [row.total(name) for name in ("lost", "repaired", "failed")]
    return joined([", ".join(f"{count:,}" for count in counts) if any(counts) else "none"])


_COSTS: Sequence[tuple[str, Callable[[Row], Html]]] = (
    ("Calls", lambda row: joined([_per_query(row, row.usage.calls)])),
    ("Tokens read", lambda row: joined([_per_query(row, row.usage.prompt_tokens)])),
    ("of them cached", lambda row: joined([_per_query(row, row.usage.cached_tokens)])),
    ("Tokens written", lambda row: joined([_per_query(row, row.usage.completion_tokens)])),
    ("Dollars", _dollars),
    ("Time", _seconds),
    ("Lost, repaired, failed", _troubles),
)
