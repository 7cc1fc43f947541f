from __future__ import annotations

import asyncio
import email.utils
import socket
import ssl
import time

import httpx
import openai
import pytest

from rerank_plugins.errors import (
    BadReply,
    CallTimeout,
    InvalidInput,
    PromptTooLong,
    Refused,
    RerankError,
    Transient,
    classify,
)
from rerank_plugins.testing.endpoint import Fault, ScriptedEndpoint

KEY = "sk-secret-123"
DOCUMENT = "the text of a document"


def failure(fault: Fault, timeout: float = 5.0) -> BaseException:
    """The exception that the real SDK raises on a fault."""
    with ScriptedEndpoint([fault]) as endpoint:
        client = openai.OpenAI(api_key=KEY, base_url=endpoint.base_url, max_retries=0, timeout=timeout)
        with client, pytest.raises(Exception) as caught:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": DOCUMENT}])
    return caught.value


def refusal(status: int, error: object, headers: dict[str, str] | None = None) -> BaseException:
    return failure(Fault("status", status, headers or {}, error))


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 529])
def test_a_status_that_may_pass_is_worth_another_try(status):
    error = classify(refusal(status, {"message": "busy"}))
    assert type(error) is Transient and error.retryable and str(status) in str(error)


@pytest.mark.parametrize(
    ("status", "advice"), [(400, "not accepted"), (401, "api_key"), (403, "filter"), (404, "base_url")]
)
def test_a_refusal_says_what_to_check(status, advice):
    error = classify(
        refusal(status, {"message": f"{KEY} {DOCUMENT}", "code": "some_code", "param": "model"}), "Chat(m)"
    )
    assert type(error) is Refused and not error.retryable
    assert (error.status, error.param) == (status, "model")
    assert advice in str(error) and "some_code" in str(error) and str(error).startswith("Chat(m) answered")
    assert KEY not in str(error) and DOCUMENT not in str(error)


def test_a_code_that_is_no_identifier_is_not_shown():
    assert DOCUMENT not in str(classify(refusal(400, {"message": "no", "code": DOCUMENT})))


def test_no_waiting_mends_an_empty_account():
    error = classify(refusal(429, {"message": "You exceeded your quota", "code": "insufficient_quota"}))
    assert type(error) is Refused and error.status == 429


OF_EVERY_CALL = [
    (401, {"message": "Incorrect API key provided: sk-abc", "code": "invalid_api_key"}),
    (401, {"message": "no"}),
    (402, {"message": "Insufficient Balance"}),
    (429, {"message": "You exceeded your current quota, please check your plan.", "code": "insufficient_quota"}),
    (400, {"message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT"}),
    (400, {"message": "Your credit balance is too low to access the API.", "type": "invalid_request_error"}),
    (403, {"message": "Invalid API Key"}),
    (403, {"message": "Project `p` does not have access to model `m`", "code": "model_not_found"}),
    (404, {"message": "The model `m` does not exist or you do not have access to it.", "code": "model_not_found"}),
    (404, {"message": "model 'm' not found, try pulling it first"}),
    (400, {"message": "Unknown model: m"}),
]  # fmt: skip
OF_ONE_REQUEST = [
    (400, {"message": "The response was filtered", "code": "content_filter"}),
    (400, {"message": "'temperature' is not supported with this model.", "param": "temperature"}),
    (403, {"message": "Input blocked by our safety policy"}),
    (403, "<html>Request blocked by the firewall</html>"),
    (404, {"message": "Not Found"}),
    (422, {"message": "Field required"}),
    (451, {"message": "unavailable"}),
]


@pytest.mark.parametrize(("status", "error"), OF_EVERY_CALL)
def test_what_would_be_refused_every_time(status, error):
    read = classify(refusal(status, error))
    assert type(read) is Refused and (read.scope, read.status) == ("backend", status)


@pytest.mark.parametrize(("status", "error"), OF_ONE_REQUEST)
def test_what_costs_one_request_alone(status, error):
    read = classify(refusal(status, error))
    assert type(read) is Refused and (read.scope, read.status) == ("request", status)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({"message": "Rate limit reached for m. Please try again in 12s."}, 12.0),
        ({"message": "Rate limit reached. Please try again in 1m26.4s."}, 86.4),
        ({"message": "Please try again in 250ms."}, 0.25),
        ({"message": "Please retry after 20 seconds."}, 20.0),
        ({"message": "busy", "retry_after": 3}, 3.0),
        ({"message": "busy", "details": [{"@type": "RetryInfo", "retryDelay": "41s"}]}, 41.0),
        ({"message": "Try again in 2s, or wait 7 seconds."}, 7.0),
        ({"message": "Limit 10000, Used 9000."}, None),
        ({"message": "Please try again later."}, None),
    ],
)
def test_the_wait_in_a_body_or_a_sentence(said, seconds):
    assert classify(refusal(429, said)).retry_after == (seconds if seconds is None else pytest.approx(seconds))


