"""Scores without words on the embedded models: what each method gains, and how much of a model it takes.

It reranks the best 10 of BM25 for the first questions of the sample collection, in a few minutes on two cores. Methods
that are named, such as 'YesNo()', are run alone; `--write` puts each row into the page as it comes. A method that asks
what an earlier one has asked gets its replies from the cache, at no passes. The language model has 135 million
parameters: what it gains says that the methods work as they should, not what a larger one would gain.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rerank_plugins import (
    Candidate,
    Embedding,
    First,
    FirstStage,
    Graded,
    InContext,
    Likelihood,
    YesNo,
    sample,
)
from rerank_plugins.backends.embedded import minilm, smollm2
from rerank_plugins.backends.local.sentence_embedder import SentenceEmbedder
from rerank_plugins.backends.local.transformers_lm import TransformersLM
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
)
PAGE = Path(__file__).resolve().parents[1] / "docs" / "methods" / "without_words.md"
BLOCK = re.compile(r"(?<=<!-- quality: python -m benchmarks\.without_words --write -->\n).*?(?=<!-- end -->)", re.S)
ROW = re.compile(r"^\| `(.*?)` \|.*$", re.M)
COLUMNS = ("method", MEASURE, "above the first stage", "passes", "tokens computed")
HEAD = f"| {' | '.join(COLUMNS)} |\n|---|{'---:|' * 4}"


@dataclass(frozen=True)
class Line:
    """One row: the mean measure, its difference to the first stage's with an interval, and what a query costs."""

    method: str
    mean: float
    above: str
    passes: float
    computed: float

    def __str__(self) -> str:
        return f"| `{self.method}` | {self.mean:.3f} | {self.above} | {self.passes:.1f} | {self.computed:,.0f} |"


def measured(method: Method, cache: dict[str, str], queries: int = QUERIES) -> Line:
    """Rerank with one method, and measure; the passes are those of the language model."""
    collection, lm, embedder = _inputs()
    lists = dict(list(by_bm25(collection, CANDIDATES).items())[:queries])
    before = lm.stats
    table = compare(collection, lists, [method], backends=(lm, embedder), measures=[MEASURE], oracle=False, cache=cache)
    row, spent = table.row(repr(method)), lm.stats
    above = row.against(table.rows[0], MEASURE)
    return Line(
        repr(method),
        row.mean(MEASURE) or 0.0,
        "" if method == FirstStage() else f"{above.mean:+.3f} [{above.low:+.3f}, {above.high:+.3f}]",
        (spent.forwards - before.forwards) / queries,
        (spent.computed - before.computed) / queries,
    )


@functools.cache
def _inputs() -> tuple[Collection, TransformersLM, SentenceEmbedder]:
    return _collection(), smollm2(), minilm()


def _collection() -> Collection:
    loaded = sample.load()
    documents = {name: Candidate(passage.text, name) for name, passage in loaded.corpus.items()}
    return Collection("sample", documents, loaded.queries, loaded.qrels)


def main() -> None:
    print(HEAD, flush=True)
    cache: dict[str, str] = {}
    for method in METHODS:
        if not (named := _named()) or repr(method) in named:
            line = measured(method, cache)
            print(line, flush=True)
            if __name__ == "__main__" and "--write" in sys.argv:
                _write(line)


def _named() -> list[str]:
    """The methods named on the command line; all where none is."""
    return [argument for argument in sys.argv[1:] if argument.endswith(")")]


def _write(line: Line) -> None:
    """Put the row into the page, in place of the method's earlier one."""
    text = PAGE.read_text(encoding="utf-8")
    known = {found[1]: found[0] for block in BLOCK.findall(text) for found in ROW.finditer(block)}
    known[line.method] = str(line)
    rows = [known[repr(method)] for method in METHODS if repr(method) in known]
    PAGE.write_text(BLOCK.sub(lambda _: "\n".join([HEAD, *rows]) + "\n", text), encoding="utf-8")


if __name__ == "__main__":
    main()
