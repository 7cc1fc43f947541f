from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from rerank_plugins.backends import OpenAIChat
from rerank_plugins.backends.base import CallBackend
from rerank_plugins.errors import BadReply, CallTimeout, InvalidInput, MissingExtra, PromptTooLong, Refused, classify
from rerank_plugins.requests import Chat, Choose
from rerank_plugins.testing.bodies import chat_completion
from rerank_plugins.testing.endpoint import Fault, ScriptedEndpoint
from rerank_plugins.text import Document, Prompt

KEY = "sk-secret-123"
SCHEMA = {
    "type": "object",
    "properties": {"ranking": {"type": "array", "items": {"type": "integer"}}},
    "required": ["ranking"],
    "additionalProperties": False,
}
MESSAGES = [{"role": "system", "content": "You rank."}, {"role": "user", "content": "Which?"}]
PLAIN = Chat(MESSAGES, max_tokens=50)
STRUCTURED = Chat(MESSAGES, schema=SCHEMA, max_tokens=50)
ANSWER = '{"ranking": [2, 1]}'

LLAMA_CPP_500 = Fault(
    "status",
    500,
    error={
        "message": "1 validation error:\n  {'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), "
        "'msg': \"Input should be 'text' or 'json_object'\", 'input': 'json_schema'}",
        "type": "internal_server_error",
    },
)


def model_at(endpoint: ScriptedEndpoint, **options) -> OpenAIChat:
    return OpenAIChat("m", endpoint.base_url, KEY, **options)


def refused(message: str, *, status: int = 400, **fields) -> Fault:
    return Fault("status", status, error={"message": message} | fields)


def form_of(asked) -> str:
    return asked.get("response_format", {"type": "text"})["type"]


# What is sent


def test_a_request_in_the_preferred_form():
    with ScriptedEndpoint([ANSWER]) as endpoint:
        reply = model_at(endpoint, headers={"X-Team": "search"}, extra_body={"top_k": 5}).answer(STRUCTURED, 5)
        (request,) = endpoint.requests
    assert request.body == {
        "model": "m",
        "messages": MESSAGES,
        "temperature": 0.0,
        "max_tokens": 50,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
        },
        "top_k": 5,
    }
    assert request.headers["x-team"] == "search" and request.headers["authorization"] == f"Bearer {KEY}"
    assert (reply.text, reply.parsed, reply.usage.calls) == (ANSWER, {"ranking": [2, 1]}, 1)


def test_what_a_request_asks_for_overrules_the_defaults():
    with ScriptedEndpoint(["a"]) as endpoint:
        model_at(endpoint, temperature=None).answer(PLAIN, 5)
        model_at(endpoint).answer(Chat(MESSAGES, temperature=0.8, seed=3), 5)
        first, second = (request.body for request in endpoint.requests)
    assert "temperature" not in first and "seed" not in first and "response_format" not in first
    assert (second["temperature"], second["seed"], second["max_tokens"]) == (0.8, 3, 1024)


def test_openai_itself_is_asked_in_its_own_words():
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return httpx.Response(200, json=chat_completion("a"))

    client = openai.OpenAI(api_key=KEY, http_client=httpx.Client(transport=httpx.MockTransport(answer)))
    OpenAIChat("m", client=client).answer(PLAIN, 5)
    assert asked[0]["max_completion_tokens"] == 50 and "max_tokens" not in asked[0]


# What an endpoint takes is found out once


def llama_cpp(asked):
    return LLAMA_CPP_500 if form_of(asked) == "json_schema" else ANSWER


def test_a_server_that_takes_a_schema_with_json_object_only():
    with ScriptedEndpoint(llama_cpp) as endpoint:
        model = model_at(endpoint)
        replies = [model.answer(STRUCTURED, 5) for _ in range(3)]
        forms = [form_of(request.body) for request in endpoint.requests]
    assert forms == ["json_schema", *["json_object"] * 3]
    assert endpoint.requests[-1].body["response_format"]["schema"] == SCHEMA
    assert [reply.usage.calls for reply in replies] == [2, 1, 1]
    assert {reply.text for reply in replies} == {ANSWER}


