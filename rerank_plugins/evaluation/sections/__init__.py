"""The parts of the HTML report; `rerank_plugins.evaluation.report` is what to import."""
