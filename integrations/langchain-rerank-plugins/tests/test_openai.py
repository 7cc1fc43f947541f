"""LangChain's own OpenAI client against a scripted endpoint: what its errors and retries come to."""

import logging

import pytest

from langchain_rerank_plugins import RerankCompressor
from rerank_plugins import Embedding, InsertRank, Limits
from rerank_plugins.errors import Refused
from rerank_plugins.testing import Fault, ScriptedEndpoint

pytestmark = [
    pytest.mark.slow,  # imports the OpenAI client
    pytest.mark.filterwarnings(
        "ignore::ResourceWarning"
    ),  # clients are LangChain's, which caches and never closes them
]

METHOD = InsertRank(bm25=None)
KEY = "sk-canary"


@pytest.fixture
def chat():
    openai = pytest.importorskip("langchain_openai")

    def make(endpoint, **options):
        return openai.ChatOpenAI(model="scripted", base_url=endpoint.base_url, api_key=KEY, **options)

    return make


def ids(documents):
    return [document.id for document in documents]


def test_it_answers(compress, documents, chat, trace):
    with ScriptedEndpoint(["[2] > [1] > [3]"]) as endpoint:
        found = compress(RerankCompressor(METHOD, llm=chat(endpoint)), documents(3), callbacks=[trace])
    assert ids(found) == ["d1", "d0", "d2"]
    usage = trace.outputs["RerankCompressor<InsertRank>"]["usage"]
    assert usage["calls"] == 1
    assert usage["prompt_tokens"] > 0 < usage["completion_tokens"]


def test_its_own_retries_are_not_multiplied(compress, documents, chat):
    busy = Fault("status", 429, {"Retry-After": "0.01"})
    with ScriptedEndpoint([busy]) as endpoint:
        compress(RerankCompressor(METHOD, llm=chat(endpoint, max_retries=1)), documents(3))
    assert len(endpoint.requests) == 2


def test_without_retries_of_its_own_ours_are_made(compress, documents, chat):
    busy = Fault("status", 429, {"Retry-After": "0.01"})
    with ScriptedEndpoint([busy, busy, "[2]"]) as endpoint:
        found = compress(RerankCompressor(METHOD, llm=chat(endpoint, max_retries=0)), documents(3))
    assert (ids(found)[0], len(endpoint.requests)) == ("d1", 3)


@pytest.mark.parametrize("kind", ["html", "wrong-json", "truncated", "reset"])
def test_odd_answers_cost_no_document(compress, documents, chat, kind):
    with ScriptedEndpoint([Fault(kind)]) as endpoint:
        compressor = RerankCompressor(METHOD, llm=chat(endpoint, max_retries=0), limits=Limits(retries=0))
        assert ids(compress(compressor, documents(3))) == ["d0", "d1", "d2"]


def test_a_hanging_endpoint_is_given_up_on(compress, documents, chat, trace):
    with ScriptedEndpoint([Fault("hang")]) as endpoint:
        compressor = RerankCompressor(
            METHOD, llm=chat(endpoint, max_retries=0), limits=Limits(timeout_s=0.3, retries=0)
        )
        assert len(compress(compressor, documents(3), callbacks=[trace])) == 3
    assert "no answer" in trace.outputs["RerankCompressor<InsertRank>"]["notes"][0]["message"]


def test_a_wrong_key_is_said_without_the_key(compress, documents, chat, caplog):
    refused = Fault("status", 401, error={"message": f"Incorrect API key: {KEY}"})
    with ScriptedEndpoint([refused]) as endpoint, pytest.raises(Refused) as caught:
        compress(RerankCompressor(METHOD, llm=chat(endpoint), on_error="raise"), documents(3))
    assert "ChatOpenAI(scripted, " in str(caught.value)
    assert "401" in str(caught.value)
    with caplog.at_level(logging.DEBUG, "rerank_plugins"), ScriptedEndpoint([refused]) as endpoint:
        compress(RerankCompressor(METHOD, llm=chat(endpoint)), documents(3))
    assert KEY not in str(caught.value) + caplog.text


def test_a_prompt_that_is_too_long_becomes_windows(compress, documents, chat):
    def small_context(asked):
        if len(str(asked["messages"])) > 2500:
            text = "This model's maximum context length is 600 tokens, however you requested 900 tokens."
            return Fault("status", 400, error={"message": text, "code": "context_length_exceeded"})
        return "[2] > [1]"

    with ScriptedEndpoint(small_context) as endpoint:
        found = compress(RerankCompressor(METHOD, llm=chat(endpoint), on_error="raise"), documents(40))
    assert len(endpoint.requests) > 2
    assert ids(found) != [f"d{i}" for i in range(40)]


def test_a_json_schema_is_asked_for_where_the_user_says_so(compress, documents, chat):
    with ScriptedEndpoint(['{"ranking": [3, 1, 2]}']) as endpoint:
        found = compress(
            RerankCompressor(METHOD, llm=chat(endpoint), structured_output="json_schema", on_error="raise"),
            documents(3),
        )
    assert ids(found) == ["d2", "d0", "d1"]
    assert endpoint.requests[0].body["response_format"]["type"] == "json_schema"


def test_the_limit_on_the_answer_is_sent_to_a_model_that_is_known_to_take_it(compress, documents):
    openai = pytest.importorskip("langchain_openai")
    with ScriptedEndpoint(["[2]"]) as endpoint:
        for model in ("gpt-4o-mini", "gpt-5-mini"):
            llm = openai.ChatOpenAI(model=model, base_url=endpoint.base_url, api_key=KEY)
            compress(RerankCompressor(METHOD, llm=llm), documents(3))
    limits = [request.body.get("max_completion_tokens") for request in endpoint.requests]
    assert limits[0] > 0
    assert limits[1] is None


def test_embeddings_of_the_same_endpoint(compress, documents):
    openai = pytest.importorskip("langchain_openai")
    with ScriptedEndpoint() as endpoint:
        embeddings = openai.OpenAIEmbeddings(
            model="scripted", base_url=endpoint.base_url, api_key=KEY, check_embedding_ctx_length=False
        )
        cache = {}
        compressor = RerankCompressor(Embedding(), embeddings=embeddings, cache=cache, on_error="raise")
        best, *_ = compress(compressor, documents(5), "passage number 3")
        compress(compressor, documents(5), "passage number 3")
    assert best.id == "d3"
    assert best.metadata["relevance_score"] == pytest.approx(1.0)
    assert len(endpoint.requests) == 2, "the second time comes from the cache"
