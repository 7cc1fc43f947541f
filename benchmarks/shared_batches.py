"""Reranks at the same time on one local model: each with its own batches, and with shared ones, taking turns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks._timing import medians
from rerank_plugins import Candidate, Likelihood, arerank
from rerank_plugins.backends import SharedBatches
from rerank_plugins.backends.embedded import smollm2
from rerank_plugins.ranking import Verdict
from rerank_plugins.requests import Chat, Steps
from rerank_plugins.sample import load

AT_ONCE = 8
RUNS = 3
SHORT, LONG = 3, 30


@dataclass(frozen=True)
class OneAnswer:
    """Asks for one answer of 16 tokens, as a listwise method does, and leaves the order as it is."""

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        passages = "\n".join(candidate.text for candidate in candidates)
        yield [Chat([{"role": "user", "content": f"{passages}\n\nAnswer at length: {query}"}], max_tokens=16)]
        return Verdict(order=range(len(candidates)))


def main() -> None:
    model = smollm2()
    backends = {"own batches": model, "shared batches": SharedBatches(model)}
    data = load()
    queries = list(data.queries.values())[:AT_ONCE]
    texts = [passage.text for passage in data.corpus.values()]
    asyncio.run(arerank(Likelihood(), queries[0], texts[:2], backends=model))  # loaded and warm

    for name, method, count in (("one answer each", OneAnswer(), 1), ("3 documents each", Likelihood(), SHORT)):
        _print(f"{AT_ONCE} reranks at once, {name}", medians(_sides(backends, method, queries, texts[:count]), RUNS))
    waits = {name: [] for name in backends}
    for _ in range(RUNS):
        for name, backend in backends.items():
            waits[name].append(asyncio.run(_newcomer(backend, queries, texts)))
    _print(
        f"{SHORT} documents, beside a rerank of {LONG}",
        {name: sorted(taken)[RUNS // 2] for name, taken in waits.items()},
    )


def _sides(backends: dict[str, Any], method: Any, queries: Sequence[str], texts: Sequence[str]) -> dict[str, Any]:
    async def all_of_them(backend: Any) -> None:
        await asyncio.gather(*(arerank(method, query, texts, backends=backend) for query in queries))

    return {name: lambda backend=backend: asyncio.run(all_of_them(backend)) for name, backend in backends.items()}


async def _newcomer(backend: Any, queries: Sequence[str], texts: Sequence[str]) -> float:
    """Seconds of a short list that comes while a long one is under way."""
    long = asyncio.create_task(arerank(Likelihood(), queries[0], texts[:LONG], backends=backend))
    await asyncio.sleep(1.0)
    began = time.monotonic()
    await arerank(Likelihood(), queries[1], texts[:SHORT], backends=backend)
    taken = time.monotonic() - began
    await long
    return taken


def _print(what: str, taken: dict[str, float]) -> None:
    own, shared = taken["own batches"], taken["shared batches"]
    print(f"{what:<44}own {own:6.2f} s   shared {shared:6.2f} s   {own / shared:5.2f} x")


if __name__ == "__main__":
    main()
