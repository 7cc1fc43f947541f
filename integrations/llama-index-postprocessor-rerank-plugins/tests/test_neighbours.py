"""What stands around a node: by its links, from the docstore."""

from __future__ import annotations

import itertools
from typing import ClassVar

import pytest
from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.node_parser import TokenTextSplitter
from llama_index.core.schema import MetadataMode, NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore

from llama_index.postprocessor.rerank_plugins import LlamaIndexNeighbours, RerankPostprocessor
from llama_index.postprocessor.rerank_plugins.nodes import as_candidates
from rerank_plugins import Candidate, Meteora
from rerank_plugins.errors import InvalidInput, UnmetNeed
from rerank_plugins.events import QueryEnded
from rerank_plugins.ranking import Verdict
from rerank_plugins.requests import Failed, Neighbours
from rerank_plugins.testing.bodies import word_vector

PREVIOUS, NEXT = NodeRelationship.PREVIOUS, NodeRelationship.NEXT
WAYS = pytest.mark.parametrize("way", ["sync", "async"])


class Widening:
    """Puts the neighbours of its first document after all others."""

    needs: ClassVar = (Neighbours,)

    def steps(self, query, candidates):
        (reply,) = yield [Neighbours(candidates[0])]
        added = () if isinstance(reply, Failed) else reply.candidates
        return Verdict(order=range(len(candidates) + len(added)), added=added)


def chain(count=6):
    nodes = [TextNode(id_=f"n{i}", text=f"text {i}", metadata={"page": i}) for i in range(count)]
    for earlier, later in itertools.pairwise(nodes):
        link(earlier, NEXT, later.node_id)
        link(later, PREVIOUS, earlier.node_id)
    return nodes


def link(node, side, node_id):
    node.relationships[side] = RelatedNodeInfo(node_id=node_id)


def stored(nodes):
    docstore = SimpleDocumentStore()
    docstore.add_documents(nodes)
    return docstore


async def around(way, docstore, node, before=1, after=1, mode=MetadataMode.NONE):
    (candidate,) = as_candidates([NodeWithScore(node=node)], mode)
    backend, asked = LlamaIndexNeighbours(docstore, metadata_mode=mode), Neighbours(candidate, before, after)
    return await backend.aanswer(asked, None) if way == "async" else backend.answer(asked, None)


def texts(reply):
    return [candidate.text for candidate in reply.candidates]


@WAYS
@pytest.mark.parametrize(
    ("number", "before", "after", "expected"),
    [
        (2, 1, 1, [1, 3]),
        (2, 2, 1, [0, 1, 3]),
        (0, 1, 1, [1]),
        (5, 1, 1, [4]),
        (2, 0, 2, [3, 4]),
        (2, 1, 0, [1]),
        (2, 9, 9, [0, 1, 3, 4, 5]),
        (2, 0, 0, []),
    ],
)
async def test_links_are_followed_to_both_sides_in_document_order(way, number, before, after, expected):
    nodes = chain()
    reply = await around(way, stored(nodes), nodes[number], before, after)
    assert texts(reply) == [f"text {i}" for i in expected]
    assert reply.notes == ()
    assert reply.usage.calls == 0


async def test_metadata_is_shown_as_the_mode_says():
    nodes = chain()
    reply = await around("sync", stored(nodes), nodes[0], mode=MetadataMode.LLM)
    assert texts(reply) == ["page: 1\n\ntext 1"]
    assert (reply.candidates[0].id, reply.candidates[0].metadata) == ("n1", {"page": 1})


@WAYS
async def test_a_node_that_is_not_stored_ends_the_way_which_is_told(way):
    nodes = chain()
    reply = await around(way, stored([*nodes[:4], nodes[5]]), nodes[2], 2, 3)
    assert texts(reply) == ["text 0", "text 1", "text 3"]
    assert [note.message for note in reply.notes] == ["Some neighbours are not in the docstore."]
    nothing = await around(way, SimpleDocumentStore(), nodes[2])
    assert (nothing.candidates, len(nothing.notes)) == ((), 1)


