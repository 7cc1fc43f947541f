"""Reranked documents as evidence to cite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from langchain_core.documents import Document

from langchain_rerank_plugins.documents import METADATA_KEY
from rerank_plugins.citations import SOURCES, Citation, citations

__all__ = ["cite_documents"]


def cite_documents(documents: Iterable[Document], *, sources: Sequence[str] = SOURCES) -> list[Citation]:
    """Number documents as evidence, each with its source and, where a method told one, the reason why it was chosen.

    `rerank_plugins.citations.evidence_prompt` makes of them what goes into a prompt.

    Args:
        documents: What `RerankCompressor` or `DecompositionRetriever` gave; others have no reasons.
        sources: The metadata keys that are tried in turn for the source; the id serves where none is there.

    >>> cite_documents([Document("Rye needs acid.", metadata={"source": "bread.pdf"})])
    [Citation(number=1, text='Rye needs acid.', source='bread.pdf', rationale='')]
    """
    return citations(
        ((document.page_content, _why(document), document.id, document.metadata) for document in documents),
        sources=sources,
    )


def _why(document: Document) -> Mapping[str, object]:
    explained = document.metadata.get(METADATA_KEY)
    why = explained.get("why") if isinstance(explained, Mapping) else None
    return why if isinstance(why, Mapping) else {}
