"""JSON in a model's reply: between words, in a fence, cut off, or in a loose dialect of it.

Comments, commas before a closing bracket, single quotes, bare names and Python's words are read. A library that repairs
JSON would do more, and too much: it completes a number or a list that was cut off, which is a guess.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

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
            if (span := _span(text, start)) is None or (value := _loose(span)) is None:
                continue
            end = start + len(span)
        except RecursionError:
            return  # whoever nests a thousand deep does so from every start
        yield value


_LONGEST_LOOSE = 20_000  # characters
_TOKEN = re.compile(
    r"\"(?:[^\"\\\n]|\\.)*\"|(?<!\w)'(?:[^'\\\n]|\\.|'(?=\w))*'|//[^\n]*|/\*.*?\*/|#[^\n]*|[\[\]{}]", re.S
)


def _span(text: str, start: int) -> str | None:
    """From a bracket to the one that closes it, brackets in strings and comments not counted."""
    depth = 0
    for token in _TOKEN.finditer(text, start, start + _LONGEST_LOOSE):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token.group(), 0)
        if depth == 0:
            return text[start : token.end()]
    return None


def _loose(span: str) -> Any:
    """Read what only looks like JSON; None if it says nothing for certain."""
    plain = _TOKEN.sub(lambda token: _strict(token.group()), span)
    plain = re.sub(r",(\s*[\]}])", r"\1", plain)
    plain = re.sub(r"([{,]\s*)([A-Za-z_]\w{0,40})(\s*:)", r'\1"\2"\3', plain)
    plain = re.sub(r"(?<=[\s:,\[])(?:True|False|None)(?=\s*[,\]}])", lambda word: _WORDS[word.group()], plain)
    try:
        return json.loads(plain)
    except (ValueError, RecursionError):
        return None


_WORDS = {"True": "true", "False": "false", "None": "null"}


def _strict(token: str) -> str:
    """A token as JSON has it: a comment is nothing, a string has double quotes."""
    if token.startswith(("//", "/*", "#")):
        return ""
    if not token.startswith("'"):
        return token
    try:
        return json.dumps(ast.literal_eval(token))
    except (ValueError, SyntaxError):
        return json.dumps(token[1:-1])  # an apostrophe within


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
