"""rerank-plugins for LlamaIndex: published LLM reranking methods as a node postprocessor."""

from llama_index.postprocessor.rerank_plugins.models import LlamaIndexEmbedding, LlamaIndexLLM
from llama_index.postprocessor.rerank_plugins.postprocessor import RerankPostprocessor

__all__ = ["LlamaIndexEmbedding", "LlamaIndexLLM", "RerankPostprocessor"]
