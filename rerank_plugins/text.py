"""Texts on their way to a model, which remember where their documents are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rerank_plugins.thinking import without_thinking

__all__ = ["Document", "Prompt", "without_thinking"]


class Document(str):
    """A stretch of a prompt that is a document: it may be shortened where the whole does not fit."""

    __slots__ = ()


class Prompt(str):
    """A prompt made of fixed text and documents; to everything that knows only `str` it is its whole text.

    >>> prompt = Prompt.of("Passage: ", Document("a long text"), " Question: why?")
    >>> prompt
    'Passage: a long text Question: why?'
    >>> prompt.shortened(6)
    'Passage: a long… Question: why?'
    """

    parts: tuple[str, ...]

    @classmethod
    def of(cls, *parts: str) -> Prompt:
        """Join the parts; those of type `Document` may be shortened later."""
        made = cls("".join(parts))
        made.parts = parts
        return made

    @property
    def documents(self) -> list[str]:
        """The documents in it, in order."""
        return [part for part in self.parts if isinstance(part, Document)]

    def shortened(self, limit: int) -> Prompt:
        """Cut each document to at most `limit` characters."""
        return Prompt.of(*(_cut(part, limit) if isinstance(part, Document) else part for part in self.parts))


def _cut(document: Document, limit: int) -> Document:
    return document if len(document) <= limit else Document(document[:limit].rstrip() + "…")


def documents_in(texts: Iterable[str]) -> list[str]:
    """All documents in some prompts."""
    return [document for text in texts if isinstance(text, Prompt) for document in text.documents]


def cap_for(lengths: Sequence[int], room: int) -> int:
    """The one cap that makes the lengths, each cut to it, add up to at most `room`: only the longest are cut.

    >>> cap_for([10, 100, 300], 150)
    70
    >>> cap_for([10, 20], 100)
    20
    """
    left, ordered = max(0, room), sorted(lengths)
    for position, length in enumerate(ordered):
        share = left // (len(ordered) - position)
        if length > share:
            return share
        left -= length
    return ordered[-1] if ordered else 0
