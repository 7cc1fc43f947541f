"""Calls, round trips and tokens of each method for 20 and for 100 documents, counted from what it asks for.

Models only pretend, and write as little as they are asked for. Documents have 100 words, tokens are characters / 4, and
each request counts whole: what a local model or an endpoint's prefix cache reads once counts as often as it is sent.

python -m benchmarks method_costs             # the tables
python -m benchmarks.method_costs --write     # and into the pages
"""

from __future__ import annotations

import functools
import json
import random
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks._simulation import CHARACTERS_PER_TOKEN, passage, simulate
from rerank_plugins import (
    Candidate,
    Cascade,
    Criterion,
    CrossEncode,
    Decompose,
    Eliminate,
    Embedding,
    First,
    FirstStage,
    Fuse,
    Graded,
    InContext,
    InsertRank,
    Likelihood,
    Meteora,
    Rationale,
    Rebel,
    Setwise,
    UpTo,
    YesNo,
)
from rerank_plugins.methods import Method
from rerank_plugins.requests import Attend, Chat, Choose, Chosen, Embed, Reply, Request, Retrieve, ScorePairs
from rerank_plugins.requests import Likelihood as LikelihoodRequest
from rerank_plugins.testing import FakeModel, Grader, Judge

PAGES = Path(__file__).resolve().parents[1] / "docs" / "methods"
BLOCK = re.compile(r"(?<=<!-- costs: python -m benchmarks\.method_costs --write -->\n).*?(?=<!-- end -->)", re.S)
COUNTS = (20, 100)
QUERY = "how long does a dough proof?"
FORMS: Mapping[str, Sequence[Method]] = {
    "insert_rank": (InsertRank(), InsertRank(bm25=None), InsertRank(window=20), InsertRank(reasoning=True)),
    "likelihood": (Likelihood(),),
    "cross_encode": (CrossEncode(),),
    "embedding": (FirstStage(), Embedding()),
    "fuse": (Fuse(Embedding(), CrossEncode()), Fuse(FirstStage(), InsertRank(window=20))),
    "cascade": (Cascade(Embedding(), InsertRank()), Cascade(Embedding(), YesNo(), keep=10)),
    "up_to": (UpTo(CrossEncode(), threshold=0.0), UpTo(Graded(), threshold=6)),
    "first": (First(), First(window=10)),
    "in_context": (InContext(), InContext(window=20)),
    "pointwise": (YesNo(), Graded(), Graded(reading="text"), Graded(scale=100)),
    "setwise": (Setwise(), Setwise(sort="tournament"), Setwise(by="chat"), Setwise(k=1)),
    "eliminate": (Eliminate(k=10), Eliminate(), Eliminate(k=10, at_once=3), Eliminate(k=10, by="chat")),
}
ALL: Sequence[Method] = (
    *(FirstStage(), Embedding(), CrossEncode(), Likelihood(), InsertRank(), InsertRank(window=20), First()),
    *(InContext(), YesNo(), Graded(), Setwise(), Eliminate(k=10), Rebel(turns=1), Rebel()),
    *(Meteora(min_pooled=5, max_pooled=5), Decompose()),
)
SHUFFLED = tuple(random.Random(0).sample(range(max(COUNTS)), max(COUNTS)))
"""How much the pretended model prefers each document."""
_NAMED = [Criterion(f"quality {n}", "It has what this question needs, in plenty and in detail.") for n in range(3)]
_WRITTEN = [Rationale(f"what to look for {n}", "One sentence that says how such a passage reads.") for n in range(8)]
_PARTS = ["how warm does a dough proof?", *(f"what does step {n} of a proof need?" for n in range(4))]


@dataclass(frozen=True)
class Cost:
    """What a method asks for one question."""

    calls: int
    round_trips: int
    read: int
    written: int

    def __str__(self) -> str:
        return f"{self.calls} | {self.round_trips} | {self.read:,} | {self.written:,}"


@functools.cache
def cost(method: Method, count: int, worths: tuple[int, ...] = SHUFFLED) -> Cost:
    """Run a method over so many documents of 100 words, and count; a sort takes more calls for some orders."""
    model = _Consistent(says(method, worths), worths)
    run = simulate(method, QUERY, [passage(number) for number in range(count)], model)
    numbers = sum(not isinstance(request, (Chat, Choose)) for request in model.requests)  # nothing is written for these
    return Cost(run.calls, run.round_trips, sum(map(_read, model.requests)), run.written - numbers)


