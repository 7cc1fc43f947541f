"""rerank-plugins in LangChain: one document compressor that takes any reranking method."""

from langchain_rerank_plugins.compressor import RerankCompressor
from langchain_rerank_plugins.models import LangChainChat, LangChainEmbeddings

__all__ = ["LangChainChat", "LangChainEmbeddings", "RerankCompressor"]
