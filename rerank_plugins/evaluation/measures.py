"""Measures of orders against relevance judgements, as `ir_measures` computes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rerank_plugins.errors import InvalidInput, MissingExtra

__all__ = ["Orders", "Qrels", "measure"]

Orders = Mapping[str, Sequence[str]]
"""Query id to document ids, best first."""

Qrels = Mapping[str, Mapping[str, int]]
"""Query id to document id to grade; higher is more relevant, and what has no grade is not relevant."""


def measure(orders: Orders, qrels: Qrels, name: str = "nDCG@10") -> dict[str, float]:
    """Measure each query's order.

    Only the order counts: scores, and so ties between them, play no part.

    Args:
        orders: One order for each query; each document at most once.
        qrels: The judgements. Queries without any are left out of the result, as nothing can be said about them.
        name: A measure of ir_measures, such as "nDCG@10" (with linear gains), "RR@10" or "R(rel=2)@20".

    Returns:
        The value for each query in `orders` that has judgements, in their order; 0 where the order is empty.

    Raises:
        InvalidInput: There is no such measure, or an order names a document twice.
        MissingExtra: ir_measures is not installed.

    >>> measure({"q": ["b", "a"]}, {"q": {"a": 1}})
    {'q': 0.6309...}
    """
    library = _ir_measures()
    try:
        asked = library.parse_measure(name)
    except (NameError, ValueError, SyntaxError):
        raise InvalidInput(f"A measure is named as ir_measures names it, such as 'nDCG@10', not {name!r}.") from None
    judged = {query: _as_run(query, order) for query, order in orders.items() if qrels.get(query)}
    runs = {query: run for query, run in judged.items() if run}
    found = {value.query_id: value.value for value in library.iter_calc([asked], _only(qrels, runs), runs)}
    return {query: float(found.get(query, 0.0)) for query in judged}


def _as_run(query: str, order: Sequence[str]) -> dict[str, float]:
    """Scores that fall with the rank and are never equal."""
    run = {document: float(len(order) - place) for place, document in enumerate(order)}
    if len(run) < len(order):
        raise InvalidInput(f"An order names each document once, and that of query {query!r} names one twice.")
    return run


def _only(qrels: Qrels, runs: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    return {query: dict(qrels[query]) for query in runs}


def _ir_measures() -> Any:
    try:
        import ir_measures
    except ImportError:
        raise MissingExtra("measure", "ir-measures", "evaluation") from None
    return ir_measures
