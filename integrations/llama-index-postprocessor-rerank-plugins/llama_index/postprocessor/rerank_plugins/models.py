"""LlamaIndex's own models as backends: an LLM answers `Chat`, an embedding model answers `Embed`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import llama_index.core
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.llms.custom import CustomLLM
from llama_index.core.llms.llm import LLM

from llama_index.postprocessor.rerank_plugins.answer_tool import AnswerTool
from llama_index.postprocessor.rerank_plugins.naming import identity_of, name_of
from llama_index.postprocessor.rerank_plugins.replies import read_response
from rerank_plugins.backends import Backend
from rerank_plugins.backends.asking import Asking, arun, run
from rerank_plugins.backends.fitting import cut_note, fit_messages, shortened_after
from rerank_plugins.backends.in_process import suited
from rerank_plugins.backends.openai.reading import reply_in
from rerank_plugins.errors import BadReply, PromptTooLong
from rerank_plugins.ranking import Note, Usage
from rerank_plugins.requests import Chat, ChatReply, Embed, Embedded, Message, Request

__all__ = ["LlamaIndexEmbedding", "LlamaIndexLLM", "chat_backend", "embedding_backend"]

_MOST_CUTS = 3  # each uses the numbers of the last error, so that more would not help


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
        call = getattr(self._llm, self._method_for(request))
        return run(self._asking(request), lambda asked, _: call(**asked), timeout)

    async def aanswer(self, request: Chat, timeout: float | None) -> ChatReply:
        """Call `achat` or `achat_with_tools`."""
        call = getattr(self._llm, f"a{self._method_for(request)}")
        return await arun(self._asking(request), lambda asked, _: call(**asked), timeout)

    def _method_for(self, request: Chat) -> str:
        by_tool = self._structured and request.schema is not None and _calls_functions(self._llm)
        return "chat_with_tools" if by_tool else "chat"

    def _asking(self, request: Chat) -> Asking[ChatReply]:
        """Ask, and ask again with shorter documents while the server finds the prompt too long."""
        messages, notes = self._fitted(request)
        while True:
            try:
                return read_response((yield self._arguments(request, messages)), self._llm, notes)
            except Exception as error:
                if (held := reply_in(error, request.schema, type(self._llm).__name__)) is not None:
                    return replace(held, notes=(*notes, *held.notes))
                shorter = shortened_after(error, request, messages) if len(notes) < _MOST_CUTS else None
                if shorter is None:
                    raise
                messages, note = shorter
                notes = (*notes, note)

    def _fitted(self, request: Chat) -> tuple[Sequence[Message], tuple[Note, ...]]:
        limit = max(1, self._llm.metadata.context_window - request.max_tokens)
        # No token is shorter than a byte, so that most prompts need no counting.
        if sum(len(message["content"].encode()) for message in request.messages) <= limit:
            return request.messages, ()
        if request.may_cut:
            messages, cut = fit_messages(request.messages, _count, limit)
            return messages, (cut_note(limit),) if cut else ()
        if (needed := _count(request.messages)) > limit:
            raise PromptTooLong(limit, needed)
        return request.messages, ()

    def _arguments(self, request: Chat, messages: Sequence[Message]) -> dict[str, Any]:
        said = [ChatMessage(role=message["role"], content=str(message["content"])) for message in messages]
        if self._method_for(request) == "chat" or request.schema is None:
            return {"messages": said}
        return {"tools": [AnswerTool(request.schema)], "chat_history": said, "tool_required": True}


def _calls_functions(llm: LLM) -> bool:
    return llm.metadata.is_function_calling_model and hasattr(llm, "chat_with_tools")


def chat_backend(llm: LLM, *, structured: bool = False) -> Backend:
    """The backend for an LLM: called concurrently, unless it computes in this process.

    A `CustomLLM` without async methods of its own would block the event loop, and is called on threads.

    >>> from llama_index.core.llms import MockLLM
    >>> type(chat_backend(MockLLM())).__name__
    'InThreads'
    """
    backend = LlamaIndexLLM(llm, structured=structured)
    return suited(backend, llm, blocks=_is_synchronous(llm), packages=_IN_PROCESS)


_IN_PROCESS = [
    f"llama_index.llms.{name}"
    for name in (
        "huggingface",
        "ipex_llm",
        "llama_cpp",
        "mistral_rs",
        "mlx",
        "modelscope",
        "openvino",
        "openvino_genai",
        "optimum_intel",
    )
]


def _is_synchronous(llm: LLM) -> bool:
    return isinstance(llm, CustomLLM) and all(_owner(llm, name) is CustomLLM for name in ("achat", "acomplete"))


def _owner(model: object, name: str) -> type:
    return next(cls for cls in type(model).__mro__ if name in vars(cls))


def embedding_backend(embed_model: BaseEmbedding) -> Backend:
    """The backend for an embedding model: called concurrently, unless it computes in this process.

    >>> from llama_index.core import MockEmbedding
    >>> type(embedding_backend(MockEmbedding(embed_dim=2))).__name__
    'LlamaIndexEmbedding'
    """
    own = ("_aget_text_embedding", "_aget_text_embeddings")
    blocks = all(_owner(embed_model, name) is BaseEmbedding for name in own)
    return suited(LlamaIndexEmbedding(embed_model), embed_model, blocks=blocks)


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