def test_a_server_that_takes_no_schema_at_all():
    def tgi(asked):
        kind = form_of(asked)
        return "plain" if kind == "text" else refused(f"response_format: unknown variant `{kind}`", status=422)

    with ScriptedEndpoint(tgi) as endpoint:
        model = model_at(endpoint)
        assert [model.answer(STRUCTURED, 5).usage.calls for _ in range(2)] == [3, 1]


def test_a_bare_500_for_a_schema_is_believed_the_second_time():
    def opaque(asked):
        return refused("Internal Server Error", status=500) if form_of(asked) == "json_schema" else ANSWER

    with ScriptedEndpoint(opaque) as endpoint:
        model = model_at(endpoint)
        assert [model.answer(STRUCTURED, 5).usage.calls for _ in range(4)] == [2, 2, 1, 1]


@pytest.mark.parametrize("status", [400, 500])
def test_a_failure_of_all_forms_is_raised_as_it_was_and_nothing_is_remembered(status):
    script = [refused("the first", status=status), refused("later", status=status), refused("later", status=status)]
    with ScriptedEndpoint([*script, ANSWER]) as endpoint:
        model = model_at(endpoint)
        with pytest.raises(openai.APIStatusError, match="the first"):
            model.answer(STRUCTURED, 5)
        assert model.answer(STRUCTURED, 5).usage.calls == 1
    assert form_of(endpoint.requests[-1].body) == "json_schema"


def test_a_passing_500_is_not_taken_for_a_refusal():
    with ScriptedEndpoint([refused("busy", status=500), ANSWER]) as endpoint:
        model = model_at(endpoint)
        model.answer(STRUCTURED, 5)
        model.answer(STRUCTURED, 5)
    assert [form_of(request.body) for request in endpoint.requests] == ["json_schema", "json_object", "json_schema"]


def test_a_500_costs_no_try_where_a_schema_has_worked():
    with ScriptedEndpoint([ANSWER, refused("busy", status=500)]) as endpoint:
        model = model_at(endpoint)
        model.answer(STRUCTURED, 5)
        with pytest.raises(openai.InternalServerError):
            model.answer(STRUCTURED, 5)
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize("status", [401, 403, 404, 429, 502, 503])
def test_other_failures_cost_no_further_request(status):
    script = [refused("response_format", status=status)]
    with ScriptedEndpoint(script) as endpoint, pytest.raises(openai.APIStatusError):
        model_at(endpoint).answer(STRUCTURED, 5)
    assert len(endpoint.requests) == 1


def test_one_schema_that_is_refused_does_not_cost_the_others_theirs():
    def picky(asked):
        wanted = asked.get("response_format", {})
        odd = "maxItems" in json.dumps(wanted) and wanted["type"] == "json_schema"
        return refused("Invalid schema for response_format 'answer'") if odd else ANSWER

    strange = Chat(MESSAGES, schema={**SCHEMA, "maxItems": 3})
    with ScriptedEndpoint(picky) as endpoint:
        model = model_at(endpoint)
        model.answer(STRUCTURED, 5)
        assert model.answer(strange, 5).usage.calls == 2
        assert model.answer(STRUCTURED, 5).usage.calls == 1
    assert form_of(endpoint.requests[-1].body) == "json_schema"


@pytest.mark.parametrize(
    ("fault", "part", "instead"),
    [
        (
            refused(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
                "instead.",
                param="max_tokens",
                code="unsupported_parameter",
            ),
            "max_tokens",
            {"max_completion_tokens": 50},
        ),
        (
            refused(
                "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is "
                "supported.",
                param="temperature",
                code="unsupported_value",
            ),
            "temperature",
            {},
        ),
        (refused("[{'loc': ('body', 'seed'), 'msg': 'Extra inputs are not permitted'}]", status=422), "seed", {}),
        (refused("Unrecognized request argument supplied: reasoning_effort"), "reasoning_effort", {}),
    ],
    ids=["max_tokens", "temperature", "seed", "reasoning_effort"],
)
def test_a_part_that_is_refused_is_left_out_from_then_on(fault, part, instead):
    request = Chat(MESSAGES, max_tokens=50, seed=1)
    with ScriptedEndpoint(lambda asked: fault if part in asked else "a") as endpoint:
        model = model_at(endpoint, reasoning_effort="low", reasoning_tokens=0)
        assert [model.answer(request, 5).usage.calls for _ in range(2)] == [2, 1]
    before, *later = (request.body for request in endpoint.requests)
    for body in later:
        assert body == {name: value for name, value in before.items() if name != part} | instead


