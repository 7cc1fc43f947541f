"""METEORA: evidence chosen by rationales, cut at the elbow, widened to its neighbours, and verified."""

from rerank_plugins.methods.meteora.method import Meteora

__all__ = ["Meteora"]
