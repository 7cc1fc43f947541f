"""Reranked documents as evidence to cite."""

from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding

from langchain_rerank_plugins import RerankCompressor, cite_documents
from rerank_plugins import Meteora
from rerank_plugins.citations import Citation, evidence_prompt


def test_what_meteora_chose_with_source_and_rationale(compress):
    found = [Document("Rye needs acid.", id="a", metadata={"source": "bread.pdf"})]
    method = Meteora(rationales=("acid in rye",), verify=False)
    compressor = RerankCompressor(method, embeddings=DeterministicFakeEmbedding(size=4))
    cited = cite_documents(compress(compressor, found))
    assert cited == [Citation(1, "Rye needs acid.", "bread.pdf", "acid in rye")]
    assert "Source: bread.pdf\nChosen for: acid in rye" in evidence_prompt(cited)


def test_documents_of_no_reranker_have_no_rationale_and_their_id_for_a_source():
    found = [Document("one", id="a"), Document("two", id="b", metadata={"rerank_plugins": "odd", "page": 4})]
    assert cite_documents(found) == [Citation(1, "one", "a"), Citation(2, "two", "b")]
    assert cite_documents(found, sources=["page"])[1].source == "4"
