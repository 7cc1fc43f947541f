"""Question decomposition on multi-hop questions: what is found, and what of it is kept.

The collections are MuSiQue (100 questions, with human sub-questions and answers) and MultiHop-RAG (429 questions,
without), in a folder shared/data beside the checkout. First stages are MiniLM embeddings and BM25; rerankers are
MiniLM's cosine and its fusion with the merged order, since no cross-encoder is at hand offline.

Human sub-questions are a recorded decomposer: they show what the method makes of good sub-questions, not what a model
would name. In further rounds the recorded answers fill in, each only if it stands in a passage that was found. With
--llm a model of 135M parameters names the sub-questions of some questions. With --write the tables go into
docs/methods/decompose.md.
"""

from __future__ import annotations

import re
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from benchmarks._decomposers import RecordedAnswers, clauses, paraphrases, recorded
from benchmarks._first_stages import DATA, Collection, Remembering, dense
from rerank_plugins import Decompose, Embedding, FirstStage, Fuse, Ranking, rerank_many
from rerank_plugins.backends import Backend, BM25Retriever
from rerank_plugins.backends.embedded import minilm, smollm2
from rerank_plugins.evaluation import measure
from rerank_plugins.events import CallStarted, Event
from rerank_plugins.methods import Method
from rerank_plugins.requests import Retrieve

PAGE = Path(__file__).resolve().parents[1] / "docs" / "methods" / "decompose.md"
MEASURES = ("R@5", "R@10", "RR@10")
HEAD = (
    "| first stage | what is searched for, and how the pool is ordered | searches | recall@5 | recall@10 | MRR@10 "
    "| all found |\n|---|---|---:|---:|---:|---:|---:|"
)
MERGED, COSINE, FUSED = FirstStage(), Embedding(), Fuse(Embedding(), FirstStage(), norm="rrf")
LLM_QUESTIONS = 20


def alone() -> dict[str, Method]:
    """The question alone; the last with about as many documents as sub-questions bring in."""
    return {
        "the question": Decompose(subquestions=(), rerank=MERGED),
        "the question, 40 documents, fused": Decompose(subquestions=(), rerank=FUSED, k=40),
    }


def asked(name: str, form: Decompose, *, coverage: bool = True) -> dict[str, Method]:
    """The ways to order the pool of one way to ask."""
    forms: dict[str, Method] = {
        f"{name}, merged": replace(form, rerank=MERGED),
        f"{name}, fused": replace(form, rerank=FUSED),
    }
    return forms | ({f"{name}, fused, coverage": replace(form, rerank=FUSED, coverage=True)} if coverage else {})


def musique(embedder: Remembering) -> list[str]:
    """The lines of the table on MuSiQue."""
    collection, human = Collection.read(DATA / "musique-100"), recorded(DATA / "musique-100" / "queries.jsonl")
    varied = paraphrases(lambda query: len(human[query]))
    form = Decompose(subquestions=lambda query: [row["question"] for row in human[query]])
    forms = {
        **alone(),
        **asked("paraphrases", Decompose(subquestions=varied), coverage=False),
        "sub-questions, cosine": replace(form, rerank=COSINE),
        **asked("sub-questions", form),
        "sub-questions, fused, coverage by scores": replace(form, rerank=FUSED, coverage=True, coverage_by="scores"),
        **asked("sub-questions, 2 rounds", replace(form, rounds=2)),
        **asked("sub-questions, 4 rounds", replace(form, rounds=4)),
    }
    answers = RecordedAnswers(human)
    embedder.learn([*human, *answers.forms, *chain.from_iterable(map(varied, human))], "query")
    return _lines(collection, forms, embedder, answers)


def multihop(embedder: Remembering) -> list[str]:
    """The lines of the table on MultiHop-RAG, where the clauses of a question stand in for sub-questions."""
    collection = Collection.read(DATA / "multihoprag-evidence")
    varied = paraphrases(lambda query: len(clauses(query)))
    forms = {
        **alone(),
        **asked("paraphrases", Decompose(subquestions=varied), coverage=False),
        **asked("clauses", Decompose(subquestions=clauses)),
    }
    queries = collection.queries.values()
    embedder.learn([text for query in queries for text in (query, *clauses(query), *varied(query))], "query")
    return _lines(collection, forms, embedder)


def small_model(embedder: Remembering) -> list[str]:
    """The lines of the table with sub-questions by a model of 135M parameters, beside the human ones."""
    whole, human = Collection.read(DATA / "musique-100"), recorded(DATA / "musique-100" / "queries.jsonl")
    collection = replace(whole, queries=dict(islice(whole.queries.items(), LLM_QUESTIONS)))
    form = Decompose(max_subquestions=3)
    forms = {
        **alone(),
        **asked("135M model", form),
        **asked("sub-questions", replace(form, subquestions=lambda query: [row["question"] for row in human[query]])),
    }
    return _lines(collection, forms, embedder, smollm2(), cache={})


def _lines(
    collection: Collection,
    forms: Mapping[str, Method],
    embedder: Remembering,
    *backends: Backend,
    cache: dict[str, str] | None = None,
) -> list[str]:
    first_stages = {"MiniLM": dense(collection.documents, embedder), "BM25": BM25Retriever(collection.documents)}
    return [
        f"| {first} | {name} | {evaluated(collection, form, [retriever, embedder, *backends], cache)} |"
        for first, retriever in first_stages.items()
        for name, form in forms.items()
    ]


def evaluated(
    collection: Collection, method: Method, backends: Sequence[Backend], cache: dict[str, str] | None = None
) -> str:
    """Searches a question, and the measures, of what is found from the question alone."""
    searches: list[Event] = []

    def count(event: Event) -> None:
        if isinstance(event, CallStarted) and isinstance(event.request, Retrieve):
            searches.append(event)

    tasks = [(text, ()) for text in collection.queries.values()]
    rankings = rerank_many(method, tasks, backends=backends, on_error="raise", observer=count, cache=cache)
    orders = {query: _ids(ranking) for query, ranking in zip(collection.queries, rankings, strict=True)}
    found = {name: measure(orders, collection.qrels, name) for name in MEASURES}
    found["all found"] = {query: float(recall == 1) for query, recall in found["R@10"].items()}
    means = [f"{statistics.fmean(values.values()):.3f}" for values in found.values()]
    return " | ".join([f"{len(searches) / len(tasks):.1f}", *means])


def _ids(ranking: Ranking) -> list[str]:
    return [str(item.candidate.id) for item in ranking]


def main() -> None:
    if not DATA.is_dir():
        print("This needs the test collections in a folder shared/data beside the checkout.")
        return
    embedder, start = Remembering(minilm()), time.perf_counter()
    tables = {"musique": musique, "multihop": multihop, **({"small model": small_model} if "--llm" in sys.argv else {})}
    for name, lines in tables.items():
        table = "\n".join([HEAD, *lines(embedder)])
        print(f"\n{name}, {time.perf_counter() - start:.0f} s\n\n{table}")
        if "--write" in sys.argv:
            _write(name, table)


def block(name: str) -> re.Pattern[str]:
    """Where a table stands in the page."""
    return re.compile(rf"(?<=<!-- {name}: python -m benchmarks\.decompose_musique -->\n).*?(?=<!-- end -->)", re.S)


def _write(name: str, table: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(block(name).sub(lambda _: f"{table}\n", page, count=1), encoding="utf-8")


if __name__ == "__main__":
    main()
