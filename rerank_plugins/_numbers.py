"""Replies as methods may rely on them: as many numbers as were asked for, each of them a number.

A backend can be a foreign server, a framework's model or a user's function. What it gives is checked once, where it
arrives, so that no method has to. A number that is NaN, infinite or a sentinel (such as the -9999 that some servers
send for "not among the best") is missing: it is left out or None, and noted. A reply of which nothing can be used has
failed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rerank_plugins.candidates import Candidate, finite
from rerank_plugins.errors import BadReply
from rerank_plugins.ranking import Note
from rerank_plugins.requests import (
    Attend,
    Attended,
    ChatReply,
    Choose,
    Chosen,
    Embed,
    Embedded,
    Failed,
    Found,
    Measured,
    Reply,
    Request,
    Scored,
    ScorePairs,
)

__all__ = ["checked"]

_LEAST = -1000.0  # below it a log-probability is a sentinel: in fp32 a softmax over any vocabulary stays far above
_LONGEST = 1e100  # beyond it sums and squares are no numbers any more
_ROUNDING = 1e-3  # what a log-probability may lie above 0


class _Unusable(Exception):
    """What is wrong with a reply as a whole."""


def checked(request: Request, reply: Reply, source: str = "The model") -> Reply:
    """Give the reply as methods may rely on it.

    Args:
        request: What was asked.
        reply: What came back.
        source: Who answered, for messages.

    >>> checked(ScorePairs("q", ("a", "b")), Scored((float("nan"), 0.5))).scores
    (None, 0.5)
    >>> checked(ScorePairs("q", ("a", "b")), Scored((0.5,))).error
    BadReply('The model gave 1 scores for 2 texts.')
    """
    if isinstance(reply, Failed):
        return reply
    try:
        if not isinstance(reply, request.reply):
            raise _Unusable(f"a {type(reply).__name__}, where a {request.reply.__name__} was asked for")
        sound, gap = _CHECKS[request.reply](request, reply)
    except _Unusable as why:
        return Failed(BadReply(f"{source} gave {why}."), usage=reply.usage, notes=reply.notes)
    except Exception as error:  # noqa: BLE001 # fields can hold anything: a list in place of a mapping, a text in a vector
        return Failed(BadReply(f"{source} gave a reply that cannot be read ({type(error).__name__})."))
    return replace(sound, notes=(*sound.notes, Note("repaired", f"{source} gave {gap}."))) if gap else sound


def _chat(request: Any, reply: ChatReply) -> tuple[Reply, str]:
    if not isinstance(reply.text, str):
        raise _Unusable(f"a {type(reply.text).__name__} as its text")
    return reply, ""


def _chosen(request: Choose, reply: Chosen) -> tuple[Reply, str]:
    given = {label: reply.logprobs.get(label) for label in request.labels}
    known = {label: number for label, value in given.items() if (number := _logprob(value)) is not None}
    odd = sum(value is not None and value != -math.inf for value in given.values()) - len(known)
    if known == dict(reply.logprobs):
        return reply, ""
    return replace(reply, logprobs=known), f"{odd} label probabilities that are none" if odd > 0 else ""


def _measured(request: Any, reply: Measured) -> tuple[Reply, str]:
    numbers = [_logprob(value) for value in reply.logprobs]
    known = tuple(number for number in numbers if number is not None)
    if len(known) < len(numbers):  # a mean over the others would be that of another text
        raise _Unusable(f"no log-probability for {len(numbers) - len(known)} of {len(numbers)} tokens")
    return (reply if known == reply.logprobs else replace(reply, logprobs=known)), ""


def _attended(request: Attend, reply: Attended) -> tuple[Reply, str]:
    _count(reply.mass, len(request.segments), "attention values", "segments")
    if reply.tokens:
        _count(reply.tokens, len(request.segments), "lists of attention values", "segments")
    values = (*reply.mass, *(value for tokens in reply.tokens for value in tokens))
    if any(number is None or not 0 <= number < _LONGEST for number in map(finite, values)):
        # Attention adds up to a whole: where one value is wrong, none can be compared.
        raise _Unusable("attention values that are negative or no numbers")
    return reply, ""


def _embedded(request: Embed, reply: Embedded) -> tuple[Reply, str]:
    _count(reply.vectors, len(request.texts), "vectors", "texts")
    sound = [_is_vector(vector) for vector in reply.vectors]
    sizes = [len(vector) for vector, is_sound in zip(reply.vectors, sound, strict=True) if is_sound]
    if not sizes:
        raise _Unusable("no vector of numbers")
    usual = max(set(sizes), key=lambda size: (sizes.count(size), size))
    kept = [
        vector if is_sound and len(vector) == usual else ()
        for vector, is_sound in zip(reply.vectors, sound, strict=True)
    ]
    gaps = sum(not len(vector) for vector in kept)
    if not gaps:
        return reply, ""
    return replace(reply, vectors=kept), f"no usable vector for {gaps} of {len(kept)} texts"


def _scored(request: ScorePairs, reply: Scored) -> tuple[Reply, str]:
    _count(reply.scores, len(request.texts), "scores", "texts")
    numbers = map(finite, reply.scores)
    known = tuple(None if number is None or abs(number) > _LONGEST else number for number in numbers)
    gaps = sum(score is None for score in known)
    if gaps == len(known) and gaps:
        raise _Unusable("no score that is a number")
    if known == tuple(reply.scores):
        return reply, ""
    return replace(reply, scores=known), f"no score for {gaps} of {len(known)} texts" if gaps else ""


def _found(request: Any, reply: Found) -> tuple[Reply, str]:
    if not all(isinstance(candidate, Candidate) for candidate in reply.candidates):
        raise _Unusable("something that is no candidate")
    return (reply if isinstance(reply.candidates, tuple) else replace(reply, candidates=tuple(reply.candidates))), ""


_CHECKS: Mapping[type[Reply], Callable[[Any, Any], tuple[Reply, str]]] = {
    ChatReply: _chat,
    Chosen: _chosen,
    Measured: _measured,
    Attended: _attended,
    Embedded: _embedded,
    Scored: _scored,
    Found: _found,
}


def _count(given: Sequence[Any], expected: int, what: str, of: str) -> None:
    if len(given) != expected:  # which of them belongs to which can no longer be told
        raise _Unusable(f"{len(given)} {what} for {expected} {of}")


def _logprob(value: object) -> float | None:
    number = finite(value)
    if number is None or number < _LEAST or number > _ROUNDING:
        return None
    return min(number, 0.0)


def _is_vector(vector: Iterable[Any]) -> bool:
    import numpy as np  # here, so that importing the package stays quick

    numbers = np.asarray(vector)
    if numbers.ndim != 1 or not numbers.size or numbers.dtype.kind not in "fiu":
        return False
    return float(np.abs(numbers).max()) < _LONGEST  # neither NaN nor infinite, and a cosine can be computed of it
