"""What each stage of `Meteora` adds on real privacy policies: precision, recall and chunks kept, beside plain cosine.

The questions and passages of PrivacyQA, as LegalBench-RAG cut them, from a folder shared/data beside the checkout. The
candidates of a question are all chunks of its policy, in document order. Models: all-MiniLM-L6-v2 for vectors, and
SmolLM2-135M for rationales of some questions, a model far too small for the task. Replies are kept in a cache in the
temporary folder, so that a second run is quick; the first takes minutes for the rationales.

    python -m benchmarks meteora_stages             # tables as Markdown
    python -m benchmarks.meteora_stages --write     # and into the page
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from rerank_plugins import Candidate, Embedding, Meteora, Ranking, Rationale, rerank_many
from rerank_plugins.backends import ChunkNeighbours
from rerank_plugins.backends.base import Backend
from rerank_plugins.commands.cache_file import CacheFile
from rerank_plugins.prompts.rationales import parse_rationales
from rerank_plugins.requests import Chat, ChatReply

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "legalbenchrag-privacyqa"
PAGE = ROOT / "docs" / "methods" / "meteora.md"
REPLIES = Path(tempfile.gettempdir()) / "meteora-stages.sqlite"
BLOCK = re.compile(r"(<!-- stages:.*?-->\n).*?(<!-- end -->)", re.S)

WRITTEN = 10  # questions whose rationales the language model writes
# What one looks for in any privacy policy, whatever is asked: written by hand, and the same for all questions.
BY_HAND = (
    Rationale("collection", "Says which personal data are collected, and how."),
    Rationale("sharing", "Says to which third parties or partners data are disclosed or sold."),
    Rationale("purpose", "Says what the data are used for."),
    Rationale("retention and deletion", "Says how long data are kept and how they can be deleted."),
    Rationale("security", "Says how data are protected."),
)


@dataclass(frozen=True)
class Question:
    text: str
    chunks: Sequence[Candidate]
    gold: frozenset[int]


@dataclass(frozen=True)
class Row:
    """Means over questions; precision and recall are those of each question's chunks."""

    kept: float
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        return 2 * self.precision * self.recall / (self.precision + self.recall)


def by_small_model() -> Callable[[str], list[Rationale]]:
    """A generator of one's own: SmolLM2 cannot do what the prompt of `Meteora` asks, but it can write a list."""
    from rerank_plugins.backends.embedded import smollm2

    model, replies = smollm2(), CacheFile(REPLIES)

    def generate(question: str) -> list[Rationale]:
        if question not in replies:
            prompt = f'A privacy policy answers the question "{question}" List five different sentences from it.'
            ((_, reply),) = model.answer_batch([Chat([{"role": "user", "content": prompt}], max_tokens=200)])
            replies[question] = reply.text if isinstance(reply, ChatReply) else ""
        return list(parse_rationales(ChatReply(replies[question]), 5).rationales)

    return generate