def test_a_template_without_a_system_role_gets_all_from_the_user():
    def gemma(asked):
        roles = [message["role"] for message in asked["messages"]]
        return refused("System role not supported") if "system" in roles else "a"

    with ScriptedEndpoint(gemma) as endpoint:
        assert model_at(endpoint).answer(PLAIN, 5).usage.calls == 2
    assert endpoint.requests[-1].body["messages"] == [{"role": "user", "content": "You rank.\n\nWhich?"}]


def test_many_first_calls_at_once_find_out_the_same():
    with ScriptedEndpoint(llama_cpp, delay_s=0.05) as endpoint:
        model = model_at(endpoint)
        with ThreadPoolExecutor(16) as pool:
            replies = list(pool.map(lambda _: model.answer(STRUCTURED, 10), range(16)))
        first_wave = len(endpoint.requests)
        assert model.answer(STRUCTURED, 5).usage.calls == 1
    assert {reply.text for reply in replies} == {ANSWER}
    assert first_wave == sum(reply.usage.calls for reply in replies) <= 32


# Thinking


def test_thinking_is_no_part_of_the_answer():
    with ScriptedEndpoint(["<think>\n[1]? no\n</think>\n\n[2] > [1]"]) as endpoint:
        assert model_at(endpoint).answer(PLAIN, 5).text == "[2] > [1]"


@pytest.mark.parametrize(
    "lost",
    [
        chat_completion("<think>so many words", finish_reason="length"),
        chat_completion("", finish_reason="length", message={"reasoning_content": "so many words"}),
        chat_completion(
            None,
            finish_reason="length",
            usage={
                "prompt_tokens": 7,
                "completion_tokens": 50,
                "completion_tokens_details": {"reasoning_tokens": 50},
            },
        ),
        refused("Could not finish the message because max_tokens or model output limit was reached."),
    ],
    ids=["tags", "field", "usage", "refusal"],
)
def test_an_answer_lost_in_thought_is_asked_for_again_with_room(lost):
    with ScriptedEndpoint(lambda asked: lost if asked["max_tokens"] < 100 else "[2]") as endpoint:
        model = model_at(endpoint, reasoning_tokens=1000)
        first, second = (model.answer(PLAIN, 5) for _ in range(2))
    assert [request.body["max_tokens"] for request in endpoint.requests] == [50, 1050, 1050]
    assert (first.text, first.usage.calls, second.usage.calls) == ("[2]", 2, 1)
    if isinstance(lost, dict):
        assert first.usage.completion_tokens == lost["usage"]["completion_tokens"]


def test_room_for_thinking_from_the_start_where_an_effort_is_set():
    with ScriptedEndpoint(["a"]) as endpoint:
        model_at(endpoint, reasoning_effort="high", reasoning_tokens=1000).answer(PLAIN, 5)
    assert endpoint.requests[0].body["max_tokens"] == 1050 and endpoint.requests[0].body["reasoning_effort"] == "high"


# What comes back


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        (ANSWER, {"ranking": [2, 1]}),
        (f"```json\n{ANSWER}\n```", {"ranking": [2, 1]}),
        (f"{ANSWER}\n```", {"ranking": [2, 1]}),
        ("<think>{}</think>[2, 1]", [2, 1]),
        (f"Sure: {ANSWER}", None),
        (f"{ANSWER} as you asked", None),
        ("[" * 100_000, None),
        ("", None),
    ],
)
def test_an_answer_that_is_json_is_given_as_data(text, parsed):
    with ScriptedEndpoint([text]) as endpoint:
        assert model_at(endpoint).answer(STRUCTURED, 5).parsed == parsed
        assert model_at(endpoint).answer(PLAIN, 5).parsed is None


