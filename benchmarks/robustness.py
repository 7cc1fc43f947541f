"""How much keyword search, an embedding model and their fusion mind what should not matter, on TREC DL 2019.

The collection comes from a folder shared/data beside the checkout, the embedding model is the embedded one. With
--write the tables go into docs/robustness.md.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from rerank_plugins import Embedding, FirstStage, Fuse
from rerank_plugins.backends.embedded import minilm
from rerank_plugins.evaluation import from_run, read_collection, read_run
from rerank_plugins.evaluation.robustness import Robustness, robustness

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "trec-dl19-pool"
PAGE = ROOT / "docs" / "robustness.md"
BLOCK = re.compile(r"(?<=<!-- measured: python -m benchmarks\.robustness --write -->\n).*?(?=<!-- end -->)", re.S)
METHODS = (Embedding(), Fuse(FirstStage(), Embedding()))
CANDIDATES = 50


def report() -> Robustness:
    collection = read_collection(DATA)
    lists = from_run(collection, read_run(DATA / "run.bm25.trec"), CANDIDATES)
    return robustness(collection, lists, METHODS, backends=minilm(), cache={})


def main() -> None:
    tables = report().markdown()
    print(tables)
    if "--write" in sys.argv:
        PAGE.write_text(BLOCK.sub(lambda _: tables, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
