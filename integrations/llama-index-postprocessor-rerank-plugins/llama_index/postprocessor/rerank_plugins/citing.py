"""Reranked nodes as evidence to cite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore

from rerank_plugins.citations import SOURCES, Citation, citations
from rerank_plugins.reports import why_of

__all__ = ["cite_nodes"]


def cite_nodes(nodes: Iterable[NodeWithScore], *, sources: Sequence[str] = SOURCES) -> list[Citation]:
    """Number nodes as evidence, each with its source and, where a method told one, the reason why it was chosen.

    `rerank_plugins.citations.evidence_prompt` makes of them what goes into a prompt.

    Args:
        nodes: What `RerankPostprocessor` or `DecompositionRetriever` gave; others have no reasons.
        sources: The metadata keys that are tried in turn for the source; the id serves where none is there.

    >>> from llama_index.core.schema import TextNode
    >>> node = TextNode(text="Rye needs acid.", metadata={"file_name": "bread.pdf"})
    >>> cite_nodes([NodeWithScore(node=node)])
    [Citation(number=1, text='Rye needs acid.', source='bread.pdf', rationale='')]
    """
    found = [item.node for item in nodes]
    return citations(
        ((_text(node), why_of(node.metadata), node.node_id, node.metadata) for node in found), sources=sources
    )


def _text(node: BaseNode) -> str:
    return node.get_content(metadata_mode=MetadataMode.NONE)
