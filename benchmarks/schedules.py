"""Schedules of listwise ranking, simulated: BM25's 100 of TREC DL19, and a judge with noise who likes first places.

`python -m benchmarks.schedules --write` writes the table into docs/methods/insert_rank.md. It needs the collection in a
folder shared/data beside the checkout.
"""

from __future__ import annotations

import random
import re
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks._pages import show
from rerank_plugins.evaluation import measure, read_collection, read_run
from rerank_plugins.methods.schedules import scheduled
from rerank_plugins.methods.windows import Window
from rerank_plugins.requests import Chat, ChatReply

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "trec-dl19-pool"
PAGE = ROOT / "docs" / "methods" / "insert_rank.md"
BLOCK = re.compile(r"(<!-- schedules: python -m benchmarks\.schedules --write -->\n).*?(<!-- end -->)", re.S)

JUDGES = {"mild": (0.7, 0.5), "poor": (1.4, 1.5)}
"""Standard deviation of a judge's noise, and what the first place of a list is worth to it, in grades of 0 to 3."""
ROWS = [("one list", "windows", 100), ("windows", "windows", 20), ("blocks", "blocks", 20)]
ROWS += [("pivot", "pivot", 20)]
TIMES = 5


class Judge:
    """Orders a list by grade, noise and place, and counts what it read."""

    def __init__(self, grades: Sequence[float], noise: float, liking: float, rng: random.Random) -> None:
        self._grades, self._noise, self._liking, self._rng = grades, noise, liking, rng
        self.calls = self.read = 0

    def rank(self, window: Sequence[int], may_cut: bool) -> Window:
        yield [Chat([])]
        self.calls += 1
        self.read += len(window)

        def impression(place: int) -> float:
            liked = self._liking * (1 - place / len(window))
            return self._grades[window[place]] + self._rng.gauss(0, self._noise) + liked

        impressions = [impression(place) for place in range(len(window))]
        return [window[place] for place in sorted(range(len(window)), key=lambda place: -impressions[place])]


def run(schedule: str, size: int, judge: Judge, count: int) -> tuple[list[int], int]:
    """The order that comes out, and the round trips."""
    steps, trips = scheduled(schedule, range(count), size, None, judge.rank), 0  # type: ignore[arg-type] # from a table
    replies = None
    while True:
        try:
            batch = steps.send(replies)  # type: ignore[arg-type] # None starts it
        except StopIteration as end:
            return end.value[0], trips
        trips += 1
        replies = [ChatReply("") for _ in batch]


Lists = Mapping[str, Sequence[str]]
Qrels = Mapping[str, Mapping[str, int]]


@dataclass
class Figures:
    """What a schedule cost and gained, over all queries, judges and times."""

    ndcg: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    calls: list[int] = field(default_factory=list)
    trips: list[int] = field(default_factory=list)
    read: list[int] = field(default_factory=list)

    def row(self, name: str) -> str:
        cells = [f"{statistics.fmean(self.ndcg[judge]):.3f}" for judge in JUDGES]
        cells += [f"{statistics.fmean(values):.1f}" for values in (self.calls, self.trips)]
        return f"| {name} | {' | '.join(cells)} | {statistics.fmean(self.read):.0f} |\n"


def main() -> None:
    if not DATA.is_dir():
        print("This needs the collection trec-dl19-pool in a folder shared/data beside the checkout.")
        return
    qrels = read_collection(DATA).qrels
    found = read_run(DATA / "run.bm25.trec")
    lists = {query: [document for document, _ in found[query]][:100] for query in found if query in qrels}
    show(table(lists, qrels), PAGE, BLOCK)


def table(lists: Lists, qrels: Qrels) -> str:
    first = statistics.fmean(measure(lists, qrels).values())
    rows = [
        "| schedule | mild judge | poor judge | calls | round trips | documents read |\n",
        "|---|---:|---:|---:|---:|---:|\n",
        f"| the first stage's order | {first:.3f} | {first:.3f} | 0 | 0 | 0 |\n",
    ]
    return "".join(rows + [simulated(schedule, size, lists, qrels).row(name) for name, schedule, size in ROWS])


def simulated(schedule: str, size: int, lists: Lists, qrels: Qrels) -> Figures:
    figures = Figures()
    for name, (noise, liking) in JUDGES.items():
        rng = random.Random(11)
        for _ in range(TIMES):
            orders = {}
            for query, documents in lists.items():
                judge = Judge([float(qrels[query].get(document, 0)) for document in documents], noise, liking, rng)
                order, trips = run(schedule, size, judge, len(documents))
                orders[query] = [documents[place] for place in order]
                figures.calls.append(judge.calls)
                figures.trips.append(trips)
                figures.read.append(judge.read)
            figures.ndcg[name].append(statistics.fmean(measure(orders, qrels).values()))
    return figures


if __name__ == "__main__":
    main()
