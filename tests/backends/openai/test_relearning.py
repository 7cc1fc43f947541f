"""A form of JSON that worked may fail later: one refusal costs a try, two in a row are learned."""

from __future__ import annotations

import pytest

from rerank_plugins.backends import OpenAIChat
from rerank_plugins.requests import Chat
from rerank_plugins.testing.endpoint import Fault, ScriptedEndpoint

ASK = Chat([{"role": "user", "content": "Which?"}], schema={"type": "object", "properties": {}}, max_tokens=50)
REFUSALS = [
    Fault("status", 400, error={"message": "response_format json_schema is not supported"}),
    Fault("status", 400, error={"message": "Failed to generate JSON.", "code": "json_validate_failed"}),
]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_schema_that_stops_working_is_left_out_in_the_end(refusal):
    seen: list[str] = []

    def answer(body):
        seen.append((body.get("response_format") or {}).get("type", "text"))
        return refusal if seen[-1] == "json_schema" and len(seen) > 1 else "{}"

    with ScriptedEndpoint(answer) as endpoint:
        model = OpenAIChat("m", endpoint.base_url)
        for _ in range(5):
            assert model.answer(ASK, 5).text == "{}"
    assert seen == ["json_schema", *(["json_schema", "json_object"] * 2), "json_object", "json_object"]


def test_one_refusal_between_answers_is_no_lesson():
    seen: list[str] = []

    def answer(body):
        seen.append(body["response_format"]["type"])
        return REFUSALS[1] if seen[-1] == "json_schema" and len(seen) in (2, 5) else "{}"

    with ScriptedEndpoint(answer) as endpoint:
        model = OpenAIChat("m", endpoint.base_url)
        for _ in range(5):
            model.answer(ASK, 5)
    assert seen[-1] == "json_schema"
