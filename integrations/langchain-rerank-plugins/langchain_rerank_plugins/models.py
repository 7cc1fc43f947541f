"""LangChain's models as backends: called through their public methods, so that all their settings stay in force."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Generator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal, cast

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.messages import BaseMessage, convert_to_messages
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.retry import RunnableRetry
from pydantic import BaseModel

from rerank_plugins.backends.fitting import cut_note, squeezed
from rerank_plugins.errors import BadReply, CallError, PromptTooLong, classify
from rerank_plugins.ranking import Note, Usage
from rerank_plugins.requests import Chat, ChatReply, Embed, Embedded, Message, Request

__all__ = ["LangChainChat", "LangChainEmbeddings", "StructuredOutput"]

StructuredOutput = Literal["json_schema", "function_calling", "json_mode"]

_log = logging.getLogger(__name__)

_CUTS = 4  # each try uses the numbers of the last error, so that more would not help
_CUT_OFF = {"length", "max_tokens", "max_output_tokens", "model_length"}


class LangChainChat:
    """A chat model, an LLM, or a runnable around one, as a backend for `Chat`.

    Each request is one `invoke` or `ainvoke`: the model's rate limiter, cache, callbacks, retries and sampling settings
    stay in force. Only a limit on the answer's length is passed on, and a temperature where the method asks for one,
    and both only to models whose `profile` says that they take them. A prompt that is too long has its documents
    shortened, where the method allows it.

    Args:
        model: A `BaseChatModel`, a `BaseLLM`, or what `bind`, `with_retry`, `with_fallbacks` and the like make of it.
        config: Tags, metadata or callbacks for each call, on top of those of the chain that it runs in.
        structured_output: How to ask for an answer that keeps to the method's JSON schema: the `method` of
            `with_structured_output`. None reads plain text, which every model can give.

    >>> from langchain_core.language_models import FakeListChatModel
    >>> LangChainChat(FakeListChatModel(responses=["[2] > [1]"])).answer(Chat([]), None).text
    '[2] > [1]'
    """

    kinds: ClassVar[tuple[type[Request], ...]] = (Chat,)

    def __init__(
        self,
        model: Runnable[Any, Any],
        config: RunnableConfig | None = None,
        *,
        structured_output: StructuredOutput | None = None,
    ) -> None:
        self._model = model
        self._config = config
        self._structured_output = structured_output

    @cached_property
    def identity(self) -> str:
        """Class, model and a digest of all settings; empty for a model that does not tell its settings."""
        settings = _settings_of(self._model)
        return _named(self._model, [settings, self._structured_output]) if settings else ""

    @property
    def retries_itself(self) -> bool:
        """Whether the model's client tries again on its own."""
        return _retries_itself(self._model)

    def answer(self, request: Chat, timeout: float | None) -> ChatReply:
        """Call the model's `invoke`. It takes no timeout: the driver stops waiting by itself."""
        model, options, notes = self._prepared(request)
        turns = _turns(request, notes)
        try:
            messages = next(turns)
            while True:
                try:
                    said = model.invoke(messages, self._config, **options)
                except Exception as error:  # noqa: BLE001 # is raised again, unless a shorter prompt mends it
                    messages = turns.throw(error)
                else:
                    messages = turns.send(said)
        except StopIteration as end:
            return cast(ChatReply, end.value)

    async def aanswer(self, request: Chat, timeout: float | None) -> ChatReply:
        """Call the model's `ainvoke`."""
        model, options, notes = self._prepared(request)
        turns = _turns(request, notes)
        try:
            messages = next(turns)
            while True:
                try:
                    said = await model.ainvoke(messages, self._config, **options)
                except Exception as error:  # noqa: BLE001 # as above
                    messages = turns.throw(error)
                else:
                    messages = turns.send(said)
        except StopIteration as end:
            return cast(ChatReply, end.value)

    def _prepared(self, request: Chat) -> tuple[Runnable[Any, Any], dict[str, Any], tuple[Note, ...]]:
        """What to invoke, with which options, and what there is to say about it."""
        if self._structured_output is None or request.schema is None:
            return self._model, _accepted(self._model, request), ()
        schema = {"title": "answer", "description": "The answer.", **request.schema}
        try:
            model = self._model.with_structured_output(  # type: ignore[attr-defined] # what has none is caught
                schema, method=self._structured_output, include_raw=True
            )
        except (NotImplementedError, AttributeError, TypeError, ValueError):
            note = Note("info", f"The model has no {self._structured_output} output; its plain text was read.")
            return self._model, _accepted(self._model, request), (note,)
        return model, {}, ()


