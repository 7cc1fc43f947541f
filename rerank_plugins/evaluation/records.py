"""What came of each query, kept on disk as it comes, so that an interrupted comparison goes on where it was."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rerank_plugins.candidates import Candidate
from rerank_plugins.ranking import Ranking, Usage

__all__ = ["Record", "RecordFile", "Records", "digest_of", "record_of", "slug"]


@dataclass(frozen=True)
class Record:
    """One query by one method.

    Args:
        query: Its id.
        order: Ids of the documents that were kept, best first.
        scores: Their scores; empty where they have none.
        usage: What it cost; its seconds are the wall time of this query.
        chat: The part of `usage` that went to chat models.
        lost: Documents that went in and neither came out nor were dropped on purpose.
        repaired: Notes on replies that had to be repaired; of a query with failed calls none is counted, because
            documents that such a call leaves unranked are noted in the same way.
        failed: Calls that failed after all their tries.
        limited: Notes on limits that were hit.
        from_cache: Replies that a cache gave and no model: the calls that `usage` would have had more without it.
        given: A digest of the question and its candidates.
    """

    query: str
    order: tuple[str, ...]
    scores: tuple[float | None, ...] = ()
    usage: Usage = field(default_factory=Usage)
    chat: Usage = field(default_factory=Usage)
    lost: int = 0
    repaired: int = 0
    failed: int = 0
    limited: int = 0
    given: str = ""
    from_cache: int = 0


Records = dict[str, Record]
"""Query id to record."""


def record_of(
    query: str, ranking: Ranking, chat: Usage | None = None, failed: int = 0, given: str = "", from_cache: int = 0
) -> Record:
    """The record of a ranking; candidates without an id have none to be judged by, and count by their position."""
    kinds = [note.kind for note in ranking.notes]
    return Record(
        query,
        tuple(str(item.candidate.id if item.candidate.id is not None else item.index) for item in ranking),
        tuple(item.score for item in ranking),
        ranking.usage,
        chat or Usage(),
        repaired=0 if failed else kinds.count("repaired"),
        failed=failed,
        limited=kinds.count("limit"),
        given=given,
        from_cache=from_cache,
    )


def digest_of(query: str, candidates: Sequence[Candidate]) -> str:
    """A short digest of what is ranked, so that a record is not taken for that of another list."""
    text = json.dumps([query, [[candidate.id, candidate.text] for candidate in candidates]], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def slug(label: str, key: str = "") -> str:
    """A file name for a method: readable, and never that of another.

    >>> slug("Fuse(Embedding(), Likelihood())")
    'Fuse-Embedding-Likelihood-924e66d2'
    """
    words = re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-")[:60].strip("-")
    return f"{words}-{hashlib.sha256(f'{label}{key}'.encode()).hexdigest()[:8]}"


class RecordFile:
    """The records of one method in a file of JSON lines; None as its path keeps nothing.

    A line that was cut off by an interruption is left out, and its query is done again.

    Args:
        path: The file; its folder is made.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def read(self) -> Iterator[Record]:
        """What is there from earlier, in its order."""
        if self._path is None or not self._path.is_file():
            return
        for line in self._path.read_text(encoding="utf-8-sig").splitlines():  # an empty line is no record either
            try:
                yield _decoded(json.loads(line))
            except (ValueError, TypeError, KeyError):
                continue

    def append(self, records: Iterable[Record]) -> Iterator[Record]:
        """Write each record as it comes, and hand it on."""
        if self._path is None:
            yield from records
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" if file.tell() else "")  # ends a line that an interruption cut off
            for record in records:
                file.write(json.dumps(asdict(record), ensure_ascii=True) + "\n")
                file.flush()
                yield record


def _decoded(kept: dict[str, Any]) -> Record:
    usage, chat = Usage(**kept.pop("usage")), Usage(**kept.pop("chat"))
    order, scores = tuple(kept.pop("order")), tuple(kept.pop("scores"))
    return Record(order=order, scores=scores, usage=usage, chat=chat, **kept)
