"""Comparisons made up of random figures, for what shows comparisons."""

from __future__ import annotations

import random
from collections.abc import Sequence

from rerank_plugins.evaluation import MEASURES, Comparison, Row
from rerank_plugins.evaluation.records import Record
from rerank_plugins.ranking import Usage


def made_up(labels: Sequence[str], queries: int = 20, *, documents: int = 8) -> Comparison:
    """A row for each label: the first asks no model, and each later one is better and asks more."""
    questions = {f"q{number}": f"What is {number}?" for number in range(queries)}
    rows = [row(label, list(questions), gain=0.04 * place, calls=place) for place, label in enumerate(labels)]
    return Comparison("made up", "BM25", MEASURES, questions, documents, rows)


def row(
    label: str,
    queries: Sequence[str],
    *,
    gain: float = 0.0,
    calls: int = 1,
    documents: int = 8,
    dollars: float | None = None,
    stopped: str = "",
) -> Row:
    """A row whose values are those of the queries, which all rows share, and its own gain with some noise."""
    rng = random.Random(repr(label))
    usage = Usage(calls, 900 * calls, 30 * calls, 0, 0.001 + 0.4 * calls)
    values = {name: {query: _value(query, gain, rng) for query in queries} for name in MEASURES}
    records = {}
    for query in queries:
        order = [f"d{number}" for number in range(documents)]
        rng.shuffle(order)
        records[query] = Record(query, tuple(order), usage=usage, chat=usage)
    return Row(label, records, values, dollars, stopped)


def _value(query: str, gain: float, rng: random.Random) -> float:
    noise = rng.gauss(gain, 0.08) if gain else 0.0
    return min(1.0, max(0.0, random.Random(query).gauss(0.5, 0.15) + noise))
