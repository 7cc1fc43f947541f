"""Methods driven by hand against models that only pretend: what they ask, how long it takes, how right they are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from rerank_plugins import Candidate, Ranking
from rerank_plugins.methods import Method
from rerank_plugins.ranking import settle
from rerank_plugins.requests import Chat, ChatReply, Request
from rerank_plugins.testing import FakeModel

CHARACTERS_PER_TOKEN = 4
WORDS = "the loaf rests in a warm place until the dough has doubled and the crumb keeps its shape under a thumb".split()


@dataclass(frozen=True)
class Pace:
    """How fast a pretended endpoint is: seconds before the first token, and tokens a second read and written."""

    wait_s: float = 0.4
    reads: float = 10_000.0
    writes: float = 100.0

    def seconds(self, read: int, written: int) -> float:
        return self.wait_s + read / self.reads + written / self.writes


@dataclass
class Run:
    """A ranking, and what it would have cost with all calls of a round trip at once."""

    ranking: Ranking
    calls: int = 0
    round_trips: int = 0
    read: int = 0
    written: int = 0
    seconds: float = 0.0


def simulate(method: Method, query: str, texts: Sequence[str], model: FakeModel, pace: Pace = Pace()) -> Run:
    """Run a method in no time, and add up what its calls would have taken."""
    candidates = [Candidate(text) for text in texts]
    steps, run, replies = method.steps(query, candidates), Run(Ranking()), None
    while True:
        try:
            batch = steps.send(replies)  # type: ignore[arg-type] # None starts it
        except StopIteration as end:
            run.ranking = settle(end.value, candidates)
            return run
        replies = [model.answer(request, None) for request in batch]
        tokens = [(_read(request), _written(reply)) for request, reply in zip(batch, replies, strict=True)]
        run.calls += len(batch)
        run.round_trips += 1
        run.read += sum(read for read, _ in tokens)
        run.written += sum(written for _, written in tokens)
        run.seconds += max(pace.seconds(read, written) for read, written in tokens)


def _read(request: Request) -> int:
    messages: Any = getattr(request, "messages", ())
    return sum(len(message["content"]) for message in messages) // CHARACTERS_PER_TOKEN


def _written(reply: Any) -> int:
    return len(reply.text) // CHARACTERS_PER_TOKEN if isinstance(reply, ChatReply) else 1


def passage(number: int, words: int = 100) -> str:
    """A text of a usual length that tells its number."""
    return f"Passage {number}. " + " ".join(WORDS[(number + place) % len(WORDS)] for place in range(words))


def number_of(text: str) -> int:
    """The number that a passage tells."""
    return int(text.split(".", 1)[0].removeprefix("Passage "))


def kendall(ranking: Ranking, worth: Sequence[float]) -> float:
    """Kendall's tau of an order against true worths without ties: 1 for the same order, -1 for the reverse."""
    pairs = list(combinations(ranking.order, 2))
    agreeing = sum(worth[above] > worth[below] for above, below in pairs)
    return 2 * agreeing / len(pairs) - 1


def seed_of(request: Chat) -> str:
    """What makes a pretended model answer alike to the same request, and differently to another."""
    return hashlib.sha256(repr((request.messages, request.seed)).encode()).hexdigest()
