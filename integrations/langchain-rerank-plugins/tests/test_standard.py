"""LangChain's own suite for retrievers."""

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_rerank_plugins import DecompositionRetriever
from rerank_plugins import Decompose, FirstStage

suites = pytest.importorskip("langchain_tests.integration_tests", reason="langchain-tests is not installed")


class TestDecompositionRetriever(suites.RetrieversIntegrationTests):
    @property
    def retriever_constructor(self):
        return DecompositionRetriever

    @property
    def retriever_constructor_params(self):
        store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
        store.add_documents([Document(f"passage {number}") for number in range(9)])
        method = Decompose(rerank=FirstStage(), subquestions=["Who wrote it?", "When?"])
        return {"method": method, "retriever": store.as_retriever()}

    @property
    def retriever_query_example(self):
        return "Who wrote it, and when?"

    @property
    def num_results_arg_name(self):
        return "top_n"
