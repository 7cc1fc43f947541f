"""The comparison of the embedded models over three collections that stands in docs/comparing.md.

It takes about five minutes on two cores the first time; what is finished is kept in .benchmarks/comparison and not
computed again. `--write` puts the tables into the page, and their main measure into README.md; `--readme` measures
nothing, and only brings README.md up to the page.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rerank_plugins import Candidate, Embedding, Fuse, Likelihood, sample
from rerank_plugins.backends.embedded import minilm, smollm2
from rerank_plugins.evaluation import Collection, by_bm25, compare, from_run, read_collection, read_run
from rerank_plugins.evaluation.first_stages import Lists
from rerank_plugins.evaluation.tables import as_markdown

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
PAGE = ROOT / "docs" / "comparing.md"
README = ROOT / "README.md"
BLOCK = re.compile(r"(?<=<!-- tables: make tables -->\n).*?(?=<!-- end -->)", re.S)
GAINS = re.compile(r"(?<=<!-- gains: python -m benchmarks\.comparison --readme -->\n).*?(?=<!-- end -->)", re.S)
HEAD = re.compile(r"^(\w+): (\d+) queries, .*\n", re.M)
ROW = re.compile(r"^\| `(.+?)` \| ([\d.]+) .*?\| (.*?) *\|", re.M)
K = 10


@dataclass(frozen=True)
class Part:
    """A collection with its first stage, on its first few queries."""

    read: Callable[[], tuple[Collection, Lists]]
    first_stage: str
    queries: int


def _sample() -> tuple[Collection, Lists]:
    data = sample.load()
    documents = {name: Candidate(passage.text, name) for name, passage in data.corpus.items()}
    collection = Collection("sample", documents, data.queries, data.qrels)
    return collection, by_bm25(collection, K)


def _scifact() -> tuple[Collection, Lists]:
    collection = read_collection(DATA / "scifact")
    return collection, by_bm25(collection, K)


def _noveleval() -> tuple[Collection, Lists]:
    collection = read_collection(DATA / "noveleval")
    return collection, from_run(collection, read_run(DATA / "noveleval" / "run.bm25-pool.trec"), K)


PARTS = (
    Part(_sample, "BM25 over the corpus", 20),
    Part(_scifact, "BM25 over the corpus", 12),
    Part(_noveleval, "BM25 over the collection's pools", 10),
)
METHODS = (Embedding(), Likelihood(), Fuse(Embedding(), Likelihood()))


def tables() -> Iterator[str]:
    """A table for each collection that is here."""
    models, cache = [minilm(), smollm2()], dict[str, str]()
    for part in PARTS:
        try:
            collection, lists = part.read()
        except Exception as error:  # the collection lies on some machines only
            yield f"(left out: {error})\n"
            continue
        found = compare(
            collection,
            dict(list(lists.items())[: part.queries]),
            METHODS,
            backends=models,
            measures=("nDCG@10", "RR@10", "AP"),
            first_stage=part.first_stage,
            cache=cache,
            folder=ROOT / ".benchmarks" / "comparison" / collection.name,
        )
        yield as_markdown(found)


def gains(written: str) -> str:
    """The README's table of the tables of the page: the first stage's own figure, and what each method adds to it."""
    _, *parts = HEAD.split(written)
    heads = [f"{name}, {queries} queries" for name, queries in zip(parts[::3], parts[1::3], strict=True)]
    rows: dict[str, list[str]] = {}
    for tables in parts[2::3]:
        for method, value, difference in ROW.findall(tables):
            rows.setdefault(method, []).append(difference or value)
    lines = [["nDCG@10", *heads], ["---", *["---:"] * len(heads)], *([f"`{name}`", *row] for name, row in rows.items())]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_readme() -> None:
    (written,) = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    text = README.read_text(encoding="utf-8")
    README.write_text(GAINS.sub(lambda _: gains(written), text), encoding="utf-8")


def main() -> None:
    """Print the tables, and write them into the pages where that is asked for."""
    if "--readme" in sys.argv:
        write_readme()
        return
    found = []
    for table in tables():
        print(table, flush=True)
        found.append(table)
    if "--write" in sys.argv:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(BLOCK.sub(lambda _: "\n" + "\n".join(found) + "\n", text), encoding="utf-8")
        write_readme()


if __name__ == "__main__":
    main()
