"""rerank-plugins in LangChain: a document compressor and a retriever that take any reranking method."""

from langchain_rerank_plugins.citing import cite_documents
from langchain_rerank_plugins.compressor import RerankCompressor
from langchain_rerank_plugins.models import LangChainChat, LangChainEmbeddings
from langchain_rerank_plugins.neighbours import LangChainNeighbours
from langchain_rerank_plugins.retrieval import LangChainRetriever
from langchain_rerank_plugins.retriever import DecompositionRetriever

__all__ = [
    "DecompositionRetriever",
    "LangChainChat",
    "LangChainEmbeddings",
    "LangChainNeighbours",
    "LangChainRetriever",
    "RerankCompressor",
    "cite_documents",
]