@cache
def questions() -> list[Question]:
    """The questions, without the words that name the policy: the candidates are of that policy anyway."""
    corpus = [json.loads(line) for line in (DATA / "corpus.jsonl").read_text(encoding="utf-8").splitlines()]
    documents: dict[str, list[Candidate]] = {}
    for entry in corpus:
        documents.setdefault(entry["title"], []).append(Candidate(entry["text"], id=entry["_id"]))
    lines = [line.split("\t") for line in (DATA / "qrels.tsv").read_text().splitlines()[1:]]
    gold: dict[str, set[str]] = {}
    for query, chunk, _ in lines:
        gold.setdefault(query, set()).add(chunk)
    titles = {chunk.id: title for title, chunks in documents.items() for chunk in chunks}
    found = []
    for line in (DATA / "queries.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        chunks = documents[titles[next(iter(gold[entry["_id"]]))]]
        places = frozenset(place for place, chunk in enumerate(chunks) if chunk.id in gold[entry["_id"]])
        found.append(Question(entry["text"].partition(";")[2].strip(), chunks, places))
    return found


def sample(count: int = WRITTEN) -> list[Question]:
    """Questions spread over the collection."""
    every = questions()
    return [every[int((number + 0.5) * len(every) / count)] for number in range(count)]


def ranked(method: Meteora | Embedding, asked: Sequence[Question], backends: Sequence[Backend]) -> list[Ranking]:
    shelf = ChunkNeighbours({id(question.chunks): question.chunks for question in asked}.values())
    tasks = [(question.text, question.chunks) for question in asked]
    return rerank_many(method, tasks, backends=[*backends, shelf], cache=CacheFile(REPLIES))


def row(asked: Sequence[Question], kept: Iterable[Sequence[int]]) -> Row:
    triples = [
        (len(k), len(question.gold.intersection(k)), len(question.gold))
        for question, k in zip(asked, kept, strict=True)
    ]
    return Row(
        statistics.fmean(count for count, _, _ in triples),
        statistics.fmean(hits / count for count, hits, _ in triples),
        statistics.fmean(hits / gold for _, hits, gold in triples),
    )


def top_k(asked: Sequence[Question], k: float, backends: Sequence[Backend]) -> Row:
    """The best k by cosine; for a k between two numbers, as many questions get the greater as make it the mean."""
    least, rest = int(k), k - int(k)
    counts = [least + (int((n + 1) * rest) > int(n * rest)) for n in range(len(asked))]
    orders = [ranking.order for ranking in ranked(Embedding(), asked, backends)]
    return row(asked, [order[:count] for order, count in zip(orders, counts, strict=True)])


def stages(asking: Mapping[str, Any], elbow: str) -> dict[str, Meteora | tuple[Meteora, str]]:
    """Each stage switched on in turn. Pairing cannot be off, so that pooling alone is read off `why`."""
    chosen = Meteora(**asking, elbow=elbow, verify=False, expand=0)  # type: ignore[arg-type] # one of its two values
    return {
        "pairing": (chosen, "pairing"),
        "pooling alone": (chosen, "pooling"),
        "pairing + pooling": chosen,
        "pairing + pooling + expansion": replace(chosen, expand=1),
    }


def kept_by(stage: Meteora | tuple[Meteora, str], asked: Sequence[Question], backends: Sequence[Backend]) -> Row:
    method, only = stage if isinstance(stage, tuple) else (stage, "")
    rankings = ranked(method, asked, backends)
    return row(
        asked,
        [[i.index for i in ranking if not only or only in i.why["selected_by"]] for ranking in rankings],
    )


def table(asked: Sequence[Question], sources: Mapping[str, Mapping[str, Any]], backends: list[Backend]) -> str:
    lines = [
        "| rationales | stages on | kept | precision | recall | F1 | same k by cosine: precision | recall | F1 |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, asking in sources.items():
        for rule in ("paper", "knee"):
            for label, stage in stages(asking, rule).items():
                if rule == "knee" and "pooling" not in label:
                    continue
                found = kept_by(stage, asked, backends)
                plain = top_k(asked, found.kept, backends)
                said = label.replace("pooling", f"pooling ({rule})")
                numbers = (found.precision, found.recall, found.f1, plain.precision, plain.recall, plain.f1)
                cells = " | ".join(f"{value:.3f}".lstrip("0") for value in numbers)
                lines.append(f"| {name} | {said} | {found.kept:.1f} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    if not DATA.is_dir():
        print(f"The collection {DATA.name!r} is not in a folder shared/data beside the checkout.")
        return
    from rerank_plugins.backends.embedded import minilm

    question = {"rationales": 0}
    every, some = questions(), sample()
    of_all = table(every, {"the question": question, "5 by hand": {"rationales": BY_HAND}}, [minilm()])
    of_some = table(some, {"the question": question, "5 by SmolLM2": {"rationales": by_small_model()}}, [minilm()])
    text = f"All {len(every)} questions:\n\n{of_all}\n\n{len(some)} of them:\n\n{of_some}\n"
    print(text)
    if "--write" in sys.argv:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(BLOCK.sub(lambda match: f"{match[1]}{text}{match[2]}", page), encoding="utf-8")


if __name__ == "__main__":
    main()