@pytest.mark.parametrize(
    ("body", "text", "truncated"),
    [
        (chat_completion("[1] >", finish_reason="length"), "[1] >", True),
        (chat_completion(None), "", False),
        (chat_completion("I can't.", message={"refusal": "I can't."}), "", False),
        (chat_completion("half an ans", finish_reason="content_filter"), "", False),
        (
            chat_completion(
                None, message={"content": [{"type": "thinking", "thinking": "?"}, {"type": "text", "text": "[1]"}]}
            ),
            "[1]",
            False,
        ),
        (chat_completion("a \ud800 b"), "a \ufffd b", False),
        ({"choices": [{"message": {"content": "[1]"}}]}, "[1]", False),
        ({"choices": [{"message": {"content": "[1]"}}], "usage": None}, "[1]", False),
    ],
    ids=["length", "none", "refusal", "filter", "parts", "surrogate", "no usage", "null usage"],
)
def test_odd_replies(body, text, truncated):
    with ScriptedEndpoint([body]) as endpoint:
        reply = model_at(endpoint).answer(PLAIN, 5)
    assert (reply.text, reply.truncated, reply.usage.calls) == (text, truncated, 1)
    declined = "refusal" in json.dumps(body) or "content_filter" in json.dumps(body)
    assert [note.kind for note in reply.notes] == (["info"] if declined else [])


def test_usage_with_cached_tokens():
    usage = {"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 64}}
    with ScriptedEndpoint([chat_completion("a", usage=usage)]) as endpoint:
        found = model_at(endpoint).answer(PLAIN, 5).usage
    assert (found.prompt_tokens, found.completion_tokens, found.cached_tokens) == (100, 7, 64)


@pytest.mark.parametrize(
    "answer", [Fault("html"), Fault("wrong-json"), {"choices": []}, {"choices": [None]}, {"choices": "[1]"}]
)
def test_what_is_no_completion_is_a_bad_reply(answer):
    with ScriptedEndpoint([answer]) as endpoint, pytest.raises(BadReply, match="base_url"):
        model_at(endpoint).answer(PLAIN, 5)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "Rate limited", "code": 429}, "Transient"),
        ({"message": "No endpoints found", "code": 404}, "Refused"),
        ({"type": "exceed_context_size_error", "code": 500, "n_prompt_tokens": 1407, "n_ctx": 256}, "PromptTooLong"),
        ("something", "Refused"),
    ],
)
def test_an_error_that_comes_with_status_200(error, kind):
    with ScriptedEndpoint([{"error": error}]) as endpoint, pytest.raises(Exception) as caught:
        model_at(endpoint).answer(PLAIN, 5)
    read = classify(caught.value)
    assert type(read).__name__ == kind
    if isinstance(read, PromptTooLong):
        assert (read.limit, read.needed) == (256, 1407)


# Labels


def test_labels_are_read_from_the_first_token():
    body = chat_completion("A", logprobs={"A": -1.0, " A": -2.0, "B": -3.0, "▁D": -4.0, "The": -0.5})
    with ScriptedEndpoint([body]) as endpoint:
        chosen = model_at(endpoint).answer(Choose(MESSAGES, ("A", "B", "C", "D")), 5)
    assert chosen.logprobs == pytest.approx({"A": -0.6867, "B": -3.0, "D": -4.0}, abs=1e-4)
    asked = endpoint.requests[0].body
    assert (asked["max_tokens"], asked["logprobs"], asked["top_logprobs"]) == (1, True, 20)


def test_an_endpoint_that_lists_fewer_tokens():
    def five(asked):
        over = asked["top_logprobs"] > 5
        return refused("top_logprobs must be at most 5") if over else chat_completion("A", logprobs={"A": -1.0})

    with ScriptedEndpoint(five) as endpoint:
        assert model_at(endpoint).answer(Choose(MESSAGES, ("A",)), 5).logprobs == {"A": -1.0}


