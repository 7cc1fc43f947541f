"""LlamaIndex's nodes as candidates, and as what a ranking made of them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore

from rerank_plugins.candidates import Candidate, finite
from rerank_plugins.ranking import Ranking, explanation

__all__ = ["METADATA_KEY", "as_candidates", "reranked_nodes"]

METADATA_KEY = "rerank_plugins"
"""Under this key a node's metadata says why the node stands where it stands."""


def as_candidates(nodes: Sequence[NodeWithScore], metadata_mode: MetadataMode) -> list[Candidate]:
    """The nodes as methods see them.

    >>> from llama_index.core.schema import TextNode
    >>> node = NodeWithScore(node=TextNode(text="rye", id_="a"), score=0.5)
    >>> as_candidates([node], MetadataMode.LLM)
    [Candidate(text='rye', id='a', score=0.5, metadata={})]
    """
    return [
        Candidate(
            item.node.get_content(metadata_mode=metadata_mode),
            id=item.node.node_id,
            score=finite(item.score),
            metadata=item.node.metadata,
        )
        for item in nodes
    ]


def reranked_nodes(nodes: Sequence[NodeWithScore], ranking: Ranking) -> list[NodeWithScore]:
    """Copies of the nodes in their new order, with their new scores and the reasons."""
    return [
        nodes[item.index].model_copy(
            update={"node": _explained(nodes[item.index].node, explanation(ranking, item)), "score": item.score}
        )
        for item in ranking
    ]


def _explained(node: BaseNode, why: dict[str, Any]) -> BaseNode:
    """A copy of the node with the explanation in its metadata, and that kept out of prompts and embeddings."""
    return node.model_copy(
        update={
            "metadata": _copied(node.metadata) | {METADATA_KEY: why},
            "excluded_llm_metadata_keys": _with_our_key(node.excluded_llm_metadata_keys),
            "excluded_embed_metadata_keys": _with_our_key(node.excluded_embed_metadata_keys),
            "relationships": dict(node.relationships),
        }
    )


def _with_our_key(keys: Sequence[str]) -> list[str]:
    return [*(key for key in keys if key != METADATA_KEY), METADATA_KEY]


def _copied(metadata: dict[str, Any]) -> dict[str, Any]:
    """A copy that shares nothing with the caller's, unless it holds something that cannot be copied."""
    try:
        return copy.deepcopy(metadata)
    except Exception:  # noqa: BLE001 # foreign objects raise what they like when they are copied
        return dict(metadata)
