"""Methods that read probabilities or attention, from a local model that is given beside the chain's own."""

import pytest
from langchain_core.documents import Document

from langchain_rerank_plugins import RerankCompressor
from rerank_plugins import Eliminate, First, Graded, InContext, Setwise, UpTo, YesNo, rerank
from rerank_plugins.testing import FakeModel

TEXTS = [f"Passage number {number} about bread." for number in range(9)]


@pytest.mark.parametrize(
    "method",
    [First(window=4), YesNo(), Graded(), InContext(), Setwise(k=2), Eliminate(k=3), UpTo(YesNo(), threshold=0.0)],
    ids=repr,
)
async def test_documents_come_back_as_the_core_ranks_them(method):
    expected = rerank(method, "which?", TEXTS, backends=FakeModel())
    compressor = RerankCompressor(method, backends=FakeModel())
    found = [Document(text, id=str(number)) for number, text in enumerate(TEXTS)]
    compressed = compressor.compress_documents(found, "which?")
    assert [int(document.id) for document in compressed] == expected.order
    assert [document.metadata["relevance_score"] for document in compressed] == [item.score for item in expected]
    assert await compressor.acompress_documents(found, "which?") == compressed
