"""Test collections and first stages over them, shared by benchmarks: each text is embedded once."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rerank_plugins import Candidate
from rerank_plugins.backends import BatchBackend, Retriever
from rerank_plugins.requests import Embed, Embedded, Reply, Request

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Collection:
    """Documents, queries and judgements by their ids."""

    documents: Sequence[Candidate]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]

    @classmethod
    def read(cls, folder: Path) -> Collection:
        """Read a folder in BEIR's layout; queries without judgements are left out."""
        documents = [
            Candidate(f"{row['title']} {row['text']}".strip(), id=row["_id"]) for row in _rows(folder / "corpus.jsonl")
        ]
        qrels: dict[str, dict[str, int]] = defaultdict(dict)
        for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
            query, document, grade = line.split("\t")
            qrels[query][document] = int(grade)
        queries = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl") if row["_id"] in qrels}
        return cls(documents, queries, dict(qrels))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())


class Remembering:
    """An embedder that embeds each text once."""

    kinds: ClassVar[tuple[type[Request], ...]] = (Embed,)

    def __init__(self, embedder: BatchBackend) -> None:
        self.identity = embedder.identity
        self._embedder = embedder
        self._vectors: dict[tuple[str, str], Any] = {}

    def answer_batch(self, requests: Sequence[Embed]) -> Iterator[tuple[int, Reply]]:
        for role in dict.fromkeys(request.role for request in requests):
            self.learn((text for request in requests if request.role == role for text in request.texts), role)
        for position, request in enumerate(requests):
            yield position, Embedded([self._vectors[request.role, text] for text in request.texts])

    def learn(self, texts: Iterable[str], role: str) -> None:
        """Embed those of the texts that are new, in one batch."""
        new = [text for text in dict.fromkeys(texts) if (role, text) not in self._vectors]
        if new:
            ((_, reply),) = self._embedder.answer_batch([Embed(tuple(new), role)])
            assert isinstance(reply, Embedded)
            self._vectors |= {(role, text): vector for text, vector in zip(new, reply.vectors, strict=True)}

    def vector(self, text: str, role: str) -> Any:
        self.learn([text], role)
        return self._vectors[role, text]


def dense(documents: Sequence[Candidate], embedder: Remembering) -> Retriever:
    """The nearest documents by cosine, exactly; each brings its vector with it."""
    embedder.learn((document.text for document in documents), "document")
    corpus = [replace(document, embedding=embedder.vector(document.text, "document")) for document in documents]
    matrix = np.array([document.embedding for document in corpus])

    def search(query: str, k: int) -> list[Candidate]:
        cosines = matrix @ embedder.vector(query, "query")
        nearest = np.argsort(-cosines, kind="stable")[:k]
        return [replace(corpus[place], score=float(cosines[place])) for place in nearest]

    return Retriever(search, name="MiniLM")
