"""LlamaIndex's models as backends."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import llama_index.core
import pytest
from llama_index.core import MockEmbedding
from llama_index.core.base.llms import types
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, TextBlock
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.llms import MockLLM

from llama_index.postprocessor.rerank_plugins import LlamaIndexEmbedding, LlamaIndexLLM
from llama_index.postprocessor.rerank_plugins.models import chat_backend, embedding_backend
from llama_index.postprocessor.rerank_plugins.replies import read_response, usage_of
from rerank_plugins.backends.base import CallBackend
from rerank_plugins.backends.in_threads import InThreads
from rerank_plugins.backends.one_at_a_time import OneAtATime
from rerank_plugins.errors import BadReply, PromptTooLong, Transient
from rerank_plugins.ranking import Usage
from rerank_plugins.requests import Chat, ChatReply, Embed
from rerank_plugins.text import Document, Prompt

ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why rye?"}]
SCHEMA = {"type": "object", "properties": {"ranking": {"type": "array"}}, "required": ["ranking"]}


async def both(backend, request):
    """The answer, which is the same either way."""
    answer = backend.answer(request, None)
    assert await backend.aanswer(request, None) == answer
    return answer


# Chat


async def test_messages_go_out_and_text_and_usage_come_back(scripted_llm):
    llm = scripted_llm("Because.")
    backend = LlamaIndexLLM(llm)
    assert isinstance(backend, CallBackend)
    assert await both(backend, Chat(ASKED)) == ChatReply(
        "Because.", usage=Usage(calls=1, prompt_tokens=100, completion_tokens=10)
    )
    assert llm.script.prompts == ["system: Be brief.\nuser: Why rye?"] * 2


async def test_a_completion_model_gets_its_own_rendering(local_llm):
    llm = local_llm("Because.")
    assert (await both(LlamaIndexLLM(llm), Chat(ASKED))).text == "Because."
    assert "system: Be brief.\nuser: Why rye?\nassistant:" in llm.script.prompts[0]


def test_function_calls_only_where_the_model_makes_them_and_the_option_asks(scripted_llm):
    asked = Chat(ASKED, schema=SCHEMA)
    offered = []

    class Tools(scripted_llm):
        def chat(self, messages, **kwargs):
            offered.append(kwargs.get("tools"))
            return super().chat(messages)

    for functions in (False, True):
        for structured in (False, True):
            llm = Tools({"ranking": [2]} if functions and structured else "[2]", calls_functions=functions)
            reply = LlamaIndexLLM(llm, structured=structured).answer(asked, None)
            assert reply.parsed == ({"ranking": [2]} if functions and structured else None)
    assert offered[:3] == [None, None, None]
    assert offered[3][0]["function"]["parameters"] == SCHEMA
    LlamaIndexLLM(Tools("x", calls_functions=True), structured=True).answer(Chat(ASKED), None)
    assert offered[4] is None  # no schema, no tool


def test_an_llm_that_only_says_that_it_calls_functions_is_asked_for_text(local_llm):
    class Claims(local_llm):
        @property
        def metadata(self):
            return types.LLMMetadata(is_function_calling_model=True)

    assert LlamaIndexLLM(Claims("[2]"), structured=True).answer(Chat(ASKED, schema=SCHEMA), None).text == "[2]"


async def test_structured_answers_are_the_same_on_an_event_loop(scripted_llm):
    backend = LlamaIndexLLM(scripted_llm({"ranking": [2]}, calls_functions=True), structured=True)
    assert (await both(backend, Chat(ASKED, schema=SCHEMA))).parsed == {"ranking": [2]}


@pytest.mark.parametrize("odd", [None, "text", SimpleNamespace(text="[1]")])
def test_what_is_no_chat_response_is_a_bad_reply(odd, scripted_llm):
    with pytest.raises(BadReply, match="ScriptedLLM returned"):
        read_response(odd, scripted_llm())


def test_empty_content(scripted_llm):
    empty = ChatResponse(message=ChatMessage(role="assistant", content=None))
    assert read_response(empty, MockLLM()).text == ""


@pytest.mark.skipif(not hasattr(types, "ThinkingBlock"), reason="this llama-index-core has no thinking blocks yet")
def test_thinking_blocks_are_left_out():
    blocks = [types.ThinkingBlock(content="[1]?"), TextBlock(text="[2]")]
    thinking = ChatResponse(message=ChatMessage(role="assistant", blocks=blocks))
    assert read_response(thinking, MockLLM()).text == "[2]"


def test_a_tool_call_that_cannot_be_read_leaves_the_text(scripted_llm):
    class Raises(scripted_llm):
        def get_tool_calls_from_response(self, response, **kwargs):
            raise RuntimeError("odd")

    response = ChatResponse(message=ChatMessage(role="assistant", content="[2]"))
    assert read_response(response, Raises()) == ChatReply("[2]", usage=Usage(calls=1))


OPENAI = SimpleNamespace(
    prompt_tokens=7, completion_tokens=2, prompt_tokens_details=SimpleNamespace(cached_tokens=4), total_tokens=9
)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (SimpleNamespace(raw=SimpleNamespace(usage=OPENAI)), (7, 2, 4)),
        (
            SimpleNamespace(raw={"usage": {"input_tokens": 7, "output_tokens": 2, "cache_read_input_tokens": 4}}),
            (7, 2, 4),
        ),
        (SimpleNamespace(raw={"usage_metadata": {"prompt_token_count": 7, "candidates_token_count": 2}}), (7, 2, 0)),
        (SimpleNamespace(raw=None, additional_kwargs={"prompt_tokens": 7, "completion_tokens": 2}), (7, 2, 0)),
        (SimpleNamespace(message=ChatMessage(additional_kwargs={"prompt_tokens": 7})), (7, 0, 0)),
        (SimpleNamespace(raw={"usage": None}), (0, 0, 0)),
        (SimpleNamespace(raw={"usage": {"prompt_tokens": "7", "completion_tokens": None}}), (0, 0, 0)),
        (SimpleNamespace(raw="text"), (0, 0, 0)),
        (None, (0, 0, 0)),
    ],
)
def test_usage_is_read_wherever_it_stands(response, expected):
    assert usage_of(response) == Usage(1, *expected)


@pytest.mark.parametrize(
    ("raw", "truncated"),
    [
        ({"choices": [{"finish_reason": "length"}]}, True),
        (SimpleNamespace(choices=[SimpleNamespace(finish_reason="length")]), True),
        ({"stop_reason": "max_tokens"}, True),
        ({"done_reason": "length"}, True),
        ({"finish_reason": SimpleNamespace(value="MAX_TOKENS")}, True),
        ({"choices": [{"finish_reason": "stop"}]}, False),
        ({"choices": []}, False),
        (None, False),
    ],
)
def test_a_reply_that_was_cut_off_says_so(raw, truncated):
    response = ChatResponse(message=ChatMessage(content="x"), raw=raw)
    assert read_response(response, MockLLM()).truncated is truncated


# Length


def long_request(may_cut: bool, words: int = 2000) -> Chat:
    prompt = Prompt.of("Which helps? ", Document("short"), " or ", Document("long " * words), " Answer now.")
    return Chat([{"role": "user", "content": prompt}], max_tokens=100, may_cut=may_cut)


@pytest.fixture(params=["global tokenizer", "bytes"])
def tokenizer(request, monkeypatch):
    words = str.split if request.param == "global tokenizer" else None
    monkeypatch.setattr(llama_index.core, "global_tokenizer", words)


async def test_a_prompt_that_must_not_be_cut_and_does_not_fit_is_refused_unsent(tokenizer, scripted_llm):
    llm = scripted_llm(context_window=600)
    with pytest.raises(PromptTooLong) as caught:
        await LlamaIndexLLM(llm).aanswer(long_request(may_cut=False), None)
    assert caught.value.limit == 500
    assert caught.value.needed > 2000
    assert llm.script.prompts == []


async def test_documents_are_shortened_where_they_may_be(tokenizer, scripted_llm):
    llm = scripted_llm("[1]", context_window=600)
    reply = await both(LlamaIndexLLM(llm), long_request(may_cut=True))
    assert reply.notes[0].kind == "cut"
    assert "Which helps? short or long long" in llm.script.prompts[0]
    assert llm.script.prompts[0].endswith("… Answer now.")
    assert len(llm.script.prompts[0]) < 2600


async def test_a_prompt_that_fits_is_sent_as_it_is(tokenizer, scripted_llm):
    llm = scripted_llm("[1]", context_window=100_000)
    request = long_request(may_cut=True)
    assert (await both(LlamaIndexLLM(llm), request)).notes == ()
    assert llm.script.prompts[0] == "user: " + request.messages[0]["content"]


async def test_documents_are_shortened_when_the_server_knows_better(scripted_llm, http_error):
    too_long = http_error(400, "This model's maximum context length is 1000 tokens, but you sent 2500 tokens.")
    for count in (1, 2):
        llm = scripted_llm([too_long] * count + ["[1]"])
        reply = LlamaIndexLLM(llm).answer(long_request(may_cut=True), None)
        assert (reply.text, reply.usage.calls) == ("[1]", count + 1)
        lengths = [len(prompt) for prompt in llm.script.prompts]
        assert lengths == sorted(set(lengths), reverse=True)
        assert {note.kind for note in reply.notes} == {"cut"}
    llm = scripted_llm([too_long, "[1]"])
    assert (await LlamaIndexLLM(llm).aanswer(long_request(may_cut=True), None)).text == "[1]"


@pytest.mark.parametrize("may_cut", [False, True])
def test_a_server_that_finds_every_prompt_too_long_is_not_asked_for_ever(may_cut, scripted_llm, http_error):
    llm = scripted_llm(http_error(400, "maximum context length is 10 tokens"))
    with pytest.raises(Exception, match="context length"):
        LlamaIndexLLM(llm).answer(long_request(may_cut), None)
    assert len(llm.script.prompts) <= (4 if may_cut else 1)


# Identity and retries


def test_identity_tells_models_and_settings_apart_and_holds_no_key(scripted_llm):
    same = [LlamaIndexLLM(scripted_llm("x", api_key=key)).identity for key in ("sk-1", "sk-2")]
    others = [
        LlamaIndexLLM(scripted_llm("x", model="other")).identity,
        LlamaIndexLLM(scripted_llm("x", temperature=0.7)).identity,
        LlamaIndexLLM(scripted_llm("x"), structured=True).identity,
    ]
    assert same[0] == same[1]
    assert same[0].startswith("ScriptedLLM(scripted)")
    assert len({same[0], *others}) == 4


def test_a_model_without_a_name_is_not_cached():
    assert LlamaIndexLLM(MockLLM()).identity == ""
    assert LlamaIndexEmbedding(MockEmbedding(embed_dim=2)).identity == ""
    assert LlamaIndexLLM(MockLLM()).model_name == "MockLLM"


def test_metadata_that_needs_a_server_is_read_last_and_may_fail(scripted_llm):
    class Asks(scripted_llm):
        @property
        def metadata(self):
            raise ConnectionError

    assert LlamaIndexLLM(Asks()).identity.startswith("Asks(scripted)")
    nameless = LlamaIndexLLM(Asks(model=""))
    assert (nameless.identity, nameless.model_name) == ("", "Asks")


def test_a_model_whose_settings_cannot_be_written_down_is_not_cached(scripted_llm):
    class Odd(scripted_llm):
        def model_dump(self, **options):
            raise TypeError

    assert LlamaIndexLLM(Odd()).identity == ""


@pytest.mark.parametrize(("retries", "itself"), [(3, True), (0, False), (None, False)])
def test_a_client_that_retries_is_known_to(retries, itself, scripted_llm):
    class Retries(scripted_llm):
        max_retries: int | None = retries

    assert LlamaIndexLLM(Retries()).retries_itself is itself


# Models that compute in this process


def test_how_each_kind_of_model_is_called(scripted_llm, client_llm, local_llm):
    class ClientWithAsync(client_llm):
        async def acomplete(self, prompt, formatted=False, **kwargs):
            return self.complete(prompt, formatted)

    class LocalWithAsync(local_llm, ClientWithAsync):
        pass

    class Derived(local_llm):
        pass

    class MistralRS(client_llm):
        __module__ = "llama_index.llms.mistral_rs.base"

    local = (local_llm, Derived, LocalWithAsync, MistralRS)
    assert all(isinstance(chat_backend(kind()), OneAtATime) for kind in local)
    assert all(isinstance(chat_backend(kind()), InThreads) for kind in (client_llm, MockLLM))
    assert all(isinstance(chat_backend(kind()), LlamaIndexLLM) for kind in (ClientWithAsync, scripted_llm))


def test_how_each_kind_of_embedding_model_is_called(local_model):
    class OnlySync(BaseEmbedding):
        def _get_query_embedding(self, query):
            return [1.0]

        _get_text_embedding = _get_query_embedding

        async def _aget_query_embedding(self, query):
            return self._get_query_embedding(query)

    class Local(Sides):
        _model: object = PrivateAttr(default=local_model)

    assert isinstance(embedding_backend(OnlySync()), InThreads)
    assert isinstance(embedding_backend(Local()), OneAtATime)
    assert isinstance(embedding_backend(MockEmbedding(embed_dim=2)), LlamaIndexEmbedding)


def test_a_failure_in_this_process_is_that_of_its_call_alone(local_llm, http_error):
    backend = chat_backend(local_llm(["a", http_error(429), "c"]))
    replies = dict(backend.answer_batch([Chat(ASKED)] * 3))
    assert [getattr(replies[position], "text", None) for position in range(3)] == ["a", None, "c"]
    assert isinstance(replies[1].error, Transient)


# Embeddings


class Sides(BaseEmbedding):
    """Tells queries and documents apart, and counts."""

    model_name: str = "sides"

    def _get_query_embedding(self, query):
        return [1.0, float(len(query))]

    def _get_text_embedding(self, text):
        return [2.0, float(len(text))]

    async def _aget_query_embedding(self, query):
        return self._get_query_embedding(query)


async def test_queries_and_documents_go_to_their_sides():
    backend = LlamaIndexEmbedding(Sides())
    assert isinstance(backend, CallBackend)
    assert (await both(backend, Embed(("ab", "abc"), "query"))).vectors == [[1.0, 2.0], [1.0, 3.0]]
    assert (await both(backend, Embed(("ab", "abc"), "document"))).vectors == [[2.0, 2.0], [2.0, 3.0]]
    assert backend.identity.startswith("Sides(sides)")


async def test_an_empty_text_is_sent_as_a_space_and_no_text_not_at_all():
    backend = LlamaIndexEmbedding(Sides())
    assert (await both(backend, Embed(("", "a")))).vectors == [[2.0, 1.0], [2.0, 1.0]]
    assert list((await both(backend, Embed(()))).vectors) == []


def test_a_wrong_number_of_vectors_is_a_bad_reply():
    class Loses(Sides):
        def _get_text_embeddings(self, texts):
            return [[0.0]]

    with pytest.raises(BadReply, match="1 vectors for 2 texts"):
        LlamaIndexEmbedding(Loses()).answer(Embed(("a", "b")), None)


async def test_queries_are_embedded_at_once():
    class Slow(Sides):
        async def _aget_query_embedding(self, query):
            await asyncio.sleep(0.3)
            return [0.0]

    backend = LlamaIndexEmbedding(Slow())
    await asyncio.wait_for(backend.aanswer(Embed(tuple("abcdefghij"), "query"), None), 2)
