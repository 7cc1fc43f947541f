"""Models that answer what methods ask for. Each is imported, with its package, when it is first named."""

from typing import TYPE_CHECKING, Any

from rerank_plugins.backends import registry
from rerank_plugins.backends.base import Backend, BatchBackend, CallBackend

if TYPE_CHECKING:
    from rerank_plugins.backends.local.cross_encoder import CrossEncoder
    from rerank_plugins.backends.local.sentence_embedder import SentenceEmbedder
    from rerank_plugins.backends.local.transformers_lm import TransformersLM
    from rerank_plugins.backends.neighbours import ChunkNeighbours
    from rerank_plugins.backends.openai.chat import OpenAIChat
    from rerank_plugins.backends.openai.embedder import OpenAIEmbedder
    from rerank_plugins.backends.recorded import RecordedReplies, Recording
    from rerank_plugins.backends.rerank_api import RerankAPI
    from rerank_plugins.backends.retrieval import BM25Retriever, Retriever
    from rerank_plugins.backends.shared import SharedBatches
    from rerank_plugins.backends.vllm import VLLM

__all__ = [
    "VLLM",
    "BM25Retriever",
    "Backend",
    "BatchBackend",
    "CallBackend",
    "ChunkNeighbours",
    "CrossEncoder",
    "OpenAIChat",
    "OpenAIEmbedder",
    "RecordedReplies",
    "Recording",
    "RerankAPI",
    "Retriever",
    "SentenceEmbedder",
    "SharedBatches",
    "TransformersLM",
]


def __getattr__(name: str) -> Any:
    return registry.load(name)


def __dir__() -> list[str]:
    return __all__