def table(page: str) -> str:
    """What the forms that a page speaks of cost."""
    lines = ["| form | N | calls | round trips | tokens read | tokens written |", "|---|---:|---:|---:|---:|---:|"]
    lines += [f"| `{form!r}` | {count} | {cost(form, count)} |" for form in FORMS[page] for count in COUNTS]
    return "\n".join(lines) + "\n"


def overview() -> str:
    """What each method costs, side by side; tokens for the longer list."""
    few, many = COUNTS
    head = [f"{what}, {count}" for what in ("calls", "round trips") for count in COUNTS]
    head += [f"tokens {what}, {many}" for what in ("read", "written")]
    lines = [f"| method | {' | '.join(head)} |", f"|---|{'---:|' * len(head)}"]
    for method in ALL:
        short, long = cost(method, few), cost(method, many)
        calls = f"{short.calls} | {long.calls} | {short.round_trips} | {long.round_trips}"
        lines.append(f"| `{method!r}` | {calls} | {long.read:,} | {long.written:,} |")
    return "\n".join(lines) + "\n"


def _read(request: Request) -> int:
    return len(_text_of(request)) // CHARACTERS_PER_TOKEN


def _text_of(request: Request) -> str:
    if isinstance(request, (Chat, Choose)):
        return "".join(message["content"] for message in request.messages)
    if isinstance(request, LikelihoodRequest):
        return request.prompt + request.continuation
    if isinstance(request, Attend):
        return "".join([request.prefix, *request.segments, request.question])
    if isinstance(request, ScorePairs):
        return "".join(request.query + text for text in request.texts)
    if isinstance(request, Embed):
        return "".join(request.texts)
    return request.query if isinstance(request, Retrieve) else ""


def says(method: Method, worths: Sequence[int] = SHUFFLED) -> Callable[[Chat], str]:
    """What the pretended model writes for a method."""
    if isinstance(method, Rebel):
        return Grader(lambda *_: 7.5, names=lambda _: _NAMED)
    return Judge(rationales=_WRITTEN) if isinstance(method, Meteora) else _Brief(worths)


class _Consistent(FakeModel):
    """Prefers the same documents each time, and finds others for each question."""

    def __init__(self, says: Callable[[Chat], str], worths: Sequence[int]) -> None:
        super().__init__(says, found=lambda asked: [Candidate(f"{asked.query} {n}") for n in range(asked.k)])
        self._worths = worths

    def answer(self, request: Request, timeout: float | None) -> Reply:
        if not isinstance(request, Choose):
            return super().answer(request, timeout)
        self.requests.append(request)
        shown = _shown(request, self._worths) if request.labels[0] == "A" else [0] * len(request.labels)
        return Chosen(
            {label: worth / len(self._worths) - 1 for label, worth in zip(request.labels, shown, strict=True)}
        )


def _shown(request: Chat | Choose, worths: Sequence[int]) -> list[int]:
    """The worths of the documents in a prompt, in its order."""
    return [worths[int(number)] for number in re.findall(r"Passage (\d+)\.", request.messages[-1]["content"])]


@dataclass(frozen=True)
class _Brief:
    """Answers with the least that a schema takes."""

    worths: Sequence[int]

    def __call__(self, request: Chat) -> str:
        fields = (request.schema or {}).get("properties", {})
        worths = _shown(request, self.worths)
        answers = {
            "ranking": list(range(len(worths), 0, -1)),
            "document": chr(ord("A") + max(range(len(worths)), key=worths.__getitem__, default=0)),
            "score": 7,
            "subquestions": _PARTS,
            "reasoning": "A sentence.",
            "problem": "A sentence.",
        }
        return json.dumps({name: answers[name] for name in fields if name in answers})


def main() -> None:
    for page, text in [*((page, table(page)) for page in FORMS), ("index", overview())]:
        print(f"{page}\n{text}")
        if __name__ == "__main__" and "--write" in sys.argv:
            path = PAGES / f"{page}.md"
            before, after = BLOCK.split(path.read_text(encoding="utf-8"))
            path.write_text(before + text + after, encoding="utf-8")


if __name__ == "__main__":
    main()
