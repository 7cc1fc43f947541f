"""What a first stage finds for each query of a collection: BM25, an embedding model, or a run that was made before."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from rerank_plugins.backends.base import Backend
from rerank_plugins.candidates import Candidate
from rerank_plugins.drive import rerank
from rerank_plugins.errors import InvalidInput, MissingExtra
from rerank_plugins.evaluation.collection import Collection, Run
from rerank_plugins.lexical import BM25Index, tokenize
from rerank_plugins.methods.vectors import cosines
from rerank_plugins.ranking import Verdict
from rerank_plugins.requests import Embed, Steps

__all__ = ["Lists", "by_bm25", "by_embedding", "from_run", "stemmed"]

Lists = Mapping[str, Sequence[Candidate]]
"""Query id to its candidates in the order of the first stage, each with its score."""

_PART = 512
_WORD = re.compile(r"(?u)\b\w\w+\b")


def by_bm25(collection: Collection, k: int = 100, pools: Run | None = None) -> Lists:
    """The best `k` documents by BM25 over the whole corpus, or of each query's pool.

    It is the usual baseline: Lucene's formula and stop words, k1 0.9, b 0.4, Porter's stems.

    Args:
        collection: Questions and documents.
        k: Documents per query.
        pools: The documents that a query's list is made of, as a run, whose order and scores are not looked at. How
            rare a word is, the whole corpus says. A pool's documents that share no word with the query come last.

    Raises:
        MissingExtra: PyStemmer is not installed.
        InvalidInput: A pool names a document that the collection does not have, or there is none for its queries.
    """
    documents = list(collection.documents.values())
    index = BM25Index(documents, tokenizer=stemmed())
    if pools is not None:
        found = from_run(collection, pools)
        return {query: _best(index, collection.queries[query], pool, k) for query, pool in found.items()}
    return {
        query: [replace(documents[place], score=score) for place, score in index.search(collection.queries[query], k)]
        for query in collection.judged
    }


def _best(index: BM25Index, query: str, pool: Sequence[Candidate], k: int) -> list[Candidate]:
    scored = [replace(document, score=score) for document, score in zip(pool, index.scores(query, pool), strict=True)]
    return sorted(scored, key=lambda document: -(document.score or 0.0))[:k]


def stemmed() -> Callable[[str], list[str]]:
    """Cut texts into the stems of their words of two letters and more, as the published BM25 baselines do.

    >>> stemmed()("Loaves of the bakers, baking 食パン")
    ['loav', 'baker', 'bake', '食パ', 'パン']
    """
    stem: Callable[[list[str]], list[str]] = _stemmer().stemWords
    return lambda text: stem(tokenize(text, word=_WORD))


def by_embedding(collection: Collection, embedder: Backend | Sequence[Backend], k: int = 100) -> Lists:
    """The best `k` documents by the cosine of an embedding model, over the whole corpus, which is read once.

    Raises:
        CallError: The model failed.
    """
    import numpy as np

    documents, queries = list(collection.documents.values()), collection.judged
    reading = _Reading([collection.queries[query] for query in queries])
    rerank(reading, "", documents, backends=embedder, on_error="raise")
    lists = {}
    for query, vector in zip(queries, reading.queries, strict=True):
        scores = cosines(vector, reading.documents)
        best = np.lexsort((np.arange(len(scores)), -np.asarray(scores)))[:k]
        lists[query] = [replace(documents[place], score=scores[place]) for place in best]
    return lists


class _Reading:
    """A method that only has texts embedded, in parts, and leaves the vectors here."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self.queries: Any = ()
        self.documents: Any = ()

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        import numpy as np

        texts = [candidate.text for candidate in candidates]
        parts = [Embed(tuple(texts[start : start + _PART])) for start in range(0, len(texts), _PART)]
        asked, *found = yield [Embed(tuple(self._texts), "query"), *parts]
        self.queries = asked.vectors
        self.documents = np.concatenate([np.asarray(reply.vectors, dtype=float) for reply in found])
        return Verdict(order=range(len(candidates)))


def from_run(collection: Collection, run: Run, k: int | None = None) -> Lists:
    """The documents of a run, as they stand in it; a query that the run lacks has no candidates.

    Raises:
        InvalidInput: The run names a document that the collection does not have, or none of its queries.
    """
    lists = {}
    for query in collection.judged:
        names = list(islice(run.get(query, ()), k))
        if missing := [name for name, _ in names if name not in collection.documents]:
            raise InvalidInput(
                f"The run names document {missing[0]!r} for query {query!r}, and the corpus of "
                f"{collection.name!r} has none of that id; pass the corpus that the run was made on."
            )
        lists[query] = [replace(collection.documents[name], score=score) for name, score in names]
    if not any(lists.values()):
        raise InvalidInput(f"The run has no query of {collection.name!r} that has judgements; check its ids.")
    return lists


def _stemmer() -> Any:
    try:
        import Stemmer
    except ImportError:
        raise MissingExtra("BM25 as a first stage", "PyStemmer", "evaluation") from None
    return Stemmer.Stemmer("porter")
