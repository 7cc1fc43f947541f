"""A comparison as Markdown, as plain data, and as TREC runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rerank_plugins.evaluation.compare import Comparison, Row
from rerank_plugins.evaluation.records import Record, slug
from rerank_plugins.evaluation.statistics import Difference

__all__ = ["as_json", "as_markdown", "clear", "verdict", "write_runs"]

_CLEAR_P = 0.05


def clear(found: Difference) -> bool:
    """Whether a difference is more than chance: its 95 % interval leaves out 0, and p is below 0.05."""
    return found.p < _CLEAR_P and not found.low <= 0 <= found.high


def as_markdown(comparison: Comparison, baseline: str = "FirstStage()") -> str:
    """The table that people read: the main measure with its interval and the difference to `baseline`, then the rest.

    Raises:
        InvalidInput: There is no row of that label.
    """
    base, (main, *others) = comparison.row(baseline), comparison.measures
    heads = ["method", f"{main} [95 %]", "difference", "p", *others]
    costs = [(name, cell) for name, cell in _COSTS if any(cell(row) != "" for row in comparison.rows)]
    lines = [
        f"{comparison.collection}: {len(comparison.queries)} queries, at most {comparison.k} candidates each from "
        f"{comparison.first_stage}; differences to {baseline}.",
        "",
        _line([*heads, *(name for name, _ in costs)]),
        _line(["---", *["---:"] * (len(heads) + len(costs) - 1)]),
    ]
    for row in comparison.rows:
        cells = [
            f"`{row.label}`" + (f" ({len(row.records)} queries)" if row.stopped else ""),
            _with_interval(row, main),
        ]
        cells += _against(row, base, main) + [_number(row.mean(name)) for name in others]
        lines.append(_line([*cells, *(cell(row) for _, cell in costs)]))
    return "\n".join([*lines, "", *verdict(comparison, baseline)]) + "\n"


def verdict(comparison: Comparison, baseline: str = "FirstStage()") -> list[str]:
    """The same in words: what clearly helps, what clearly hurts, what shows no difference, and what is partial."""
    base, main = comparison.row(baseline), comparison.measures[0]
    named: dict[str, list[str]] = {"Clearly better": [], "Clearly worse": [], "No clear difference": []}
    for row in comparison.rows:
        if row is base or row.label == "Oracle()" or not row.records:
            continue
        found = row.against(base, main)
        kind = "No clear difference" if not clear(found) else "Clearly better" if found.mean > 0 else "Clearly worse"
        named[kind].append(
            f"{row.label} ({found.mean:+.3f}; {found.better} queries better, {found.worse} worse, of {found.queries})"
        )
    lines = [f"{kind} than {baseline} in {main}: {', '.join(rows)}." for kind, rows in named.items() if rows]
    lines = [line.replace("difference than", "difference to") for line in lines]
    if comparison.stopped:
        lines.append(f"PARTIAL: {comparison.stopped}")
    if lost := [f"{row.label} ({row.total('lost')})" for row in comparison.rows if row.total("lost")]:
        lines.append(f"Documents lost: {', '.join(lost)}.")
    if kept := [row.label for row in comparison.rows if row.total("from_cache")]:
        lines.append(
            f"A cache gave replies to {', '.join(kept)}: each would have been a call more, and the tokens, price and "
            "seconds of these rows leave them out."
        )
    return lines


def as_json(comparison: Comparison, baseline: str = "FirstStage()") -> dict[str, Any]:
    """All figures as plain data; what is not known is None."""
    base = comparison.row(baseline)
    return {
        "collection": comparison.collection,
        "first_stage": comparison.first_stage,
        "queries": len(comparison.queries),
        "candidates": comparison.k,
        "baseline": baseline,
        "stopped": comparison.stopped,
        "rows": [_row_as_json(row, base, comparison.measures) for row in comparison.rows],
    }


def write_runs(comparison: Comparison, folder: str | Path) -> list[Path]:
    """Write a TREC run for each row; scores fall with the rank, so that every tool reads the same order."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    return [_write_run(row, place / f"{slug(row.label)}.trec") for row in comparison.rows]


def _write_run(row: Row, path: Path) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for record in row.records.values():
            file.writelines(_run_lines(record, slug(row.label)))
    return path


def _run_lines(record: Record, tag: str) -> Iterable[str]:
    for rank, document in enumerate(record.order, start=1):
        yield f"{record.query} Q0 {document} {rank} {len(record.order) - rank + 1} {tag}\n"


def _row_as_json(row: Row, base: Row, measures: Sequence[str]) -> dict[str, Any]:
    return {
        "method": row.label,
        "queries": len(row.records),
        "stopped": row.stopped,
        "measures": {name: _measure_as_json(row, base, name) for name in measures},
        "usage": asdict(row.usage),
        "dollars": row.dollars,
        "seconds_per_query": {"median": row.seconds(), "p95": row.seconds(0.95)},
        **{name: row.total(name) for name in ("lost", "repaired", "failed", "limited", "from_cache")},
    }


def _measure_as_json(row: Row, base: Row, name: str) -> dict[str, Any]:
    low, high = row.interval(name)
    found = {"mean": row.mean(name), "low": _known(low), "high": _known(high)}
    against = {key: _known(value) for key, value in asdict(row.against(base, name)).items()}
    return found | {"against_baseline": against, "per_query": dict(row.values[name])}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _with_interval(row: Row, name: str) -> str:
    low, high = row.interval(name)
    return "" if row.mean(name) is None else f"{_number(row.mean(name))} [{_number(low)}, {_number(high)}]"


def _against(row: Row, base: Row, name: str) -> list[str]:
    found = row.against(base, name)
    if row is base or not found.queries:
        return ["", ""]
    return [f"{found.mean:+.3f}{' *' if clear(found) else ''}", "<0.001" if found.p < 0.0005 else f"{found.p:.3f}"]


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.3f}"


def _count(value: int) -> str:
    return f"{value:,}" if value else ""


def _seconds(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else ""


_COSTS: Sequence[tuple[str, Callable[[Row], str]]] = (
    ("calls", lambda row: _count(row.usage.calls)),
    ("from cache", lambda row: _count(row.total("from_cache"))),
    ("prompt", lambda row: _count(row.usage.prompt_tokens)),
    ("completion", lambda row: _count(row.usage.completion_tokens)),
    ("cached", lambda row: _count(row.usage.cached_tokens)),
    ("$", lambda row: "" if row.dollars is None else f"{row.dollars:.4f}"),
    ("s/query", lambda row: _seconds(row.seconds())),
    ("p95", lambda row: _seconds(row.seconds(0.95))),
    ("lost", lambda row: _count(row.total("lost"))),
    ("repaired", lambda row: _count(row.total("repaired"))),
    ("failed", lambda row: _count(row.total("failed"))),
)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
