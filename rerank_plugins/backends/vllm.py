"""A model served by vLLM: text, label probabilities, and log-probabilities of a given text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rerank_plugins.backends._processes import ByArguments
from rerank_plugins.backends.asking import Asking, Body, arun, run
from rerank_plugins.backends.fitting import shortened_after
from rerank_plugins.backends.openai.chat import OpenAIChat
from rerank_plugins.backends.openai.endpoint import Endpoint
from rerank_plugins.backends.openai.prompt_logprobs import PromptLogprobs
from rerank_plugins.backends.openai.reading import read_usage
from rerank_plugins.backends.openai.writing import digest
from rerank_plugins.errors import InvalidInput
from rerank_plugins.ranking import Note
from rerank_plugins.requests import Chat, Choose, Likelihood, Measured, Message, Reply, Request

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

__all__ = ["VLLM"]

_NO_THINKING: Mapping[str, Any] = {"chat_template_kwargs": {"enable_thinking": False}}
_MOST_CUTS = 3
_MOST_COUNTS = 256


class VLLM(ByArguments):
    """A model behind a vLLM server, started with `vllm serve MODEL`; other servers give no prompt log-probabilities.

    `Chat` and `Choose` go to its chat endpoint, as with `OpenAIChat`; what the prompts of a batch begin with is read
    once by the server's prefix cache, which is on by default. `Likelihood` goes to its completions endpoint with
    `prompt_logprobs`; for these vLLM reads the whole prompt each time.

    It is tested against the wire format that vLLM documents, not against a server.

    Args:
        model: The model's name at the server.
        base_url: The server's address, up to and with `/v1`.
        api_key: What the server was started with, if anything.
        client: As for `OpenAIChat`.
        async_client: As for `OpenAIChat`.
        temperature: For chat requests that do not set one; None leaves it to the server.
        top_logprobs: How many of the most probable tokens `Choose` sees. vLLM gives at most 20 unless it is started
            with a higher `--max-logprobs`; with as many as the vocabulary has, no label is ever missing.
        headers: Sent with each request.
        extra_body: Further fields of each chat request's JSON; None asks the chat template for no thinking.

    Raises:
        InvalidInput: An argument breaks a rule.
        MissingExtra: The package openai is not installed.

    >>> VLLM("Qwen/Qwen3-8B", "http://localhost:8000/v1")
    VLLM('Qwen/Qwen3-8B', base_url='http://localhost:8000/v1', temperature=0.0)
    """

    kinds: ClassVar[tuple[type[Request], ...]] = (Chat, Choose, Likelihood)

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        client: OpenAI | None = None,
        async_client: AsyncOpenAI | None = None,
        temperature: float | None = 0.0,
        top_logprobs: int = 20,
        headers: Mapping[str, str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
    ) -> None:
        if isinstance(top_logprobs, bool) or not isinstance(top_logprobs, int) or top_logprobs < 1:
            raise InvalidInput(f"VLLM(top_logprobs=...) is a whole number of at least 1, not {top_logprobs!r}.")
        self._model = model
        self._options = {"temperature": temperature} | ({} if top_logprobs == 20 else {"top_logprobs": top_logprobs})
        self._extra_body = dict(_NO_THINKING if extra_body is None else extra_body)
        if client is None and async_client is None:
            base_url = base_url or "http://localhost:8000/v1"
        self._endpoint = Endpoint("VLLM", base_url, api_key, client, async_client, headers)
        self._chat = OpenAIChat(
            model,
            base_url,
            api_key,
            client=client,
            async_client=async_client,
            temperature=temperature,
            top_logprobs=top_logprobs,
            headers=headers,
            extra_body=self._extra_body,
        )
        self._counts: dict[str, int] = {}

    @property
    def identity(self) -> str:
        """Model, address and parameters; no key, no header, and of `extra_body` only a digest."""
        options = {"base_url": self._endpoint.shown} | self._options
        if self._extra_body != _NO_THINKING:
            options["extra_body"] = digest(self._extra_body)
        return f"VLLM({self._model!r}{''.join(f', {name}={value!r}' for name, value in options.items())})"

    def __repr__(self) -> str:
        return self.identity

    def answer(self, request: Chat | Choose | Likelihood, timeout: float | None) -> Reply:
        if isinstance(request, Likelihood):
            return run(self._measuring(request), partial(self._endpoint.post, "completions"), timeout)
        return self._chat.answer(request, timeout)

    async def aanswer(self, request: Chat | Choose | Likelihood, timeout: float | None) -> Reply:
        if isinstance(request, Likelihood):
            return await arun(self._measuring(request), partial(self._endpoint.apost, "completions"), timeout)
        return await self._chat.aanswer(request, timeout)

    def _measuring(self, request: Likelihood) -> Asking[Measured]:
        """Measure, and measure again after a prompt with shorter documents while it is too long."""
        if not request.prompt:
            raise InvalidInput("VLLM measures a text after a prompt, and Likelihood(prompt=...) is empty.")
        messages: Sequence[Message] = [{"role": "user", "content": request.prompt}]
        notes: list[Note] = []
        while request.continuation:
            try:
                reply = yield from self._measured(str(messages[0]["content"]), request.continuation)
                return replace(reply, notes=tuple(dict.fromkeys(notes)))
            except Exception as error:
                shorter = shortened_after(error, request, messages) if len(notes) < _MOST_CUTS else None
                if shorter is None:
                    raise
                messages, note = shorter
                notes.append(note)
        return Measured(())

    def _measured(self, prompt: str, continuation: str) -> Asking[Measured]:
        data = yield self._body(prompt + continuation)
        usage, tokens = read_usage(data), PromptLogprobs(data, self.identity)
        if (values := tokens.of_end(continuation)) is None:
            if continuation not in self._counts:
                alone = PromptLogprobs((yield self._body(continuation, add_special_tokens=False)), self.identity)
                self._remember(continuation, len(alone))
            values = tokens.last(self._counts[continuation])
        return Measured(values, usage=usage)

    def _body(self, text: str, **options: Any) -> Body:
        return {
            "model": self._model,
            "prompt": text,
            "max_tokens": 1,
            "prompt_logprobs": 0,
            "temperature": 0,
            **options,
        }

    def _remember(self, continuation: str, count: int) -> None:
        if len(self._counts) >= _MOST_COUNTS:
            self._counts.clear()
        self._counts[continuation] = count
