"""Who answers what a method asks for, and what to say where nobody does."""

from __future__ import annotations

from collections.abc import Sequence

from rerank_plugins.backends import Backend, registry
from rerank_plugins.backends.base import index_by_kind
from rerank_plugins.errors import UnmetNeed
from rerank_plugins.methods import Method
from rerank_plugins.methods.base import needs_of
from rerank_plugins.requests import Chat, Embed, Neighbours, Request, Retrieve

__all__ = ["check_needs"]

_OPTIONS: dict[type[Request], str] = {
    Chat: " A LangChain chat model given as llm answers it too.",
    Embed: " A LangChain embedding model given as embeddings answers it too.",
    Retrieve: " A LangChain retriever given as retriever answers it too.",
    Neighbours: " Documents or a vector store given as neighbours answer it too.",
}


def check_needs(method: Method, backends: Sequence[Backend]) -> None:
    """Refuse a method that needs what none of the backends answers.

    Raises:
        UnmetNeed: The sentence says what would answer it, and which option takes that.
    """
    answered = index_by_kind(backends)
    for kind in needs_of(method):
        if kind not in answered:
            given = [backend.identity or type(backend).__name__ for backend in backends]
            raise UnmetNeed(f"{registry.unmet(kind, repr(method), given)}{_OPTIONS.get(kind, '')}")
