"""The JSON of a chat request, written in the form that an endpoint is known to take."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rerank_plugins.backends.openai.dialect import Form
from rerank_plugins.requests import Chat, Choose, Message

__all__ = ["ChatWriter", "digest"]


@dataclass(frozen=True)
class ChatWriter:
    """What each request to one model has in common; see `OpenAIChat` for what the fields mean.

    `limit_names` are the names of the token limit, the preferred one first. An endpoint that takes neither ignores the
    one that it does not know, and writes without a limit: so the preferred one depends on whose endpoint it is.
    """

    model: str
    temperature: float | None
    reasoning_effort: str | None
    reasoning_tokens: int
    extra_body: Mapping[str, Any]
    limit_names: tuple[str, str]
    top_logprobs: int = 20

    def chat(self, request: Chat, messages: Sequence[Message], refused: frozenset[str]) -> Form:
        """A request for text."""
        temperature = self.temperature if request.temperature is None else request.temperature
        form = self._begun(messages, refused, temperature)
        self._limit(form, request.max_tokens)
        if request.seed is not None:
            form.offer("seed", seed=request.seed)
        if request.schema is not None:
            _offer_schema(form, dict(request.schema))
        return self._finished(form)

    def choose(self, request: Choose, messages: Sequence[Message], refused: frozenset[str]) -> Form:
        """A request for the log-probabilities of the next token."""
        form = self._begun(messages, refused, self.temperature)
        self._name_limit(form, 1)
        form.body["logprobs"] = True
        if not form.offer("20 logprobs", top_logprobs=self.top_logprobs):
            form.body["top_logprobs"] = 5
        return self._finished(form)

    def room(self, request: Chat | Choose, refused: frozenset[str]) -> int:
        """The tokens that the answer may take."""
        if isinstance(request, Choose):
            return 1
        return request.max_tokens + (self.reasoning_tokens if "short answers" in refused else 0)

    def _begun(self, messages: Sequence[Message], refused: frozenset[str], temperature: float | None) -> Form:
        form = Form(refused, {"model": self.model})
        plain = [{"role": message["role"], "content": str(message["content"])} for message in messages]
        if any(message["role"] == "system" for message in plain) and not form.offer("system role"):
            plain = _without_system(plain)
        form.body["messages"] = plain
        if temperature is not None:
            form.offer("temperature", temperature=temperature)
        return form

    def _limit(self, form: Form, tokens: int) -> None:
        # To a model that thinks, a limit that holds the answer alone is no use.
        if self.reasoning_tokens and not form.offer("short answers"):
            tokens += self.reasoning_tokens
        if self.reasoning_effort is not None:
            form.offer("reasoning_effort", reasoning_effort=self.reasoning_effort)
        self._name_limit(form, tokens)

    def _name_limit(self, form: Form, tokens: int) -> None:
        preferred, other = self.limit_names
        if not form.offer(preferred, **{preferred: tokens}):
            form.body[other] = tokens

    def _finished(self, form: Form) -> Form:
        form.body |= self.extra_body
        return form


def digest(extra_body: Mapping[str, Any]) -> str:
    """What stands for `extra_body` where it is shown, since it can hold anything.

    >>> digest({"top_k": 1}) == digest({"top_k": 2})
    False
    """
    written = json.dumps(extra_body, sort_keys=True, default=repr)
    return hashlib.sha256(written.encode()).hexdigest()[:12]


def _offer_schema(form: Form, schema: dict[str, Any]) -> None:
    named = {"name": "answer", "strict": True, "schema": schema}
    if not form.offer("json_schema", response_format={"type": "json_schema", "json_schema": named}):
        form.offer("json_object", response_format={"type": "json_object", "schema": schema})


def _without_system(messages: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Put what the system says in front of what the user says first."""
    said = "\n\n".join(message["content"] for message in messages if message["role"] == "system")
    others = [dict(message) for message in messages if message["role"] != "system"] or [{"role": "user", "content": ""}]
    others[0]["content"] = f"{said}\n\n{others[0]['content']}".strip()
    return others
