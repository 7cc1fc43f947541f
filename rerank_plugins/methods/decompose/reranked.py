"""A pool that was reranked: which of it is kept, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rerank_plugins.methods.decompose.searches import Searches
from rerank_plugins.ranking import Dropped, Ranked, Ranking, Verdict

__all__ = ["Reranked"]


@dataclass(frozen=True)
class Reranked:
    """A pool in order.

    Args:
        method: The repr of the reranker.
        ranking: What it made of the pool, by the places in which the documents were shown to it.
        merged: Place to index in the pool.
        order: Places, best first, without those that the reranker left out.
        covers: Whether they are ordered by coverage.
    """

    method: str
    ranking: Ranking
    merged: Sequence[int]
    order: Sequence[int]
    covers: bool = False

    def verdict(self, searches: Searches, keep: int | None, *, given: int) -> Verdict:
        """Keep the best; the rest of the pool is dropped, what was handed in and what was retrieved alike.

        Args:
            searches: Where the pool comes from.
            keep: How many are kept; None for all.
            given: How many documents of the pool were handed in.
        """
        items = (*self.ranking, *self.ranking.dropped)
        dropped = {} if keep is None else dict.fromkeys(self.order[keep:], f"ranked below the {keep} that are kept")
        dropped |= {item.index: item.reason for item in self.ranking.dropped}
        return Verdict(
            order=[self.merged[place] for place in self.order[:keep]],
            scores={} if self.covers else {self.merged[item.index]: item.score for item in items},
            why={self.merged[item.index]: self._why(item, searches) for item in items},
            dropped={self.merged[place]: reason for place, reason in dropped.items()},
            notes=[*searches.all_notes(), *self.ranking.notes],
            score_kind="order" if self.covers else self.ranking.score_kind,
            added=searches.pool.documents[given:],
        )

    def _why(self, item: Ranked | Dropped, searches: Searches) -> dict[str, Any]:
        return {
            "searched_for": list(searches.subquestions.values()),
            "serves": searches.served(self.merged[item.index]),
            "rerank": {"method": self.method, "score": item.score, "why": dict(item.why)},
        }
