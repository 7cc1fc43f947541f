"""The methods: one paper, one module."""

from rerank_plugins.methods.base import Method, Options
from rerank_plugins.methods.cascade import Cascade
from rerank_plugins.methods.cross_encode import CrossEncode
from rerank_plugins.methods.decompose import Decompose
from rerank_plugins.methods.eliminate import Eliminate
from rerank_plugins.methods.embedding import Embedding
from rerank_plugins.methods.first import First
from rerank_plugins.methods.first_stage import FirstStage
from rerank_plugins.methods.fuse import Fuse
from rerank_plugins.methods.in_context import InContext
from rerank_plugins.methods.insert_rank import InsertRank
from rerank_plugins.methods.likelihood import Likelihood
from rerank_plugins.methods.meteora import Meteora
from rerank_plugins.methods.pointwise import Graded, YesNo
from rerank_plugins.methods.reading import method_class, method_names, read_method
from rerank_plugins.methods.rebel import Rebel
from rerank_plugins.methods.released import method_for
from rerank_plugins.methods.setwise import Setwise
from rerank_plugins.methods.up_to import UpTo

METHODS = (
    "Cascade",
    "CrossEncode",
    "Decompose",
    "Eliminate",
    "Embedding",
    "First",
    "FirstStage",
    "Fuse",
    "Graded",
    "InContext",
    "InsertRank",
    "Likelihood",
    "Meteora",
    "Rebel",
    "Setwise",
    "UpTo",
    "YesNo",
)
"""The names of the shipped methods."""

__all__ = [
    "METHODS",
    "Cascade",
    "CrossEncode",
    "Decompose",
    "Eliminate",
    "Embedding",
    "First",
    "FirstStage",
    "Fuse",
    "Graded",
    "InContext",
    "InsertRank",
    "Likelihood",
    "Meteora",
    "Method",
    "Options",
    "Rebel",
    "Setwise",
    "UpTo",
    "YesNo",
    "method_class",
    "method_for",
    "method_names",
    "read_method",
]
