"""Methods that read probabilities or attention, from a local model that is given beside the chain's own."""

import pytest
from llama_index.core.schema import NodeWithScore, TextNode

from llama_index.postprocessor.rerank_plugins import RerankPostprocessor
from rerank_plugins import Eliminate, First, Graded, InContext, Setwise, UpTo, YesNo, rerank
from rerank_plugins.testing import FakeModel

TEXTS = [f"Passage number {number} about bread." for number in range(9)]


@pytest.mark.parametrize(
    "method",
    [First(window=4), YesNo(), Graded(), InContext(), Setwise(k=2), Eliminate(k=3), UpTo(YesNo(), threshold=0.0)],
    ids=repr,
)
async def test_nodes_come_back_as_the_core_ranks_them(method):
    expected = rerank(method, "which?", TEXTS, backends=FakeModel())
    reranker = RerankPostprocessor(method, backends=FakeModel(), metadata_mode="none")
    nodes = [NodeWithScore(node=TextNode(text=text, id_=str(number))) for number, text in enumerate(TEXTS)]
    found = reranker.postprocess_nodes(nodes, query_str="which?")
    assert [int(item.node.node_id) for item in found] == expected.order
    assert [item.score for item in found] == [item.score for item in expected]
    later = await reranker.apostprocess_nodes(nodes, query_str="which?")
    assert [item.node.node_id for item in later] == [item.node.node_id for item in found]
