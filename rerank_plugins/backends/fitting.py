"""Shorten the documents in a prompt until it fits a model's context: the longest first, and nothing but documents.

`fit_messages` and `fit_prompt` are for a backend that counts tokens itself. `squeezed` is for an endpoint that only
says, after the fact, by how much a prompt was too long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from rerank_plugins.errors import PromptTooLong, classify
from rerank_plugins.ranking import Note
from rerank_plugins.requests import Message, Request
from rerank_plugins.text import Prompt, cap_for, documents_in

__all__ = ["cut_note", "fit_messages", "fit_prompt", "shortened_after", "shortened_messages", "squeezed"]

_FEWEST_CHARACTERS = 16  # a document shorter than this says nothing, so that cutting further is no fit
_SHARE = 0.5  # of a prompt that is too long, where nobody says by how much
_MOST_KEPT = 0.9
_MARGIN = 0.95  # tokens per character differ between the parts that are cut and the rest

T = TypeVar("T")


def fit_messages(
    messages: Sequence[Message], count: Callable[[Sequence[Message]], int], limit: int
) -> tuple[Sequence[Message], bool]:
    """Shorten the documents in a conversation until it has at most `limit` tokens.

    Args:
        messages: The conversation; contents made with `Prompt.of` know their documents.
        count: Gives the tokens of a conversation, chat template included.
        limit: The most tokens that fit, room for the answer already subtracted.

    Returns:
        The messages, and whether documents were cut.

    Raises:
        PromptTooLong: It does not fit even with its documents cut to a few characters.

    >>> from rerank_plugins.text import Document
    >>> prompt = Prompt.of("Which helps? ", *map(Document, ["short", "x" * 100]))
    >>> fit_messages([{"role": "user", "content": prompt}], lambda m: len(m[0]["content"]), 50)
    ([{'role': 'user', 'content': 'Which helps? shortxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…'}], True)
    """
    lengths = list(map(len, documents_in(message["content"] for message in messages)))
    return _fit(messages, shortened_messages, lengths, count, limit)


def fit_prompt(prompt: str, count: Callable[[str], int], limit: int) -> tuple[str, bool]:
    """Do the same for a prompt without roles.

    >>> fit_prompt("no document in it", len, 100)
    ('no document in it', False)
    """
    return _fit(prompt, _shortened, list(map(len, documents_in([prompt]))), count, limit)


def shortened_messages(messages: Sequence[Message], cap: int) -> Sequence[Message]:
    """Cut each document in a conversation to at most `cap` characters."""
    return [{"role": message["role"], "content": _shortened(message["content"], cap)} for message in messages]


def squeezed(messages: Sequence[Message], keep: float) -> Sequence[Message] | None:
    """Shorten the documents until the whole conversation has about the share `keep` of its characters.

    Args:
        messages: The conversation.
        keep: Between 0 and 1; what the model allows, divided by what the conversation needs.

    Returns:
        The shortened conversation, or None where its documents are too short to give that much.

    >>> from rerank_plugins.text import Document
    >>> prompt = Prompt.of("Which helps? ", *map(Document, ["short", "x" * 100]))
    >>> len(squeezed([{"role": "user", "content": prompt}], 0.5)[0]["content"])
    57
    >>> squeezed([{"role": "user", "content": prompt}], 0.1) is None
    True
    """
    contents = [message["content"] for message in messages]
    lengths = list(map(len, documents_in(contents)))
    total = sum(map(len, contents))
    cap = cap_for(lengths, int(total * keep * _MARGIN) - (total - sum(lengths)))
    if cap < _FEWEST_CHARACTERS or cap >= max(lengths, default=0):
        return None
    return shortened_messages(messages, cap)


def shortened_after(
    error: Exception, request: Request, messages: Sequence[Message], room: int = 0
) -> tuple[Sequence[Message], Note] | None:
    """Make of a failed call the next one, where all that was wrong is that the prompt was too long.

    Args:
        error: What the call raised.
        request: What was asked for; a `Chat` may forbid cutting.
        messages: What was sent.
        room: Tokens to leave free for the answer.

    Returns:
        The conversation with shorter documents and the note that says so, or None where that is not what the error
        asks for, not allowed, or not possible.
    """
    failure = classify(error)
    if not isinstance(failure, PromptTooLong) or not getattr(request, "may_cut", True):
        return None
    keep = _SHARE
    if failure.limit and failure.needed:
        # What was needed counts the answer at some endpoints: leaving room for it once more is on the safe side.
        keep = min(max(failure.limit - room, failure.limit // 2) / failure.needed, _MOST_KEPT)
    shorter = squeezed(messages, keep)
    return None if shorter is None else (shorter, cut_note(failure.limit))


def cut_note(limit: int | None) -> Note:
    """Say that documents were shortened: the same sentence for each call, so that a ranking shows it once."""
    known = "" if limit is None else f" of {limit} tokens"
    return Note("cut", f"Documents were shortened to fit the model's context{known}.")


def _shortened(text: str, cap: int) -> str:
    return text.shortened(cap) if isinstance(text, Prompt) else text


def _fit(
    whole: T, shortened: Callable[[T, int], T], lengths: Sequence[int], count: Callable[[T], int], limit: int
) -> tuple[T, bool]:
    needed = count(whole)
    if needed <= limit:
        return whole, False
    fits, too_long = _FEWEST_CHARACTERS, max(lengths, default=0)
    if too_long <= fits or count(best := shortened(whole, fits)) > limit:
        raise PromptTooLong(limit, needed)
    # Counting a long prompt takes a while, so the cap is found to about 2 %, not to the last character.
    while too_long - fits > max(1, fits // 50):
        middle = (fits + too_long) // 2
        tried = shortened(whole, middle)
        if count(tried) <= limit:
            fits, best = middle, tried
        else:
            too_long = middle
    return best, True
