"""Which backends exist, what each answers and how to install it: read without importing any of them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from rerank_plugins.errors import UnmetNeed
from rerank_plugins.requests import Attend, Chat, Choose, Embed, Likelihood, Neighbours, Request, Retrieve, ScorePairs

__all__ = ["BACKENDS", "Entry", "load", "unmet"]


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a backend lives in this package, what it answers, and the extra that it needs, if any."""

    path: str
    kinds: tuple[type[Request], ...]
    extra: str = ""

    @property
    def install(self) -> str:
        """How to install what it needs, in brackets; nothing where it needs nothing."""
        return f" (pip install 'rerank-plugins[{self.extra}]')" if self.extra else ""


BACKENDS: dict[str, Entry] = {
    "BM25Retriever": Entry("retrieval", (Retrieve,)),
    "ChunkNeighbours": Entry("neighbours", (Neighbours,)),
    "CrossEncoder": Entry("local.cross_encoder", (ScorePairs,), "sentence-transformers"),
    "OpenAIChat": Entry("openai.chat", (Chat, Choose), "openai"),
    "OpenAIEmbedder": Entry("openai.embedder", (Embed,), "openai"),
    "RecordedReplies": Entry("recorded", (Chat,)),
    "Recording": Entry("recorded", ()),  # answers what the backend inside it answers
    "RerankAPI": Entry("rerank_api", (ScorePairs,), "rerank-api"),
    "Retriever": Entry("retrieval", (Retrieve,)),
    "SentenceEmbedder": Entry("local.sentence_embedder", (Embed,), "sentence-transformers"),
    "SharedBatches": Entry("shared", ()),  # as above
    "TransformersLM": Entry("local.transformers_lm", (Chat, Choose, Likelihood, Attend), "transformers"),
    "VLLM": Entry("vllm", (Chat, Choose, Likelihood), "openai"),
}


def load(name: str) -> Any:
    """Import a backend class by its name; AttributeError if there is none."""
    try:
        entry = BACKENDS[name]
    except KeyError:
        raise AttributeError(f"There is no backend {name!r}; there are {', '.join(BACKENDS)}.") from None
    return getattr(importlib.import_module(f"{__package__}.{entry.path}"), name)


def unmet(kind: type[Request], method: str, given: list[str]) -> UnmetNeed:
    """The error that says which backends would answer `kind`, and how to install them."""
    have = f"the backends given ({', '.join(given)}) do not answer that" if given else "no backend was given"
    fits = [f"{name}{entry.install}" for name, entry in BACKENDS.items() if kind in entry.kinds]
    if not fits:
        return UnmetNeed(f"{method} asks for {kind.asks} ({kind.__name__}), and {have}; pass one that does.")
    return UnmetNeed(f"{method} asks for {kind.asks} ({kind.__name__}), and {have}; pass one of: {'; '.join(fits)}.")
