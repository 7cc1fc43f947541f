"""What a query costs: the most telling of dollars, tokens and calls that is known for every row, and seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import floor, log10

from rerank_plugins.evaluation.compare import Comparison, Row

__all__ = ["SECONDS", "Cost", "cost_of", "spell_count", "spell_dollars", "spell_seconds"]


@dataclass(frozen=True)
class Cost:
    """A way to say what one query costs.

    Args:
        name: What is counted, such as "tokens".
        title: The same for an axis.
        total: What all queries of a row cost, or already the figure per query where `is_per_query`.
        spell: An amount in words.
        floor: Amounts below it are as good as nothing.
        is_per_query: Whether `total` is a figure per query.
    """

    name: str
    title: str
    total: Callable[[Row], float]
    spell: Callable[[float], str]
    floor: float = 0.0
    is_per_query: bool = False

    def of(self, row: Row) -> float:
        """Per query; 0 for a row without queries."""
        share = 1 if self.is_per_query else max(1, len(row.records))
        return self.total(row) / share


def cost_of(comparison: Comparison) -> Cost | None:
    """Dollars where they are known for all that was asked of chat models, else tokens, else calls; None without calls.

    >>> cost_of(Comparison("bread", "bm25", ["nDCG@10"], {}, 0, [])) is None
    True
    """
    asked = [row for row in comparison.rows if row.usage.calls]
    if not asked:
        return None
    chats = [row for row in asked if any(record.chat.calls for record in row.records.values())]
    if chats and all(row.dollars is not None for row in chats):
        return _DOLLARS
    return _TOKENS if all(_tokens(row) for row in asked) else _CALLS


def spell_seconds(amount: float) -> str:
    """A duration with two digits or three.

    >>> [spell_seconds(amount) for amount in (0, 0.00003, 0.0004, 0.034, 1.5, 12, 300)]
    ['0 s', '< 0.1 ms', '0.4 ms', '34 ms', '1.50 s', '12.0 s', '5.0 min']
    """
    if amount < 0.00005:
        return "0 s" if amount <= 0 else "< 0.1 ms"
    if amount < 1:
        return f"{amount * 1000:.1f} ms" if amount < 0.00995 else f"{amount * 1000:.0f} ms"
    if amount >= 100:
        return f"{amount / 60:.1f} min"
    return f"{amount:.2f} s" if amount < 9.995 else f"{amount:.1f} s"


def spell_dollars(amount: float) -> str:
    """Dollars with two digits that say something.

    >>> [spell_dollars(amount) for amount in (0, 0.000123, 0.05, 12.5)]
    ['$0', '$0.00012', '$0.050', '$12.50']
    """
    digits = 0 if amount <= 0 else max(2, min(8, 1 - floor(log10(amount))))
    return f"${amount:,.{digits}f}"


def spell_count(amount: float) -> str:
    """A count, or a mean of counts.

    >>> [spell_count(amount) for amount in (0, 1, 1.25, 2410.4)]
    ['0', '1', '1.2', '2,410']
    """
    return f"{amount:,.0f}" if amount >= 100 or amount == int(amount) else f"{amount:.1f}"


def _tokens(row: Row) -> float:
    return row.usage.prompt_tokens + row.usage.completion_tokens


SECONDS = Cost("seconds", "seconds per query (median)", lambda row: row.seconds(), spell_seconds, 1e-4, True)
_DOLLARS = Cost("dollars", "US dollars per query", lambda row: row.dollars or 0.0, spell_dollars, 1e-8)
_TOKENS = Cost("tokens", "tokens per query", _tokens, spell_count)
_CALLS = Cost("calls", "calls to models per query", lambda row: row.usage.calls, spell_count)
