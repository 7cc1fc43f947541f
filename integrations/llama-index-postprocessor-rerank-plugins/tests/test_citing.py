"""Reranked nodes as evidence to cite."""

from __future__ import annotations

from llama_index.core import MockEmbedding
from llama_index.core.schema import NodeWithScore, TextNode

from llama_index.postprocessor.rerank_plugins import RerankPostprocessor, cite_nodes
from rerank_plugins import Meteora
from rerank_plugins.citations import Citation, evidence_prompt


def test_what_meteora_chose_with_source_and_rationale():
    nodes = [
        NodeWithScore(node=TextNode(text="Rye needs acid.", id_="a", metadata={"file_name": "bread.pdf"})),
        NodeWithScore(node=TextNode(text="A song.", id_="b")),
    ]
    reranker = RerankPostprocessor(
        Meteora(rationales=("acid in rye",), verify=False), embed_model=MockEmbedding(embed_dim=2)
    )
    cited = cite_nodes(reranker.postprocess_nodes(nodes, query_str="why rye?"))
    assert Citation(1, "Rye needs acid.", "bread.pdf", "acid in rye") in cited
    assert "Source: bread.pdf\nChosen for: acid in rye" in evidence_prompt(cited)


def test_nodes_of_no_reranker_have_no_rationale_and_their_id_for_a_source():
    nodes = [
        NodeWithScore(node=TextNode(text="one", id_="a")),
        NodeWithScore(node=TextNode(text="two", id_="b", metadata={"rerank_plugins": "odd", "page": 4})),
    ]
    assert cite_nodes(nodes) == [Citation(1, "one", "a"), Citation(2, "two", "b")]
    assert cite_nodes(nodes, sources=["page"])[1].source == "4"
