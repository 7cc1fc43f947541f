"""Each form of backend x each way to misbehave x both drivers x a deadline or none: it ends, and nothing is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from rerank_plugins import Candidate, Limits, Ranking, arerank, rerank
from rerank_plugins.ranking import order_by
from rerank_plugins.requests import Chat, ChatReply, Embed, Embedded, Scored, ScorePairs, Steps
from rerank_plugins.testing import FakeModel
from rerank_plugins.testing.conformance import check_accounted
from rerank_plugins.testing.hostile import FORMS, WAYS, hostile

CANDIDATES = [Candidate(f"passage {number}", score=1 / (number + 1)) for number in range(8)]
LIMITS = {
    "no deadline": Limits(backoff_s=0, timeout_s=0.05, silence_s=0.05, retries=1),
    "a deadline": Limits(backoff_s=0, deadline_s=0.05),
}
LONGEST_STALL_S = 0.1  # a collection of garbage included


@dataclass(frozen=True)
class Asks:
    """Asks for texts, vectors and scores, and takes what it gets."""

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        asked = [Chat([{"role": "user", "content": candidate.text}]) for candidate in candidates]
        texts = tuple(candidate.text for candidate in candidates)
        *said, vectors, scored = yield [*asked, Embed(texts), ScorePairs(query, texts)]
        assert not isinstance(vectors, Embedded) or len(vectors.vectors) == len(texts)
        assert not isinstance(scored, Scored) or len(scored.scores) == len(texts)
        return order_by([len(reply.text) if isinstance(reply, ChatReply) else None for reply in said])


def in_a_loop(*args: Any, **options: Any) -> Ranking:
    """Rerank in an event loop, and see to it that the loop is never held up."""

    async def watched() -> Ranking:
        stalls: list[float] = []
        watch = asyncio.create_task(_watch(stalls))
        try:
            return await arerank(*args, **options)
        finally:
            watch.cancel()
            assert max(stalls, default=0.0) < LONGEST_STALL_S, "the event loop had to wait"

    return asyncio.run(watched())


async def _watch(stalls: list[float]) -> None:
    while True:  # by what the thread of the loop computed meanwhile: others may keep the machine busy
        began = time.thread_time()
        await asyncio.sleep(0.005)
        stalls.append(time.thread_time() - began)


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("drive", [rerank, in_a_loop], ids=["rerank", "arerank"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", FORMS)
def test_it_ends_and_loses_nothing(form: str, way: str, drive: Callable[..., Ranking], limits: Limits) -> None:
    began = time.monotonic()
    ranking = drive(Asks(), "q", CANDIDATES, backends=hostile(form, way, FakeModel("12")), limits=limits)
    assert time.monotonic() - began < (0.6 if limits.deadline_s else 3)  # on a busy machine
    check_accounted(ranking, CANDIDATES)
    if "raises" in way or "nothing" in way or "None" in way:
        assert any(note.kind in ("failed", "limit") for note in ranking.notes)
