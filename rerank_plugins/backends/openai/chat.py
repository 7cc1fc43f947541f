"""Chat models behind any OpenAI-compatible endpoint, through the official SDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rerank_plugins.backends._processes import ByArguments
from rerank_plugins.backends.asking import Asking, arun, run
from rerank_plugins.backends.fitting import shortened_after
from rerank_plugins.backends.openai.dialect import Dialect
from rerank_plugins.backends.openai.endpoint import Endpoint
from rerank_plugins.backends.openai.reading import Completion, read_usage, reply_in
from rerank_plugins.backends.openai.writing import ChatWriter, digest
from rerank_plugins.errors import InvalidInput, Refused
from rerank_plugins.provider_errors import status_of, text_of
from rerank_plugins.ranking import Note
from rerank_plugins.requests import Chat, ChatReply, Choose, Chosen, Message, Reply, Request

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

__all__ = ["OpenAIChat"]

_LIMIT_NAMES = ("max_completion_tokens", "max_tokens")
_MOST_CUTS = 3
_USUAL_LOGPROBS = 20


class OpenAIChat(ByArguments):
    """A chat model behind an OpenAI-compatible endpoint: OpenAI, Azure, vLLM, Ollama, llama.cpp, TGI, LiteLLM, ...

    What an endpoint takes is found out by asking, once per instance: a JSON schema, or JSON alone, or neither;
    `max_completion_tokens` or `max_tokens`; a temperature, a seed, a system message. The requests that this takes are
    counted in the usage of the reply.

    One instance serves any number of threads and event loops.

    Args:
        model: The model's name at the endpoint.
        base_url: The endpoint's address, up to and with `/v1`; None is `OPENAI_BASE_URL`, else OpenAI's own.
        api_key: None is `OPENAI_API_KEY`. Only OpenAI and Azure need one.
        client: An `openai.OpenAI` or `openai.AzureOpenAI` of your own, for a proxy or for other credentials, instead of
            address and key. Its own retries are turned off, because the driver retries. Without an `async_client` it
            serves async calls as well, from threads.
        async_client: The same for async calls. Alone it serves only these.
        temperature: For requests that do not set one; None leaves it to the endpoint.
        reasoning_effort: "minimal", "low", "medium", "high" or what else the model knows; None leaves it to the model.
        reasoning_tokens: Added to a request's `max_tokens` for thinking, which endpoints count as part of the answer:
            from the start if `reasoning_effort` is set, else from the first answer on that was lost in thought.
        top_logprobs: How many of the most probable tokens `Choose` sees; more than 20 where the endpoint gives them.
        headers: Sent with each request.
        extra_body: Further fields of each request's JSON, which overrule all others, such as
            `{"chat_template_kwargs": {"enable_thinking": False}}` for vLLM.

    Raises:
        InvalidInput: An argument breaks a rule, or there is no key for OpenAI.
        MissingExtra: The package openai is not installed.

    Ollama cuts a prompt that does not fit without saying so: give its model a context that is long enough (`num_ctx`).

    >>> OpenAIChat("qwen3:8b", "http://localhost:11434/v1", api_key="any")
    OpenAIChat('qwen3:8b', base_url='http://localhost:11434/v1', temperature=0.0)
    """

    kinds: ClassVar[tuple[type[Request], ...]] = (Chat, Choose)

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        client: OpenAI | None = None,
        async_client: AsyncOpenAI | None = None,
        temperature: float | None = 0.0,
        reasoning_effort: str | None = None,
        reasoning_tokens: int = 4096,
        top_logprobs: int = _USUAL_LOGPROBS,
        headers: Mapping[str, str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(model, str) or not model:
            raise InvalidInput(f"OpenAIChat(model=...) is the model's name at the endpoint, not {model!r}.")
        if temperature is not None and not temperature >= 0:
            raise InvalidInput(f"OpenAIChat(temperature=...) is at least 0, or None, not {temperature!r}.")
        if isinstance(reasoning_tokens, bool) or not isinstance(reasoning_tokens, int) or reasoning_tokens < 0:
            raise InvalidInput(
                f"OpenAIChat(reasoning_tokens=...) is a whole number of at least 0, not {reasoning_tokens!r}."
            )
        self._endpoint = Endpoint("OpenAIChat", base_url, api_key, client, async_client, headers)
        self._writer = ChatWriter(
            model,
            temperature,
            reasoning_effort,
            reasoning_tokens,
            dict(extra_body or {}),
            _LIMIT_NAMES if self._endpoint.is_openai else _LIMIT_NAMES[::-1],
            top_logprobs,
        )
        self._dialect = Dialect(self.identity, () if reasoning_effort is None else ("short answers",))

    @property
    def identity(self) -> str:
        """Model, address and parameters; no key, no header, and of `extra_body` only a digest."""
        writer = self._writer
        options: dict[str, Any] = {"base_url": self._endpoint.shown, "temperature": writer.temperature}
        if writer.reasoning_effort is not None:
            options["reasoning_effort"] = writer.reasoning_effort
        if writer.top_logprobs != _USUAL_LOGPROBS:
            options["top_logprobs"] = writer.top_logprobs
        if writer.extra_body:
            options["extra_body"] = digest(writer.extra_body)
        return f"OpenAIChat({writer.model!r}{''.join(f', {name}={value!r}' for name, value in options.items())})"

    def __repr__(self) -> str:
        return self.identity

    def answer(self, request: Chat | Choose, timeout: float | None) -> Reply:
        return run(self._asking(request), partial(self._endpoint.post, "chat"), timeout)

    async def aanswer(self, request: Chat | Choose, timeout: float | None) -> Reply:
        return await arun(self._asking(request), partial(self._endpoint.apost, "chat"), timeout)

    def _asking(self, request: Chat | Choose) -> Asking[Reply]:
        """Ask, and ask again with shorter documents while the prompt is too long."""
        messages, notes = request.messages, list[Note]()
        while True:
            try:
                reply = yield from self._once(request, messages)
                return replace(reply, notes=(*reply.notes, *dict.fromkeys(notes)))
            except Exception as error:
                room = self._writer.room(request, self._dialect.refused)
                shorter = shortened_after(error, request, messages, room) if len(notes) < _MOST_CUTS else None
                if shorter is None:
                    raise
                messages, note = shorter
                notes.append(note)

    def _once(self, request: Chat | Choose, messages: Sequence[Message]) -> Asking[Reply]:
        if isinstance(request, Choose):
            return (yield from self._chosen(request, messages))
        return (yield from self._written(request, messages))

    def _written(self, request: Chat, messages: Sequence[Message]) -> Asking[ChatReply]:
        try:
            form, data = yield from self._dialect.asking(partial(self._writer.chat, request, messages))
        except Exception as error:
            if (held := reply_in(error, request.schema, self.identity)) is not None:
                return held
            raise
        said = Completion(data, self.identity)
        if not said.lost_in_thought or not self._writer.reasoning_tokens:
            return said.reply(request.schema)
        if "short answers" in form.used and said.thought:
            self._dialect.learn("short answers")  # the writer adds the room from now on
        else:
            request = replace(request, max_tokens=request.max_tokens + self._writer.reasoning_tokens)
        _, data = yield from self._dialect.asking(partial(self._writer.chat, request, messages))
        again = Completion(data, self.identity)
        reply = again.reply(request.schema)
        notes = (self._note("thought to its limit; give it more reasoning_tokens"),) if again.lost_in_thought else ()
        return replace(reply, usage=reply.usage + read_usage(said.data), notes=(*reply.notes, *notes))

    def _note(self, text: str) -> Note:
        return Note("info", f"{self.identity} {text}.")

    def _chosen(self, request: Choose, messages: Sequence[Message]) -> Asking[Chosen]:
        if "logprobs" not in self._dialect.refused:
            try:
                _, data = yield from self._dialect.asking(partial(self._writer.choose, request, messages))
            except Exception as error:
                if status_of(error) not in (400, 403, 422) or "logprob" not in text_of(error):
                    raise
            else:
                found = Completion(data, self.identity).logprobs(request.labels)
                if found is not None:
                    return Chosen(found, usage=read_usage(data))
            self._dialect.learn("logprobs")
        # Not with the 403 that some answer: the key is right, and chat requests go on.
        raise Refused(f"{self.identity} gives no log-probabilities; use a model that does, or TransformersLM.", 400)
