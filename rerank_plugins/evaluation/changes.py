"""What perturbations change, as a table and as data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rerank_plugins.evaluation.statistics import Difference

__all__ = ["Change", "Robustness"]


@dataclass(frozen=True)
class Change:
    """What one perturbation does to one method.

    Args:
        method: The label of the row.
        perturbation: The repr of the perturbation.
        before: Mean measure without it, over the queries that both runs finished.
        after: Mean measure with it. Documents that it adds count as not relevant, a copy as its document where that
            comes first.
        difference: After less before, query by query.
        tau: Mean Kendall's tau of the two orders over the documents of the original list: 1 for the same order, -1 for
            the reverse; nan where no list has two documents.
        gained: Mean ranks that the passage with an instruction gains; above 0 the instruction works. None where the
            perturbation injects nothing.
        failed: Calls that failed in the perturbed run.
    """

    method: str
    perturbation: str
    before: float
    after: float
    difference: Difference
    tau: float
    gained: float | None = None
    failed: int = 0


@dataclass(frozen=True)
class Robustness:
    """All methods under all perturbations.

    Args:
        collection: The collection's name.
        measure: The measure.
        changes: One for each method and perturbation, in their order.
        stopped: Why it is partial; empty where all is done.
    """

    collection: str
    measure: str
    changes: Sequence[Change]
    stopped: str = ""

    def markdown(self) -> str:
        """A table for each method; bold is a change whose interval leaves out 0."""
        methods = dict.fromkeys(change.method for change in self.changes)
        parts = [self._table(method) for method in methods] + ([f"Partial: {self.stopped}\n"] if self.stopped else [])
        return "\n".join(parts)

    def _table(self, method: str) -> str:
        changes = [change for change in self.changes if change.method == method]
        head = [
            f"`{method}` on {self.collection}, {changes[0].difference.queries} queries\n",
            f"| perturbation | {self.measure} before | after | change (95 % interval) | Kendall's tau | ranks gained |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        return "\n".join([*head, *map(_line, changes), ""])

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data that JSON can hold: what is not a number is None."""
        return {
            "collection": self.collection,
            "measure": self.measure,
            "changes": [_plain(asdict(change)) for change in self.changes],
            "stopped": self.stopped,
        }


def _line(change: Change) -> str:
    found = change.difference
    span = f"{found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f})"
    clear = f"**{span}**" if found.low > 0 or found.high < 0 else span
    gained = "" if change.gained is None else f"{change.gained:+.1f}"
    return (
        f"| `{change.perturbation}` | {change.before:.4f} | {change.after:.4f} | {clear} "
        f"| {change.tau:.3f} | {gained} |"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
