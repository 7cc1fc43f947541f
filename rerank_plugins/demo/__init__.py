"""The demo: a LangChain chain over the sample collection, before and after, and what each method buys, as measured."""

from rerank_plugins.demo.run import QUESTION, run_demo

__all__ = ["QUESTION", "run_demo"]
