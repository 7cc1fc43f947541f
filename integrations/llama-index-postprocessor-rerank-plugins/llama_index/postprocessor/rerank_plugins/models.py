"""LlamaIndex's own models as backends: an LLM answers `Chat`, an embedding model answers `Embed`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import llama_index.core
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.llms.llm import LLM

from llama_index.postprocessor.rerank_plugins.answer_tool import AnswerTool
from llama_index.postprocessor.rerank_plugins.naming import identity_of, name_of
from llama_index.postprocessor.rerank_plugins.replies import read_response
from rerank_plugins.backends.fitting import cut_note, fit_messages, squeezed
from rerank_plugins.errors import BadReply, PromptTooLong, classify
from rerank_plugins.ranking import Note, Usage
from rerank_plugins.requests import Chat, ChatReply, Embed, Embedded, Message, Request

__all__ = ["LlamaIndexEmbedding", "LlamaIndexLLM"]

_MOST_CALLS = 4  # each uses the numbers of the last error, so that more would not help


class LlamaIndexLLM:
    """Answers `Chat` with any LlamaIndex LLM, as it is configured.

    Temperature, seed and the longest answer are those that the LLM was made with, because integrations differ in what
    they take per call. A completion model gets the conversation in its own rendering, as from LlamaIndex itself. Where
    a prompt does not fit `metadata.context_window`, its documents are shortened if the method allows it.

    Args:
        llm: The model.
        structured: Whether to ask by a function call where the request has a schema and the LLM's metadata says that
            it calls functions. Where the call comes back odd, the text is read instead.

    >>> from llama_index.core.llms import MockLLM
    >>> LlamaIndexLLM(MockLLM(max_tokens=2)).answer(Chat([{"role": "user", "content": "?"}]), None).text
    'text text'
    """

    kinds: ClassVar[tuple[type[Request], ...]] = (Chat,)

    def __init__(self, llm: LLM, *, structured: bool = False) -> None:
        self._llm = llm
        self._structured = structured
        self.retries_itself = (getattr(llm, "max_retries", None) or 0) > 0

    @cached_property
    def model_name(self) -> str:
        """The model's name, or that of its class."""
        return name_of(self._llm) or type(self._llm).__name__

    @cached_property
    def identity(self) -> str:
        """Class, model and a digest of its settings; empty for a model without a name, so that nothing is cached."""
        return identity_of(self._llm, structured=self._structured)

    def answer(self, request: Chat, timeout: float | None) -> ChatReply:
        """Call `chat` or `chat_with_tools`; these take no timeout, so that the driver stops waiting by itself."""
        turn = self._first_turn(request)
        while True:
            name, arguments = self._call(turn)
            try:
                response = getattr(self._llm, name)(**arguments)
            except Exception as error:  # noqa: BLE001 # is raised again, unless a shorter prompt mends it
                turn = turn.shortened(error)
            else:
                return read_response(response, self._llm, turn.calls, turn.notes)

    async def aanswer(self, request: Chat, timeout: float | None) -> ChatReply:
        """Call `achat` or `achat_with_tools`."""
        turn = self._first_turn(request)
        while True:
            name, arguments = self._call(turn)
            try:
                response = await getattr(self._llm, "a" + name)(**arguments)
            except Exception as error:  # noqa: BLE001 # as above
                turn = turn.shortened(error)
            else:
                return read_response(response, self._llm, turn.calls, turn.notes)

    def _first_turn(self, request: Chat) -> _Turn:
        limit = max(1, self._llm.metadata.context_window - request.max_tokens)
        # No token is shorter than a byte, so that most prompts need no counting.
        if sum(len(message["content"].encode()) for message in request.messages) <= limit:
            return _Turn(request, request.messages)
        if not request.may_cut:
            if (needed := _count(request.messages)) > limit:
                raise PromptTooLong(limit, needed)
            return _Turn(request, request.messages)
        messages, cut = fit_messages(request.messages, _count, limit)
        return _Turn(request, messages, (cut_note(limit),) if cut else ())

    def _call(self, turn: _Turn) -> tuple[str, dict[str, Any]]:
        """The name of the LLM's method and its arguments."""
        messages = [ChatMessage(role=message["role"], content=str(message["content"])) for message in turn.messages]
        schema = turn.request.schema
        if self._structured and schema is not None and self._llm.metadata.is_function_calling_model:
            return "chat_with_tools", {
                "tools": [AnswerTool(schema)],
                "chat_history": messages,
                "tool_required": True,
            }
        return "chat", {"messages": messages}


