"""LangChain's models as backends: called through their public methods, so that all their settings stay in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, Literal

from langchain_core.embeddings import Embeddings
from langchain_core.messages import convert_to_messages
from langchain_core.runnables import Runnable, RunnableConfig

from langchain_rerank_plugins.replies import read_reply
from langchain_rerank_plugins.settings import accepted_settings, identity_of, is_synchronous, retries_itself
from rerank_plugins.backends import Backend
from rerank_plugins.backends.asking import Asking, arun, run
from rerank_plugins.backends.fitting import shortened_after
from rerank_plugins.backends.in_process import suited
from rerank_plugins.backends.openai.reading import reply_in
from rerank_plugins.errors import BadReply
from rerank_plugins.ranking import Note, Usage
from rerank_plugins.requests import Chat, ChatReply, Embed, Embedded, Request

__all__ = ["LangChainChat", "LangChainEmbeddings", "StructuredOutput", "chat_backend", "embeddings_backend"]

StructuredOutput = Literal["json_schema", "function_calling", "json_mode"]

_MOST_CUTS = 3


def chat_backend(model: Runnable[Any, Any], *, structured_output: StructuredOutput | None = None) -> Backend:
    """The backend for a model that writes: called concurrently, unless it computes in this process.

    >>> from langchain_core.language_models import FakeListChatModel
    >>> type(chat_backend(FakeListChatModel(responses=["yes"]))).__name__
    'LangChainChat'
    """
    return suited(LangChainChat(model, structured_output=structured_output), model, blocks=False)


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
        self.retries_itself = retries_itself(model)

    @cached_property
    def identity(self) -> str:
        """Class, model and a digest of all settings; empty for a model that does not tell its settings."""
        return identity_of(self._model, self._structured_output)

    def answer(self, request: Chat, timeout: float | None) -> ChatReply:
        """Call the model's `invoke`. It takes no timeout: the driver stops waiting by itself."""
        model, settings, notes = self._prepared(request)
        return run(_asking(request, settings, notes), lambda asked, _: model.invoke(**asked), timeout)

    async def aanswer(self, request: Chat, timeout: float | None) -> ChatReply:
        """Call the model's `ainvoke`."""
        model, settings, notes = self._prepared(request)
        return await arun(_asking(request, settings, notes), lambda asked, _: model.ainvoke(**asked), timeout)

    def _prepared(self, request: Chat) -> tuple[Runnable[Any, Any], dict[str, Any], tuple[Note, ...]]:
        """What to invoke, with which arguments, and what there is to say about it."""
        plain = {"config": self._config, **accepted_settings(self._model, request)}
        if self._structured_output is None or request.schema is None:
            return self._model, plain, ()
        schema = {"title": "answer", "description": "The answer.", **request.schema}
        try:
            model = self._model.with_structured_output(  # type: ignore[attr-defined] # what has none is caught
                schema, method=self._structured_output, include_raw=True
            )
        except (NotImplementedError, AttributeError, TypeError, ValueError):
            note = Note("info", f"The model has no {self._structured_output} output; its plain text was read.")
            return self._model, plain, (note,)
        return model, {"config": self._config}, ()


def _asking(request: Chat, settings: Mapping[str, Any], notes: tuple[Note, ...]) -> Asking[ChatReply]:
    """Ask, and ask again with shorter documents while the prompt is too long."""
    messages, cuts = request.messages, 0
    while True:
        said = [(message["role"], str(message["content"])) for message in messages]
        try:
            return read_reply((yield {"input": convert_to_messages(said), **settings}), notes)
        except Exception as error:
            if (held := reply_in(error, request.schema, "The model")) is not None:
                return replace(held, notes=(*notes, *held.notes))
            shorter = shortened_after(error, request, messages) if cuts < _MOST_CUTS else None
            if shorter is None:
                raise
            messages, note = shorter
            notes, cuts = (*notes, note), cuts + 1


def embeddings_backend(embeddings: Embeddings) -> Backend:
    """The backend for an embedding model: called concurrently, unless it computes in this process."""
    return suited(LangChainEmbeddings(embeddings), embeddings, blocks=is_synchronous(embeddings))


class LangChainEmbeddings:
    """A LangChain embedding model as a backend for `Embed`: its query side for queries, its document side for the rest.

    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> backend = LangChainEmbeddings(DeterministicFakeEmbedding(size=3))
    >>> [len(vector) for vector in backend.answer(Embed(("rye", "spelt")), None).vectors]
    [3, 3]
    """

    kinds: ClassVar[tuple[type[Request], ...]] = (Embed,)

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings
        self.retries_itself = retries_itself(embeddings)

    @cached_property
    def identity(self) -> str:
        """Class, model and a digest of its settings; empty for a class that names no model."""
        return identity_of(self._embeddings)

    def answer(self, request: Embed, timeout: float | None) -> Embedded:
        """Call `embed_query` for each query, or `embed_documents` once."""
        texts = _not_empty(request)
        if request.role == "query":
            return _embedded(request, [self._embeddings.embed_query(text) for text in texts])
        return _embedded(request, self._embeddings.embed_documents(texts))

    async def aanswer(self, request: Embed, timeout: float | None) -> Embedded:
        """Call `aembed_query` for each query, or `aembed_documents` once."""
        texts = _not_empty(request)
        if request.role == "query":
            return _embedded(request, [await self._embeddings.aembed_query(text) for text in texts])
        return _embedded(request, await self._embeddings.aembed_documents(texts))


def _not_empty(request: Embed) -> list[str]:
    """The texts; many models refuse a whole batch for one that is empty."""
    return [text or " " for text in request.texts]


def _embedded(request: Embed, vectors: Sequence[Sequence[float]]) -> Embedded:
    if len(vectors) != len(request.texts):
        raise BadReply(f"The embedding model gave {len(vectors)} vectors for {len(request.texts)} texts.")
    return Embedded(vectors, usage=Usage(len(request.texts) if request.role == "query" else 1))
