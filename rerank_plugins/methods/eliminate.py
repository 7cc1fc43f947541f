"""Elimination: the worst document is dropped, again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from rerank_plugins.candidates import Candidate
from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods.base import Options
from rerank_plugins.methods.rules import Rule, flag, one_of, whole
from rerank_plugins.prompts.label_mass import silence_notes
from rerank_plugins.prompts.lettered import MOST, chosen_first, label_request, parse_pick, pick_request
from rerank_plugins.ranking import Note, ScoreKind, Verdict
from rerank_plugins.requests import Chat, Choose, Failed, Reply, Request, Steps

__all__ = ["Eliminate"]

_GIVES_UP_AFTER = 2  # each failure has cost all its tries already, and nothing else is under way meanwhile


@dataclass(frozen=True, kw_only=True, repr=False)
class Eliminate(Options):
    """Ask which document is worst, put it behind the others, and ask again, until `k` are left.

    A model finds it easier to say what can go than to order everything at once. It is the dearest way: N - k calls, one
    after another, each over up to `set_size` documents; 99 for 100 documents, so put it behind a cheaper method with
    `Cascade`. The documents that are left keep first-stage order among themselves; those that were dropped follow, the
    last dropped first. None leaves the ranking. Only the order means anything ("order"). Where a call fails or names
    nothing, the last of the list goes; after two failures in a row it ends with what it has.

    Source: IRanker, arXiv 2506.21638, section 3, which trains the model for it. The prompt, the sets taken from the end
    of longer lists, and `at_once` are this project's own.

    Args:
        k: How many are left in the end; 1 orders the whole list.
        set_size: Documents in one call, the last ones of those that are left; 2 to 26.
        at_once: How many are dropped after one call; more than one only with "choose", which weighs all of them.
        by: "choose" reads the probabilities of the letters; "chat" has the answer written.
        reasoning: With "chat", whether the model reasons before it answers.

    Raises:
        InvalidInput: An argument breaks a rule.

    >>> steps = Eliminate(k=2).steps("q", [Candidate("a"), Candidate("b"), Candidate("c")])
    >>> _ = next(steps)
    >>> from rerank_plugins.requests import Chosen
    >>> try:
    ...     steps.send([Chosen({"A": -0.1, "B": -2.0, "C": -3.0})])
    ... except StopIteration as end:
    ...     print(end.value.order)
    [1, 2, 0]
    """

    score_kind: ClassVar[ScoreKind | None] = "order"
    k: int = 1
    set_size: int = 20
    at_once: int = 1
    by: Literal["choose", "chat"] = "choose"
    reasoning: bool = False

    rules: ClassVar[Mapping[str, Rule]] = {
        "k": whole(1),
        "set_size": whole(2, MOST, why="a letter each"),
        "at_once": whole(1),
        "by": one_of("choose", "chat"),
        "reasoning": flag(),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.at_once >= self.set_size or (self.at_once > 1 and self.by == "chat"):
            raise InvalidInput(
                f"Eliminate(at_once=...) is at least 1, below set_size ({self.set_size}), and 1 with by='chat', "
                f"not {self.at_once!r}."
            )
        if self.reasoning and self.by == "choose":
            raise InvalidInput("Eliminate(reasoning=True) writes; it takes by='chat'.")

    @property
    def needs(self) -> tuple[type[Request], ...]:  # what it asks for depends on its options
        return (Choose,) if self.by == "choose" else (Chat,)

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        left, dropped = list(range(len(candidates))), list[int]()
        reasoning_of: dict[int, str] = {}
        notes: list[Note] = []
        answers: list[Sequence[Reply]] = []
        named = failed = 0
        while len(left) > self.k and failed < _GIVES_UP_AFTER:
            shown = left[-self.set_size :]
            (reply,) = yield [self._request(query, [candidates[index].text for index in shown])]
            answers.append([reply])
            worst = self._worst(reply, shown, reasoning_of, notes)
            named += len(worst)
            failed = failed + 1 if isinstance(reply, Failed) else 0
            for index in (worst or shown[-1:])[: len(left) - self.k]:
                left.remove(index)
                dropped.append(index)
        notes += silence_notes(answers)
        if len(candidates) > self.k and not named:
            return Verdict(order=(), notes=notes)
        said = {index: {"reasoning": words} for index, words in reasoning_of.items()}
        why = {index: {"dropped_after": place, **said.get(index, {})} for place, index in enumerate(dropped)}
        return Verdict(order=[*left, *reversed(dropped)], why=why, notes=notes)

    def _request(self, query: str, texts: Sequence[str]) -> Request:
        if self.by == "choose":
            return label_request(query, texts, "worst")
        return pick_request(query, texts, "worst", reasoning=self.reasoning)

    def _worst(self, reply: Reply, shown: Sequence[int], reasoning_of: dict[int, str], notes: list[Note]) -> list[int]:
        """What the reply says can go, the worst first; nothing where it says nothing."""
        if self.by == "choose":
            return [shown[place] for place in chosen_first(reply, len(shown))][: self.at_once]
        pick = parse_pick(reply, len(shown))
        if pick.fault not in ("", "failed"):
            notes.append(Note("repaired", f"A reply {pick.fault}; the last document of the list goes instead."))
        if pick.position is None:
            return []
        if pick.reasoning:
            reasoning_of[shown[pick.position]] = pick.reasoning
        return [shown[pick.position]]