class Framework(Exception):
    """What a framework raises around a provider's exception."""


def test_an_exception_inside_of_another_is_read():
    inner = refusal(429, {"message": "Please try again in 12s."})
    by_cause, by_argument, by_field = Framework("wrapped"), Framework("wrapped", inner), Framework("wrapped")
    by_cause.__cause__, by_field.original_error = inner, inner
    circle = Framework("round")
    circle.__context__ = by_cause
    inner.__context__ = circle
    for error in (by_cause, by_argument, by_field, circle):
        read = classify(error)
        assert type(read) is Transient and read.retry_after == 12.0


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "could not be resolved"),
        (ConnectionRefusedError(111, "Connection refused"), "nothing answers"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "could not be secured"),
        (ConnectionResetError(104, "reset"), "broke off"),
        (httpx.ConnectError("[Errno -2] Name or service not known"), "could not be resolved"),
        (httpx.ConnectError("All connection attempts failed"), "nothing answers"),
        (httpx.ConnectError("[SSL: WRONG_VERSION_NUMBER] wrong version number"), "could not be secured"),
        (httpx.RemoteProtocolError("peer closed connection"), "broke off"),
    ],
)
def test_five_causes_five_sentences(error, words):
    carried = Framework("no")
    carried.__cause__ = error
    for given in (error, carried):
        read = classify(given, "Chat(m)")
        assert type(read) is Transient and words in str(read)


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()])
def test_what_is_no_exception_is_read_as_well(error):
    assert type(classify(error)) is BadReply


class Sdk(Exception):
    """An exception with the fields that some SDK gives its own."""

    def __init__(self, words: object = "no", **fields: object) -> None:
        super().__init__(words)
        vars(self).update(fields)


class Response:
    def __init__(self, status: int, text: str = "", headers: dict[str, str] | None = None) -> None:
        self.status_code, self.text, self.headers = status, text, headers or {}


def google(status: int, message: str, *details: dict[str, object], word: str = "INVALID_ARGUMENT") -> Sdk:
    body = {"error": {"code": status, "message": message, "status": word, "details": list(details)}}
    return Sdk(f"{status} {word}. {body}", code=status, status=word, details=body)


def aws(status: int, code: str, message: str) -> Sdk:
    said = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return Sdk(f"An error occurred ({code}) when calling the Converse operation: {message}", response=said)


ANTHROPIC_CREDIT = {"type": "error", "error": {"type": "invalid_request_error", "message":
                    "Your credit balance is too low to access the Anthropic API."}}  # fmt: skip
