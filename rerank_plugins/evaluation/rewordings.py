"""The same question in other letters and in other words, without a model."""

from __future__ import annotations

import random
import re

__all__ = ["put_otherwise", "with_typos"]

_LONG_WORD = re.compile(r"[^\W\d_]{4,}")
_WHAT = re.compile(r"(what|who)(?:'s| (is|are|was|were)) (.+)", re.I)
_HOW = re.compile(r"how (?:do|can|could|should) (?:i|you|we|one) (.+)", re.I)


def with_typos(question: str, rate: float, rng: random.Random) -> str:
    """Mistype a share of the words of four letters and more, at least one: swap two letters, drop or double one.

    >>> with_typos("how long does rye dough proof?", 0.3, random.Random(1))
    'how long doe rye dough proof?'
    """
    words = [match.span() for match in _LONG_WORD.finditer(question)]
    hit = rng.sample(words, max(1, round(rate * len(words)))) if words else []
    for start, end in sorted(hit, reverse=True):  # from the end, so that the places before stay right
        question = question[:start] + _mistyped(question[start:end], rng) + question[end:]
    return question


def _mistyped(word: str, rng: random.Random) -> str:
    place = rng.randrange(len(word) - 1)
    before, pair, after = word[:place], word[place : place + 2], word[place + 2 :]
    forms = [pair[0], pair[0] * 2 + pair[1], pair[::-1]]
    return before + rng.choice([form for form in forms if form != pair]) + after


def put_otherwise(question: str) -> str:
    """Ask the same in another form: of what something is, of the way to do it, or politely.

    >>> put_otherwise("What is a levain?"), put_otherwise("how do you store rye bread")
    ('explain what a levain is', 'the way to store rye bread')
    >>> put_otherwise("why salt?")
    'I would like to know this: why salt?'
    """
    bare = question.strip().rstrip("?.! ")
    if what := _WHAT.fullmatch(bare):
        word, verb, subject = what.groups()
        return f"explain {word.lower()} {subject} {(verb or 'is').lower()}"
    way = _HOW.fullmatch(bare)
    return f"the way to {way.group(1)}" if way else f"I would like to know this: {question}"
