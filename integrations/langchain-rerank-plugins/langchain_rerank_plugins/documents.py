"""LangChain's documents as candidates, and back as copies that say why they stand where they stand."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.documents import Document

from rerank_plugins import Candidate, Ranking
from rerank_plugins.candidates import finite
from rerank_plugins.ranking import explanation

__all__ = ["candidates_of", "documents_of"]

_SCORE_KEYS = ("relevance_score", "score", "_score")  # where retrievers and compressors leave a document's score


def candidates_of(documents: Sequence[Document], score_key: str | None = None) -> list[Candidate]:
    """The documents as the driver takes them; `score_key` is as in `RerankCompressor`.

    >>> candidates_of([Document("rye", id="a", metadata={"score": 0.5})])[0].score
    0.5
    """
    keys = _SCORE_KEYS if score_key is None else (score_key,)
    return [
        Candidate(document.page_content, document.id, _first_score(document.metadata, keys), document.metadata)
        for document in documents
    ]


def documents_of(ranking: Ranking, documents: Sequence[Document]) -> list[Document]:
    """Copies of the ranked documents, best first."""
    return [_document(documents[item.index], item.score, explanation(ranking, item)) for item in ranking]


def _first_score(metadata: Mapping[str, Any], keys: Sequence[str]) -> float | None:
    return next((score for key in keys if (score := finite(metadata.get(key))) is not None), None)


def _document(document: Document, score: float | None, why: dict[str, Any]) -> Document:
    metadata = _copied(document.metadata) | {"relevance_score": score, "rerank_plugins": why}
    if score is None:  # an old score must not pass for the new one
        del metadata["relevance_score"]
    return document.model_copy(update={"metadata": metadata})


def _copied(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A copy that shares nothing with the caller's, but for what cannot be copied (a lock, an open file)."""
    copied = {}
    for key, value in metadata.items():
        try:
            copied[key] = copy.deepcopy(value)
        except Exception:  # noqa: BLE001 # foreign objects raise what they like when they are copied
            copied[key] = value
    return copied
