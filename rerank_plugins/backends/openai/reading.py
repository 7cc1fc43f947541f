"""What stands in the JSON of a chat completion, read with tolerance: each compatible server leaves something out."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rerank_plugins.backends.finish_reasons import Finish, finish_of
from rerank_plugins.candidates import encodable
from rerank_plugins.errors import BadReply, CallError, Transient
from rerank_plugins.provider_errors import completion_in
from rerank_plugins.ranking import Note, Usage
from rerank_plugins.requests import ChatReply
from rerank_plugins.thinking import has_ending, without_thinking

__all__ = ["Completion", "read_usage", "reply_in"]


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
        """The answer without its thinking; an answer that the model declined to give is empty and noted.

        Raises:
            Transient: The provider broke the answer off before its first word.
        """
        text, place = self._answer(schema)
        declined = bool(self._refusal) or self._finish == "filter"
        if self._finish == "error" and not text and not declined:
            raise Transient(f"{self.source} broke its answer off.")
        notes = [f"{self.source} declined to answer."] if declined else [f"{self.source} {place}."] if place else []
        text = "" if declined else text
        return ChatReply(
            text,
            parsed=None if schema is None else _json_in(text),
            truncated=self._finish in ("length", "error"),
            usage=read_usage(self.data),
            notes=tuple(Note("info", note) for note in notes),
        )

    @property
    def lost_in_thought(self) -> bool:
        """Whether the token limit was used up before there was an answer."""
        return self._finish == "length" and not self._answer(None)[0] and not self._refusal

    @property
    def thought(self) -> bool:
        """Whether the model is known to have thought."""
        usage = _mapping(self.data).get("usage")
        details = _mapping(_mapping(usage).get("completion_tokens_details"))
        return bool(self._reasoning or self._content.strip()) or _number(details.get("reasoning_tokens")) > 0

    def logprobs(self, labels: Sequence[str]) -> dict[str, float] | None:
        """The log-probability of each label as the next token, or None where there are none at all.

        Labels that the endpoint does not list are missing. Tokens that differ only in the space before them, such as
        "A" and " A", add up.
        """
        content = _mapping(self._choice.get("logprobs")).get("content") or []
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
        if isinstance(message, str):
            return {"content": message}
        return message if isinstance(message, Mapping) else {"content": self._choice.get("text")}

    @property
    def _finish(self) -> Finish:
        return finish_of(self._choice.get("finish_reason"))

    def _answer(self, schema: Mapping[str, Any] | None) -> tuple[str, str]:
        """The text of the answer, and what there is to say about where it stood."""
        if text := without_thinking(self._content):
            return text, ""
        if called := self._called:
            return called, ""
        thought = self._reasoning
        # A server that takes all for thinking until a closing mark comes puts a whole answer here.
        bare = without_thinking(thought) if has_ending(thought) else ""
        if not bare and schema is not None and self._finish == "stop" and _json_in(thought) is not None:
            bare = thought.strip()
        if bare:
            return bare, "put its answer where its thinking belongs; it was read there"
        return "", "thought and gave no answer" if thought else ""

    @property
    def _content(self) -> str:
        """The text; some servers send it in parts, with the thinking as a part of its own."""
        content = self._message.get("content")
        return encodable("".join(_texts(content if isinstance(content, list) else [content])))

    @property
    def _called(self) -> str:
        """The arguments of the last tool that was called, as text."""
        calls = self._message.get("tool_calls")
        functions = [_mapping(call).get("function") for call in calls] if isinstance(calls, list) else []
        for function in [*reversed(functions), self._message.get("function_call")]:
            given = _mapping(function).get("arguments")
            if given:
                return encodable(given if isinstance(given, str) else json.dumps(given))
        return ""

    @property
    def _reasoning(self) -> str:
        said = next((self._message[name] for name in _REASONING if self._message.get(name)), "")
        return encodable("".join(_texts(said if isinstance(said, list) else [said])))

    @property
    def _refusal(self) -> bool:
        parts = self._message.get("content")
        kinds = [_mapping(part).get("type") for part in parts] if isinstance(parts, list) else []
        return bool(self._message.get("refusal")) or "refusal" in kinds


_REASONING = ("reasoning_content", "reasoning", "thinking", "reasoning_text", "thoughts")


def reply_in(error: BaseException, schema: Mapping[str, Any] | None, source: str) -> ChatReply | None:
    """The answer that an exception holds, cut off or not in the form that was asked for; None if it holds none.

    Args:
        error: What a call raised, such as the SDK's LengthFinishReasonError or a parser's exception.
        schema: The JSON schema that was asked for.
        source: Whose answer it is, for messages.
    """
    held = completion_in(error)
    if isinstance(held, Mapping):
        try:
            reply = Completion(held, source).reply(schema)
        except CallError:
            return None
    elif isinstance(held, str):
        text = without_thinking(encodable(held))
        reply = ChatReply(text, None if schema is None else _json_in(text), usage=Usage(1))
    else:
        return None
    note = Note("info", f"{source} raised {type(error).__name__} with an answer in it, which was read.")
    return replace(reply, notes=(*reply.notes, note)) if reply.text else None


def read_usage(data: Any) -> Usage:
    """The tokens of one response; 0 where they are not said."""
    usage = _mapping(_mapping(data).get("usage"))
    details = _mapping(usage.get("prompt_tokens_details"))
    return Usage(
        calls=1,
        prompt_tokens=_number(usage.get("prompt_tokens")),
        completion_tokens=_number(usage.get("completion_tokens")),
        cached_tokens=_number(details.get("cached_tokens")),
    )


def _number(value: Any) -> int:
    return int(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _texts(parts: Iterable[Any]) -> Iterable[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, Mapping) and part.get("type") in ("text", "output_text", None):
            text = part.get("text")
            yield str((text.get("value") if isinstance(text, Mapping) else text) or "")


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
