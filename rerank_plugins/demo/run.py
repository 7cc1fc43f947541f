"""The demo from beginning to end."""

from __future__ import annotations

import json
import shutil
import textwrap
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from rerank_plugins import sample
from rerank_plugins.backends import Backend, embedded
from rerank_plugins.candidates import Candidate
from rerank_plugins.commands.progress import Progress
from rerank_plugins.demo import chain, page
from rerank_plugins.demo.figures import Bench, Row
from rerank_plugins.errors import InvalidInput
from rerank_plugins.events import Event
from rerank_plugins.methods import Embedding, FirstStage, Fuse, InsertRank, Likelihood, Method
from rerank_plugins.ranking import Usage
from rerank_plugins.tally import Tally

__all__ = ["QUESTION", "run_demo"]

QUESTION = "q20"
_RETRIEVED = 10
_SHOWN = 5
_STORE, _KEYWORDS = "vector store", "keyword search"
_ASKED_OF_SMALL_MODEL = {"questions": 1, "k": 5}  # it takes its time to write an answer that is none
_FUSION = Fuse(Embedding(), Likelihood())

Pricing = Callable[[Usage], float | None]


def run_demo(
    chat: Backend | None = None,
    *,
    question: str = QUESTION,
    as_json: bool = False,
    pricing: Pricing = lambda usage: None,
) -> list[Row]:
    """Run the demo and print what it finds.

    Args:
        chat: A chat model to ask for whole orders; None asks the embedded one, which is too small for it.
        question: The question that is shown, by its id in the sample.
        as_json: Whether to print the figures alone, as JSON.
        pricing: The price of what was spent on the chat model.

    Returns:
        The figures, the first stage first.

    Raises:
        InvalidInput: There is no such question.
        MissingExtra: A package is not installed.
        RerankError: No call to the chat model succeeded.
    """
    chain.check_packages()
    warnings.filterwarnings("ignore", category=FutureWarning)  # of libraries below ours, about each other
    with Progress("Loading all-MiniLM-L6-v2 and indexing the sample collection") as progress:
        demo = _Demo(chat, pricing, progress, _checked(question))
        if not as_json:
            demo.show_before()
        rows = demo.rows()
        if as_json:
            print(json.dumps({"rows": [row.as_json([_STORE, _KEYWORDS], len(rows[0].values[_STORE])) for row in rows]}))
        else:
            demo.show_after(rows)
            demo.show_figures(rows)
        return rows


def _checked(question: str) -> str:
    if question not in sample.load().queries:
        raise InvalidInput(f"The questions of the sample are q01 to q20, and {question!r} is none of them.")
    return question


class _Demo:
    def __init__(self, chat: Backend | None, pricing: Pricing, progress: Progress, question: str) -> None:
        self._data = sample.load()
        self._question = question
        self._chat = chat
        self._pricing = pricing
        self._progress = progress
        embedder, small = embedded.minilm(), embedded.smollm2()
        self._backends: list[Backend] = [small, embedder] if chat is None else [chat, small, embedder]
        self._retriever = chain.retriever_over(self._data.corpus, embedder, _RETRIEVED)
        self._found = {name: self._retriever.invoke(query) for name, query in self._data.queries.items()}
        stages = {
            _STORE: {
                name: [Candidate(document.page_content, document.id) for document in documents]
                for name, documents in self._found.items()
            },
            _KEYWORDS: chain.by_bm25(self._data.corpus, self._data.queries, _RETRIEVED),
        }
        self._bench = Bench(self._data.queries, self._data.qrels, stages, self._backends)
        self._width = min(max(shutil.get_terminal_size((80, 24)).columns, 80), 120)

    def rows(self) -> list[Row]:
        """All methods, the first stage first. A chat model of the user's is asked first: it may be out of reach."""
        listwise = [self._listwise(method) for method in self._methods_of_chat()]
        first = self._bench.pointwise(FirstStage())
        parts = [self._pointwise(Embedding()), self._pointwise(Likelihood())]
        fused = self._bench.pointwise(_FUSION, parts)
        return [first, *parts, fused, *listwise]

    def _methods_of_chat(self) -> Sequence[Method]:
        return [InsertRank()] if self._chat is None else [InsertRank(), InsertRank(bm25=None)]

    def _pointwise(self, method: Method) -> Row:
        self._progress.say(f"{method!r} over all questions")
        return self._bench.pointwise(method, observer=self._progress)

    def _listwise(self, method: Method) -> Row:
        self._progress.say(f"{method!r}")
        if self._chat is None:
            return self._bench.listwise(method, self._progress, **_ASKED_OF_SMALL_MODEL)
        tally = Tally()

        def observe(event: Event) -> None:
            tally(event)
            self._progress(event)

        row = self._bench.listwise(method, observe, k=_RETRIEVED)
        return replace(row, dollars=self._pricing(tally.chat))

    def show_before(self) -> None:
        """The question, and what the vector store finds for it."""
        names = [document.id for document in self._found[self._question][:_SHOWN]]
        self._print(
            textwrap.fill(f"Question {self._question}: {self._data.queries[self._question]}", self._width) + "\n",
            f"Before: the first {_SHOWN} of {_RETRIEVED} from Chroma, by the cosine of all-MiniLM-L6-v2",
            "(grade: 3 answers, 2 answers in part, 1 is on topic, 0 does not help)",
            *page.listed(names, self._data.corpus, self._data.qrels[self._question], self._width),
        )

    def show_after(self, rows: Sequence[Row]) -> None:
        """The same through the chain with a compressor; the cache already has the replies."""
        method: Method = _FUSION if self._chat is None else InsertRank()
        values = [row.values[_STORE] for row in rows if row.method in (repr(FirstStage()), repr(method))]
        options: dict[str, Any] = {"backends": self._backends, "cache": self._bench.cache, "top_n": _SHOWN}
        documents = chain.reranked(self._retriever, self._data.queries[self._question], method=method, **options)
        self._print(
            f"\nAfter: with RerankCompressor({method!r}, top_n={_SHOWN})",
            *(["(in brackets what each score adds, in standard deviations)"] if method == _FUSION else []),
            *page.explained(documents, self._data.corpus, self._data.qrels[self._question], self._width),
            "",
            textwrap.fill(page.of_one_question(self._question, *values), self._width),
        )

    def show_figures(self, rows: Sequence[Row]) -> None:
        """The table, and what it says."""
        stages = [_STORE, _KEYWORDS]
        title = (
            f"nDCG@10 over {len(self._data.queries)} questions, measured in this run. The {_STORE} is Chroma, "
            f"{_KEYWORDS} is BM25; of each the best {_RETRIEVED} are reranked. Calls and seconds are for both "
            "together, and for the fusion those of its parts, whose replies it finds in the cache."
        )
        self._print("", textwrap.fill(title, self._width), "", *page.table(rows, stages), "")
        self._print(*page.verdict(rows, stages, self._width))

    def _print(self, *lines: str) -> None:
        with self._progress.hidden():
            print(*lines, sep="\n", flush=True)