DAILY = {"@type": "type.googleapis.com/google.rpc.QuotaFailure",
         "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}  # fmt: skip
SOON = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.07s"}
QUOTA = "You exceeded your current quota, please check your plan and billing details."

EVERY, ONE = "backend", "request"


def http(status: int, body: object = None, **fields: object) -> Sdk:
    return Sdk(status_code=status, body=body, **fields)


# What an SDK raises, and what it costs: one request, every call of the backend, or another try after so many seconds.
PROVIDERS = [
    ("anthropic, no credit", http(400, body=ANTHROPIC_CREDIT), EVERY),
    ("anthropic, key", http(401, body={"error": {"type": "authentication_error", "message": "x"}}), EVERY),
    ("anthropic, overloaded", http(529, body={"error": {"type": "overloaded_error", "message": "x"}}), None),
    ("azure, deployment", http(404, body={"code": "DeploymentNotFound", "message": "Not there."}), EVERY),
    ("azure, filter", http(400, body={"code": "content_filter", "message": "The response was filtered",
                          "innererror": {"code": "ResponsibleAIPolicyViolation"}}), ONE),
    ("azure, wait", http(429, body={"message": "Please retry after 26 seconds."}), 26.0),
    ("gemini, key", google(400, "API key not valid.", {"reason": "API_KEY_INVALID"}), EVERY),
    ("gemini, place", google(400, "User location is not supported.", word="FAILED_PRECONDITION"), EVERY),
    ("gemini, disabled", google(403, "It is disabled.", {"reason": "SERVICE_DISABLED"}), EVERY),
    ("gemini, model", google(404, "models/x is not found for API v1beta", word="NOT_FOUND"), EVERY),
    ("gemini, a minute", google(429, QUOTA, SOON, word="RESOURCE_EXHAUSTED"), 34.07),
    ("gemini, a day", google(429, QUOTA, DAILY, SOON, word="RESOURCE_EXHAUSTED"), EVERY),
    ("bedrock, throttled", aws(429, "ThrottlingException", "Too many requests, please wait before trying."), None),
    ("bedrock, key", aws(403, "UnrecognizedClientException", "The security token is invalid."), EVERY),
    ("bedrock, model", aws(400, "ValidationException", "The provided model identifier is invalid."), EVERY),
    ("bedrock, input", aws(400, "ValidationException", "messages.0: text field is required"), ONE),
    ("mistral, model", http(400, body='{"message": "Invalid model: x", "type": "invalid_model"}'), EVERY),
    ("mistral, raw", Sdk(response=Response(401, '{"detail": "Unauthorized"}')), EVERY),
    ("groq, schema", http(400, body={"error": {"code": "json_validate_failed", "message": "Failed to "
                         "generate JSON.", "failed_generation": "[2]"}}), ONE),
    ("groq, wait", http(429, body={"message": "Please try again in 1m26.4s. Visit billing to upgrade."}), 86.4),
    ("openrouter, credit", http(402, body={"code": 402, "message": "Insufficient credits"}), EVERY),
    ("openrouter, moderation", http(403, body={"code": 403, "message": "Your input was flagged"}), ONE),
    ("openrouter, provider", http(429, body={"code": 429, "message": "Provider returned error", "metadata":
                             {"raw": "x is rate-limited. Please retry in 250ms"}}), 0.25),
    ("together, key", http(401, body={"message": "Invalid API key provided", "code": "invalid_api_key"}), EVERY),
    ("deepseek, credit", http(402, body={"message": "Insufficient Balance"}), EVERY),
    ("moonshot, credit", http(429, body={"type": "exceeded_current_quota_error", "message": "x"}), EVERY),
    ("dashscope, credit", http(400, body={"code": "Arrearage", "message": "Access denied."}), EVERY),
    ("dashscope, filter", http(400, body={"code": "data_inspection_failed", "message": "x"}), ONE),
    ("xai, credit", http(403, body={"error": "Your newly created team doesn't have any credits yet."}), EVERY),
    ("cohere, month", http(429, body={"message": "You are using a Trial key, which is limited to 1000 API "
                          "calls / month."}), EVERY),
    ("cohere, minute", http(429, body={"message": "You are using a Trial key, which is limited to 10 API "
                           "calls / minute."}), None),
    ("vllm, model", http(404, body={"object": "error", "message": "The model `x` does not exist.",
                        "type": "NotFoundError", "code": 404}), EVERY),
    ("vllm, echo", http(400, body={"message": "[{'type': 'string_type', 'loc': ['messages', 0], 'input': '"
                       + "x" * 400 + " check your billing: invalid api key, model not found'}]"}), ONE),
    ("tgi, generation", http(424, body={"error": "Request failed", "error_type": "generation"}), None),
    ("hugging face, loading", http(503, body={"error": "x is loading", "estimated_time": 20.0}), 20.0),
    ("ollama, model", http(404, error="model 'x' not found"), EVERY),
    ("llama.cpp, loading", http(503, body={"code": 503, "message": "Loading model"}), None),
    ("lm studio, model", http(400, body={"error": "No models loaded. Please load a model first."}), EVERY),
    ("litellm, budget", http(400, body={"message": "Budget has been exceeded! Current cost: 1",
                            "type": "budget_exceeded", "code": "400"}), EVERY),
    ("litellm, key's models", http(403, body={"type": "key_model_access_denied", "message": "x"}), EVERY),
    ("langchain, error in a reply", ValueError({"message": "Rate limit", "code": 429, "retry_after": 3}), 3.0),
    ("langchain, in words", ValueError("Error code: 401 - {'error': {'code': 'invalid_api_key'}}"),
     EVERY),
    ("a gateway's page", http(404, body="<html>nothing here</html>"), ONE),
    ("no status, a word", Sdk(body={"error": {"type": "overloaded_error", "message": "x"}}), None),
    ("milliseconds", http(429, body={"message": "x", "retry_after_ms": 1500}), 1.5),
    ("a date", http(429, headers={"anthropic-ratelimit-tokens-reset": "1999-01-01T00:00:00Z"}), 0.0),
    ("nonsense", http(429, body={"retry_after": float("nan"), "message": "retry after -3 s"}), None),
    ("endless", http(429, body={"retry_after": float("inf")}, headers={"Retry-After": "2"}), 2.0),
    ("boto, no key", type("NoCredentialsError", (Exception,), {})("Unable to locate credentials"), EVERY),
]  # fmt: skip


@pytest.mark.parametrize(("error", "costs"), [pytest.param(error, costs, id=name) for name, error, costs in PROVIDERS])
def test_what_a_failure_costs(error, costs):
    for given in (error, Framework(error)):
        read = classify(given, "Chat(m)")
        if isinstance(costs, str):
            assert type(read) is Refused and read.scope == costs, repr(read)
        else:
            assert type(read) is Transient, repr(read)
            assert read.retry_after == (costs if costs is None else pytest.approx(costs))


class Hostile(Exception):
    """An exception of which nothing can be read."""

    @property
    def response(self) -> object:
        raise RuntimeError("not yet")

    body = status_code = property(lambda self: 1 / 0)

    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize("error", [Hostile(), SystemExit(401), BaseExceptionGroup("b", [SystemExit(429)])])
def test_reading_an_error_raises_none(error):
    assert type(classify(error)) is BadReply


def test_our_own_error_inside_of_a_frameworks_is_it():
    own = Refused("no", 401)
    assert classify(Framework("wrapped", own)) is own
    assert classify(ExceptionGroup("several", [Framework("wrapped", own)])) is own


def test_the_context_that_was_hidden_is_not_read():
    try:
        try:
            raise Sdk(status_code=401)
        except Sdk:
            raise Framework("its own fault") from None
    except Framework as error:
        assert type(classify(error)) is BadReply


def test_to_connect_and_to_answer_take_too_long_in_different_words():
    by_kind = {
        kind: str(classify(kind("slow"), "Chat(m)"))
        for kind in (httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ReadTimeout)
    }
    assert len(set(by_kind.values())) == 3
    wrapped = openai.APITimeoutError(httpx.Request("POST", "http://a"))
    wrapped.__cause__ = httpx.ConnectTimeout("slow")
    assert type(classify(wrapped)) is CallTimeout and "connected" in str(classify(wrapped))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "Retry-After": "1"}, 1.0),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-reset-tokens": "120ms"}, 360.0),
        (
            {
                "x-ratelimit-reset-requests": "24h",
                "x-ratelimit-remaining-requests": "17",
                "x-ratelimit-reset-tokens": "7.66s",
                "x-ratelimit-remaining-tokens": "0",
            },
            7.66,
        ),
        ({"Retry-After": "2", "ratelimit-reset": "9"}, 9.0),
        ({"retry-after-ms": "0"}, 0.0),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({}, None),
    ],
)
def test_the_wait_that_the_server_asks_for(headers, seconds):
    assert classify(refusal(429, {"message": "slow down"}, headers)).retry_after == seconds


