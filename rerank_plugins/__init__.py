"""Published LLM reranking methods as drop-in parts of a RAG chain."""

from rerank_plugins.candidates import Candidate
from rerank_plugins.criteria import Criterion
from rerank_plugins.drive import arerank, arerank_many, arerank_stream, rerank, rerank_many, rerank_stream
from rerank_plugins.errors import RerankError
from rerank_plugins.lexical import BM25Index
from rerank_plugins.limits import Limits
from rerank_plugins.methods import (
    Cascade,
    CrossEncode,
    Decompose,
    Eliminate,
    Embedding,
    First,
    FirstStage,
    Fuse,
    Graded,
    InContext,
    InsertRank,
    Likelihood,
    Meteora,
    Rebel,
    Setwise,
    UpTo,
    YesNo,
    method_for,
    read_method,
)
from rerank_plugins.ranking import Dropped, Note, Ranked, Ranking, Usage
from rerank_plugins.rationales import Rationale

__all__ = [
    "BM25Index",
    "Candidate",
    "Cascade",
    "Criterion",
    "CrossEncode",
    "Decompose",
    "Dropped",
    "Eliminate",
    "Embedding",
    "First",
    "FirstStage",
    "Fuse",
    "Graded",
    "InContext",
    "InsertRank",
    "Likelihood",
    "Limits",
    "Meteora",
    "Note",
    "Ranked",
    "Ranking",
    "Rationale",
    "Rebel",
    "RerankError",
    "Setwise",
    "UpTo",
    "Usage",
    "YesNo",
    "arerank",
    "arerank_many",
    "arerank_stream",
    "method_for",
    "read_method",
    "rerank",
    "rerank_many",
    "rerank_stream",
]

__version__ = "0.1.0"
