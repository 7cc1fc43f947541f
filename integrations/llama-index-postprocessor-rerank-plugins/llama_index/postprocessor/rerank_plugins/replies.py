"""What a LlamaIndex chat response says: its text, its data, what it cost, whether it was cut off.

Each integration fills `ChatResponse` in its own way, with the provider's objects or with dicts, so everything here
takes what it finds and makes up nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llama_index.core.base.llms.types import ChatResponse
from llama_index.core.llms.llm import LLM

from rerank_plugins.backends.finish_reasons import finish_of
from rerank_plugins.errors import BadReply
from rerank_plugins.ranking import Note, Usage
from rerank_plugins.requests import ChatReply

__all__ = ["read_response", "usage_of"]


def read_response(response: Any, llm: LLM, notes: tuple[Note, ...] = ()) -> ChatReply:
    """Read a response, thinking left out; the arguments of a tool call are the answer's data.

    Args:
        response: What `chat` gave.
        llm: What gave it.
        notes: What there is to say about it.

    Raises:
        BadReply: It is no chat response at all.
    """
    message = getattr(response, "message", None)
    if message is None:
        raise BadReply(f"{type(llm).__name__} returned {type(response).__name__}, which is no chat response.")
    return ChatReply(
        message.content or "",
        parsed=_tool_arguments(response, llm),
        truncated=_is_truncated(getattr(response, "raw", None)),
        usage=usage_of(response),
        notes=notes,
    )


def _tool_arguments(response: ChatResponse, llm: LLM) -> Any:
    if not hasattr(llm, "get_tool_calls_from_response"):
        return None
    try:
        calls = llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
    except Exception:  # noqa: BLE001 # integrations raise what they like on an odd call; the text can still be read
        return None
    return next((call.tool_kwargs for call in calls if call.tool_kwargs), None)


def usage_of(response: Any) -> Usage:
    """The tokens that a response reports, wherever it does so; zeros where it does not.

    >>> from types import SimpleNamespace as Response
    >>> usage_of(Response(raw={"usage": {"prompt_tokens": 7, "completion_tokens": 2}}))
    Usage(calls=1, prompt_tokens=7, completion_tokens=2, cached_tokens=0, seconds=0.0)
    """
    holders = list(_usage_holders(response))
    return Usage(
        calls=1,
        prompt_tokens=_first(holders, "prompt_tokens", "input_tokens", "prompt_token_count"),
        completion_tokens=_first(holders, "completion_tokens", "output_tokens", "candidates_token_count"),
        cached_tokens=_first(holders, "cached_tokens", "cache_read_input_tokens", "cached_content_token_count"),
    )


def _usage_holders(response: Any) -> Iterator[Any]:
    raw = getattr(response, "raw", None)
    for usage in (_get(raw, "usage"), _get(raw, "usage_metadata")):
        yield usage
        yield _get(usage, "prompt_tokens_details")
    yield getattr(response, "additional_kwargs", None)
    yield _get(getattr(response, "message", None), "additional_kwargs")


def _first(holders: list[Any], *names: str) -> int:
    values = (_get(holder, name) for holder in holders for name in names)
    return next((value for value in values if isinstance(value, int) and value > 0), 0)


def _is_truncated(raw: Any) -> bool:
    choices = _get(raw, "choices")
    choice = choices[0] if isinstance(choices, (list, tuple)) and choices else raw
    reason = next((found for name in _REASONS if (found := _get(choice, name)) is not None), None)
    return finish_of(reason) == "length"


_REASONS = ("finish_reason", "stop_reason", "done_reason")


def _get(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