@pytest.mark.parametrize(
    "answer",
    [
        "A",
        refused("You are not allowed to request logprobs from this model", status=403),
        refused("logprobs are not supported by this backend"),
    ],
)
def test_an_endpoint_without_log_probabilities_is_asked_for_them_once(answer):
    with ScriptedEndpoint([answer, "text"]) as endpoint:
        model = model_at(endpoint)
        for _ in range(3):
            with pytest.raises(Refused, match="log-probabilities") as caught:
                model.answer(Choose(MESSAGES, ("A",)), 5)
            assert caught.value.status == 400, "it says nothing about the key, and chat requests go on"
        assert model.answer(PLAIN, 5).text == "text"
    assert len(endpoint.requests) == 2


# Prompts that are too long


def long_prompt(*lengths: int, may_cut: bool = True) -> Chat:
    prompt = Prompt.of("Question: why? ", *(Document("x" * length) for length in lengths), " Answer:")
    return Chat([{"role": "user", "content": prompt}], max_tokens=20, may_cut=may_cut)


def of_context(limit: int, *, counts_answer: bool = True, says: bool = True):
    """A server where a character is a token."""

    def answer(asked):
        prompt = sum(len(message["content"]) for message in asked["messages"])
        needed = prompt + (asked["max_tokens"] if counts_answer else 0)
        if needed <= limit:
            return "[1]"
        said = f"This model's maximum context length is {limit} tokens. However, you requested {needed} tokens."
        return refused(said if says else "Your input exceeds the context window of this model.")

    return answer


@pytest.mark.parametrize("counts_answer", [True, False])
def test_documents_are_shortened_to_fit(counts_answer):
    with ScriptedEndpoint(of_context(500, counts_answer=counts_answer)) as endpoint:
        reply = model_at(endpoint).answer(long_prompt(30, 900, 600), 5)
    sent = endpoint.requests[-1].body["messages"][0]["content"]
    assert reply.text == "[1]" and reply.usage.calls == 2
    assert [note.kind for note in reply.notes] == ["cut"] and "500" in reply.notes[0].message
    assert sent.startswith("Question: why? " + "x" * 30) and sent.endswith(" Answer:")
    assert 350 < len(sent) <= 480, "room for the answer is left, and not much is wasted"


def test_documents_are_shortened_where_nobody_says_by_how_much():
    with ScriptedEndpoint(of_context(500, says=False)) as endpoint:
        reply = model_at(endpoint).answer(long_prompt(900, 600), 5)
    assert reply.text == "[1]" and reply.usage.calls == 3 and len(reply.notes) == 1


@pytest.mark.parametrize(
    "request_",
    [long_prompt(900, may_cut=False), Chat([{"role": "user", "content": "x" * 900}]), long_prompt(*[8] * 90)],
)
def test_what_cannot_be_shortened_is_too_long(request_):
    with ScriptedEndpoint(of_context(500)) as endpoint, pytest.raises(openai.BadRequestError) as caught:
        model_at(endpoint).answer(request_, 5)
    error = classify(caught.value)
    assert isinstance(error, PromptTooLong) and error.limit == 500
    assert len(endpoint.requests) == 1


def test_shortening_is_given_up_after_a_few_tries():
    with ScriptedEndpoint([refused("context length exceeded")]) as endpoint, pytest.raises(openai.BadRequestError):
        model_at(endpoint).answer(long_prompt(100_000), 5)
    assert len(endpoint.requests) == 4


def test_labels_are_chosen_from_shortened_documents_too():
    def answer(asked):
        fits = len(asked["messages"][0]["content"]) <= 400
        return chat_completion("A", logprobs={"A": -1.0}) if fits else refused("maximum context length is 400 tokens")

    request = Choose(long_prompt(600).messages, ("A",))
    with ScriptedEndpoint(answer) as endpoint:
        reply = model_at(endpoint).answer(request, 5)
    assert reply.logprobs == {"A": -1.0} and [note.kind for note in reply.notes] == ["cut"]


