"""Query likelihood: a passage, and after it the question that it would be the answer to."""

from __future__ import annotations

from rerank_plugins.prompts.quoting import defused, quoted
from rerank_plugins.requests import Likelihood
from rerank_plugins.text import Prompt

__all__ = ["likelihood_request"]


def likelihood_request(query: str, text: str) -> Likelihood:
    """Ask how probable the query is as the question that the text answers.

    >>> likelihood_request("why?", "Because.").continuation
    ' why?'
    """
    prompt = Prompt.of("Passage: ", quoted(text), "\n\nA question that this passage answers:")
    return Likelihood(prompt, " " + defused(query).strip())
