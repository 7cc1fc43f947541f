"""Scores without words on the embedded models: what each method gains, and how much of a model it takes.

It reranks the best 10 of BM25 for the first questions of the sample collection, in about three minutes on two cores;
`--write` puts the table into the page. The language model has 135 million parameters: what it gains says that the
methods work as they should, not what a larger one would gain.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rerank_plugins import (
    Candidate,
    Embedding,
    First,
    FirstStage,
    Fuse,
    Graded,
    InContext,
    Likelihood,
    Setwise,
    YesNo,
    sample,
)
from rerank_plugins.backends.embedded import minilm, smollm2
from rerank_plugins.backends.local.batching import Stats
from rerank_plugins.evaluation import Collection, by_bm25, compare
from rerank_plugins.methods import Method

QUERIES, CANDIDATES, MEASURE = 6, 10, "nDCG@10"
METHODS: Sequence[Method] = (
    FirstStage(),
    Embedding(),
    Likelihood(),
    First(),
    InContext(),
    InContext(reverse=False),
    YesNo(),
    Graded(),
    Graded(reading="mean"),
    Setwise(k=3),
    Fuse(FirstStage(), InContext()),
)
PAGE = Path(__file__).resolve().parents[1] / "docs" / "methods" / "without_words.md"
BLOCK = re.compile(r"(?<=<!-- quality: python -m benchmarks\.without_words --write -->\n).*?(?=<!-- end -->)", re.S)
COLUMNS = ("method", MEASURE, "above the first stage", "passes", "tokens computed", "seconds")
HEAD = f"| {' | '.join(COLUMNS)} |\n|---|{'---:|' * 5}"


@dataclass(frozen=True)
class Line:
    """One row: the mean measure, its difference to the first stage's with an interval, and what a query costs."""

    method: str
    mean: float
    above: str
    passes: float
    computed: float
    seconds: float

    def __str__(self) -> str:
        cost = f"{self.passes:.0f} | {self.computed:,.0f} | {self.seconds:.1f}"
        return f"| `{self.method}` | {self.mean:.3f} | {self.above} | {cost} |"


def lines(methods: Sequence[Method] = METHODS, queries: int = QUERIES) -> Iterator[Line]:
    """Measure one method after another; the passes are those of the language model."""
    collection, lm, embedder = _collection(), smollm2(), minilm()
    lists = dict(list(by_bm25(collection, CANDIDATES).items())[:queries])
    for method in methods:
        before = lm.stats
        table = compare(
            collection, lists, [method], backends=[lm, embedder], measures=[MEASURE], oracle=False, cache={}
        )
        row, spent = table.row(repr(method)), _spent(lm.stats, before)
        above = row.against(table.rows[0], MEASURE)
        yield Line(
            repr(method),
            row.mean(MEASURE) or 0.0,
            "" if method == FirstStage() else f"{above.mean:+.3f} [{above.low:+.3f}, {above.high:+.3f}]",
            spent.forwards / queries,
            spent.computed / queries,
            row.seconds(),
        )


def _collection() -> Collection:
    loaded = sample.load()
    documents = {name: Candidate(passage.text, name) for name, passage in loaded.corpus.items()}
    return Collection("sample", documents, loaded.queries, loaded.qrels)


def _spent(after: Stats, before: Stats) -> Stats:
    return Stats(after.forwards - before.forwards, after.computed - before.computed, after.needed - before.needed)


def main() -> None:
    print(HEAD, flush=True)
    rows = []
    for line in lines():
        rows.append(str(line))
        print(line, flush=True)
    if __name__ == "__main__" and "--write" in sys.argv:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(BLOCK.sub(lambda _: "\n".join([HEAD, *rows]) + "\n", text), encoding="utf-8")


if __name__ == "__main__":
    main()
