"""A small test collection about home bread baking, shipped with the package.

The files beside this module follow the BEIR layout (``corpus.jsonl``, ``queries.jsonl`` and ``qrels.tsv``);
``README.md`` there tells how they were made and what they can and cannot show.

>>> from rerank_plugins import sample
>>> data = sample.load()
>>> data.queries["q07"]
'what does the 550 on a bag of german flour stand for'
>>> best = max(data.qrels["q07"], key=data.qrels["q07"].__getitem__)
>>> data.corpus[best].title
'The number on the bag'
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

__all__ = ["Passage", "Sample", "load"]


@dataclass(frozen=True)
class Passage:
    """One passage of the corpus.

    ``metadata`` always has ``source``, ``kind``, ``author`` and ``date`` (ISO 8601). Passages that are
    consecutive pieces of one document share their ``source`` and also have ``chunk``, counted from 0.
    """

    id: str
    title: str
    text: str
    metadata: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """The whole collection: passages and queries by id, and judgements by query id, then passage id.

    Grades: 3 answers fully, 2 answers in part or is a needed piece, 1 is on topic only, 0 does not help.
    """

    corpus: Mapping[str, Passage]
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]


def load() -> Sample:
    """Read the collection from the installed package.

    >>> data = load()
    >>> len(data.corpus), len(data.queries)
    (89, 20)
    >>> data.corpus["p01"].metadata["chunk"]
    0
    """
    return Sample(corpus=_read_corpus(), queries=_read_queries(), qrels=_read_qrels())


def _read_corpus() -> dict[str, Passage]:
    rows = _read_jsonl("corpus.jsonl")
    return {row["_id"]: Passage(row["_id"], row["title"], row["text"], row["metadata"]) for row in rows}


def _read_queries() -> dict[str, str]:
    return {row["_id"]: row["text"] for row in _read_jsonl("queries.jsonl")}


def _read_qrels() -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    _header, *lines = _read_lines("qrels.tsv")
    for line in lines:
        query_id, passage_id, grade = line.split("\t")
        qrels.setdefault(query_id, {})[passage_id] = int(grade)
    return qrels


def _read_jsonl(name: str) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in _read_lines(name))


def _read_lines(name: str) -> list[str]:
    # Not str.splitlines(): it also cuts at separators that a JSON string may hold unescaped.
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    return [line for line in text.split("\n") if line]
