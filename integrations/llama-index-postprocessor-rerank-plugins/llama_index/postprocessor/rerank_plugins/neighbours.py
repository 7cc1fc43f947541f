"""What stands before and after a node in its document: LlamaIndex's links between nodes, looked up in the docstore."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any, ClassVar

from llama_index.core.schema import BaseNode, MetadataMode, NodeRelationship, NodeWithScore, RelatedNodeInfo
from llama_index.core.storage.docstore.types import BaseDocumentStore

from llama_index.postprocessor.rerank_plugins.nodes import as_candidates, node_of
from rerank_plugins.backends.asking import Asking, Body, arun, run
from rerank_plugins.candidates import Candidate, well_formed
from rerank_plugins.errors import InvalidInput
from rerank_plugins.ranking import Note, Usage
from rerank_plugins.requests import Found, Neighbours, Request

__all__ = ["LlamaIndexNeighbours"]

_NO_LINKS = Note("info", "Nodes that have no link to the one before and the one after have no known neighbours.")
_NOT_STORED = Note("info", "Some neighbours are not in the docstore.")


class LlamaIndexNeighbours:
    """Answers `Neighbours` by the links of a node to the previous and the next one, which node parsers set.

    A node that the docstore does not have ends the way, and so does a link back to where it came from. Vector stores
    that keep the text themselves leave the index's docstore empty, unless it is made with `store_nodes_override=True`.

    Args:
        docstore: Where the nodes are, such as `index.docstore`.
        metadata_mode: Which metadata a method reads together with the text of a node.

    Raises:
        InvalidInput: `docstore` is none.

    >>> from llama_index.core.schema import TextNode
    >>> from llama_index.core.storage.docstore import SimpleDocumentStore
    >>> one, two, three = (TextNode(text=text) for text in ("one", "two", "three"))
    >>> two.relationships[NodeRelationship.PREVIOUS] = one.as_related_node_info()
    >>> two.relationships[NodeRelationship.NEXT] = three.as_related_node_info()
    >>> docstore = SimpleDocumentStore()
    >>> docstore.add_documents([one, two, three])
    >>> asked = Neighbours(as_candidates([NodeWithScore(node=two)], MetadataMode.NONE)[0])
    >>> [found.text for found in LlamaIndexNeighbours(docstore).answer(asked, None).candidates]
    ['one', 'three']
    """

    kinds: ClassVar[tuple[type[Request], ...]] = (Neighbours,)
    identity = "LlamaIndexNeighbours"

    def __init__(self, docstore: BaseDocumentStore, *, metadata_mode: MetadataMode = MetadataMode.LLM) -> None:
        if not isinstance(docstore, BaseDocumentStore):
            raise InvalidInput(
                f"A docstore is one of LlamaIndex's, such as index.docstore, not a {type(docstore).__name__}."
            )
        self._docstore = docstore
        self._metadata_mode = metadata_mode

    def answer(self, request: Neighbours, timeout: float | None) -> Found:
        """Follow the links with `get_document`."""
        found = run(self._asking(request), lambda asked, _: self._docstore.get_document(**asked), timeout)
        return replace(found, usage=Usage())  # looking up is no call to a model

    async def aanswer(self, request: Neighbours, timeout: float | None) -> Found:
        """Follow the links with `aget_document`."""
        found = await arun(self._asking(request), lambda asked, _: self._docstore.aget_document(**asked), timeout)
        return replace(found, usage=Usage())

    def _asking(self, request: Neighbours) -> Asking[Found]:
        node = node_of(request.candidate).node
        links = [_link(node, side) for side in (NodeRelationship.PREVIOUS, NodeRelationship.NEXT)]
        if not any(links):
            return Found((), notes=(_NO_LINKS,))
        notes: dict[Note, None] = {}
        seen = {node.node_id}
        before = yield from _follow(node, NodeRelationship.PREVIOUS, request.before, seen, notes)
        after = yield from _follow(node, NodeRelationship.NEXT, request.after, seen, notes)
        return Found(self._candidates([*reversed(before), *after]), notes=tuple(notes))

    def _candidates(self, nodes: list[BaseNode]) -> tuple[Candidate, ...]:
        found = as_candidates([NodeWithScore(node=node) for node in nodes], self._metadata_mode)
        return tuple(map(well_formed, found))


def _follow(
    node: BaseNode, side: NodeRelationship, count: int, seen: set[str], notes: dict[Note, None]
) -> Generator[Body, Any, list[BaseNode]]:
    """The nodes on one side, nearest first."""
    found: list[BaseNode] = []
    while len(found) < count and (link := _link(node, side)) is not None and link.node_id not in seen:
        stored = yield {"doc_id": link.node_id, "raise_error": False}
        if not isinstance(stored, BaseNode):
            notes[_NOT_STORED] = None
            break
        node = stored
        seen.add(node.node_id)
        found.append(node)
    return found


def _link(node: BaseNode, side: NodeRelationship) -> RelatedNodeInfo | None:
    link = node.relationships.get(side)
    return link if isinstance(link, RelatedNodeInfo) else None