class LangChainEmbeddings:
    """A LangChain embedding model as a backend for `Embed`.

    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> backend = LangChainEmbeddings(DeterministicFakeEmbedding(size=3))
    >>> [len(vector) for vector in backend.answer(Embed(("rye", "spelt")), None).vectors]
    [3, 3]
    """

    kinds: ClassVar[tuple[type[Request], ...]] = (Embed,)

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings

    @cached_property
    def identity(self) -> str:
        """Class, model and a digest of all plain settings; empty for a class that names no model."""
        settings = _plain_fields(self._embeddings)
        return _named(self._embeddings, settings) if _model_name(self._embeddings) else ""

    @property
    def retries_itself(self) -> bool:
        """Whether the model's client tries again on its own."""
        return _retries_itself(self._embeddings)

    def answer(self, request: Embed, timeout: float | None) -> Embedded:
        """Call `embed_query` for each query, or `embed_documents` once."""
        if request.role == "query":
            return _embedded(request, [self._embeddings.embed_query(text) for text in request.texts])
        return _embedded(request, self._embeddings.embed_documents(list(request.texts)))

    async def aanswer(self, request: Embed, timeout: float | None) -> Embedded:
        """Call `aembed_query` for each query, or `aembed_documents` once."""
        if request.role == "query":
            return _embedded(request, [await self._embeddings.aembed_query(text) for text in request.texts])
        return _embedded(request, await self._embeddings.aembed_documents(list(request.texts)))


def _turns(request: Chat, notes: tuple[Note, ...]) -> Generator[list[BaseMessage], Any, ChatReply]:
    """Yield what to say, be sent what came back, and shorten the documents for as long as the prompt is too long."""
    messages, calls = request.messages, 0
    while True:
        calls += 1
        try:
            said = yield convert_to_messages([(turn["role"], str(turn["content"])) for turn in messages])
        except Exception as error:
            cut = _cut(request, messages, classify(error))
            if cut is None or calls > _CUTS:
                raise
            messages, notes = cut[0], (*notes, cut[1])
        else:
            return _reply(said, calls, notes)


def _cut(request: Chat, messages: Sequence[Message], error: CallError) -> tuple[Sequence[Message], Note] | None:
    """The conversation shortened to what the error says that fits, or by half; None where it must not or cannot be."""
    if not request.may_cut or not isinstance(error, PromptTooLong):
        return None
    fits = error.limit / error.needed if error.limit and error.needed and error.limit < error.needed else 0.5
    shorter = squeezed(messages, fits)
    return None if shorter is None else (shorter, cut_note(error.limit))


def _reply(said: Any, calls: int, notes: tuple[Note, ...]) -> ChatReply:
    """Read a message, a plain text, or what `with_structured_output(include_raw=True)` gives."""
    raw, parsed = (said.get("raw"), said.get("parsed")) if isinstance(said, Mapping) else (said, None)
    if isinstance(raw, str):
        return ChatReply(raw, usage=Usage(calls), notes=notes)
    if not isinstance(raw, BaseMessage):
        raise BadReply(f"The model gave a {type(raw).__name__}, which is neither a message nor a text.")
    text = str(raw.text)
    if parsed is not None and not text.strip():  # a tool call has its answer in its arguments
        text = json.dumps(parsed, default=str)
    return ChatReply(text, parsed, _was_cut_off(raw.response_metadata), usage=_usage(raw, calls), notes=notes)


