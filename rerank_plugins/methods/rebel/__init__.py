"""REBEL: several criteria, scored by a model and added up here."""

from rerank_plugins.methods.rebel.method import Rebel

__all__ = ["Rebel"]
