"""Who answers what a method asks for, what `Settings` has to give, and what to say where nobody answers."""

from __future__ import annotations

from collections.abc import Sequence

from llama_index.core.schema import MetadataMode
from llama_index.core.settings import Settings
from llama_index.core.storage.docstore.types import BaseDocumentStore

from llama_index.postprocessor.rerank_plugins.models import chat_backend, embedding_backend
from llama_index.postprocessor.rerank_plugins.neighbours import LlamaIndexNeighbours
from llama_index.postprocessor.rerank_plugins.retrieval import LlamaIndexRetriever, Searchable
from rerank_plugins.backends import Backend, registry
from rerank_plugins.backends.base import index_by_kind
from rerank_plugins.backends.in_threads import InThreads
from rerank_plugins.backends.one_at_a_time import OneAtATime
from rerank_plugins.errors import UnmetNeed
from rerank_plugins.methods.base import Method, needs_of, wants_of
from rerank_plugins.requests import Chat, Embed, Neighbours, Request, Retrieve

__all__ = ["check_needs", "from_settings", "searching", "shown_name"]

_OPTIONS: dict[type[Request], str] = {
    Retrieve: " A LlamaIndex retriever or index given as retriever answers it too.",
    Neighbours: " A docstore given as docstore answers it too.",
}


def searching(
    retriever: Searchable | None, docstore: BaseDocumentStore | None, metadata_mode: MetadataMode
) -> list[Backend]:
    """The backends for what was given to search in."""
    backends: list[Backend] = []
    if retriever is not None:
        backends.append(LlamaIndexRetriever(retriever, metadata_mode=metadata_mode))
    if docstore is not None:
        backends.append(LlamaIndexNeighbours(docstore, metadata_mode=metadata_mode))
    return backends


def from_settings(method: Method, backends: Sequence[Backend], *, structured: bool) -> list[Backend]:
    """The models of `Settings` that a method needs beyond what it is given, which are made when they are asked for.

    Those that it can do without are taken only where they were set, so that no model is made for nothing.
    """
    was_set = {Chat: Settings._llm is not None, Embed: Settings._embed_model is not None}
    asked = {*needs_of(method), *(kind for kind in wants_of(method) if was_set.get(kind))}
    missing = asked.difference(index_by_kind(backends))
    models: list[Backend] = []
    if Chat in missing:
        models.append(chat_backend(Settings.llm, structured=structured))
    if Embed in missing:
        models.append(embedding_backend(Settings.embed_model))
    return models


def check_needs(method: Method, backends: Sequence[Backend]) -> None:
    """Refuse a method that needs what nothing can answer; LLM and embedding model may still come from `Settings`.

    Raises:
        UnmetNeed: The sentence says what would answer it, and which option takes that.
    """
    for kind in needs_of(method):
        if kind not in (Chat, Embed, *index_by_kind(backends)):
            unmet = registry.unmet(kind, repr(method), [_name_of(backend) for backend in backends])
            raise UnmetNeed(f"{unmet}{_OPTIONS.get(kind, '')}")


def shown_name(method: Method, backends: Sequence[Backend]) -> str:
    """Method and models, such as "InsertRank() on gpt-5-mini"."""
    answering = index_by_kind(backends)
    asked = [kind for kind in (*needs_of(method), *wants_of(method)) if kind in answering]
    used = dict.fromkeys(_name_of(answering[kind]) for kind in asked if kind not in (Retrieve, Neighbours))
    return " on ".join([repr(method), *([", ".join(used)] if used else [])])


def _name_of(backend: Backend) -> str:
    backend = backend.backend if isinstance(backend, (InThreads, OneAtATime)) else backend
    return getattr(backend, "model_name", backend.identity) or type(backend).__name__