def test_the_wait_as_a_date():
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    assert classify(refusal(503, {"message": "busy"}, {"Retry-After": date})).retry_after == pytest.approx(30, abs=2)


def test_lost_connections_and_timeouts():
    assert type(classify(failure(Fault("reset")))) is Transient
    assert type(classify(failure(Fault("truncated")))) is Transient
    assert type(classify(failure(Fault("hang"), timeout=0.1))) is CallTimeout
    closed = openai.OpenAI(api_key=KEY, base_url="http://127.0.0.1:9/v1", max_retries=0)
    with closed, pytest.raises(openai.APIConnectionError) as caught:
        closed.models.list()
    assert type(classify(caught.value)) is Transient


def test_a_page_with_an_error_status_counts_by_its_status():
    assert type(classify(failure(Fault("html", 502)))) is Transient
    assert classify(failure(Fault("html", 404))).status == 404


def test_what_nobody_knows_is_no_answer_and_keeps_its_secret():
    error = classify(RuntimeError(KEY), "Chat(m)")
    assert type(error) is BadReply and str(error) == "Chat(m) failed with RuntimeError."


def test_our_own_errors_keep_their_sentence():
    error = Transient("as it was", 3.0)
    assert classify(error) is error
    assert str(classify(InvalidInput("A rule."))) == "A rule."
    assert issubclass(PromptTooLong, RerankError)