@WAYS
async def test_a_circle_ends_where_it_began(way):
    nodes = chain(3)
    link(nodes[2], NEXT, "n0")
    link(nodes[0], PREVIOUS, "n2")
    reply = await around(way, stored(nodes), nodes[1], 9, 9)
    assert texts(reply) == ["text 2", "text 0"]
    link(nodes[1], NEXT, "n1")
    link(nodes[1], PREVIOUS, "n1")
    assert texts(await around(way, stored(nodes), nodes[1], 2, 2)) == []


async def test_a_node_without_links_has_none_which_is_told():
    for node in (TextNode(text="alone"), TextNode(text="odd", relationships={NEXT: []})):
        reply = await around("sync", SimpleDocumentStore(), node)
        assert (reply.candidates, [note.kind for note in reply.notes]) == ((), ["info"])


def test_a_candidate_of_no_node_has_none():
    assert LlamaIndexNeighbours(SimpleDocumentStore()).answer(Neighbours(Candidate("a")), None).candidates == ()


@pytest.mark.parametrize("odd", [None, {}, "text"])
def test_what_is_no_docstore_is_refused(odd):
    with pytest.raises(InvalidInput, match="docstore"):
        LlamaIndexNeighbours(odd)


# In the postprocessor


@WAYS
async def test_neighbours_come_back_with_their_links(way):
    text = " ".join(f"Sentence number {number} tells of rye." for number in range(40))
    document = Document(text=text, metadata={"file_name": "rye.txt"})
    index = VectorStoreIndex.from_documents(
        [document],
        transformations=[TokenTextSplitter(chunk_size=60, chunk_overlap=0)],
        embed_model=MockEmbedding(embed_dim=3),
    )
    nodes = sorted(index.docstore.docs.values(), key=lambda node: node.start_char_idx)
    assert len(nodes) > 3
    reranker = RerankPostprocessor(Widening(), docstore=index.docstore)
    given = [NodeWithScore(node=nodes[1], score=0.9)]
    if way == "sync":
        found = reranker.postprocess_nodes(given, query_str="rye?")
    else:
        found = await reranker.apostprocess_nodes(given, query_str="rye?")
    assert [item.node.node_id for item in found] == [nodes[i].node_id for i in (1, 0, 2)]
    assert found[2].node.relationships == nodes[2].relationships
    assert found[2].node.metadata["file_name"] == "rye.txt"
    assert found[2].node.metadata["rerank_plugins"]["first_stage_score"] is None
    assert "rerank_plugins" not in nodes[2].metadata


class Words(BaseEmbedding):
    def _get_query_embedding(self, query):
        return word_vector(query)

    _get_text_embedding = _get_query_embedding

    async def _aget_query_embedding(self, query):
        return word_vector(query)


@pytest.mark.parametrize(("docstore", "expected"), [(True, ["n1", "n2", "n3"]), (False, ["n2"])])
def test_meteora_widens_what_it_chose(docstore, expected):
    nodes = chain()
    given = [NodeWithScore(node=node) for node in (nodes[2], nodes[5])]
    method, notes = Meteora(rationales=("text 2",), verify=False, max_pooled=1), []
    reranker = RerankPostprocessor(
        method,
        embed_model=Words(),
        docstore=stored(nodes) if docstore else SimpleDocumentStore(),
        metadata_mode="none",
        observer=lambda event: notes.extend(event.ranking.notes) if isinstance(event, QueryEnded) else None,
    )
    found = reranker.postprocess_nodes(given, query_str="text 2")
    assert sorted(item.node.node_id for item in found) == expected
    assert docstore or "Some neighbours are not in the docstore." in [note.message for note in notes]


def test_a_docstore_that_fails_costs_its_call_alone(make):
    class Down(SimpleDocumentStore):
        def get_document(self, doc_id, raise_error=True):
            raise KeyError("down")

    nodes = [NodeWithScore(node=node) for node in chain()[1:4]]
    assert len(RerankPostprocessor(Widening(), docstore=Down()).postprocess_nodes(nodes, query_str="rye?")) == 3


def test_a_method_that_needs_them_is_refused_without():
    with pytest.raises(UnmetNeed, match="given as docstore"):
        RerankPostprocessor(Widening())
