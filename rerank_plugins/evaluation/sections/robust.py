"""What a method minds that should not matter."""

from __future__ import annotations

from math import isnan

from rerank_plugins.evaluation.findings import spell_p
from rerank_plugins.evaluation.robustness import Change, Robustness
from rerank_plugins.evaluation.sections.figures import number
from rerank_plugins.evaluation.sections.html import NONE, Html, cell, joined, table, tag
from rerank_plugins.evaluation.tables import clear

__all__ = ["robust"]


def robust(found: Robustness) -> Html:
    """A table for each method; the first after the first stage is open."""
    methods = dict.fromkeys(change.method for change in found.changes)
    said = (
        "The same queries once more, with one thing changed that should not matter. A method that is robust keeps its "
        f"{found.measure}, and its order: Kendall's tau is 1 for the same order and -1 for the reverse."
    )
    parts = [tag("p", f"Partial: {found.stopped}", class_="partial")] if found.stopped else []
    tables = [_method(method, found, place == min(1, len(methods) - 1)) for place, method in enumerate(methods)]
    return joined([tag("p", said), *parts, tag("div", *tables, class_="methods")])


def _method(method: str, found: Robustness, is_open: bool) -> Html:
    changes = [change for change in found.changes if change.method == method]
    worse = sum(clear(change.difference) and change.difference.mean < 0 for change in changes)
    summary = tag("summary", tag("code", method), tag("span", f" clearly worse under {worse} of {len(changes)}"))
    injected = any(change.gained is not None for change in changes)
    heads = ["change", f"{found.measure} before", "after", "difference", "Kendall's tau"]
    heads += ["ranks gained by the passage with the instruction"] if injected else []
    rows = [(tag("code", change.perturbation), _cells(change, injected)) for change in changes]
    shown = table(f"{method} on {found.collection} under changes that should not matter", heads, rows, "robust")
    return tag("details", summary, shown, **({"open": ""} if is_open else {}))


def _cells(change: Change, injected: bool) -> list[Html]:
    difference = change.difference
    mean = NONE if isnan(difference.mean) else f"{difference.mean:+.3f}"
    sure = f"{difference.low:+.3f} to {difference.high:+.3f}, {spell_p(difference.p)}"
    cells = [
        cell("before", number(change.before)),
        cell("after", number(change.after)),
        cell("difference", tag("b" if clear(difference) else "span", mean), tag("small", "" if mean == NONE else sure)),
        cell("Kendall's tau", number(change.tau)),
    ]
    gained = NONE if change.gained is None or isnan(change.gained) else f"{change.gained:+.1f}"
    return [*cells, cell("ranks gained", gained)] if injected else cells