TOO_LONG = [
    # OpenAI
    (400, {"message": "This model's maximum context length is 128000 tokens. However, your messages resulted in "
                      "204308 tokens. Please reduce the length of the messages.",
           "code": "context_length_exceeded", "param": "messages"}, 128000, 204308),
    (400, {"message": "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300123 "
                      "tokens.", "code": "context_length_exceeded"}, 272000, 300123),
    (400, {"message": "Your input exceeds the context window of this model.", "code": "context_length_exceeded"},
     None, None),
    (400, {"message": "Requested 350000 tokens, max 300000 tokens per request"}, 300000, 350000),
    (429, {"message": "Request too large for gpt-x on tokens per min (TPM): Limit 10000, Requested 12000.",
           "code": "rate_limit_exceeded"}, 10000, 12000),
    # OpenAI's older form, vLLM, llama-cpp-python
    (400, {"message": "This model's maximum context length is 2048 tokens. However, you requested 3071 tokens (3031 "
                      "in the messages, 40 in the completion). Please reduce the length of the messages or "
                      "completion.", "code": "context_length_exceeded", "param": "messages"}, 2048, 3071),
    (500, {"message": "Requested tokens (2285) exceed context window of 2048"}, 2048, 2285),
    # vLLM
    (400, {"message": "'max_tokens' or 'max_completion_tokens' is too large: 500. This model's maximum context length "
                      "is 4096 tokens and your request has 4000 input tokens (500 > 4096 - 4000).",
           "type": "BadRequestError", "code": 400}, 4096, 4500),
    (400, {"message": "The decoder prompt (length 5000) is longer than the maximum model length of 4096."}, 4096, 5000),
    (400, {"message": "Input length (5000) exceeds model's maximum context length (4096)."}, 4096, 5000),
    # llama.cpp
    (400, {"code": 400, "message": "the request exceeds the available context size. try increasing the context size "
                                   "or enable context shift",
           "type": "exceed_context_size_error", "n_prompt_tokens": 14429, "n_ctx": 8192}, 8192, 14429),
    (400, {"code": 400, "message": "request (14429 tokens) exceeds the available context size (8192 tokens), try "
                                   "increasing it", "type": "exceed_context_size_error"}, 8192, 14429),
    # Ollama
    (400, {"message": "the input length exceeds the context length", "type": "api_error"}, None, None),
    (400, {"message": "prompt too long; exceeded max context length by 4 tokens", "type": "api_error"}, None, None),
    # TGI
    (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 1244 `inputs` tokens and "
          "1000 `max_new_tokens`", 2048, 2244),
    (422, "Input validation error: `inputs` must have less than 1024 tokens. Given: 1168", 1024, 1168),
    # SGLang, LM Studio, Mistral, Gemini, Anthropic; a proxy that says nothing
    (400, {"message": "The input (5000 tokens) is longer than the model's context length (4096 tokens)."}, 4096, 5000),
    (400, {"message": "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded "
                      "with context length of only 4096 tokens."}, 4096, 5000),
    (400, {"message": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context "
                      "length"}, 32768, 40000),
    (400, {"message": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."},
     1048576, 1200000),
    (400, {"message": "prompt is too long: 205000 tokens > 200000 maximum"}, 200000, 205000),
    (413, {"message": "Payload Too Large"}, None, None),
]  # fmt: skip


@pytest.mark.parametrize(("status", "error", "limit", "needed"), TOO_LONG)
def test_a_prompt_that_is_too_long_is_known_in_every_dialect(status, error, limit, needed):
    read = classify(refusal(status, error))
    assert isinstance(read, PromptTooLong), repr(read)
    assert (read.limit, read.needed) == (limit, needed)


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Unsupported value: 'temperature' does not support 0 with this model.", "param": "temperature"},
        {"message": "Rate limit reached (TPM): Limit 10000, Used 9000, Requested 2000. Please try again in 6s."},
        {"message": "Invalid schema for response_format"},
    ],
)
def test_other_refusals_are_not_taken_for_it(error):
    assert not isinstance(classify(refusal(429 if "Rate" in error["message"] else 400, error)), PromptTooLong)
