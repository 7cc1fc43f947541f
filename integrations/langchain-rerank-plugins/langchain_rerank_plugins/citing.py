"""Reranked documents as evidence to cite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from langchain_core.documents import Document

from rerank_plugins.citations import SOURCES, Citation, citations
from rerank_plugins.reports import why_of

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
        ((document.page_content, why_of(document.metadata), document.id, document.metadata) for document in documents),
        sources=sources,
    )
