"""What a LangChain model's answer says: its text, its data, what it cost, whether it was cut off."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import BaseMessage

from rerank_plugins.backends.finish_reasons import Finish, finish_of
from rerank_plugins.errors import BadReply
from rerank_plugins.ranking import Note, Usage
from rerank_plugins.requests import ChatReply

__all__ = ["read_reply"]

# Each provider says in a place and in words of its own that the token limit ended the answer.
_REASONS = ("finish_reason", "stop_reason", "stopReason", "done_reason")


def read_reply(said: Any, notes: tuple[Note, ...] = ()) -> ChatReply:
    """Read a message, a plain text, or what `with_structured_output(include_raw=True)` gives.

    Args:
        said: What `invoke` gave.
        notes: What there is to say about the call.

    Raises:
        BadReply: It is none of these.

    >>> from langchain_core.messages import AIMessage
    >>> read_reply(AIMessage([{"type": "thinking", "thinking": "1 or 2?"}, {"type": "text", "text": "[2]"}])).text
    '[2]'
    """
    message, data = (said.get("raw"), said.get("parsed")) if isinstance(said, Mapping) else (said, None)
    if isinstance(message, str):
        return ChatReply(message, usage=Usage(1), notes=notes)
    if not isinstance(message, BaseMessage):
        raise BadReply(f"The model gave a {type(message).__name__}, which is neither a message nor a text.")
    text = str(message.text)
    if data is not None and not text.strip():  # a tool call has the answer in its arguments
        text = json.dumps(data, default=str)
    if not text.strip():
        text = next(
            (json.dumps(call["args"]) for call in reversed(getattr(message, "tool_calls", ())) if call["args"]), ""
        )
    finish = _finish(message)
    if finish == "filter" or message.additional_kwargs.get("refusal"):
        text, data, notes = "", None, (*notes, Note("info", "The model declined to answer."))
    return ChatReply(text, data, finish == "length", usage=_usage(message), notes=notes)


def _usage(message: BaseMessage) -> Usage:
    spent: Mapping[str, Any] = getattr(message, "usage_metadata", None) or {}
    cached = (spent.get("input_token_details") or {}).get("cache_read")
    return Usage(1, spent.get("input_tokens") or 0, spent.get("output_tokens") or 0, cached or 0)


def _finish(message: BaseMessage) -> Finish:
    said = message.response_metadata
    reasons = [said.get(key) for key in _REASONS]
    details = said.get("incomplete_details")
    reasons.append(details.get("reason") if isinstance(details, Mapping) else None)
    return next((finish for finish in map(finish_of, reasons) if finish != "stop"), "stop")
