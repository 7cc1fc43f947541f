"""LangChain's models as backends: called through their public methods, so that all their settings stay in force."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal

from langchain_core.embeddings import Embeddings
from langchain_core.messages import convert_to_messages
from langchain_core.runnables import Runnable, RunnableConfig

from langchain_rerank_plugins.replies import read_reply
from langchain_rerank_plugins.settings import accepted_settings, identity_of, is_synchronous, retries_itself
from rerank_plugins.backends import Backend
from rerank_plugins.backends.asking import Asking, arun, run
from rerank_plugins.backends.fitting import cut_note, squeezed
from rerank_plugins.errors import BadReply, PromptTooLong, classify
from rerank_plugins.ranking import Note, Usage
from rerank_plugins.requests import Chat, ChatReply, Embed, Embedded, Failed, Message, Reply, Request

__all__ = ["InProcessEmbeddings", "LangChainChat", "LangChainEmbeddings", "StructuredOutput", "embeddings_backend"]

StructuredOutput = Literal["json_schema", "function_calling", "json_mode"]

_MOST_CUTS = 3
_MOST_KEPT = 0.9
_SHARE = 0.5  # of a prompt that is too long, where nobody says by how much


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
            shorter = _shorter(request, messages, error) if cuts < _MOST_CUTS else None
            if shorter is None:
                raise
            messages, note = shorter
            notes, cuts = (*notes, note), cuts + 1


def _shorter(request: Chat, messages: Sequence[Message], error: Exception) -> tuple[Sequence[Message], Note] | None:
    """The conversation with shorter documents, where that is what the error asks for and what may be done."""
    read = classify(error)
    if not isinstance(read, PromptTooLong) or not request.may_cut:
        return None
    shorter = squeezed(messages, min(read.limit / read.needed, _MOST_KEPT) if read.limit and read.needed else _SHARE)
    return None if shorter is None else (shorter, cut_note(read.limit))


def embeddings_backend(embeddings: Embeddings) -> Backend:
    """The backend for an embedding model: called concurrently, unless it computes in this process."""
    backend = LangChainEmbeddings(embeddings)
    return InProcessEmbeddings(backend, _lock_of(embeddings)) if is_synchronous(embeddings) else backend


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


class InProcessEmbeddings:
    """The same for a model that computes in this process: called once at a time, without the timeout for endpoints.

    Tokenizers and local runtimes fail or crash when two threads use them at once.
    """

    kinds: ClassVar[tuple[type[Request], ...]] = (Embed,)

    def __init__(self, backend: LangChainEmbeddings, lock: threading.Lock) -> None:
        self._backend = backend
        self._lock = lock
        self.retries_itself = backend.retries_itself

    @property
    def identity(self) -> str:
        """That of the model."""
        return self._backend.identity

    def answer_batch(self, requests: Sequence[Embed]) -> Iterator[tuple[int, Reply]]:
        """Answer one after another; one that fails fails alone."""
        for position, request in enumerate(requests):
            with self._lock:
                reply = self._tried(request)
            yield position, reply

    def _tried(self, request: Embed) -> Reply:
        try:
            return self._backend.answer(request, None)
        except Exception as error:  # noqa: BLE001 # whatever the model raises is the failure of this request
            return Failed(classify(error, self.identity or "the embedding model"))


def _not_empty(request: Embed) -> list[str]:
    """The texts; many models refuse a whole batch for one that is empty."""
    return [text or " " for text in request.texts]


def _embedded(request: Embed, vectors: Sequence[Sequence[float]]) -> Embedded:
    if len(vectors) != len(request.texts):
        raise BadReply(f"The embedding model gave {len(vectors)} vectors for {len(request.texts)} texts.")
    return Embedded(vectors, usage=Usage(len(request.texts) if request.role == "query" else 1))


_locks: dict[int, threading.Lock] = {}
_locks_lock = threading.Lock()


def _lock_of(model: Embeddings) -> threading.Lock:
    """One lock per model, for all compressors that share it; models cannot be keys, since they are equal by value."""
    with _locks_lock:
        if id(model) not in _locks:
            _locks[id(model)] = threading.Lock()
            weakref.finalize(model, _locks.pop, id(model), None)
        return _locks[id(model)]
