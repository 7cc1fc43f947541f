"""Answers that stand elsewhere than in `content`, ends that are no ends, and errors that come as answers."""

from __future__ import annotations

import pytest

from rerank_plugins.backends import OpenAIChat
from rerank_plugins.backends.finish_reasons import finish_of
from rerank_plugins.backends.openai.reading import Completion, reply_in
from rerank_plugins.errors import PromptTooLong, Refused, Transient, classify
from rerank_plugins.requests import Chat
from rerank_plugins.testing.endpoint import Fault, ScriptedEndpoint

SCHEMA = {"type": "object", "properties": {"ranking": {"type": "array", "items": {"type": "integer"}}}}
ASK = Chat([{"role": "user", "content": "Which?"}], schema=SCHEMA, max_tokens=50)


def completion(message: object, finish: str = "stop", **more: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish}], **more}


def call(arguments: object) -> dict[str, object]:
    return {"content": None, "tool_calls": [{"type": "function", "function": {"name": "a", "arguments": arguments}}]}


RANKING = '{"ranking": [2, 1]}'


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": RANKING}, RANKING),
        ({"content": [{"type": "text", "text": "[2]"}, {"type": "text", "text": " > [1]"}]}, "[2] > [1]"),
        ({"content": [{"type": "output_text", "text": "[2]"}]}, "[2]"),
        ({"content": [{"type": "text", "text": {"value": "[2]"}}]}, "[2]"),
        ({"content": [{"type": "reasoning", "text": "[1]?"}, {"type": "text", "text": "[2]"}]}, "[2]"),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "[1]"}]}, {"text": "[2]"}]}, "[2]"),
        (call(RANKING), RANKING),
        (call({"ranking": [2, 1]}), RANKING),
        ({"content": "", "function_call": {"name": "a", "arguments": RANKING}}, RANKING),
        ({"content": None, "reasoning_content": "1? 2?</think>[2] > [1]"}, "[2] > [1]"),
        ({"content": None, "reasoning_content": RANKING}, RANKING),
        ({"content": None, "reasoning_content": "[1] or [2]?"}, ""),
        ({"content": RANKING, "reasoning": "[1] or [2]?"}, RANKING),
        ({"content": None, "reasoning": {"summary": "odd"}}, ""),
        ("[2]", "[2]"),
    ],
)
def test_an_answer_is_read_where_it_stands(message, text):
    assert Completion(completion(message), "Example").reply(SCHEMA).text == text


@pytest.mark.parametrize("thought", ["[1] or [2]?", "so [1]</think>[2]"])
def test_an_answer_that_is_not_in_its_place_is_named(thought):
    reply = Completion(completion({"content": None, "reasoning_content": thought}), "Example").reply(None)
    (note,) = reply.notes
    assert "th" in note.message and "[1]" not in note.message


@pytest.mark.parametrize(
    "message", [{"content": None, "refusal": "No."}, {"content": [{"type": "refusal", "refusal": "N"}]}]
)
def test_a_refusal_is_no_answer(message):
    reply = Completion(completion(message), "Example").reply(None)
    assert reply.text == "" and "declined" in reply.notes[0].message


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", "stop"),
        ("end_turn", "stop"),
        ("tool_calls", "stop"),
        ("eos_token", "stop"),
        ("COMPLETE", "stop"),
        (None, "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("max_output_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("content_filter", "filter"),
        ("SAFETY", "filter"),
        ("RECITATION", "filter"),
        ("refusal", "filter"),
        ("sensitive", "filter"),
        ("ERROR_TOXIC", "filter"),
        ("guardrail_intervened", "filter"),
        ("insufficient_system_resource", "error"),
        ("error", "error"),
    ],
)
def test_finish_reasons_of_providers(reason, finish):
    assert finish_of(reason) == finish


def test_an_answer_that_the_provider_broke_off_is_cut_off_or_asked_for_again():
    broken = Completion(completion({"content": "[2] > "}, "insufficient_system_resource"), "Example")
    assert broken.reply(None).truncated
    with pytest.raises(Transient, match="broke"):
        Completion(completion({"content": ""}, "error"), "Example").reply(None)


