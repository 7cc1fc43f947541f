"""rerank-plugins for LlamaIndex: published LLM reranking methods as a node postprocessor and as a retriever."""

from llama_index.postprocessor.rerank_plugins.citing import cite_nodes
from llama_index.postprocessor.rerank_plugins.models import LlamaIndexEmbedding, LlamaIndexLLM
from llama_index.postprocessor.rerank_plugins.neighbours import LlamaIndexNeighbours
from llama_index.postprocessor.rerank_plugins.postprocessor import RerankPostprocessor
from llama_index.postprocessor.rerank_plugins.retrieval import LlamaIndexRetriever
from llama_index.postprocessor.rerank_plugins.retriever import DecompositionRetriever

__all__ = [
    "DecompositionRetriever",
    "LlamaIndexEmbedding",
    "LlamaIndexLLM",
    "LlamaIndexNeighbours",
    "LlamaIndexRetriever",
    "RerankPostprocessor",
    "cite_nodes",
]
