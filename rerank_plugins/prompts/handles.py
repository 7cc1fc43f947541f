"""Identifiers for the documents of one prompt, which no author of a document can know beforehand."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence

__all__ = ["handles"]

_LENGTH = 5
# No vowels, so that none spells a word; nothing that looks like another; a letter first, so that none is a number.
_LETTERS = "bcdfghjkmnpqrstvwxz"
_SIGNS = _LETTERS + "23456789"


def handles(query: str, texts: Sequence[str]) -> list[str]:
    """One identifier per text: about one in ten million, distinct, and in none of the texts.

    They are a digest of the query and of all texts together. The same prompt gets the same ones, so that a reply cache
    hits; an author who does not know the question and every document beside his own cannot work them out, and changing
    his text changes them.

    >>> first, second = handles("which?", ["this", "that"])
    >>> (first, second) == tuple(handles("which?", ["this", "that"])), first == handles("which?", ["this", "thus"])[0]
    (True, False)
    """
    key = hashlib.blake2b(json.dumps([query, *texts]).encode(), digest_size=32).digest()
    everything = "\n".join([query, *texts]).casefold()
    fresh = (handle for handle in _distinct(key) if handle not in everything)
    return list(itertools.islice(fresh, len(texts)))


def _distinct(key: bytes) -> Iterator[str]:
    seen: set[str] = set()
    for number in itertools.count():
        handle = _spelled(hashlib.blake2b(number.to_bytes(8, "big"), key=key, digest_size=8).digest())
        if handle not in seen:
            seen.add(handle)
            yield handle


def _spelled(digest: bytes) -> str:
    number, signs = int.from_bytes(digest, "big"), []
    for place in range(_LENGTH):
        number, sign = divmod(number, len(_SIGNS if place else _LETTERS))
        signs.append((_SIGNS if place else _LETTERS)[sign])
    return "".join(signs)