def test_a_schema_and_a_long_prompt_are_found_out_together():
    def llama(asked):
        return LLAMA_CPP_500 if form_of(asked) == "json_schema" else of_context(500)(asked)

    request = Chat(long_prompt(900).messages, schema=SCHEMA, max_tokens=20)
    with ScriptedEndpoint(llama) as endpoint:
        reply = model_at(endpoint).answer(request, 5)
    assert [form_of(request.body) for request in endpoint.requests] == ["json_schema", "json_object", "json_object"]
    assert reply.usage.calls == 3


# Time


@pytest.mark.parametrize("kind", ["hang", "drip"])
async def test_the_timeout_holds_against_a_server_that_does_not_end(kind):
    with ScriptedEndpoint(["a", "a", Fault(kind, pause_s=0.01)]) as endpoint:
        model = model_at(endpoint)
        model.answer(PLAIN, 5)
        await model.aanswer(PLAIN, 5)
        for answer in (lambda: asyncio.to_thread(model.answer, PLAIN, 0.4), lambda: model.aanswer(PLAIN, 0.4)):
            started = time.monotonic()
            with pytest.raises(Exception) as caught:
                await answer()
            assert 0.35 < time.monotonic() - started < 0.55
            assert isinstance(classify(caught.value), CallTimeout)


def test_without_a_timeout_it_waits():
    with ScriptedEndpoint(["a"], delay_s=0.3) as endpoint:
        assert model_at(endpoint).answer(PLAIN, None).text == "a"


async def test_all_requests_for_an_answer_share_its_time():
    with ScriptedEndpoint(llama_cpp) as endpoint:
        model = model_at(endpoint)
        await model.aanswer(PLAIN, 5)
        endpoint.delay_s, started = 0.3, time.monotonic()
        with pytest.raises(TimeoutError):
            await model.aanswer(STRUCTURED, 0.45)
    assert 0.4 < time.monotonic() - started < 0.6 and len(endpoint.requests) == 3


# Sync and async


async def test_async_answers_as_sync_does():
    with ScriptedEndpoint(llama_cpp) as endpoint:
        sync = await asyncio.to_thread(model_at(endpoint).answer, STRUCTURED, 5)
        assert await model_at(endpoint).aanswer(STRUCTURED, 5) == sync
        half = len(endpoint.requests) // 2
        assert [r.body for r in endpoint.requests[:half]] == [r.body for r in endpoint.requests[half:]]


