"""Recorded replies of real models, answered again: does our reading of them end where their own tool's ended?

The recordings of sliding-window runs on TREC DL 2019 come from a folder shared/data beside the checkout. With --write
the table goes into docs/replay.md.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from rerank_plugins import InsertRank
from rerank_plugins.backends import RecordedReplies
from rerank_plugins.drive import rerank_many
from rerank_plugins.evaluation import measure, read_collection, read_run
from rerank_plugins.evaluation.collection import Collection

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
PAGE = ROOT / "docs" / "replay.md"
BLOCK = re.compile(r"(?<=<!-- replays: python -m benchmarks\.recorded_replies --write -->\n).*?(?=<!-- end -->)", re.S)
REPLIES = DATA / "recorded" / "listwise_responses.jsonl.gz"
WELL_FORMED = {"ok", "identity"}
WINDOWS = InsertRank(bm25=None, window=20, stride=10)

Orders = dict[str, list[str]]
"""Query id to document ids, best first."""


@dataclass(frozen=True)
class Replay:
    """One recording of which the final run of its own tool is there, too.

    `malformed` has the ids of the queries of which at least one reply is malformed, `said` its replies by its flags.
    """

    name: str
    ours: Orders
    theirs: Orders
    malformed: frozenset[str]

    @property
    def well_formed(self) -> list[str]:
        return [query for query in self.ours if query not in self.malformed]

    @property
    def same(self) -> set[str]:
        return {query for query, order in self.ours.items() if order == self.theirs[query]}


def rows() -> list[dict[str, Any]]:
    """Every recorded reply with what is known about it."""
    with gzip.open(REPLIES, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def recordings() -> dict[str, list[dict[str, Any]]]:
    """The replies of each recording, in the order of the calls."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows():
        found[row["path"]].append(row)
    return found


def replay(path: str, tasks: Mapping[str, tuple[str, Sequence[str]]]) -> Orders:
    """Rerank the documents, given by id, with the replies of one recording; every call has its reply."""
    model = RecordedReplies(REPLIES, only={"path": path})
    rankings = rerank_many(WINDOWS, tasks.values(), backends=model, on_error="raise")
    documents = [names for _, names in tasks.values()]
    return {
        query: [names[place] for place in ranking.order]
        for query, names, ranking in zip(tasks, documents, rankings, strict=True)
    }


def collection() -> Collection:
    return read_collection(DATA / "trec-dl19-pool")


def replays(judged: Collection) -> list[Replay]:
    """Each recording whose final run is there, replayed over the run's own first stage."""
    first_stage = read_run(DATA / "trec-dl19-pool" / "run.bm25.trec")
    recorded, found = recordings(), []
    for file in sorted((DATA / "recorded" / "runs").glob("*.txt.gz")):
        path = next((path for path in recorded if _key(Path(path).name) == _key(file.name)), None)
        if path is not None:
            top = recorded[path][0]["top_k"]
            names = {query: [name for name, _ in first_stage[query]] for query in judged.judged}
            ours = replay(path, {query: (judged.queries[query], names[query][:top]) for query in names})
            whole = {query: [*order, *names[query][top:100]] for query, order in ours.items()}
            bad = {row["query"] for row in recorded[path] if not WELL_FORMED.issuperset(row["flags"])}
            malformed = frozenset(query for query in names if judged.queries[query] in bad)
            found.append(Replay(_label(file.name), whole, _final(file), malformed))
    return found


def table(found: Sequence[Replay], judged: Collection) -> str:
    """The table as Markdown."""
    lines = [
        "| recording | well-formed: same order | malformed: same order | nDCG@10 theirs | ours "
        "| difference on malformed |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for one in found:
        ours, theirs = measure(one.ours, judged.qrels), measure(one.theirs, judged.qrels)
        good, bad = one.well_formed, one.malformed
        by_how_much = f"{fmean(ours[query] - theirs[query] for query in bad):+.4f}" if bad else ""
        lines.append(
            f"| {one.name} | {len(one.same.intersection(good))} of {len(good)} "
            f"| {len(one.same & bad)} of {len(bad)} | {fmean(theirs.values()):.4f} | {fmean(ours.values()):.4f} "
            f"| {by_how_much} |"
        )
    return "\n".join(lines) + "\n"


def _final(file: Path) -> Orders:
    orders: Orders = defaultdict(list)
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            query, _, document, *_ = line.split()
            orders[query].append(document)
    return dict(orders)


def _key(name: str) -> str:
    """Model, depth and the second at which it was made: the two files of one run were written a moment apart."""
    return re.sub(r"PromptMode\.|\.\d+\.(json|txt\.gz)$", "", name).replace(":", "-")


def _label(name: str) -> str:
    model, depth, when = re.findall(r"^(.*)_4096_(\d+)_.*dl19_([\dT-]+)", name)[0]
    return f"{model}, top {depth}, {when[:10]} {when[11:16].replace('-', ':')}"


def main() -> None:
    judged = collection()
    found = table(replays(judged), judged)
    print(found)
    if "--write" in sys.argv:
        PAGE.write_text(BLOCK.sub(lambda _: found, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
