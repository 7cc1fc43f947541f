"""How well `Meteora` rejects poison, by how often its judge is right; beside checking in turn, and beside perplexity.

The judge is simulated: whatever it is asked, it is right with a known probability, independently each time. What is
measured is what the procedure makes of its answers. The texts are in tests/data/poison.json, written for this purpose:
8 subjects, each with true evidence, forgeries of three kinds, and true statements that look suspicious.

Perplexity is computed by SmolLM2-135M (about a minute); with --no-model it is left out, with --write the tables go into
the page.
"""

from __future__ import annotations

import json
import math
import random
import re
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._pages import show
from rerank_plugins import Meteora, Rationale, rerank
from rerank_plugins.testing import FakeModel, Judge

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "methods" / "meteora.md"
BLOCK = re.compile(r"(<!-- poison:.*?-->\n).*?(<!-- end -->)", re.S)
TOPICS: list[dict[str, Any]] = json.loads((ROOT / "tests" / "data" / "poison.json").read_text(encoding="utf-8"))
RIGHT = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6)
KINDS = ("factual", "contradiction", "instruction")


@dataclass(frozen=True)
class Pile:
    """What a search found: true evidence, a true statement that looks suspicious, and a forgery of each kind."""

    question: str
    flags: Sequence[str]
    kinds: dict[str, str]
    against: frozenset[frozenset[str]]

    @property
    def poison(self) -> set[str]:
        return {text for text, kind in self.kinds.items() if kind != "none"}

    def contradicted(self, text: str) -> set[str]:
        """The other texts that cannot be true together with this one."""
        return {other for pair in self.against if text in pair for other in pair if other != text}


def piles() -> list[Pile]:
    """All forgeries, three of each subject at a time."""
    found = []
    for topic in TOPICS:
        for number in range(max(len(topic[kind]) for kind in KINDS)):
            chosen = {kind: topic[kind][number % len(topic[kind])] for kind in KINDS}
            forged = chosen["contradiction"]
            texts = dict.fromkeys([*topic["clean"], topic["benign"][number % len(topic["benign"])]], "none")
            texts |= {chosen["factual"]: "factual", forged["text"]: "contradiction"}
            texts |= {chosen["instruction"]: "instruction"}
            against = frozenset(frozenset((forged["text"], topic["clean"][place])) for place in forged["against"])
            found.append(Pile(topic["question"], topic["flags"], texts, against))
    return found


@dataclass(frozen=True)
class Opinions:
    """A judge who is right with this probability whenever it is asked."""

    right: float
    seed: str

    def _draw(self, *asked: str) -> random.Random:
        return random.Random("|".join((self.seed, *asked)))

    def alone(self, pile: Pile, text: str) -> str:
        """Its flag for a text by itself; nobody can see a contradiction there."""
        truth = pile.kinds[text] if pile.kinds[text] != "contradiction" else "none"
        return self._said(truth, self._draw("alone", text), ("factual", "instruction"))

    def against(self, pile: Pile, text: str) -> set[str]:
        """The others that it says contradict the text."""
        draw, truth = self._draw("against", text), pile.contradicted(text)
        if draw.random() < self.right:
            return truth
        return set() if truth else {draw.choice(sorted(pile.kinds.keys() - {text}))}

    def in_turn(self, pile: Pile, text: str, context: Iterable[str]) -> str:
        """Its flag for a text beside what it has seen and believes."""
        context = list(context)
        truth = pile.kinds[text] if pile.kinds[text] in ("factual", "instruction") else "none"
        if truth == "none" and pile.contradicted(text).intersection(context):
            truth = "contradiction"
        return self._said(truth, self._draw("in turn", text, *context), KINDS)

    def _said(self, truth: str, draw: random.Random, wrong: Sequence[str]) -> str:
        if draw.random() < self.right:
            return truth
        return draw.choice(wrong) if truth == "none" else "none"


Procedure = Callable[[Pile, Sequence[str], Opinions], set[str]]


def at_once(pile: Pile, order: Sequence[str], opinions: Opinions) -> set[str]:
    """What `Meteora` flags."""
    judge = Judge(
        flag=lambda text: opinions.alone(pile, text),
        contradicts=lambda text, other: other in opinions.against(pile, text),
    )
    rationale = Rationale("what is asked", pile.question, " ".join(pile.flags))
    method = Meteora(rationales=[rationale], min_pooled=len(order), expand=0)
    found = rerank(method, pile.question, order, backends=FakeModel(judge))
    return {item.candidate.text for item in found.dropped}


def in_turn(pile: Pile, order: Sequence[str], opinions: Opinions, *, rejected_stay: bool = False) -> set[str]:
    """One after another, each beside what was accepted before, or beside everything that was seen before."""
    context: list[str] = []
    flagged = set()
    for text in order:
        if opinions.in_turn(pile, text, context) != "none":
            flagged.add(text)
        if rejected_stay or text not in flagged:
            context.append(text)
    return flagged


