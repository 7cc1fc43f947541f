"""What a run cost and what went wrong in it, added up over its queries."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from rerank_plugins.errors import MissingExtra
from rerank_plugins.events import CallEnded, Event
from rerank_plugins.prices import price
from rerank_plugins.ranking import Note, Ranking, Usage
from rerank_plugins.requests import Chat, Choose, Failed

__all__ = ["Tally", "dollars", "spent_on_chat"]


class Tally:
    """An observer of the driver that also takes its rankings.

    Attributes:
        queries: Rankings so far.
        documents: What went in, over all queries.
        dropped: What was left out.
        notes: Each note with the number of queries that have it.
        usage: The sum; its seconds are those since the beginning.
        chat: The part of it that went to chat models.
    """

    def __init__(self) -> None:
        self.queries = self.documents = self.dropped = 0
        self.notes: Counter[Note] = Counter()
        self.chat = Usage()
        self.score_kind = ""
        self._usage = Usage()
        self._answered = self._failed = 0
        self._began = time.monotonic()

    def __call__(self, event: Event) -> None:
        if isinstance(event, CallEnded):
            self._failed += isinstance(event.reply, Failed)
            self._answered += not isinstance(event.reply, Failed)
            self.chat += spent_on_chat(event)

    def add(self, ranking: Ranking) -> None:
        """Take the ranking of a query."""
        self.queries += 1
        self.documents += len(ranking) + len(ranking.dropped)
        self.dropped += len(ranking.dropped)
        self.notes.update(set(ranking.notes))
        self.score_kind = ranking.score_kind
        self._usage += ranking.usage

    @property
    def usage(self) -> Usage:
        return replace(self._usage, seconds=time.monotonic() - self._began)

    @property
    def failed(self) -> int:
        """Calls that failed after all their tries."""
        return self._failed

    @property
    def all_failed(self) -> bool:
        """Whether models were asked and none answered: then the order is still the first stage's."""
        return self._failed > 0 and not self._answered

    def as_json(self, method: str, cost: float | None) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "method": method,
            "score_kind": self.score_kind,
            "queries": self.queries,
            "documents": self.documents,
            "dropped": self.dropped,
            "usage": asdict(self.usage),
            "dollars": cost,
            "all_calls_failed": self.all_failed,
            "notes": [
                {"kind": note.kind, "message": note.message, "queries": count} for note, count in self.notes.items()
            ],
        }

    def sentences(self, method: str, cost: float | None) -> Iterator[str]:
        """The same for people, notes first."""
        for note, count in self.notes.items():
            yield f"{note.kind}: {note.message}" + (f" ({count} of {self.queries} queries)" if self.queries > 1 else "")
        usage = self.usage
        parts = [_counted(self.queries, "query", "queries"), _counted(self.documents, "document")]
        parts += [f"{self.dropped:,} left out"] if self.dropped else []
        parts += [_counted(usage.calls, "call")]
        parts += [f"{usage.prompt_tokens:,} + {usage.completion_tokens:,} tokens"] if usage.prompt_tokens else []
        parts += [f"{usage.seconds:.1f} s"]
        parts += [] if cost is None else [f"${cost:.4f}"]
        yield f"{method}: {', '.join(parts)}"


def spent_on_chat(event: CallEnded) -> Usage:
    """What a call to a chat model cost, the first request counted; nothing for other calls."""
    if event.cached or not isinstance(event.request, (Chat, Choose)):
        return Usage()
    return replace(event.reply.usage, calls=max(1, event.reply.usage.calls))


def dollars(spent: Usage, model: str | None, address: str | None) -> float | None:
    """The price, where a model is named, genai-prices is installed and knows it."""
    if model is None or not spent.prompt_tokens:
        return None
    try:
        return price(spent, model, address)
    except MissingExtra:
        return None


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
