"""Examples for the page: the questions of the sample, each with what keyword search finds for it."""

from __future__ import annotations

from functools import cache
from typing import Any

from rerank_plugins import sample
from rerank_plugins.lexical import BM25Index

__all__ = ["examples"]


@cache
def examples(k: int = 10) -> list[dict[str, Any]]:
    """The questions with their `k` first passages.

    >>> first = examples(3)[0]
    >>> sorted(first), len(first["documents"])
    (['documents', 'query'], 3)
    """
    data = sample.load()
    texts = [passage.text for passage in data.corpus.values()]
    index = BM25Index(texts)
    return [
        {"query": query, "documents": [texts[place] for place, _ in index.search(query, k)]}
        for query in data.queries.values()
    ]
