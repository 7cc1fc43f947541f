"""Any method of rerank-plugins as a LlamaIndex node postprocessor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import ConfigDict, Field, PrivateAttr, WithJsonSchema, field_serializer
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined] # exported, but not marked so
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.llms.llm import LLM
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from llama_index.core.storage.docstore.types import BaseDocumentStore

from llama_index.postprocessor.rerank_plugins.answering import check_needs, from_settings, searching, shown_name
from llama_index.postprocessor.rerank_plugins.models import chat_backend, embedding_backend
from llama_index.postprocessor.rerank_plugins.nodes import as_candidates, reranked_nodes
from llama_index.postprocessor.rerank_plugins.retrieval import Searchable
from rerank_plugins import Limits, Ranking, arerank, read_method, rerank
from rerank_plugins.backends import Backend
from rerank_plugins.backends.base import index_by_kind
from rerank_plugins.cache import Cache
from rerank_plugins.drive import check_options
from rerank_plugins.engine import OnError
from rerank_plugins.errors import InvalidInput
from rerank_plugins.events import Observer
from rerank_plugins.limits import as_limits
from rerank_plugins.methods.base import Method
from rerank_plugins.reports import METADATA_KEY, Rankings, report
from rerank_plugins.requests import Retrieve

__all__ = ["RerankPostprocessor", "RerankReportEvent"]

_WITHOUT_MODELS: dict[str, Any] = {
    "llm": None,
    "embed_model": None,
    "retriever": None,
    "docstore": None,
    "backends": (),
    "cache": None,
    "observer": None,
}

_dispatcher = get_dispatcher(__name__)


class RerankPostprocessor(BaseNodePostprocessor):
    """Rerank nodes with any method of rerank-plugins, through LlamaIndex's own models.

    What comes back are copies, best first: id, text, metadata and relationships are kept, `score` is the new score
    (None where the method could not score a node), and `node.metadata["rerank_plugins"]` says why, as plain data: the
    method, the rank, the score and what it means, the first stage's rank and score, the method's reasons. That entry
    is kept out of prompts and embeddings. In that of the first node "ranking" holds the report on the whole: notes,
    nodes left out, usage; the end event has it as well, and `last_ranking` gives the ranking itself. Nodes that a
    method found itself come back like the others. One instance serves many queries at once.

    Args:
        method: What to do, such as `InsertRank()`, or its repr as a string.
        llm: The LLM for methods that ask for text; `Settings.llm` if none is given. It is called through `chat`, as it
            is configured. One that computes in this process is called once at a time.
        embed_model: The embedding model for methods that ask for vectors; `Settings.embed_model` if none is given.
            Methods that can do without one of the two use that of `Settings` only where one was set.
        retriever: A retriever or an index, for methods that search for more than they were given; see
            `LlamaIndexRetriever`. With one there may be no nodes to begin with.
        docstore: Where to find the nodes that stand before and after a node in its document, for methods that ask for
            them; see `LlamaIndexNeighbours`.
        top_n: How many nodes to give back; None gives all that the method keeps.
        limits: Bounds on time, calls, tokens and concurrency of each query; a dict of its arguments will do.
        cache: A mapping from string to string that keeps the models' replies.
        on_error: "degrade" goes on without a call that failed, and logs it; "raise" raises it.
        backends: Further models, such as `rerank_plugins.backends.CrossEncoder`; they come before all others.
        observer: Called with each `rerank_plugins.events.Event`.
        metadata_mode: Which metadata a method reads together with the text of a node.
        structured: Whether an LLM that calls functions is asked to answer by calling one.
        flat_metadata: Whether the reasons are written as flat entries ("rerank_plugins_rank", ...), which vector stores
            accept, and not as one nested entry.
        callback_manager: As for any postprocessor.

    Raises:
        InvalidInput: An argument breaks a rule; it is a ValueError.
        UnmetNeed: Nothing that was given or may be in `Settings` answers what the method asks for.

    >>> from llama_index.core.schema import TextNode
    >>> nodes = [NodeWithScore(node=TextNode(text="one hour"), score=0.9), NodeWithScore(node=TextNode(text="two"))]
    >>> RerankPostprocessor("FirstStage", top_n=1).postprocess_nodes(nodes, query_str="how long to proof?")[0].text
    'one hour'
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, hide_input_in_errors=True)  # an input can hold a key

    method: Annotated[Method, WithJsonSchema({"type": "string"})]
    llm: LLM | None = Field(default=None, exclude=True, repr=False)
    embed_model: BaseEmbedding | None = Field(default=None, exclude=True, repr=False)
    retriever: Any = Field(default=None, exclude=True, repr=False)
    docstore: Any = Field(default=None, exclude=True, repr=False)
    top_n: int | None = None
    limits: Limits | None = None
    cache: Any = Field(default=None, exclude=True, repr=False)
    on_error: OnError = "degrade"
    backends: Any = Field(default=(), exclude=True, repr=False)
    observer: Any = Field(default=None, exclude=True, repr=False)
    metadata_mode: MetadataMode = MetadataMode.LLM
    structured: bool = False
    flat_metadata: bool = False

    _rankings: Rankings = PrivateAttr(default_factory=Rankings)

    def __init__(
        self,
        method: Method | str,
        *,
        llm: LLM | None = None,
        embed_model: BaseEmbedding | None = None,
        retriever: Searchable | None = None,
        docstore: BaseDocumentStore | None = None,
        top_n: int | None = None,
        limits: Limits | Mapping[str, Any] | None = None,
        cache: Cache | None = None,
        on_error: OnError = "degrade",
        backends: Backend | Sequence[Backend] = (),
        observer: Observer | None = None,
        metadata_mode: MetadataMode = MetadataMode.LLM,
        structured: bool = False,
        flat_metadata: bool = False,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        method = read_method(method) if isinstance(method, str) else method
        check_options(method, top_n, on_error)
        backends = tuple(backends) if isinstance(backends, Sequence) else (backends,)
        check_needs(method, [*backends, *searching(retriever, docstore, metadata_mode)])
        fields: dict[str, Any] = {
            "method": method,
            "llm": llm,
            "embed_model": embed_model,
            "retriever": retriever,
            "docstore": docstore,
            "top_n": top_n,
            "limits": None if limits is None else as_limits(limits),
            "cache": cache,
            "on_error": on_error,
            "backends": backends,
            "observer": observer,
            "metadata_mode": metadata_mode,
            "structured": structured,
            "flat_metadata": flat_metadata,
            "callback_manager": callback_manager or CallbackManager(),
        }
        super().__init__(**fields)

    @classmethod
    def class_name(cls) -> str:
        """The name under which it is written down."""
        return "RerankPostprocessor"

    @field_serializer("method")
    def _written_method(self, method: Method) -> str:
        return repr(method)

    @field_serializer("limits")
    def _written_limits(self, limits: Limits | None) -> dict[str, Any] | None:
        return None if limits is None else asdict(limits)

    def __getstate__(self) -> dict[str, Any]:
        # The base class deletes what cannot be pickled, and that from the object itself: it gets a copy.
        state = super(RerankPostprocessor, self.model_copy()).__getstate__()
        return state | {"__dict__": _WITHOUT_MODELS | state["__dict__"]}

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query_of(query_bundle)
        if not nodes and not self._can_search():
            return []
        asked = self._asked(query, nodes)
        with self._traced(nodes, query, asked["backends"]) as outcome:
            self._conclude(query, rerank(**asked), outcome)
        return outcome.nodes

    # LlamaIndex gives a span to the method above by itself, but not to this one.
    @_dispatcher.span
    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query_of(query_bundle)
        if not nodes and not self._can_search():
            return []
        asked = self._asked(query, nodes)
        with self._traced(nodes, query, asked["backends"]) as outcome:
            self._conclude(query, await arerank(**asked), outcome)
        return outcome.nodes

    def _conclude(self, query: str, ranking: Ranking, outcome: _Outcome) -> None:
        outcome.nodes += reranked_nodes(ranking, flat=self.flat_metadata)
        outcome.report |= report(ranking)
        self._rankings.keep(query, ranking)

    def last_ranking(self, query: str | None = None) -> Ranking | None:
        """Give the whole ranking behind the nodes: what was noted, left out and spent, and every score.

        Args:
            query: The query whose ranking is wanted; of the latest 64 queries each can be had. None is the last one of
                the calling thread or task, or else of all.
        """
        return self._rankings.of(query)

    def _asked(self, query: str, nodes: Sequence[NodeWithScore]) -> dict[str, Any]:
        """The arguments of `rerank`, which are those of `arerank`."""
        return {
            "method": self.method,
            "query": query,
            "candidates": as_candidates(nodes, self.metadata_mode),
            "backends": self._all_backends(),
            "top_n": self.top_n,
            "limits": self.limits,
            "cache": self.cache,
            "on_error": self.on_error,
            "observer": self.observer,
        }

    def _can_search(self) -> bool:
        return self.retriever is not None or Retrieve in index_by_kind(self.backends)

    def _all_backends(self) -> list[Backend]:
        """What was given, and from `Settings` what the method needs beyond that: its models are made when asked for."""
        backends = [*self.backends]
        if self.llm is not None:
            backends.append(chat_backend(self.llm, structured=self.structured))
        if self.embed_model is not None:
            backends.append(embedding_backend(self.embed_model))
        backends += searching(self.retriever, self.docstore, self.metadata_mode)
        return [*backends, *from_settings(self.method, backends, structured=self.structured)]

    @contextmanager
    def _traced(self, nodes: list[NodeWithScore], query: str, backends: Sequence[Backend]) -> Iterator[_Outcome]:
        """Emit the paired events of both of LlamaIndex's systems around what fills the outcome that this gives."""
        outcome = _Outcome()
        model_name = shown_name(self.method, backends)
        top_n = len(nodes) if self.top_n is None else self.top_n
        payload: dict[str, Any] = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: model_name,
            EventPayload.QUERY_STR: query,
            EventPayload.TOP_K: top_n,
        }
        _dispatcher.event(ReRankStartEvent(query=query, nodes=nodes, top_n=top_n, model_name=model_name))
        try:
            with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
                yield outcome
                event.on_end(payload={EventPayload.NODES: outcome.nodes, METADATA_KEY: outcome.report})
        finally:
            _dispatcher.event(RerankReportEvent(nodes=outcome.nodes, report=outcome.report))


@dataclass
class _Outcome:
    """What came of a call, as far as it came."""

    nodes: list[NodeWithScore] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)


class RerankReportEvent(ReRankEndEvent):
    """LlamaIndex's event for the end of a reranking, with the report on it.

    Args:
        nodes: The nodes in their new order.
        report: What `rerank_plugins.reports.report` says of the ranking: scores, reasons, what was left out, notes and
            usage; empty if the call failed.
    """

    report: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def class_name(cls) -> str:
        """That of LlamaIndex's event, for handlers that go by the name."""
        return ReRankEndEvent.class_name()


def _query_of(query_bundle: QueryBundle | None) -> str:
    query = "" if query_bundle is None else query_bundle.query_str
    if not query.strip():
        raise InvalidInput(
            "RerankPostprocessor ranks nodes by a query, and there is none (or an empty one); "
            "pass query_bundle or query_str to postprocess_nodes."
        )
    return query