def test_empty_at_the_limit_is_asked_again_with_room_and_counted():
    lost = completion({"content": ""}, "length", usage={"prompt_tokens": 1, "completion_tokens": 50})
    with ScriptedEndpoint([lost, RANKING]) as endpoint:
        reply = OpenAIChat("m", endpoint.base_url, reasoning_tokens=1000).answer(ASK, 5)
    assert reply.text == RANKING and reply.usage.calls == 2 and reply.usage.completion_tokens > 50
    assert [request.body["max_tokens"] for request in endpoint.requests] == [50, 1050]


def test_what_thinks_to_every_limit_is_asked_twice_and_noted():
    lost = completion({"content": "<think>[1]"}, "length")
    with ScriptedEndpoint([lost]) as endpoint:
        model = OpenAIChat("m", endpoint.base_url, reasoning_tokens=1000, reasoning_effort="low")
        reply = model.answer(ASK, 5)
    assert reply.text == "" and any("reasoning_tokens" in note.message for note in reply.notes)
    assert [request.body["max_tokens"] for request in endpoint.requests] == [1050, 2050]


@pytest.mark.parametrize(
    ("body", "kind", "scope"),
    [
        ({"error": {"message": "Rate limit", "code": 429, "retry_after": 3}}, Transient, None),
        ({"error": {"message": "x", "type": "overloaded_error"}}, Transient, None),
        ({"error": "model 'x' not found"}, Refused, "backend"),
        ({"error": {"message": "Invalid API key", "type": "authentication_error"}}, Refused, "backend"),
        ({"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}, Refused, "request"),
        ({"object": "error", "message": "maximum context length is 9 tokens", "code": 400}, PromptTooLong, None),
        ({"choices": [{"error": {"code": 502, "message": "upstream"}, "finish_reason": "error"}]}, Transient, None),
        ({"detail": "Not Found"}, Refused, "request"),
        ({"code": "InvalidApiKey", "message": "Invalid API-key provided."}, Refused, "backend"),
    ],
)
def test_an_error_inside_a_200_is_an_error(body, kind, scope):
    with ScriptedEndpoint([body]) as endpoint, pytest.raises(Exception) as caught:
        OpenAIChat("m", endpoint.base_url).answer(ASK, 5)
    read = classify(caught.value)
    assert type(read) is kind and getattr(read, "scope", None) == (scope or getattr(read, "scope", None))


def test_what_a_model_wrote_is_an_answer_although_the_endpoint_refuses_it():
    fault = Fault("status", 400, error={"message": "Failed to generate JSON.", "code": "json_validate_failed",
                                        "failed_generation": "<think>1?</think>[2] > [1]"})  # fmt: skip
    with ScriptedEndpoint([fault]) as endpoint:
        reply = OpenAIChat("m", endpoint.base_url).answer(ASK, 5)
    assert reply.text == "[2] > [1]" and reply.notes


class LengthFinishReasonError(Exception):
    """As the SDK's: the completion is on the exception."""

    def __init__(self, data: dict[str, object]) -> None:
        super().__init__("Could not parse response content as the length limit was reached")
        self.completion = type("ChatCompletion", (), {"model_dump": lambda self: data})()


class OutputParserException(ValueError):
    llm_output = "<think>1?</think>[2] > [1]"


def test_a_completion_inside_an_exception_is_an_answer():
    cut = LengthFinishReasonError(completion({"content": '{"ranking": [2, 1'}, "length"))
    held = reply_in(cut, SCHEMA, "Example")
    assert held is not None and held.text == '{"ranking": [2, 1' and held.truncated and held.notes
    wrapped = RuntimeError("a framework's")
    wrapped.__cause__ = OutputParserException("no JSON")
    held = reply_in(wrapped, SCHEMA, "Example")
    assert held is not None and held.text == "[2] > [1]"
    assert reply_in(ValueError("[2] > [1]"), SCHEMA, "Example") is None
