"""A soak: 10,000 reranks of which 30 % of the calls go wrong in all ways; memory, threads, order and deadlines.

Run `python -m benchmarks soak`; `RERANK_SOAK=1000` takes fewer.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rerank_plugins import Candidate, Graded, Limits, Ranking, arerank, rerank
from rerank_plugins.errors import Refused, Transient
from rerank_plugins.requests import Choose, Chosen, Found

DOCUMENTS = 12
FAULTY = 0.3
LIMITS = Limits(backoff_s=0.0005, timeout_s=0.03, deadline_s=0.5, retries=2)
# Nine in ten are such that another try may mend them, as in a bad hour of a provider; the others are of every kind.
PASSING: list[Callable[[], Any]] = [
    lambda: Transient("busy"),
    lambda: Transient("busy", retry_after=0.001),
    lambda: ConnectionResetError("reset"),
    lambda: TimeoutError(),
    lambda: "late",
]
LASTING: list[Callable[[], Any]] = [
    lambda: Refused("no", 403),
    lambda: SystemExit(1),
    lambda: asyncio.CancelledError(),
    lambda: ValueError("a secret"),
    lambda: Chosen({"0": float("nan")}),
    lambda: Chosen({str(grade): -9999.0 for grade in range(11)}),
    lambda: Found(()),
    lambda: None,
]


class Faulty:
    """Grades a document by the number in it; a share of the calls goes wrong."""

    kinds = (Choose,)
    identity = "Faulty"

    def __init__(self, share: float) -> None:
        self._share, self._rng = share, random.Random(7)

    def answer(self, request: Choose, timeout: float | None) -> Any:
        outcome = self._outcome(request)
        if outcome == "late":
            time.sleep(0.05)
            return None
        return outcome

    async def aanswer(self, request: Choose, timeout: float | None) -> Any:
        outcome = self._outcome(request)
        if outcome == "late":
            await asyncio.sleep(0.05)
            return None
        return outcome

    def _outcome(self, request: Choose) -> Any:
        if self._rng.random() < self._share:
            fault = self._rng.choice(PASSING if self._rng.random() < 0.9 else LASTING)()
            if isinstance(fault, BaseException):
                raise fault
            return fault
        text = request.messages[-1]["content"]
        grade = int(text.split("worth ")[1].split()[0])
        return Chosen({str(label): -0.5 * abs(label - grade) - 0.5 for label in range(11)})


def kendall(one: list[int], other: list[int]) -> float:
    place = {index: rank for rank, index in enumerate(other)}
    pairs = [(a, b) for i, a in enumerate(one) for b in one[i + 1 :]]
    return sum(1 if place[a] < place[b] else -1 for a, b in pairs) / len(pairs)


def rho(one: list[int], other: list[int]) -> float:
    place = {index: rank for rank, index in enumerate(other)}
    squares = sum((rank - place[index]) ** 2 for rank, index in enumerate(one))
    return 1 - 6 * squares / (len(one) * (len(one) ** 2 - 1))


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Late(Faulty):
    """Answers after the deadline, and clings to its call when that is cancelled."""

    def answer(self, request: Choose, timeout: float | None) -> Any:
        time.sleep(0.3)

    async def aanswer(self, request: Choose, timeout: float | None) -> Any:
        try:
            await asyncio.sleep(0.3)
        finally:
            await asyncio.sleep(0.3)


def past_the_deadline(in_a_loop: bool) -> float:
    """By how many seconds a rerank is late whose model answers too late."""
    arguments: Any = (Graded(), "q", ["a", "b", "c"])
    options: Any = {"backends": Late(0.0), "limits": Limits(deadline_s=0.1)}

    async def measured() -> float:
        began = time.monotonic()
        await arerank(*arguments, **options)
        return time.monotonic() - began - 0.1

    if in_a_loop:
        return asyncio.run(measured())
    began = time.monotonic()
    rerank(*arguments, **options)
    return time.monotonic() - began - 0.1


def main() -> None:
    count, rng = int(os.environ.get("RERANK_SOAK", "10000")), random.Random(3)
    method, faulty, sound = Graded(reading="mean"), Faulty(FAULTY), Faulty(0.0)
    correlations: list[float] = []
    spearman: list[float] = []
    late: list[float] = []
    marks: list[tuple[int, float, int]] = []

    def one(number: int) -> list[Candidate]:
        return [Candidate(f"worth {rng.randint(0, 10)} of 10") for _ in range(DOCUMENTS)]

    def judge(ranking: Ranking, candidates: list[Candidate], seconds: float) -> None:
        assert sorted([*ranking.order, *(item.index for item in ranking.dropped)]) == list(range(DOCUMENTS))
        right = rerank(method, "q", candidates, backends=sound).order
        correlations.append(kendall(ranking.order, right))
        spearman.append(rho(ranking.order, right))
        late.append(seconds - (LIMITS.deadline_s or 0))

    async def in_a_loop(numbers: range) -> None:
        for number in numbers:
            candidates, began = one(number), time.monotonic()
            ranking = await arerank(method, "q", candidates, backends=faulty, limits=LIMITS)
            judge(ranking, candidates, time.monotonic() - began)

    step = max(1, count // 20)
    for start in range(0, count, step):
        if (start // step) % 2:
            asyncio.run(in_a_loop(range(start, start + step)))
        else:
            for number in range(start, start + step):
                candidates, began = one(number), time.monotonic()
                ranking = rerank(method, "q", candidates, backends=faulty, limits=LIMITS)
                judge(ranking, candidates, time.monotonic() - began)
        time.sleep(0.1)  # calls that were given up on end
        gc.collect()
        marks.append((start + step, resident_mib(), threading.active_count()))
    for done, mib, threads in marks:
        print(f"{done:>7,} reranks: {mib:6.1f} MiB, {threads} threads")
    print(f"Kendall's tau with the faultless run: mean {statistics.fmean(correlations):.3f}")
    print(f"Spearman's rho with the faultless run: mean {statistics.fmean(spearman):.3f}")
    print(f"past the deadline of 0.5 s, which few reach: at most {max(late) * 1000:.0f} ms")
    over = [past_the_deadline(number % 2 == 1) for number in range(min(count, 200))]
    print(f"past a deadline of 0.1 s that all reach, {len(over)} reranks: at most {max(over) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
