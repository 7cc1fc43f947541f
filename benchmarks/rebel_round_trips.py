"""Wall time of `Rebel` on 10, 50 and 100 candidates, with an endpoint that takes 0.5 s for a reply."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from benchmarks._simulation import passage
from benchmarks._timing import seconds
from rerank_plugins import Criterion, Rebel, arerank, rerank
from rerank_plugins.testing import FakeModel, Grader

DELAY_S = 0.5
COUNTS = (10, 50, 100)
FORMS = {1: Rebel(turns=1), 2: Rebel()}


@dataclass(frozen=True)
class Taken:
    calls: int
    sync_s: float
    async_s: float


def taken(turns: int, count: int) -> Taken:
    """Calls, and seconds through `rerank` and `arerank`."""
    texts, method = [passage(number) for number in range(count)], FORMS[turns]
    model = FakeModel(Grader(lambda *_: 5, names=lambda _: [Criterion("depth", "It goes deep.")]), delay_s=DELAY_S)
    sync = seconds(lambda: rerank(method, "why?", texts, backends=model))
    calls = len(model.requests)
    loop = asyncio.new_event_loop()
    awaited = seconds(lambda: loop.run_until_complete(arerank(method, "why?", texts, backends=model)))
    loop.close()
    return Taken(calls, sync, awaited)


def main() -> None:
    print(f"{'turns':>5} {'documents':>10} {'calls':>6} {'sync':>9} {'async':>9}   of {DELAY_S} s per reply and turn")
    for turns in FORMS:
        for count in COUNTS:
            found = taken(turns, count)
            ratios = "".join(f"{value / (turns * DELAY_S):7.2f} x" for value in (found.sync_s, found.async_s))
            print(f"{turns:5} {count:10} {found.calls:6} {found.sync_s:7.3f} s {found.async_s:7.3f} s {ratios}")


if __name__ == "__main__":
    main()
