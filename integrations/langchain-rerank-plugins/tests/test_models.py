import asyncio

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.messages import AIMessage
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import RunnableLambda
from pydantic import Field

from langchain_rerank_plugins import LangChainChat, LangChainEmbeddings
from langchain_rerank_plugins.models import embeddings_backend
from rerank_plugins.backends import BatchBackend, CallBackend
from rerank_plugins.backends.in_threads import InThreads
from rerank_plugins.backends.one_at_a_time import OneAtATime
from rerank_plugins.errors import BadReply
from rerank_plugins.requests import Chat, Embed, Failed
from rerank_plugins.text import Document, Prompt

SCHEMA = {"type": "object", "properties": {"ranking": {"type": "array", "items": {"type": "integer"}}}}


@pytest.fixture(params=["sync", "async"])
def ask(request):
    """Both ways of asking a backend."""

    def run(backend, asked):
        return backend.answer(asked, None) if request.param == "sync" else asyncio.run(backend.aanswer(asked, None))

    return run


def chat(*texts, **options):
    return Chat(
        [{"role": role, "content": text} for role, text in zip(("system", "user"), texts, strict=False)], **options
    )


class TooLong(Exception):
    status_code = 400

    def __init__(self, limit=None, needed=None):
        super().__init__(f"maximum context length is {limit} tokens, you asked for {needed} tokens" if limit else "")
        self.body = {"code": "context_length_exceeded", "message": str(self)}


class TestChat:
    def test_it_is_a_backend(self, scripted):
        assert isinstance(LangChainChat(scripted()), CallBackend)

    def test_messages_are_the_models_own_and_plain_text(self, ask):
        seen = []
        ask(LangChainChat(RunnableLambda(lambda messages: seen.extend(messages) or "x")), chat("be brief", Prompt("q")))
        assert [(message.type, message.content) for message in seen] == [("system", "be brief"), ("human", "q")]
        assert type(seen[1].content) is str

    def test_a_config_reaches_the_model(self, ask, scripted, trace):
        ask(LangChainChat(scripted(), {"callbacks": [trace], "tags": ["rerank"]}), chat("a", "b"))
        assert trace.tags["model"] == ["rerank"]

    def test_the_models_own_cache_is_used(self, ask, scripted):
        llm = scripted(says="x", cache=InMemoryCache())
        for _ in range(2):
            ask(LangChainChat(llm), chat("a", "b"))
        assert len(llm.prompts) == 1

    def test_the_models_own_rate_limiter_is_used(self, ask, scripted):
        class Counting(BaseRateLimiter):
            def acquire(self, *, blocking=True):
                passed.append(blocking)
                return True

            async def aacquire(self, *, blocking=True):
                return self.acquire(blocking=blocking)

        passed = []
        llm = scripted(says="x", rate_limiter=Counting())
        for _ in range(3):
            ask(LangChainChat(llm), chat("a", "b"))
        assert passed == [True] * 3

    def test_an_exception_goes_on_to_the_driver(self, ask, scripted):
        with pytest.raises(ZeroDivisionError):
            ask(LangChainChat(scripted(says=ZeroDivisionError())), chat("a", "b"))


class TestTooLongAPrompt:
    PROMPT = Prompt.of("Which helps? ", Document("short"), Document("x" * 1000))

    def test_documents_are_shortened_to_what_fits(self, ask, scripted):
        llm = scripted(says=[TooLong(4000, 8000), "[2]"])
        reply = ask(LangChainChat(llm), chat("", self.PROMPT))
        assert (reply.text, reply.usage.calls, [note.kind for note in reply.notes]) == ("[2]", 2, ["cut"])
        assert 400 < len(llm.prompts[1]) < 520
        assert "short" in llm.prompts[1]

    def test_without_numbers_they_are_halved(self, ask, scripted):
        llm = scripted(says=lambda prompt: TooLong() if len(prompt) > 300 else "[2]")
        assert ask(LangChainChat(llm), chat("", self.PROMPT)).text == "[2]"
        assert len(llm.prompts) == 3

    def test_a_method_that_would_rather_know_is_told(self, ask, scripted):
        llm = scripted(says=TooLong(4000, 8000))
        with pytest.raises(TooLong):
            ask(LangChainChat(llm), chat("", self.PROMPT, may_cut=False))
        assert len(llm.prompts) == 1

    def test_it_ends(self, ask, scripted):
        llm = scripted(says=TooLong(999, 1000))
        with pytest.raises(TooLong):
            ask(LangChainChat(llm), chat("", self.PROMPT))
        assert 1 < len(llm.prompts) < 10


