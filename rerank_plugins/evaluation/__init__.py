"""How good rankings are, by relevance judgements, and what they cost."""

from rerank_plugins.evaluation.collection import Collection, read_collection, read_qrels, read_run
from rerank_plugins.evaluation.compare import MEASURES, Ceiling, Comparison, Row, compare
from rerank_plugins.evaluation.first_stages import by_bm25, by_embedding, from_run
from rerank_plugins.evaluation.measures import measure
from rerank_plugins.evaluation.peers import peer, peer_names
from rerank_plugins.evaluation.robustness import Robustness, robustness
from rerank_plugins.evaluation.systems import Oracle, Reorders

__all__ = [
    "MEASURES",
    "Ceiling",
    "Collection",
    "Comparison",
    "Oracle",
    "Reorders",
    "Robustness",
    "Row",
    "by_bm25",
    "by_embedding",
    "compare",
    "from_run",
    "measure",
    "peer",
    "peer_names",
    "read_collection",
    "read_qrels",
    "read_run",
    "robustness",
]
