"""A ranking as a chain gets it: plain data in the metadata of documents and in traces, and the latest ones by query."""

from __future__ import annotations

import json
import threading
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import asdict
from typing import Any

from rerank_plugins.ranking import Ranked, Ranking, explanation

__all__ = ["METADATA_KEY", "Rankings", "document_entries", "entry_names", "report", "why_of"]

METADATA_KEY = "rerank_plugins"
"""Under this key a document's metadata says why the document stands where it stands."""

_PARTS = ("method", "rank", "score", "score_kind", "judged", "first_stage_rank", "first_stage_score", "why", "ranking")


def report(ranking: Ranking) -> dict[str, Any]:
    """All that a ranking says, as plain data without the texts of documents: for traces, logs and metadata.

    >>> from rerank_plugins import FirstStage, rerank
    >>> said = report(rerank(FirstStage(), "how long to proof?", ["one hour", "two hours"], top_n=1))
    >>> said["ranked"], said["dropped"]
    ([{'rank': 1, 'index': 0, 'id': None, 'score': 1.0, 'judged': True, 'why': {'first_stage_score': None}}],
     [{'index': 1, 'id': None, 'score': 0.5, 'reason': 'ranked below top_n=1'}])
    """
    return {
        "method": ranking.method,
        "score_kind": ranking.score_kind,
        "ranked": [
            {
                "rank": item.rank,
                "index": item.index,
                "id": item.candidate.id,
                "score": item.score,
                "judged": item.judged,
                "why": dict(item.why),
            }
            for item in ranking
        ],
        "dropped": [
            {"index": item.index, "id": item.candidate.id, "score": item.score, "reason": item.reason}
            for item in ranking.dropped
        ],
        "notes": [asdict(note) for note in ranking.notes],
        "usage": asdict(ranking.usage),
    }


def document_entries(ranking: Ranking, item: Ranked, *, flat: bool = False) -> dict[str, Any]:
    """What a ranked document's metadata is given: one entry, or flat ones for stores that take no nested data.

    The first document has the report on the whole ranking as well, so that nobody who has the documents alone misses
    what was noted, left out and spent.

    Args:
        ranking: The ranking.
        item: The document's place in it.
        flat: Whether each part becomes an entry of its own, such as "rerank_plugins_rank": texts, numbers and truth
            values as they are, the reasons and the report as JSON, and nothing for what is None. Vector stores that
            refuse nested metadata take them.

    >>> from rerank_plugins import FirstStage, rerank
    >>> found = rerank(FirstStage(), "how long to proof?", ["one hour"])
    >>> sorted(document_entries(found, found[0])["rerank_plugins"])[:4]
    ['first_stage_rank', 'first_stage_score', 'judged', 'method']
    >>> document_entries(found, found[0], flat=True)["rerank_plugins_rank"]
    1
    """
    said = explanation(ranking, item)
    if item.rank == 1:
        whole = report(ranking)
        del whole["usage"]["seconds"]  # the same call twice gives the same documents
        said["ranking"] = whole
    if not flat:
        return {METADATA_KEY: said}
    return {f"{METADATA_KEY}_{part}": _flat(value) for part, value in said.items() if value is not None}


def entry_names(*, flat: bool = False) -> list[str]:
    """The metadata keys that `document_entries` may use: what belongs into no prompt and no embedding."""
    return [f"{METADATA_KEY}_{part}" for part in _PARTS] if flat else [METADATA_KEY]


def why_of(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """The method's reasons out of a document's metadata, nested or flat; empty if there are none.

    >>> why_of({"rerank_plugins": {"why": {"cosine": 0.5}}}), why_of({"rerank_plugins_why": '{"cosine": 0.5}'})
    ({'cosine': 0.5}, {'cosine': 0.5})
    """
    nested = metadata.get(METADATA_KEY)
    why = nested.get("why") if isinstance(nested, Mapping) else metadata.get(f"{METADATA_KEY}_why")
    if isinstance(why, str):
        try:
            why = json.loads(why)
        except ValueError:
            return {}
    return why if isinstance(why, Mapping) else {}


def _flat(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool)) else json.dumps(value)


_last: ContextVar[tuple[weakref.ref[Rankings], Ranking] | None] = ContextVar("rerank_plugins_last", default=None)


class Rankings:
    """The latest rankings of an adapter, by query; safe for any number of threads and tasks.

    Args:
        most: How many are kept; the oldest go first.

    >>> from rerank_plugins import FirstStage, rerank
    >>> kept = Rankings()
    >>> kept.keep("how long to proof?", rerank(FirstStage(), "how long to proof?", ["one hour"]))
    >>> len(kept.of("how long to proof?")), kept.of("another question")
    (1, None)
    """

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._by_query: OrderedDict[str, Ranking] = OrderedDict()
        self._changing = threading.Lock()

    def __reduce__(self) -> tuple[type[Rankings], tuple[int]]:
        return type(self), (self._most,)  # a copy, here or in another process, begins with none

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rankings)  # what an adapter has done does not make it another adapter

    __hash__ = None  # type: ignore[assignment] # as of any value that can change

    def keep(self, query: str, ranking: Ranking) -> None:
        """Keep the ranking of a query in place of an older one."""
        _last.set((weakref.ref(self), ranking))
        with self._changing:
            self._by_query[query] = ranking
            self._by_query.move_to_end(query)
            if len(self._by_query) > self._most:
                self._by_query.popitem(last=False)

    def of(self, query: str | None = None) -> Ranking | None:
        """The ranking of a query, or None if it is not there (any more).

        Without a query it is the last one of the calling thread or task, which others that run at the same time cannot
        change; if that has made none, the last one of all.
        """
        if query is None and (last := _last.get()) is not None and last[0]() is self:
            return last[1]
        with self._changing:
            if query is None:
                return next(reversed(self._by_query.values()), None)
            return self._by_query.get(query)
