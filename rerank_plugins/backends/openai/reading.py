"""What stands in the JSON of a chat completion, read with tolerance: each compatible server leaves something out."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rerank_plugins.candidates import encodable
from rerank_plugins.errors import BadReply
from rerank_plugins.ranking import Note, Usage
from rerank_plugins.requests import ChatReply
from rerank_plugins.text import without_thinking

__all__ = ["Completion", "read_usage"]


@dataclass(frozen=True)
class Completion:
    """One chat completion.

    Args:
        data: The JSON of the response.
        source: Whose it is, for messages.

    >>> Completion({"choices": [{"message": {"content": "<think>2?</think>[1]"}}]}, "Example").reply(None).text
    '[1]'
    """

    data: Any
    source: str

    def reply(self, schema: Mapping[str, Any] | None) -> ChatReply:
        """The answer without its thinking; an answer that the model declined to give is empty and noted."""
        declined = bool(self._message.get("refusal")) or self._finish == "content_filter"
        text = "" if declined else without_thinking(self._content)
        return ChatReply(
            text,
            parsed=None if schema is None else _json_in(text),
            truncated=self._finish == "length",
            usage=read_usage(self.data),
            notes=(Note("info", f"{self.source} declined to answer."),) if declined else (),
        )

    @property
    def lost_in_thought(self) -> bool:
        """Whether the token limit was used up by thinking, so that there is no answer."""
        return self._finish == "length" and self._thought and not without_thinking(self._content)

    def logprobs(self, labels: Sequence[str]) -> dict[str, float] | None:
        """The log-probability of each label as the next token, or None where there are none at all.

        Labels that the endpoint does not list are missing. Tokens that differ only in the space before them, such as
        "A" and " A", add up.
        """
        content = (self._choice.get("logprobs") or {}).get("content") or []
        if not content:
            return None
        first = content[0]
        listed = {entry["token"]: float(entry["logprob"]) for entry in (first, *(first.get("top_logprobs") or ()))}
        found: dict[str, list[float]] = {}
        for token, value in listed.items():
            found.setdefault(token.strip(" \t\n▁Ġ"), []).append(value)
        return {label: _log_of_sum(found[label]) for label in labels if label in found}

    @property
    def _choice(self) -> Mapping[str, Any]:
        choices = self.data.get("choices") if isinstance(self.data, Mapping) else None
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
            raise BadReply(f"{self.source} answered with JSON that is no chat completion; check base_url.")
        return choices[0]

    @property
    def _message(self) -> Mapping[str, Any]:
        message = self._choice.get("message")
        return message if isinstance(message, Mapping) else {}

    @property
    def _finish(self) -> str:
        return str(self._choice.get("finish_reason"))

    @property
    def _content(self) -> str:
        """The text; some servers send it in parts, with the thinking as a part of its own."""
        content = self._message.get("content")
        parts = content if isinstance(content, list) else [content]
        return encodable("".join(_texts(parts)))

    @property
    def _thought(self) -> bool:
        if self._message.get("reasoning_content") or self._message.get("reasoning") or "<think" in self._content:
            return True
        usage = self.data.get("usage") or {}
        return _number((usage.get("completion_tokens_details") or {}).get("reasoning_tokens")) > 0


def read_usage(data: Any) -> Usage:
    """The tokens of one response; 0 where they are not said."""
    usage = (data.get("usage") if isinstance(data, Mapping) else None) or {}
    details = usage.get("prompt_tokens_details") or {}
    return Usage(
        calls=1,
        prompt_tokens=_number(usage.get("prompt_tokens")),
        completion_tokens=_number(usage.get("completion_tokens")),
        cached_tokens=_number(details.get("cached_tokens")),
    )


def _number(value: Any) -> int:
    return int(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0


def _texts(parts: Iterable[Any]) -> Iterable[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, Mapping) and part.get("type") == "text":
            yield str(part.get("text") or "")


def _json_in(text: str) -> Any:
    """The text as data, if it is JSON and nothing else; a code fence around it is no matter."""
    bare = re.sub(r"\A```\w*\s*", "", text)
    try:
        data, end = json.JSONDecoder().raw_decode(bare)
    except (ValueError, RecursionError):
        return None
    return data if bare[end:].strip() in ("", "```") else None


def _log_of_sum(values: Sequence[float]) -> float:
    highest = max(values)
    if math.isinf(highest):
        return highest
    return highest + math.log(math.fsum(math.exp(value - highest) for value in values))
