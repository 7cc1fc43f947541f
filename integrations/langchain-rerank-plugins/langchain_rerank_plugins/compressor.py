"""The document compressor: texts out, any reranking method over them, LangChain's documents back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.embeddings import Embeddings
from langchain_core.load import dumpd
from langchain_core.load.serializable import Serializable, SerializedConstructor, SerializedNotImplemented
from langchain_core.runnables import Runnable, RunnableConfig, ensure_config, patch_config
from langchain_core.runnables.config import (
    get_async_callback_manager_for_config,
    get_callback_manager_for_config,
    set_config_context,
)
from pydantic import ConfigDict, Field, PrivateAttr, SkipValidation, field_validator

from langchain_rerank_plugins.answering import check_needs
from langchain_rerank_plugins.documents import candidates_of, documents_of
from langchain_rerank_plugins.models import StructuredOutput, chat_backend, embeddings_backend
from langchain_rerank_plugins.neighbours import LangChainNeighbours
from langchain_rerank_plugins.retrieval import LangChainRetriever
from rerank_plugins import Limits, Ranking, RerankError, arerank, read_method, rerank
from rerank_plugins.backends import Backend
from rerank_plugins.cache import Cache
from rerank_plugins.drive import check_options
from rerank_plugins.engine import OnError
from rerank_plugins.events import Observer
from rerank_plugins.methods import Method
from rerank_plugins.reports import Rankings, report

__all__ = ["RerankCompressor"]


class RerankCompressor(Serializable, BaseDocumentCompressor):
    """Rerank documents with any method of rerank-plugins.

    What comes back are copies, best first: id, text and metadata are kept. Their metadata has two more entries.
    "relevance_score" is the new score, higher is better; a document that the method could not score has none, not even
    an old one. "rerank_plugins" says why the document stands where it stands, as plain data that can be written as
    JSON: the method, the rank, the score and what it means, the first stage's rank and score, and the method's reasons;
    in that of the first document "ranking" holds the report on the whole: notes, documents left out, usage. The same
    stands in the outputs of the run, and `last_ranking` gives the ranking itself.
    Documents that a method found itself come back like the others.

    Each call is a run of its own in the trace, with the calls to the model and the searches below it. A
    `max_concurrency` in the chain's config lowers that of `limits`. One instance serves many calls at once.

    Args:
        method: What to do, such as `InsertRank()`, or its repr as a string.
        llm: A chat model, an LLM, or a runnable around one, for methods that ask for text.
        embeddings: An embedding model, for methods that ask for vectors.
        retriever: A retriever, for methods that search for more than they were given; see `LangChainRetriever`.
        neighbours: What stands before and after a chunk in its document, for methods that ask for that: a function
            `(document, before, after)`, the documents as a list, a vector store such as Chroma, or a
            `LangChainNeighbours`, which says how each is read.
        top_n: How many documents to give back; None gives all that the method keeps.
        limits: Bounds on time, calls, tokens and concurrency of each call; a dict of its arguments will do.
        cache: A mapping from string to string that keeps replies, on top of any cache of the model's own.
        on_error: "degrade" goes on without a call that failed, and logs it; "raise" raises it.
        backends: Further models, such as `rerank_plugins.backends.CrossEncoder`; they come before all others.
        observer: Called with each `rerank_plugins.events.Event`.
        score_key: The metadata key of the first stage's score; None looks for "relevance_score", "score" and "_score".
        structured_output: How to ask `llm` for JSON; see `LangChainChat`.
        flat_metadata: Whether the reasons are written as flat entries ("rerank_plugins_rank", ...), which vector stores
            accept, and not as one nested entry.

    Raises:
        InvalidInput: An argument breaks a rule.
        UnmetNeed: Nothing that was given answers what the method asks for.
        pydantic.ValidationError: An argument is unknown or of the wrong type.

    >>> from langchain_core.documents import Document
    >>> from langchain_core.language_models import FakeListChatModel
    >>> compressor = RerankCompressor("InsertRank", llm=FakeListChatModel(responses=["[2] > [1]"]), top_n=1)
    >>> compressor
    RerankCompressor(method=InsertRank(), top_n=1)
    >>> found = compressor.compress_documents([Document("one hour"), Document("two hours")], "how long to proof?")
    >>> [(document.page_content, document.metadata["relevance_score"]) for document in found]
    [('two hours', 1.0)]
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,  # an input can hold a key
    )

    method: Method
    llm: Runnable[Any, Any] | None = Field(default=None, repr=False)
    embeddings: Embeddings | None = Field(default=None, repr=False)
    retriever: SkipValidation[Runnable[Any, Any] | None] = Field(default=None, repr=False)
    neighbours: SkipValidation[LangChainNeighbours | None] = Field(default=None, repr=False)
    top_n: int | None = None
    limits: Limits | None = None
    cache: SkipValidation[Cache | None] = Field(default=None, repr=False, exclude=True)
    on_error: OnError = "degrade"
    backends: SkipValidation[Sequence[Backend]] = Field(default=(), repr=False)
    observer: SkipValidation[Observer | None] = Field(default=None, repr=False, exclude=True)
    score_key: str | None = None
    structured_output: StructuredOutput | None = None
    flat_metadata: bool = False

    _rankings: Rankings = PrivateAttr(default_factory=Rankings)

    def __init__(self, method: Method | str, **options: Any) -> None:
        # Here, not in validators, so that what is raised is what `rerank` would raise.
        method = read_method(method) if isinstance(method, str) else method
        check_options(method, options.get("top_n"), options.get("on_error", "degrade"))
        neighbours = options.pop("neighbours", None)
        if not (neighbours is None or isinstance(neighbours, LangChainNeighbours)):
            neighbours = LangChainNeighbours(neighbours)
        super().__init__(method=method, neighbours=neighbours, **options)
        check_needs(method, self._backends())

    @field_validator("backends", mode="before")
    @classmethod
    def _as_tuple(cls, backends: Any) -> Any:
        return tuple(backends) if isinstance(backends, Sequence) else (backends,)

    def last_ranking(self, query: str | None = None) -> Ranking | None:
        """Give the whole ranking behind the documents: what was noted, left out and spent, and every score.

        Args:
            query: The query whose ranking is wanted; of the latest 64 queries each can be had. None is the last one of
                the calling thread or task, or else of all.
        """
        return self._rankings.of(query)

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """Rerank the documents for a query; see `acompress_documents` for the same on an event loop.

        Raises:
            CallError: A call failed, and `on_error` is "raise".
        """
        config, candidates = _config(callbacks), candidates_of(documents, self.score_key)
        manager = get_callback_manager_for_config(config)
        run = manager.on_chain_start(None, self._inputs(query, documents), name=self._run_name)
        try:
            with set_config_context(patch_config(config, callbacks=run.get_child())) as context:
                ranking = context.run(rerank, self.method, query, candidates, **self._options(config))
            compressed = documents_of(ranking, flat=self.flat_metadata)
        except BaseException as error:
            run.on_chain_error(error)
            raise
        self._rankings.keep(query, ranking)
        run.on_chain_end(report(ranking))
        return compressed

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """Rerank the documents for a query on the running event loop, through the models' own async methods."""
        config, candidates = _config(callbacks), candidates_of(documents, self.score_key)
        manager = get_async_callback_manager_for_config(config)
        run = await manager.on_chain_start(None, self._inputs(query, documents), name=self._run_name)
        try:
            with set_config_context(patch_config(config, callbacks=run.get_child())) as context:
                work = arerank(self.method, query, candidates, **self._options(config))
                ranking = await asyncio.create_task(work, context=context)
            compressed = documents_of(ranking, flat=self.flat_metadata)
        except BaseException as error:
            await run.on_chain_error(error)
            raise
        self._rankings.keep(query, ranking)
        await run.on_chain_end(report(ranking))
        return compressed

    def _backends(self) -> list[Backend]:
        backends = list(self.backends)
        if self.llm is not None:
            backends.append(chat_backend(self.llm, structured_output=self.structured_output))
        if self.embeddings is not None:
            backends.append(embeddings_backend(self.embeddings))
        if self.retriever is not None:
            backends.append(LangChainRetriever(self.retriever, score_key=self.score_key))
        if self.neighbours is not None:
            backends.append(self.neighbours)
        return backends

    def _options(self, config: RunnableConfig) -> dict[str, Any]:
        """The arguments of `rerank`, which are those of `arerank`."""
        limits = self.limits or Limits()
        if asked := config.get("max_concurrency"):
            limits = replace(limits, max_concurrency=max(1, min(asked, limits.max_concurrency)))
        return {
            "backends": self._backends(),
            "top_n": self.top_n,
            "limits": limits,
            "cache": self.cache,
            "on_error": self.on_error,
            "observer": self.observer,
        }

    # The trace

    @property
    def _run_name(self) -> str:
        return f"{type(self).__name__}<{type(self.method).__name__}>"

    def _inputs(self, query: str, documents: Sequence[Document]) -> dict[str, Any]:
        return {"query": query, "documents": len(documents), "method": repr(self.method), "top_n": self.top_n}

    # Serialisation

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True

    @property
    def lc_attributes(self) -> dict[str, Any]:
        limits = {} if self.limits is None else {"limits": asdict(self.limits)}
        return {"method": repr(self.method), **limits}

    def to_json(self) -> SerializedConstructor | SerializedNotImplemented:
        """Write it down whole, or say that it cannot be: one that came back with another model would be worse.

        The cache and the observer belong to a process and are not written.
        """
        return super().to_json() if self._can_be_written() else self.to_json_not_implemented()

    def _models(self) -> list[Any]:
        return [self.llm, self.embeddings, self.retriever]

    def _can_be_written(self) -> bool:
        if self.backends or self.neighbours or not _is_whole(list(map(dumpd, self._models()))):
            return False
        try:
            return read_method(repr(self.method)) == self.method
        except RerankError:
            return False


def _is_whole(written: Any) -> bool:
    """Whether what `dumpd` wrote can be loaded again."""
    if isinstance(written, dict):
        return written.get("type") != "not_implemented" and all(map(_is_whole, written.values()))
    return not isinstance(written, list) or all(map(_is_whole, written))


def _config(callbacks: Callbacks | None) -> RunnableConfig:
    """The config of the chain that this runs in, with the callbacks that were handed over, if any."""
    return ensure_config(None if callbacks is None else {"callbacks": callbacks})