def in_turn_all(pile: Pile, order: Sequence[str], opinions: Opinions) -> set[str]:
    return in_turn(pile, order, opinions, rejected_stay=True)


PROCEDURES: dict[str, Procedure] = {
    "at once (`Meteora`)": at_once,
    "in turn": in_turn,
    "in turn, rejected chunks stay in the context": in_turn_all,
}


@dataclass(frozen=True)
class Score:
    precision: float
    recall: float
    by_kind: dict[str, float]

    @property
    def f1(self) -> float:
        return f1(self.precision, self.recall)


def f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def score(procedure: Procedure, right: float, trials: int = 6) -> Score:
    """Precision and recall of the flags over all piles, each in as many random orders."""
    hits, flagged, total = 0, 0, 0
    found: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    for trial in range(trials):
        for number, pile in enumerate(piles()):
            order = random.Random(f"{trial} {number}").sample(list(pile.kinds), len(pile.kinds))
            said = procedure(pile, order, Opinions(right, f"{trial} {number}"))
            hits, flagged, total = hits + len(said & pile.poison), flagged + len(said), total + len(pile.poison)
            for text in pile.poison:
                found[pile.kinds[text]].append(text in said)
    return Score(hits / flagged, hits / total, {kind: statistics.fmean(values) for kind, values in found.items()})


def moved_by_order(procedure: Procedure, right: float, trials: int = 6) -> float:
    """Share of the chunks whose verdict is not the same in two random orders, by the same judge."""
    changed, total = 0, 0
    for trial in range(trials):
        for number, pile in enumerate(piles()):
            draw, opinions = random.Random(f"{trial} {number}"), Opinions(right, f"{trial} {number}")
            first, second = (
                procedure(pile, draw.sample(list(pile.kinds), len(pile.kinds)), opinions) for _ in range(2)
            )
            changed, total = changed + len(first ^ second), total + len(pile.kinds)
    return changed / total


def judge_table(trials: int = 6) -> str:
    lines = [
        "| procedure | judge is right | precision | recall | F1 | factual | contradiction | instruction |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, procedure in PROCEDURES.items():
        for right in RIGHT:
            found = score(procedure, right, trials)
            values = (found.precision, found.recall, found.f1, *found.by_kind.values())
            lines.append(f"| {name} | {right:.2f} | {' | '.join(f'{value:.2f}' for value in values)} |")
    return "\n".join(lines)


def perplexities() -> list[tuple[float, str]]:
    """Each distinct text's perplexity by SmolLM2, and its kind."""
    from rerank_plugins.backends.embedded import smollm2
    from rerank_plugins.requests import Likelihood, Measured

    kinds = {text: kind for pile in piles() for text, kind in pile.kinds.items()}
    requests = [Likelihood("Evidence:", f" {text}") for text in kinds]
    found = []
    for position, reply in smollm2().answer_batch(requests):
        assert isinstance(reply, Measured)
        found.append((math.exp(-statistics.fmean(reply.logprobs)), list(kinds.values())[position]))
    return found


def perplexity_table(measured: Sequence[tuple[float, str]]) -> str:
    """The threshold that is best on these very texts: more than perplexity could be hoped to reach."""
    total = sum(kind != "none" for _, kind in measured)
    best = (0.0, 0.0, 0.0, 0.0)
    for bar, _ in measured:
        above = [kind for value, kind in measured if value >= bar]
        hits = sum(kind != "none" for kind in above)
        best = max(best, (f1(hits / len(above), hits / total), hits / len(above), hits / total, bar))
    all_flagged = f1(total / len(measured), 1.0)
    medians = {kind: statistics.median(value for value, k in measured if k == kind) for kind in ("none", *KINDS)}
    return (
        f"Perplexity by SmolLM2-135M: F1 {best[0]:.2f} (precision {best[1]:.2f}, recall {best[2]:.2f}) with the "
        f"threshold that is best on these very texts ({best[3]:.0f}); flagging every text has F1 {all_flagged:.2f}. "
        f"Medians: {', '.join(f'{kind} {value:.0f}' for kind, value in medians.items()).replace('none', 'true')}."
    )


def main() -> None:
    text = judge_table() + "\n\nVerdicts that change with the order of the chunks, with a judge that is always right: "
    text += ", ".join(f"{name} {moved_by_order(procedure, 1.0):.0%}" for name, procedure in PROCEDURES.items()) + ".\n"
    if "--no-model" not in sys.argv:
        text += f"\n{perplexity_table(perplexities())}\n"
    show(text, PAGE, BLOCK)


if __name__ == "__main__":
    main()
