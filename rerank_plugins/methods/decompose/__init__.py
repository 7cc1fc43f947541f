"""Question decomposition: search for every part of a question, and rerank what all searches found."""

from rerank_plugins.methods.decompose.method import Decompose

__all__ = ["Decompose"]
