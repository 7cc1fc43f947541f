"""What `rerank-plugins compare` prints and writes: a table or figures, runs, pictures and a report."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rerank_plugins.errors import MissingExtra
from rerank_plugins.evaluation import Collection, Comparison, Row
from rerank_plugins.evaluation.robustness import Robustness
from rerank_plugins.evaluation.tables import as_json, as_markdown, write_runs

__all__ = ["all_failed", "show", "write"]


def show(comparison: Comparison, changed: Robustness | None, baseline: str, *, as_data: bool) -> None:
    """Print the table, or the figures, and say on stderr what is wrong with them."""
    figures, table = _made(comparison, changed, baseline)
    print(json.dumps(figures, indent=2) if as_data else table.rstrip("\n"))
    for row in comparison.rows:
        if all_failed(row):
            _say(f"No call of {row.label} succeeded: its row says nothing about it.")


def write(
    folder: Path, comparison: Comparison, changed: Robustness | None, baseline: str, collection: Collection
) -> None:
    """Write table, figures, runs, pictures and report into a folder."""
    figures, table = _made(comparison, changed, baseline)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table.md").write_text(table, encoding="utf-8")
    (folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    write_runs(comparison, folder / "runs")
    _write_pictures(folder, comparison, changed, _known(comparison, baseline), collection)


def all_failed(row: Row) -> bool:
    """Whether every query had calls that failed and none that cost anything: then the order is the first stage's."""
    records = row.records.values()
    return bool(records) and all(record.failed and not record.usage.prompt_tokens for record in records)


def _made(comparison: Comparison, changed: Robustness | None, baseline: str) -> tuple[dict[str, Any], str]:
    baseline = _known(comparison, baseline)
    figures, table = as_json(comparison, baseline), as_markdown(comparison, baseline)
    if changed is not None:
        figures["robustness"], table = changed.as_json(), f"{table}\n{changed.markdown()}"
    return figures, table


def _known(comparison: Comparison, baseline: str) -> str:
    """The baseline, or the first row where it was stopped before the row to compare with."""
    return baseline if baseline in [row.label for row in comparison.rows] else comparison.rows[0].label


def _write_pictures(
    folder: Path, comparison: Comparison, changed: Robustness | None, baseline: str, collection: Collection
) -> None:
    from rerank_plugins.evaluation.plots import save_plots
    from rerank_plugins.evaluation.report import write_report

    try:
        save_plots(comparison, folder / "pictures", qrels=collection.qrels, baseline=baseline)
        report = write_report(
            comparison,
            folder / "report.html",
            qrels=collection.qrels,
            baseline=baseline,
            documents=collection.documents,
            robustness=changed,
        )
    except MissingExtra as error:
        _say(f"There are no pictures and no report: {error}")
    else:
        _say(f"The report is {str(report)!r}.")


def _say(sentence: str) -> None:
    print(f"rerank-plugins: {sentence}", file=sys.stderr)