def _usage(message: BaseMessage, calls: int) -> Usage:
    spent: Mapping[str, Any] = getattr(message, "usage_metadata", None) or {}
    cached = (spent.get("input_token_details") or {}).get("cache_read")
    return Usage(calls, spent.get("input_tokens") or 0, spent.get("output_tokens") or 0, cached or 0)


def _was_cut_off(said: Mapping[str, Any]) -> bool:
    """Whether the token limit ended the answer; each provider says it in a place and in words of its own."""
    reasons = [said.get(key) for key in ("finish_reason", "stop_reason", "stopReason", "done_reason")]
    details = said.get("incomplete_details")
    reasons.append(details.get("reason") if isinstance(details, Mapping) else None)
    return any(str(reason).lower() in _CUT_OFF for reason in reasons)


def _accepted(model: Any, request: Chat) -> dict[str, Any]:
    """The request's settings that the model is known to take: a refused one would cost the whole call."""
    known = getattr(model, "profile", None) or {}
    taken = type(model).model_fields if isinstance(model, BaseChatModel) else {}
    settings: dict[str, Any] = {}
    if "max_tokens" in taken and known.get("reasoning_output") is False:  # a reasoning model would spend it on thinking
        own = getattr(model, "max_tokens", None)
        settings["max_tokens"] = min(request.max_tokens, own) if own else request.max_tokens
    if request.temperature is not None and "temperature" in taken and known.get("temperature") is True:
        settings["temperature"] = request.temperature
    return settings


def _embedded(request: Embed, vectors: Sequence[Sequence[float]]) -> Embedded:
    if len(vectors) != len(request.texts):
        raise BadReply(f"The embedding model gave {len(vectors)} vectors for {len(request.texts)} texts.")
    return Embedded(vectors, usage=Usage(len(request.texts) if request.role == "query" else 1))


def _retries_itself(model: Any) -> bool:
    """Read it from `max_retries`, as the partner packages call it; there None stands for the SDK's default of some."""
    if isinstance(model, RunnableRetry):
        return True
    inner = getattr(model, "bound", None) or getattr(model, "runnable", None)
    return _retries_itself(inner) if inner is not None else getattr(model, "max_retries", 0) != 0


def _named(model: Any, settings: Any) -> str:
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()
    return f"{type(model).__name__}({_model_name(model)})#{digest[:12]}"


def _model_name(model: Any) -> str:
    names = (getattr(model, name, None) for name in ("model_name", "model", "model_id", "deployment_name", "repo_id"))
    return next((name for name in names if isinstance(name, str)), "")


def _settings_of(model: Any) -> Any:
    """All that decides what a language model answers, as LangChain's own cache has it; None where it is not known."""
    if not isinstance(model, (BaseChatModel, BaseLLM)):
        return None
    try:
        if isinstance(model, BaseChatModel) and model.is_lc_serializable():
            return model._get_llm_string()
        return model._identifying_params and [model._llm_type, *map(str, sorted(model._identifying_params.items()))]
    except Exception as error:  # noqa: BLE001 # a model that cannot be written down is used all the same, uncached
        _log.debug("The settings of a %s are not known (%s).", type(model).__name__, type(error).__name__)
        return None


_SECRET = re.compile(r"key|token|secret|password|credential", re.I)


def _plain_fields(model: Any) -> dict[str, Any]:
    fields = type(model).model_fields if isinstance(model, BaseModel) else {}
    plain = {name: getattr(model, name, None) for name in fields if not _SECRET.search(name)}
    return {
        name: value for name, value in plain.items() if isinstance(value, (str, int, float, bool, list, dict, tuple))
    }
