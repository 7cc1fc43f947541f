"""The methods: one paper, one module."""

from rerank_plugins.methods.base import Method, Options
from rerank_plugins.methods.cascade import Cascade
from rerank_plugins.methods.cross_encode import CrossEncode
from rerank_plugins.methods.decompose import Decompose
from rerank_plugins.methods.embedding import Embedding
from rerank_plugins.methods.first import First
from rerank_plugins.methods.first_stage import FirstStage
from rerank_plugins.methods.fuse import Fuse
from rerank_plugins.methods.insert_rank import InsertRank
from rerank_plugins.methods.likelihood import Likelihood
from rerank_plugins.methods.meteora import Meteora
from rerank_plugins.methods.pointwise import Graded, YesNo
from rerank_plugins.methods.reading import method_class, method_names, read_method
from rerank_plugins.methods.rebel import Rebel

METHODS = (
    "Cascade",
    "CrossEncode",
    "Decompose",
    "Embedding",
    "First",
    "FirstStage",
    "Fuse",
    "Graded",
    "InsertRank",
    "Likelihood",
    "Meteora",
    "Rebel",
    "YesNo",
)
"""The names of the shipped methods."""

__all__ = [
    "METHODS",
    "Cascade",
    "CrossEncode",
    "Decompose",
    "Embedding",
    "First",
    "FirstStage",
    "Fuse",
    "Graded",
    "InsertRank",
    "Likelihood",
    "Meteora",
    "Method",
    "Options",
    "Rebel",
    "YesNo",
    "method_class",
    "method_names",
    "read_method",
]
