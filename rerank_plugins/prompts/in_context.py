"""Documents in a row and a question behind them, to see which of them the question's words look at."""

from __future__ import annotations

from collections.abc import Sequence

from rerank_plugins.prompts.quoting import defused, quoted
from rerank_plugins.requests import Attend, Attended

__all__ = ["CONTENT_FREE", "attend_request", "document_tokens"]

CONTENT_FREE = "N/A"
"""The query that asks for nothing: what attention it pays is due to places and signs alone."""

_BEFORE = "These documents were found by a search:"
_AFTER = "\n\nFind in these documents what helps to answer this question.\n\nQuestion:"


def attend_request(
    query: str, texts: Sequence[str], layers: tuple[int, int] | None = None, *, may_cut: bool = True
) -> Attend:
    """Ask which texts the words of the query attend to.

    What stands between the texts are segments of its own, so that neither its tokens nor their attention mix with
    theirs; and what the requests of one list have in common ends right before the query.

    >>> attend_request("why?", ["Because."]).segments[:2], attend_request("why?", ["Because."]).question
    (('\\n\\nDocument 1:\\n', 'Because.'), ' why?')
    """
    segments: list[str] = []
    for number, text in enumerate(texts, start=1):
        segments += [f"\n\nDocument {number}:\n", quoted(text)]
    return Attend((*segments, _AFTER), f" {defused(query).strip()}", _BEFORE, layers, may_cut)


def document_tokens(reply: Attended) -> list[tuple[float, ...]]:
    """The attention on each token of each document; where the backend gives sums alone, a document is one token."""
    values = reply.tokens or tuple((mass,) for mass in reply.mass)
    return [tuple(known) for known in values[1:-1:2]]
