"""The sources of an answer: what a user is told of them, and whether the answer cites what is there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rerank_plugins import Ranking
from rerank_plugins.citations import cited

__all__ = ["because", "check_citations", "left_out", "sources"]

_CITED = re.compile(r"\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]")
_LONGEST = 200  # characters of a model's own reason
_WORDS = {"query_log_likelihood": "log-likelihood of the question", "ranked_by_model": "placed by the model"}
_LEFT_UNSAID = {"bm25_source", "shown", "floor", "weight", "method", "first_stage_score"}


def sources(ranking: Ranking) -> list[dict[str, Any]]:
    """The sources under the numbers that the model is shown, each with the reasons for its place."""
    return [
        {
            "number": citation.number,
            "source": citation.source,
            "text": citation.text,
            "was": item.index + 1,
            "score": item.score,
            "because": f"was {_ordinal(item.index + 1)}, now {_ordinal(item.rank)}: {because(item.why)}",
        }
        for item, citation in zip(ranking, cited(ranking), strict=True)
    ]


def left_out(ranking: Ranking) -> list[dict[str, Any]]:
    """The documents that were found and are no sources, each with the reason."""
    return [
        {
            "source": str(item.candidate.metadata.get("source") or item.candidate.id or ""),
            "text": item.candidate.text,
            "was": item.index + 1,
            "score": item.score,
            "because": f"was {_ordinal(item.index + 1)}, {item.reason}: {because(item.why)}",
        }
        for item in ranking.dropped
    ]


def because(why: Mapping[str, Any]) -> str:
    """A method's reasons as a phrase; any method's, since reasons are plain data.

    >>> because({"fused": [{"adds": 1.23, "why": {"cosine": 0.6123}}, {"adds": -0.5, "why": {}}]})
    'cosine 0.61 (+1.23), no reason given (-0.50)'
    >>> because({"bm25": 7.31, "bm25_source": "candidates", "shown": "7.3", "ranked_by_model": True})
    'bm25 7.31, placed by the model'
    >>> because({"relevance": 9, "criteria": [{"name": "safety", "score": 4, "scale": 5}], "reason": "It warns."})
    'relevance 9, safety 4 of 5, reason: It warns.'
    """
    return ", ".join(phrase for name, value in why.items() for phrase in _phrases(name, value)) or "no reason given"


def check_citations(answer: str, sources: int) -> dict[str, list[int]]:
    """Which sources an answer cites, and which numbers it made up. It does not check that a source says what is said.

    >>> check_citations("Rye needs acid [2], and salt [1, 7].", sources=3)
    {'cited': [1, 2], 'invented': [7]}
    """
    numbers = {int(number) for group in _CITED.findall(answer) for number in re.findall(r"\d+", group)}
    known = set(range(1, sources + 1))
    return {"cited": sorted(numbers & known), "invented": sorted(numbers - known)}


def _phrases(name: str, value: Any) -> Iterator[str]:
    said = _WORDS.get(name, name.replace("_", " "))
    if name in _LEFT_UNSAID or value is None:
        return
    if name == "fused":
        yield from (f"{because(part['why'])} ({part['adds']:+.2f})" for part in value)
    elif name == "cascade":
        yield because(value[-1]["why"])
    elif name == "criteria":
        yield from (f"{each['name']} {_short(each['score'])} of {each['scale']}" for each in value)
    elif isinstance(value, bool):
        yield said if value else f"not {said}"
    elif isinstance(value, (int, float)):
        yield f"{said} {_short(value)}"
    elif isinstance(value, str) and value:
        yield f"{said}: {value[:_LONGEST]}"


def _short(number: float | None) -> str:
    return "not graded" if number is None else f"{number:.2f}" if isinstance(number, float) else str(number)


def _ordinal(number: int) -> str:
    """
    >>> [_ordinal(number) for number in (1, 2, 3, 11, 22, 113)]
    ['1st', '2nd', '3rd', '11th', '22nd', '113th']
    """
    last = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{last}"
