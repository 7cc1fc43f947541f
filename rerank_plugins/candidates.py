"""What goes in: the documents of a first stage, in its order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rerank_plugins.errors import InvalidInput

__all__ = ["Candidate", "as_candidates", "finite", "well_formed"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One document that a first stage found.

    Args:
        text: What the model reads.
        id: The store's identifier, if it has one. It is carried, never used to tell documents apart: identity
            is the position in the list that was handed in.
        score: The first stage's score, in its own unit and direction; None where it gave none.
        metadata: Whatever travels with the document. It is never changed.
        embedding: The document's vector, if the store gave it, so that it need not be computed again. It has to be by
            the model that embeds the query.

    >>> Candidate("Steam keeps the crust soft.", id="p7", score=0.61).id
    'p7'
    """

    text: str
    id: str | None = None
    score: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    embedding: Sequence[float] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise InvalidInput(
                f"The text of a candidate is a string, not {type(self.text).__name__}; "
                "pass the document's text and keep the rest in metadata."
            )


def as_candidates(items: Iterable[Candidate | str]) -> tuple[Candidate, ...]:
    """Read a list of candidates, where a plain string stands for a candidate of that text.

    >>> as_candidates(["rye", Candidate("spelt", id="b")])[0]
    Candidate(text='rye', id=None, score=None, metadata={})
    """
    if isinstance(items, str):
        raise InvalidInput("Candidates come as a list, not as one string; pass [text] for a single document.")
    return tuple(item if isinstance(item, Candidate) else Candidate(item) for item in items)


def finite(value: object) -> float | None:
    """Read a score, or None where it is missing, NaN, infinite or no number.

    >>> finite(2), finite(float("nan")), finite(None), finite("2"), finite(10**400)
    (2.0, None, None, None, None)
    """
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):  # an array of several numbers, or an integer beyond any float
        return None
    return number if math.isfinite(number) else None


def well_formed(candidate: Candidate) -> Candidate:
    """Give the view of a candidate that methods work on: encodable text, and a score that is a number or None.

    Lone surrogates become U+FFFD, since no tokenizer and no HTTP body can carry them.

    >>> well_formed(Candidate("a\\ud800b", score=float("nan")))
    Candidate(text='a\ufffdb', id=None, score=None, metadata={})
    """
    text, score = encodable(candidate.text), finite(candidate.score)
    if text is candidate.text and score == candidate.score:
        return candidate
    return replace(candidate, text=text, score=score)


def encodable(text: str) -> str:
    """Replace lone surrogates by U+FFFD, and give the very same string back where there are none."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
