"""What a comparison shows: which rows clearly help, which do not, and what they cost, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from rerank_plugins.evaluation.compare import Comparison, Row
from rerank_plugins.evaluation.costs import SECONDS, cost_of, spell_count, spell_dollars, spell_seconds
from rerank_plugins.evaluation.statistics import Difference
from rerank_plugins.evaluation.systems import Oracle
from rerank_plugins.evaluation.tables import clear

__all__ = ["Finding", "Findings", "Kind", "is_partial", "spell_p", "spent"]

Kind = Literal["better", "worse", "unclear", "same", "partial"]

FEW = 50
"""With fewer queries only large differences can become clear."""


def is_partial(row: Row, comparison: Comparison) -> bool:
    """Whether a row was not run on all queries: its means cannot stand beside the others'."""
    return len(row.records) < len(comparison.queries)


def spell_p(p: float) -> str:
    """A p-value, with spaces that no line is broken at; below 0.001 it says no more than that.

    >>> [spell_p(p).replace("\\u00a0", " ") for p in (0.0001, 0.0312, 0.9999, float("nan"))]
    ['p < 0.001', 'p = 0.031', 'p = 1.000', 'p unknown']
    """
    if p != p:
        return "p unknown"
    return "p\u00a0<\u00a00.001" if p < 0.001 else f"p\u00a0=\u00a0{p:.3f}"


@dataclass(frozen=True)
class Finding:
    """A row against the baseline on the main measure.

    Args:
        row: The row.
        found: Its difference, on the queries that both were run on.
        kind: What that means; a partial row is not judged.
    """

    row: Row
    found: Difference
    kind: Kind


class Findings:
    """A comparison with one of its rows as the baseline.

    Args:
        comparison: The comparison.
        baseline: The label of the row that the others are held against; None for the first.

    Raises:
        InvalidInput: There is no such row.
    """

    def __init__(self, comparison: Comparison, baseline: str | None = None) -> None:
        self.comparison = comparison
        self.measure = comparison.measures[0]
        self.baseline: Row | None = None
        if baseline is not None:
            self.baseline = comparison.row(baseline)
        elif comparison.rows:
            self.baseline = comparison.rows[0]

    @cached_property
    def all(self) -> list[Finding]:
        """One for each row but the baseline and the oracle, in the order of the rows."""
        return [self._finding(row) for row in self.methods]

    @property
    def methods(self) -> list[Row]:
        """The rows that are to be judged."""
        return [row for row in self.comparison.rows if row is not self.baseline and row.label != Oracle.label]

    @property
    def oracle(self) -> Row | None:
        """The best order of the candidates, where it was made for all queries."""
        rows = [row for row in self.comparison.rows if row.label == Oracle.label]
        return next((row for row in rows if not is_partial(row, self.comparison)), None)

    def of_kind(self, kind: Kind) -> list[Finding]:
        """Those of one kind, the largest gain first."""
        return sorted((item for item in self.all if item.kind == kind), key=lambda item: -item.found.mean)

    @property
    def best(self) -> Finding | None:
        """The one with the highest mean among those that were run on all queries."""
        whole = [item for item in self.all if item.kind != "partial"]
        return max(whole, key=lambda item: item.found.mean, default=None)

    def headline(self) -> str:
        """The answer in a sentence or two."""
        judged, better = [item for item in self.all if item.kind != "partial"], self.of_kind("better")
        if not self.all or self.baseline is None:
            return "No method was compared, so nothing can be said about any."
        if not judged:
            return "No method was run on all queries, so nothing can be said about any."
        if not better:
            worse = len(self.of_kind("worse"))
            harm = f"; {worse} of {len(judged)} clearly {_verb(worse, 'do')} harm" if worse else ""
            return f"Nothing here clearly improves on {self.baseline.label}{harm}."
        best = better[0]
        count = f"{len(better)} of {len(judged)} methods clearly {_verb(len(better), 'help')}. "
        rise = f"{self.measure} rises from {self.baseline.mean(self.measure):.3f} to {best.row.mean(self.measure):.3f}."
        return f"{count if len(judged) > 1 else ''}{best.row.label} helps most: {rise}{self._cheaper(better)}"

    def sentence(self, item: Finding) -> str:
        """What a row gains and what it costs, without its name."""
        found, queries = item.found, len(self.comparison.queries)
        ran = f"run on {len(item.row.records)} of {queries} queries" if item.kind == "partial" else ""
        if not found.queries:
            return f"{ran or 'no query was run'}, none of them on the baseline too."
        sure = f"95\u00a0% interval {found.low:+.3f} to {found.high:+.3f}, {spell_p(found.p)}"
        change = (
            f"{self.measure} {found.mean:+.3f} ({sure}); "
            f"{found.better} {_queries(found.better)} better, {found.worse} worse"
        )
        gain = "every query has the same value as before" if item.kind == "same" else change
        return f"{f'{ran}; on those ' if ran else ''}{gain}. Per query: {spent(item.row)}."

    def cautions(self) -> list[str]:
        """What to keep in mind before acting on it."""
        queries, judged = len(self.comparison.queries), sum(item.kind != "partial" for item in self.all)
        said = []
        if queries < FEW:
            said.append(
                f"{queries} {_queries(queries)} {'is' if queries == 1 else 'are'} few: only a large difference can "
                "become clear, and what is not clear may still be there."
            )
        if judged > 5:
            said.append(
                f"{judged} methods were tested. By chance alone about one in 20 that changes nothing would look clear."
            )
        if kept := [row.label for row in self.comparison.rows if row.total("from_cache")]:
            said.append(f"A cache gave replies to {', '.join(kept)}: what these rows would have cost is not known.")
        if failed := [row.label for row in self.comparison.rows if row.total("failed")]:
            said.append(f"Some calls failed for {', '.join(failed)}: the rows hold what was left of those queries.")
        return said

    def _cheaper(self, better: Sequence[Finding]) -> str:
        if any(item.row.total("from_cache") for item in better):
            return ""  # what they would have cost is not known
        cost = cost_of(self.comparison) or SECONDS
        least = min(better, key=lambda item: cost.of(item.row))
        if cost.of(least.row) >= cost.of(better[0].row):
            return ""
        return f" The cheapest that clearly helps is {least.row.label} ({least.found.mean:+.3f})."

    def _finding(self, row: Row) -> Finding:
        assert self.baseline is not None  # there are rows
        found = row.against(self.baseline, self.measure)
        return Finding(row, found, "partial" if is_partial(row, self.comparison) else _kind(found))


def spent(row: Row) -> str:
    """What one query of a row costs, as a phrase."""
    queries, usage = max(1, len(row.records)), row.usage
    tokens = usage.prompt_tokens + usage.completion_tokens
    calls = usage.calls / queries
    parts = [
        f"{spell_count(calls)} {'call' if calls == 1 else 'calls'}" if usage.calls else "no calls",
        f"{spell_count(kept)} from a cache" if (kept := row.total("from_cache") / queries) else "",
        f"{spell_count(tokens / queries)} tokens" if tokens else "",
        spell_dollars(row.dollars / queries) if row.dollars is not None else "",
        f"{spell_seconds(row.seconds())} (median)",
    ]
    return ", ".join(part for part in parts if part)


def _kind(found: Difference) -> Kind:
    if found.queries and not found.better and not found.worse:
        return "same"
    if not clear(found):
        return "unclear"
    return "better" if found.mean > 0 else "worse"


def _queries(count: int) -> str:
    return "query" if count == 1 else "queries"


def _verb(count: int, verb: str) -> str:
    return f"{verb}{'es' if verb == 'do' else 's'}" if count == 1 else verb