class TestStructuredOutput:
    @pytest.fixture
    def with_tools(self, scripted):
        class WithTools(scripted):
            def bind_tools(self, tools, **kwargs):
                return self.bind(tools=tools)

        return WithTools

    def test_a_tool_call_is_the_answer(self, ask, with_tools):
        call = {"name": "answer", "args": {"ranking": [2, 1]}, "id": "1"}
        llm = with_tools(says=AIMessage("", tool_calls=[call]))
        reply = ask(LangChainChat(llm, structured_output="function_calling"), chat("a", "b", schema=SCHEMA))
        assert reply.parsed == {"ranking": [2, 1]}
        assert llm.settings[0]["tools"][0]["title"] == "answer"

    def test_without_a_schema_nothing_is_asked(self, ask, with_tools):
        llm = with_tools(says="x")
        ask(LangChainChat(llm, structured_output="function_calling"), chat("a", "b"))
        assert "tools" not in llm.settings[0]

    def test_a_model_that_has_none_is_read_as_text_and_it_is_noted(self, ask, scripted):
        reply = ask(LangChainChat(scripted(says="[2]"), structured_output="json_schema"), chat("a", "b", schema=SCHEMA))
        assert reply.text == "[2]"
        assert [note.kind for note in reply.notes] == ["info"]

    def test_by_default_it_is_plain_text(self, ask, with_tools):
        llm = with_tools(says="x")
        ask(LangChainChat(llm), chat("a", "b", schema=SCHEMA))
        assert llm.settings == [{}]


class Remote(DeterministicFakeEmbedding):
    """An embedding model that has async methods, and tells what it was asked for."""

    size: int = 4
    asked: list = Field(default_factory=list)

    def embed_query(self, text):
        self.asked.append(("query", text))
        return [1.0]

    def embed_documents(self, texts):
        self.asked.append(("documents", texts))
        return [[float(len(text))] for text in texts]

    async def aembed_query(self, text):
        return self.embed_query(text)

    async def aembed_documents(self, texts):
        return self.embed_documents(texts)


class TestEmbeddings:
    def test_documents_are_one_call_and_each_query_is_one(self, ask):
        model = Remote(asked=[])
        documents = ask(LangChainEmbeddings(model), Embed(("a", "bb"), "document"))
        queries = ask(LangChainEmbeddings(model), Embed(("c", "d"), "query"))
        assert model.asked == [("documents", ["a", "bb"]), ("query", "c"), ("query", "d")]
        assert (list(documents.vectors), documents.usage.calls) == ([[1.0], [2.0]], 1)
        assert (list(queries.vectors), queries.usage.calls) == ([[1.0], [1.0]], 2)

    def test_an_empty_text_does_not_spoil_the_batch(self, ask):
        model = Remote(asked=[])
        ask(LangChainEmbeddings(model), Embed(("a", ""), "document"))
        assert model.asked == [("documents", ["a", " "])]

    def test_a_wrong_number_of_vectors_is_a_bad_reply(self, ask):
        class Short(Remote):
            def embed_documents(self, texts):
                return [[1.0]]

        with pytest.raises(BadReply, match="1 vectors for 2 texts"):
            ask(LangChainEmbeddings(Short()), Embed(("a", "b")))

    def test_one_that_computes_here_is_given_whole_batches(self, local_model):
        class Local(DeterministicFakeEmbedding):
            client: object = local_model

        assert isinstance(embeddings_backend(Local(size=3)), BatchBackend)
        assert isinstance(embeddings_backend(Remote()), CallBackend)

    def test_one_without_async_methods_gets_threads(self):
        assert isinstance(embeddings_backend(DeterministicFakeEmbedding(size=3)), InThreads)

    def test_in_process_one_request_fails_alone(self, local_model):
        class Picky(DeterministicFakeEmbedding):
            client: object = local_model

            def embed_documents(self, texts):
                raise RuntimeError("out of memory")

        backend = embeddings_backend(Picky(size=3))
        assert isinstance(backend, OneAtATime)
        (_, query), (_, documents) = backend.answer_batch([Embed(("a",), "query"), Embed(("a", "b"))])
        assert len(query.vectors[0]) == 3
        assert isinstance(documents, Failed)
        assert "RuntimeError" in str(documents.error)
