"""LlamaIndex's nodes as candidates, and as what a ranking made of them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore, TextNode

from rerank_plugins.candidates import Candidate, finite
from rerank_plugins.ranking import Ranked, Ranking
from rerank_plugins.reports import METADATA_KEY, document_entries, entry_names

__all__ = ["METADATA_KEY", "as_candidates", "node_of", "reranked_nodes"]


@dataclass(frozen=True, slots=True)
class _OfNode(Candidate):
    """A candidate that knows its node, wherever a method takes it."""

    node: NodeWithScore | None = field(default=None, repr=False, compare=False)


def as_candidates(nodes: Iterable[NodeWithScore], metadata_mode: MetadataMode) -> list[Candidate]:
    """The nodes as methods see them, with their vectors where the store gave them.

    >>> from llama_index.core.schema import TextNode
    >>> node = NodeWithScore(node=TextNode(text="rye", id_="a"), score=0.5)
    >>> [(found.text, found.id, found.score) for found in as_candidates([node], MetadataMode.LLM)]
    [('rye', 'a', 0.5)]
    """
    return [
        _OfNode(
            item.node.get_content(metadata_mode=metadata_mode),
            id=item.node.node_id,
            score=finite(item.score),
            metadata=item.node.metadata,
            embedding=item.node.embedding,
            node=item,
        )
        for item in nodes
    ]


def node_of(candidate: Candidate) -> NodeWithScore:
    """The node that a candidate was made of, or one that says the same.

    >>> node_of(Candidate("rye", id="a")).node.node_id
    'a'
    """
    if isinstance(candidate, _OfNode) and candidate.node is not None:
        return candidate.node
    named = {} if candidate.id is None else {"id_": candidate.id}
    return NodeWithScore(node=TextNode(text=candidate.text, metadata=dict(candidate.metadata), **named))


def reranked_nodes(ranking: Ranking, *, flat: bool = False) -> list[NodeWithScore]:
    """Copies of the nodes in their new order, with their new scores and the reasons.

    `flat` is as in `reports.document_entries`.
    """
    ours = entry_names(flat=flat)
    return [_reranked(item, document_entries(ranking, item, flat=flat), ours) for item in ranking]


def _reranked(item: Ranked, entries: Mapping[str, Any], ours: Sequence[str]) -> NodeWithScore:
    given = node_of(item.candidate)
    return given.model_copy(update={"node": _explained(given.node, entries, ours), "score": item.score})


def _explained(node: BaseNode, entries: Mapping[str, Any], ours: Sequence[str]) -> BaseNode:
    """A copy of the node with the explanation in its metadata, and that kept out of prompts and embeddings."""
    return node.model_copy(
        update={
            "metadata": _copied(node.metadata) | dict(entries),
            "excluded_llm_metadata_keys": _with(ours, node.excluded_llm_metadata_keys),
            "excluded_embed_metadata_keys": _with(ours, node.excluded_embed_metadata_keys),
            "relationships": dict(node.relationships),
        }
    )


def _with(ours: Sequence[str], keys: Sequence[str]) -> list[str]:
    return [*(key for key in keys if key not in ours), *ours]


def _copied(metadata: dict[str, Any]) -> dict[str, Any]:
    """A copy that shares nothing with the caller's, unless it holds something that cannot be copied."""
    try:
        return copy.deepcopy(metadata)
    except Exception:  # noqa: BLE001 # foreign objects raise what they like when they are copied
        return dict(metadata)
