"""How good rankings are, by relevance judgements."""

from rerank_plugins.evaluation.measures import measure

__all__ = ["measure"]
