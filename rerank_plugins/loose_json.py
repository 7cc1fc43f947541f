"""What only looks like JSON: comments, commas before a closing bracket, single quotes, bare names, Python's words.

A library that repairs JSON would do more, and too much: it completes a number or a list that was cut off, which is a
guess.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["loose_value"]


def loose_value(text: str, start: int) -> tuple[Any, int] | None:
    """Read the object or the list that begins at a bracket, and say where it ends; None if it is not sound.

    >>> loose_value("{'a': [1, 2,], b: None} ...", 0)
    ({'a': [1, 2], 'b': None}, 23)
    >>> loose_value("{'a': [1, 2", 0) is None
    True
    """
    span = _span(text, start)
    value = None if span is None else _loose(span)
    return None if span is None or value is None else (value, start + len(span))


_LONGEST = 20_000  # characters
_TOKEN = re.compile(
    r"\"(?:[^\"\\\n]|\\.)*\"|(?<!\w)'(?:[^'\\\n]|\\.|'(?=\w))*'|//[^\n]*|/\*.*?\*/|#[^\n]*|[\[\]{}]", re.S
)


def _span(text: str, start: int) -> str | None:
    """From a bracket to the one that closes it, brackets in strings and comments not counted."""
    depth = 0
    for token in _TOKEN.finditer(text, start, start + _LONGEST):
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
    # Not with `ast`, whose parser fails in threads before Python 3.12.
    return '"' + _SIGN.sub(_escaped, token[1:-1]) + '"'


_SIGN = re.compile(r"\\.|\"", re.S)


def _escaped(sign: re.Match[str]) -> str:
    return "'" if sign.group() == r"\'" else r"\"" if sign.group() == '"' else sign.group()
