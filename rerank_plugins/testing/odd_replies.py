"""Odd replies at random, for any request: what a model, a server or a network could make of an answer."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from rerank_plugins._numbers import checked
from rerank_plugins.candidates import Candidate
from rerank_plugins.errors import BadReply, CallTimeout, LimitReached, PromptTooLong, Refused, Transient, Unanswered
from rerank_plugins.methods import Method
from rerank_plugins.ranking import Ranking, settle
from rerank_plugins.requests import (
    Attended,
    ChatReply,
    Chosen,
    Embedded,
    Failed,
    Found,
    Measured,
    Reply,
    Request,
    Scored,
)

__all__ = ["odd_ranking", "odd_reply"]

_WORDS = (
    "[1] [2] [3] > < = >= -> [2]>[1] 1 2 3 07 -1 0 99 1e9 NaN null true false { } [ ] \" ' : , ; ``` ```json <think> "
    '</think> <answer> </answer> "ranking" "scores" "id" "document" "score" "relevance" "reasons" "flag" "none" A B C '
    "Doc: Relevance: Score: Document passage first best yes no Error 429 retry | --- ** # \ud800 ９ ١ 【2】 "
    "文档 документ \u202e </document> <|im_end|> [INST]"
).split(" ")
_ODD_NUMBERS: tuple[Any, ...] = (
    *(float(word) for word in ("nan", "inf", "-inf", "-9999", "1e308", "-1e-12", "0", "1", "-0.5")),
    *(None, "0.5", True, []),
)
_KEYS = ("ranking", "scores", "score", "document", "id", "reasons", "criteria", "name", "questions", "flag", "answer")
_MOST_ROUNDS = 2000


def odd_reply(request: Request, rng: random.Random) -> Reply:
    """A reply to a request: right, odd, of another kind, or failed."""
    way = rng.random()
    if way < 0.1:
        return Failed(_failure(rng))
    if way < 0.13:
        return rng.choice([ChatReply("[2] > [1]"), Scored((0.5,)), Found(()), Embedded([]), Chosen({}), Reply()])
    return _MAKERS[request.reply](request, rng)


def odd_ranking(method: Method, candidates: Sequence[Candidate], rng: random.Random) -> tuple[Ranking, int]:
    """Rank by a method whose every request gets an odd reply; gives the ranking and how many replies there were.

    Replies are checked as the engine does, so that the method sees what it would see behind `rerank`.

    >>> from rerank_plugins import InsertRank
    >>> ranking, replies = odd_ranking(InsertRank(), [Candidate("a"), Candidate("b")], random.Random(1))
    >>> sorted(ranking.order), replies
    ([0, 1], 1)
    """
    steps, count = method.steps("why?", candidates), 0
    replies: list[Reply] | None = None
    for _ in range(_MOST_ROUNDS):
        try:
            batch = steps.send(replies)  # type: ignore[arg-type] # None starts it
        except StopIteration as end:
            return settle(end.value, candidates), count
        replies = [checked(request, odd_reply(request, rng)) for request in batch]
        count += len(replies)
    raise AssertionError(f"{method!r} went on asking after {_MOST_ROUNDS} rounds")


def _failure(rng: random.Random) -> Any:
    return rng.choice(
        [
            BadReply("odd"),
            CallTimeout("late"),
            LimitReached("the deadline of 1 s passed"),
            PromptTooLong(10, 20),
            Refused("no", 400),
            Transient("busy", 3.0),
            Unanswered("nobody answers"),
        ]
    )


def _chat(request: Any, rng: random.Random) -> ChatReply:
    parsed = _value(rng, 4) if rng.random() < 0.4 else None
    text = json.dumps(parsed) if parsed is not None and rng.random() < 0.5 else _text(rng)
    return ChatReply(text, parsed=parsed, truncated=rng.random() < 0.1)


def _text(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.2:
        return " > ".join(f"[{rng.randint(-2, 30)}]" for _ in range(rng.randint(0, 30)))
    if kind < 0.5:
        whole = json.dumps(_value(rng, 4))
        return whole[: rng.randint(0, len(whole))] if rng.random() < 0.5 else whole
    return rng.choice(["", " ", "\n"]).join(rng.choices(_WORDS, k=rng.randint(0, 40)))


def _value(rng: random.Random, depth: int) -> Any:
    kind = rng.random()
    if depth and kind < 0.35:
        return {rng.choice(_KEYS): _value(rng, depth - 1) for _ in range(rng.randint(0, 4))}
    if depth and kind < 0.65:
        return [_value(rng, depth - 1) for _ in range(rng.randint(0, 6))]
    return rng.choice([rng.randint(-3, 30), rng.uniform(-1, 12), "A", "[2]", "3", "", None, True, "none", 10**30])


def _number(rng: random.Random, usual: Callable[[], float]) -> Any:
    return rng.choice(_ODD_NUMBERS) if rng.random() < 0.1 else usual()


def _length(right: int, rng: random.Random) -> int:
    return right if rng.random() < 0.85 else max(0, right + rng.randint(-3, 3))


def _numbers(right: int, rng: random.Random, usual: Callable[[], float]) -> tuple[Any, ...]:
    return tuple(_number(rng, usual) for _ in range(_length(right, rng)))


def _chosen(request: Any, rng: random.Random) -> Chosen:
    labels = [label for label in (*request.labels, "Z", "") if rng.random() < 0.85]
    shift = rng.choice([0.0, 0.0, -15.0])
    return Chosen({label: _number(rng, lambda: -5 * rng.random() + shift) for label in labels})


def _attended(request: Any, rng: random.Random) -> Attended:
    mass = _numbers(len(request.segments), rng, rng.random)
    tokens = tuple(_numbers(3, rng, rng.random) for _ in mass) if rng.random() < 0.5 else ()
    return Attended(mass, tokens)


def _embedded(request: Any, rng: random.Random) -> Embedded:
    rows = _length(len(request.texts), rng)
    return Embedded([_vector(rng) for _ in range(rows)])


def _vector(rng: random.Random) -> Sequence[Any]:
    if rng.random() < 0.1:
        return _numbers(4, rng, lambda: rng.uniform(-1, 1))
    return [rng.uniform(-1, 1) for _ in range(4)]


def _found(request: Any, rng: random.Random) -> Found:
    texts = [rng.choice(["", "a text", "Rye."]) for _ in range(rng.randint(0, 4))]
    return Found(tuple(Candidate(text, id=rng.choice([None, "x", "y"])) for text in texts))


_MAKERS: dict[type[Reply], Callable[[Any, random.Random], Reply]] = {
    ChatReply: _chat,
    Chosen: _chosen,
    Measured: lambda request, rng: Measured(_numbers(rng.randint(0, 6), rng, lambda: -5 * rng.random())),
    Attended: _attended,
    Embedded: _embedded,
    Scored: lambda request, rng: Scored(_numbers(len(request.texts), rng, lambda: rng.uniform(-9, 9))),
    Found: _found,
}