class LlamaIndexEmbedding:
    """Answers `Embed` with any LlamaIndex embedding model: its query side for queries, its text side for documents.

    >>> from llama_index.core import MockEmbedding
    >>> LlamaIndexEmbedding(MockEmbedding(embed_dim=2)).answer(Embed(("rye", "spelt")), None).vectors
    [[0.5, 0.5], [0.5, 0.5]]
    """

    kinds: ClassVar[tuple[type[Request], ...]] = (Embed,)

    def __init__(self, embed_model: BaseEmbedding) -> None:
        self._model = embed_model
        self.retries_itself = (getattr(embed_model, "max_retries", None) or 0) > 0

    @cached_property
    def model_name(self) -> str:
        """The model's name, or that of its class."""
        return name_of(self._model) or type(self._model).__name__

    @cached_property
    def identity(self) -> str:
        """Class, model and a digest of its settings; empty for a model without a name, so that nothing is cached."""
        return identity_of(self._model)

    def answer(self, request: Embed, timeout: float | None) -> Embedded:
        """Call `get_query_embedding` for each query, or `get_text_embedding_batch` once."""
        texts = _not_empty(request)
        if request.role == "query":
            return _embedded(request, [self._model.get_query_embedding(text) for text in texts])
        return _embedded(request, self._model.get_text_embedding_batch(texts))

    async def aanswer(self, request: Embed, timeout: float | None) -> Embedded:
        """Call the async pair of the same, queries at once."""
        texts = _not_empty(request)
        if request.role == "query":
            return _embedded(request, await asyncio.gather(*map(self._model.aget_query_embedding, texts)))
        return _embedded(request, await self._model.aget_text_embedding_batch(texts))


@dataclass(frozen=True)
class _Turn:
    """One try at a request: what is sent, how many calls there were with this one, and what there is to say."""

    request: Chat
    messages: Sequence[Message]
    notes: tuple[Note, ...] = ()
    calls: int = 1

    def shortened(self, error: Exception) -> _Turn:
        """The next try with shorter documents, or the error again where that is not allowed or would not help."""
        failure = classify(error)
        if not self.request.may_cut or self.calls >= _MOST_CALLS or not isinstance(failure, PromptTooLong):
            raise error
        share = failure.limit / failure.needed if failure.limit and failure.needed else 0.5
        messages = squeezed(self.messages, min(share, 0.9))
        if messages is None:
            raise error
        return replace(self, messages=messages, notes=(*self.notes, cut_note(failure.limit)), calls=self.calls + 1)


def _count(messages: Sequence[Message]) -> int:
    """Tokens by LlamaIndex's tokenizer where one was loaded, else by the rule of thumb of four bytes a token."""
    text = "\n".join(message["content"] for message in messages)
    tokenizer = llama_index.core.global_tokenizer
    return len(text.encode()) // 4 if tokenizer is None else len(tokenizer(text))


def _not_empty(request: Embed) -> list[str]:
    """Providers refuse a whole batch for one empty text."""
    return [text or " " for text in request.texts]


def _embedded(request: Embed, vectors: Sequence[Sequence[float]]) -> Embedded:
    if len(vectors) != len(request.texts):
        raise BadReply(f"The embedding model gave {len(vectors)} vectors for {len(request.texts)} texts.")
    return Embedded(vectors, usage=Usage(len(vectors) if request.role == "query" else 1))
