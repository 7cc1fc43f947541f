import json

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk

from langchain_rerank_plugins.models import LangChainChat
from langchain_rerank_plugins.replies import read_reply
from rerank_plugins.errors import BadReply
from rerank_plugins.ranking import Note, Usage
from rerank_plugins.requests import Chat


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        (["two ", "parts"], "two parts"),
        ([{"type": "text", "text": "a "}, {"type": "text", "text": "b"}], "a b"),
        ([{"type": "thinking", "thinking": "hm [1]", "signature": "s"}, {"type": "text", "text": "[2]"}], "[2]"),
        ([{"type": "reasoning", "reasoning": "hm [1]"}, {"type": "text", "text": "[2]"}], "[2]"),
        ([{"type": "image_url", "image_url": {"url": "data:"}}], ""),
        ([], ""),
        ("", ""),
    ],
)
def test_the_text_is_all_text_and_nothing_else(content, text):
    reply = read_reply(AIMessage(content))
    assert reply.text == text
    assert type(reply.text) is str


def test_a_plain_string_is_a_reply():
    assert read_reply("[2]").text == "[2]"


def test_a_chunk_is_a_message():
    assert read_reply(AIMessageChunk("[2]")).text == "[2]"


@pytest.mark.parametrize("said", [None, 7, ["[2]"], {}, {"raw": None, "parsed": {"ranking": [1]}}])
def test_anything_else_is_a_bad_reply(said):
    with pytest.raises(BadReply, match="neither a message nor a text"):
        read_reply(said)


def test_structured_output_gives_data_and_text():
    reply = read_reply({"raw": AIMessage('{"ranking": [2]}'), "parsed": {"ranking": [2]}, "parsing_error": None})
    assert (reply.parsed, reply.text) == ({"ranking": [2]}, '{"ranking": [2]}')


def test_a_tool_call_has_its_arguments_as_text_too():
    reply = read_reply({"raw": AIMessage(""), "parsed": {"ranking": [2]}, "parsing_error": None})
    assert json.loads(reply.text) == reply.parsed == {"ranking": [2]}


def test_structured_output_that_did_not_parse_is_read_as_text():
    reply = read_reply({"raw": AIMessage("[2] > [1]"), "parsed": None, "parsing_error": ValueError("no tool call")})
    assert (reply.parsed, reply.text) == (None, "[2] > [1]")


@pytest.mark.parametrize(
    ("metadata", "cut_off"),
    [
        ({"finish_reason": "stop"}, False),
        ({"finish_reason": "length"}, True),
        ({"finish_reason": "MAX_TOKENS"}, True),
        ({"stop_reason": "max_tokens"}, True),
        ({"stop_reason": "end_turn"}, False),
        ({"stopReason": "max_tokens"}, True),
        ({"done_reason": "length"}, True),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, True),
        ({"incomplete_details": None}, False),
        ({}, False),
    ],
)
def test_a_reply_that_was_cut_off_says_so(metadata, cut_off):
    assert read_reply(AIMessage("[2]", response_metadata=metadata)).truncated is cut_off


def test_usage_is_read():
    spent = {"input_tokens": 90, "output_tokens": 7, "total_tokens": 97, "input_token_details": {"cache_read": 64}}
    assert read_reply(AIMessage("x", usage_metadata=spent)).usage == Usage(1, 90, 7, 64)


@pytest.mark.parametrize("said", [AIMessage("x"), "x"])
def test_no_usage_is_none_made_up(said):
    assert read_reply(said).usage == Usage(1)


def test_notes_are_passed_on():
    note = Note("cut", "Shortened.")
    assert read_reply("x", notes=(note,)).notes == read_reply(AIMessage("x"), notes=(note,)).notes == (note,)


@pytest.mark.parametrize("reason", ["length", "MAX_TOKENS", "model_context_window_exceeded"])
def test_every_provider_says_in_its_own_words_that_an_answer_is_cut_off(reason):
    assert read_reply(AIMessage("[2]", response_metadata={"finish_reason": reason})).truncated


def test_a_filtered_answer_is_none_and_noted():
    reply = read_reply(AIMessage("I cannot [1]", response_metadata={"finish_reason": "SAFETY"}))
    assert reply.text == "" and "declined" in reply.notes[0].message


def test_the_arguments_of_a_tool_are_an_answer():
    call = {"name": "answer", "args": {"ranking": [2, 1]}, "id": "1", "type": "tool_call"}
    assert read_reply(AIMessage("", tool_calls=[call])).text == '{"ranking": [2, 1]}'


def test_an_answer_in_an_exception_is_read(scripted):
    class OutputParserException(ValueError):
        llm_output = "[2] > [1]"

    reply = LangChainChat(scripted(says=OutputParserException("no JSON"))).answer(Chat([]), None)
    assert reply.text == "[2] > [1]" and reply.notes
