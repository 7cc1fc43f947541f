"""What the tests of the driver share: the smallest method, a model that grades, and both ways of running them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rerank_plugins import Candidate, Ranking, arerank, rerank
from rerank_plugins.ranking import order_by
from rerank_plugins.requests import Chat, ChatReply, Request, Steps
from rerank_plugins.testing import FakeModel, prompt_of

TEXTS = [f"passage {number}" for number in range(8)]

Way = Callable[..., Ranking]


def in_a_loop(*args: Any, **options: Any) -> Ranking:
    return asyncio.run(arerank(*args, **options))


WAYS = {"sync": rerank, "async": in_a_loop}


@dataclass(frozen=True)
class Grade:
    """The smallest pointwise method: one call a document, the reply is its score."""

    rounds: int = 1

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        scores: list[float | None] = [None] * len(candidates)
        for number in range(self.rounds):
            replies = yield [
                Chat([{"role": "user", "content": f"round {number}: {query} / {candidate.text}"}], max_tokens=4)
                for candidate in candidates
            ]
            for index, reply in enumerate(replies):
                if isinstance(reply, ChatReply):
                    scores[index] = float(reply.text)
        return order_by(scores)


def last_number(request: Chat) -> str:
    return prompt_of(request).split()[-1]


def grader(**options: Any) -> FakeModel:
    return FakeModel(last_number, **options)


def once(error: BaseException) -> Callable[[int, Request], BaseException | None]:
    return lambda number, request: error if number == 0 else None
