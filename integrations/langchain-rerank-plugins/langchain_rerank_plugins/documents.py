"""LangChain's documents as candidates, and back as copies that say why they stand where they stand."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.documents import Document

from rerank_plugins import Candidate, Ranking
from rerank_plugins.candidates import finite
from rerank_plugins.reports import METADATA_KEY, document_entries

__all__ = ["METADATA_KEY", "candidates_of", "document_of", "documents_of"]

_SCORE_KEYS = ("relevance_score", "score", "_score")  # where retrievers and compressors leave a document's score


@dataclass(frozen=True, slots=True)
class _OfDocument(Candidate):
    """A candidate that knows its document, wherever a method takes it."""

    document: Document | None = field(default=None, repr=False, compare=False)


def candidates_of(documents: Iterable[Document], score_key: str | None = None) -> list[Candidate]:
    """The documents as the driver takes them; `score_key` is as in `RerankCompressor`.

    >>> candidates_of([Document("rye", id="a", metadata={"score": 0.5})])[0].score
    0.5
    """
    keys = _SCORE_KEYS if score_key is None else (score_key,)
    return [
        _OfDocument(
            document.page_content,
            document.id,
            _first_score(document.metadata, keys),
            document.metadata,
            document=document,
        )
        for document in documents
    ]


def document_of(candidate: Candidate) -> Document:
    """The document that a candidate was made of, or one that says the same.

    >>> document_of(Candidate("rye", id="a", metadata={"page": 3}))
    Document(id='a', metadata={'page': 3}, page_content='rye')
    """
    if isinstance(candidate, _OfDocument) and candidate.document is not None:
        return candidate.document
    return Document(candidate.text, id=candidate.id, metadata=dict(candidate.metadata))


def documents_of(ranking: Ranking, *, flat: bool = False) -> list[Document]:
    """Copies of the ranked documents, best first; `flat` is as in `reports.document_entries`."""
    return [
        _explained(document_of(item.candidate), item.score, document_entries(ranking, item, flat=flat))
        for item in ranking
    ]


def _first_score(metadata: Mapping[str, Any], keys: Sequence[str]) -> float | None:
    return next((score for key in keys if (score := finite(metadata.get(key))) is not None), None)


def _explained(document: Document, score: float | None, entries: Mapping[str, Any]) -> Document:
    metadata = _copied(document.metadata) | {"relevance_score": score, **entries}
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
