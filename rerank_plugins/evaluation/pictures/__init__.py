"""How a comparison is drawn; `rerank_plugins.evaluation.plots` is what to import."""
