"""The verifier: each piece of evidence checked on its own, then what is left checked against itself."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rerank_plugins.errors import Unanswered
from rerank_plugins.methods.meteora.conflicts import losers
from rerank_plugins.prompts.checks import Check, check_request, parse_check
from rerank_plugins.prompts.contradictions import Conflicts, contradiction_requests, parse_conflicts
from rerank_plugins.ranking import Note
from rerank_plugins.requests import Failed, Request

__all__ = ["Opinion", "Verified", "verified"]

Kind = Literal["factual", "instruction", "contradiction"]
Asking = Generator[Sequence[Request], Sequence[Any], Any]

_AGREED = 0.5  # mean confidence of both sides from which a contradiction counts: one side alone is not enough


@dataclass(frozen=True)
class Opinion:
    """What the verifier thinks of a piece of evidence.

    Args:
        kind: What it is flagged as, or None.
        confidence: How sure the verifier is, 0 to 1; None if it did not say.
        reason: Its sentence, or "".
        against: Positions of the accepted pieces that it contradicts.
        checked: Whether all checks of it came back with an answer.
    """

    kind: Kind | None = None
    confidence: float | None = None
    reason: str = ""
    against: tuple[int, ...] = ()
    checked: bool = True


@dataclass(frozen=True)
class Verified:
    """The opinions on all pieces, in their order, and what a reader should know."""

    opinions: Sequence[Opinion]
    notes: Sequence[Note] = ()


def verified(
    query: str,
    texts: Sequence[str],
    scores: Sequence[float],
    flags: Sequence[str],
    sure: float = 0.9,
    *,
    keep_unchecked: bool = True,
) -> Generator[Sequence[Request], Sequence[Any], Verified]:
    """Check all pieces at once, each on its own; then those that passed, at once, against each other.

    Two round trips, and the order of the pieces plays no part: each first check sees one piece, all second checks see
    the same pieces in the same order, and who has to go is settled here. What was flagged first is no context for the
    second pass. Pieces of the same text are one piece, so that repeating itself gains a document nothing.

    Args:
        query: The question.
        texts: The pieces.
        scores: How well each fits the rationales; of two that contradict nobody but each other, the lesser goes.
        flags: Instructions about what to refuse.
        sure: A flag for a factual error counts above this confidence.
        keep_unchecked: Whether a piece whose first check failed takes part in the second.
    """
    distinct = sorted(set(texts))
    replies = yield [check_request(query, text, flags) for text in distinct]
    unanswered = [r.error for r in replies if isinstance(r, Failed) and isinstance(r.error, Unanswered)]
    if unanswered:
        return Verified(
            [Opinion(checked=False)] * len(texts),
            [Note("info", f"The evidence was not verified. {unanswered[0].need}")],
        )
    checks = {text: parse_check(reply, query, text) for text, reply in zip(distinct, replies, strict=True)}
    alone = {text: _alone(check, sure) for text, check in checks.items()}
    passed = [text for text, opinion in alone.items() if opinion.kind is None and (opinion.checked or keep_unchecked)]
    best = {text: max(s for t, s in zip(texts, scores, strict=True) if t == text) for text in passed}
    weakness = [(_doubt(checks[text]), -best[text], text) for text in passed]
    together = yield from _together(query, passed, weakness)
    places = {text: position for position, text in reversed(list(enumerate(texts)))}
    opinions = alone | {text: _both(alone[text], opinion, passed, places) for text, opinion in together.items()}
    return Verified([opinions[text] for text in texts])


def _alone(check: Check | None, sure: float) -> Opinion:
    if check is None:
        return Opinion(checked=False)
    unsure = check.flag == "factual" and check.confidence is not None and check.confidence <= sure
    kind = None if check.flag == "none" or unsure else check.flag
    return Opinion(kind, check.confidence, check.reason)


def _doubt(check: Check | None) -> float:
    """How much the first pass doubted a piece that it let pass."""
    return check.confidence or 0.0 if check is not None and check.flag != "none" else 0.0


def _together(query: str, texts: Sequence[str], weakness: Sequence[Any]) -> Asking:
    """Opinions on the texts from the second pass, by text."""
    if len(texts) < 2:
        return {}
    replies = yield contradiction_requests(query, texts)
    said = [parse_conflicts(reply, query, texts, place) for place, reply in enumerate(replies)]
    gone = losers(_edges(said), weakness)
    return {
        text: _opinion(place, said, gone) for place, text in enumerate(texts) if place in gone or said[place] is None
    }


def _edges(said: Sequence[Conflicts | None]) -> dict[tuple[int, int], float]:
    """The pairs that contradict each other, by the mean of what both sides say, or by the one that could be asked."""
    pairs = {tuple(sorted((place, other))) for place, one in enumerate(said) if one for other in one.places}
    strengths = {(a, b): _strength(_sides(said, a, b)) for a, b in pairs}
    return {pair: strength for pair, strength in strengths.items() if strength >= _AGREED}


def _sides(said: Sequence[Conflicts | None], a: int, b: int) -> Iterable[float]:
    for one, other in ((said[a], b), (said[b], a)):
        if one is not None:
            yield (1.0 if one.confidence is None else one.confidence) if other in one.places else 0.0


def _strength(sides: Iterable[float]) -> float:
    values = list(sides)
    return sum(values) / len(values)


def _opinion(place: int, said: Sequence[Conflicts | None], gone: Mapping[int, Sequence[int]]) -> Opinion:
    if place not in gone:
        return Opinion(checked=False)
    against = gone[place]
    own = said[place]
    witness = own if own is not None and own.places else next((s for i in against if (s := said[i]) is not None), None)
    return Opinion(
        "contradiction",
        witness.confidence if witness else None,
        witness.reason if witness else "",
        tuple(against),
    )


def _both(alone: Opinion, together: Opinion, texts: Sequence[str], places: Mapping[str, int]) -> Opinion:
    """The opinion of the second pass, told by the positions of the pieces; else that of the first, if unchecked."""
    if together.kind is None:
        return Opinion(None, alone.confidence, alone.reason, checked=False)
    against = tuple(places[texts[place]] for place in together.against)
    return Opinion(together.kind, together.confidence, together.reason, against)