def test_threads_and_loops_on_one_instance():
    with ScriptedEndpoint(["a"], delay_s=0.02) as endpoint:
        model = model_at(endpoint)
        found = []

        async def ask():
            found.extend(await asyncio.gather(*(model.aanswer(PLAIN, 10) for _ in range(10))))

        workers = [threading.Thread(target=lambda: asyncio.run(ask())) for _ in range(4)]
        workers += [threading.Thread(target=lambda: found.append(model.answer(PLAIN, 10))) for _ in range(10)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert [reply.text for reply in found] == ["a"] * 50


def test_closed_loops_are_let_go():
    loops = []
    with ScriptedEndpoint(["a"]) as endpoint:
        model = model_at(endpoint)

        async def ask():
            loops.append(weakref.ref(asyncio.get_running_loop()))
            await model.aanswer(PLAIN, 5)

        for _ in range(3):
            asyncio.run(ask())
        abandoned = asyncio.new_event_loop()  # closed without its clean-up, as some frameworks do
        abandoned.run_until_complete(ask())
        abandoned.close()
        del abandoned
        asyncio.run(ask())
        gc.collect()
        assert [loop() for loop in loops] == [None] * 5


# Clients of the user's own


async def test_a_client_of_the_users_own_serves_both():
    with ScriptedEndpoint(["a"], delay_s=0.1) as endpoint:
        client = openai.OpenAI(api_key=KEY, base_url=endpoint.base_url, default_headers={"X-Mine": "1"}, max_retries=5)
        model = OpenAIChat("m", client=client)
        assert model.answer(PLAIN, 5).text == "a"
        started = time.monotonic()
        await asyncio.gather(*(model.aanswer(PLAIN, 5) for _ in range(20)))
        assert time.monotonic() - started < 1.0, "the calls run at once"
        assert {request.headers["x-mine"] for request in endpoint.requests} == {"1"}
        assert model.identity == f"OpenAIChat('m', base_url='{endpoint.base_url}', temperature=0.0)"
        client.close()


async def test_an_async_client_alone_serves_async_alone():
    with ScriptedEndpoint(["a"]) as endpoint:
        async with openai.AsyncOpenAI(api_key=KEY, base_url=endpoint.base_url) as client:
            model = OpenAIChat("m", async_client=client)
            assert (await model.aanswer(PLAIN, 5)).text == "a"
            with pytest.raises(InvalidInput, match="client="):
                model.answer(PLAIN, 5)


async def test_the_sdk_does_not_retry():
    with ScriptedEndpoint([refused("busy", status=503)]) as endpoint:
        async with openai.AsyncOpenAI(api_key=KEY, base_url=endpoint.base_url, max_retries=5) as client:
            for model in (model_at(endpoint), OpenAIChat("m", async_client=client)):
                with pytest.raises(openai.InternalServerError):
                    await model.aanswer(PLAIN, 5)
    assert len(endpoint.requests) == 2


def test_azure_gets_its_own_path_and_words():
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=chat_completion("a"))

    client = openai.AzureOpenAI(
        api_key=KEY,
        azure_endpoint="https://mine.openai.azure.com",
        api_version="2024-10-21",
        http_client=httpx.Client(transport=httpx.MockTransport(answer)),
    )
    OpenAIChat("gpt", client=client).answer(PLAIN, 5)
    assert asked[0].url.path == "/openai/deployments/gpt/chat/completions"
    assert "max_completion_tokens" in json.loads(asked[0].content)


# Keys and names


def test_no_key_is_shown():
    model = OpenAIChat(
        "m", "http://user:pass@localhost:1/v1/?token=t", KEY, headers={"X-Key": KEY}, extra_body={"k": KEY}
    )
    assert model.identity == repr(model)
    assert repr(model).startswith("OpenAIChat('m', base_url='http://localhost:1/v1', temperature=0.0, extra_body='")
    assert not any(secret in repr(model) for secret in (KEY, "pass", "token"))


def test_what_decides_the_reply_is_in_the_identity():
    made = [{}, {"temperature": None}, {"reasoning_effort": "low"}, {"extra_body": {"a": 1}}, {"extra_body": {"a": 2}}]
    assert len({OpenAIChat("m", "http://localhost:1/v1", **options).identity for options in made}) == len(made)


def test_openai_needs_a_key_and_others_do_not(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(InvalidInput, match="OPENAI_API_KEY"):
        OpenAIChat("m")
    with ScriptedEndpoint(["a"]) as endpoint:
        assert OpenAIChat("m", endpoint.base_url).answer(PLAIN, 5).text == "a"
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        assert OpenAIChat("m").answer(PLAIN, 5).text == "a"
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert "api.openai.com" in OpenAIChat("m").identity


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"model": ""}, "model"),
        ({"base_url": "localhost:11434/v1"}, "base_url"),
        ({"temperature": -1}, "temperature"),
        ({"reasoning_tokens": 0.5}, "reasoning_tokens"),
        ({"client": openai.OpenAI(api_key=KEY)}, "client"),
    ],
)
def test_arguments_that_break_a_rule(arguments, named):
    with pytest.raises(InvalidInput, match=named) as caught:
        OpenAIChat(**{"model": "m", "base_url": "http://localhost:1/v1", "api_key": KEY} | arguments)
    assert KEY not in str(caught.value)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtra, match=r"rerank-plugins\[openai\]"):
        OpenAIChat("m", "http://localhost:1/v1")


def test_it_is_a_backend_of_calls():
    assert isinstance(OpenAIChat("m", "http://localhost:1/v1"), CallBackend)
