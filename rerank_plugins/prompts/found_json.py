"""JSON in a model's reply: between words, in a fence, cut off, or in a loose dialect of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from rerank_plugins.loose_json import loose_value

__all__ = ["flat_objects", "json_values"]

_LONGEST = 200_000  # characters; no honest answer to a reranking prompt comes near it
_ATTEMPTS = 40  # starts that are tried: a reply of nothing but brackets must not cost quadratic time


def json_values(text: str) -> Iterator[Any]:
    """Yield the JSON objects in a text, and then the JSON lists, each kind in order of appearance.

    Values inside others are not yielded again. What is cut off is not repaired here.

    >>> list(json_values('Sure! {"ranking": [2, 1]} I hope [that] helps.'))
    [{'ranking': [2, 1]}, [2, 1]]
    >>> list(json_values("[" * 100_000))
    []
    """
    text = text[:_LONGEST]
    for opening in ("{", "["):
        yield from _values_at(text, _ends([match.start() for match in re.finditer(re.escape(opening), text)]))


def _values_at(text: str, starts: list[int]) -> Iterator[Any]:
    decoder, end = json.JSONDecoder(), 0
    for start in starts:
        if start < end:
            continue
        try:
            value, end = decoder.raw_decode(text, start)
        except ValueError:
            if (found := loose_value(text, start)) is None:
                continue
            value, end = found
        except RecursionError:
            return  # whoever nests a thousand deep does so from every start
        yield value


def _ends(starts: list[int]) -> list[int]:
    """The first and the last of many: an answer stands at the beginning or at the end."""
    half = _ATTEMPTS // 2
    return starts if len(starts) <= _ATTEMPTS else starts[:half] + starts[-half:]


def flat_objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in a text that hold no other object: in a reply that was cut off they are still whole.

    >>> list(flat_objects('{"grades": [{"id": "a", "score": 1}, {"id": "b", "sc'))
    [{'id': 'a', 'score': 1}]
    """
    for match in re.finditer(r"\{[^{}]{0,4000}\}", text[:_LONGEST]):
        try:
            yield json.loads(match.group())
        except (ValueError, RecursionError):
            continue
