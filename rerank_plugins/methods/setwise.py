"""Setwise ranking: which of these is best, asked until the best few are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from rerank_plugins.candidates import Candidate
from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods.base import Options
from rerank_plugins.methods.rules import Rule, flag, one_of, whole
from rerank_plugins.methods.sorting import Asking, heap_top, tournament_top
from rerank_plugins.prompts.checkpoints import SETWISE, template_of
from rerank_plugins.prompts.label_mass import silence_notes
from rerank_plugins.prompts.lettered import MOST, chosen_first, label_request, parse_pick, pick_request
from rerank_plugins.ranking import Note, ScoreKind, Verdict
from rerank_plugins.requests import Chat, Choose, Failed, Reply, Request, Steps

__all__ = ["Setwise"]

_GIVES_UP_AFTER = 2  # round trips; each has cost all its tries already, and the next would wait for it


@dataclass(frozen=True, kw_only=True, repr=False)
class Setwise(Options):
    """Find the best `k` by asking which of up to `set_size` documents is best; the rest keep first-stage order.

    To find 10 of 100 takes about 23 calls with sets of 20 (19 to 25), most of them one after another: 6 or 7 to begin
    with, in two or three round trips, and then about two for each further place. Only the order means anything
    ("order"). Where a call fails or names nothing, the document that stood first in the set is taken for the best;
    after two round trips in a row that fail, for all that is left.

    Source: Setwise, arXiv 2310.09497, section 3, and Rank-R1, arXiv 2503.06034, which reasons before it answers and
    takes sets of 20. The prompt is this project's own unless a checkpoint's is asked for. Building the heap level by
    level, and the tournament, are this project's choice.

    Args:
        k: How many of the best are sorted out.
        set_size: Documents in one comparison, 3 to 26; an endpoint gives no more than 20 letters.
        sort: "heap" or "tournament". A heap takes fewer calls the better the first stage's order is; a tournament
            takes as many in any case, and lets neighbours of the first stage meet.
        by: "choose" reads the probabilities of the letters, one token each; "chat" has the answer written.
        reasoning: With "chat", whether the model reasons before it answers.
        prompt: The name of a released checkpoint, such as "ielabgroup/Rank-R1-7B-v0.1", to use the wording that it was
            trained on (see `method_for`); None for our own.

    Raises:
        InvalidInput: An argument breaks a rule.

    >>> len(next(Setwise(set_size=4).steps("q", [Candidate("a")] * 13)))
    3
    """

    score_kind: ClassVar[ScoreKind | None] = "order"
    k: int = 10
    set_size: int = 20
    sort: Literal["heap", "tournament"] = "heap"
    by: Literal["choose", "chat"] = "choose"
    reasoning: bool = False
    prompt: str | None = None

    rules: ClassVar[Mapping[str, Rule]] = {
        "k": whole(1),
        "set_size": whole(3, MOST, why="a letter each"),
        "sort": one_of("heap", "tournament"),
        "by": one_of("choose", "chat"),
        "reasoning": flag(),
    }

    def __post_init__(self) -> None:
        template_of(self.prompt, SETWISE)
        super().__post_init__()
        if self.reasoning and self.by == "choose":
            raise InvalidInput("Setwise(reasoning=True) writes; it takes by='chat'.")

    @property
    def needs(self) -> tuple[type[Request], ...]:  # what it asks for depends on its options
        return (Choose,) if self.by == "choose" else (Chat,)

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        count = len(candidates)
        if count < 2:
            return Verdict(order=range(count))
        judge = _Judge(query, candidates, self)
        top_of = heap_top if self.sort == "heap" else tournament_top
        top = yield from top_of(count, self.set_size, self.k, judge.best_of)
        judge.notes += silence_notes(judge.replies)
        if not judge.answers:
            return Verdict(order=(), notes=judge.notes)
        rest = sorted(set(range(count)).difference(top))
        return Verdict(
            order=[*top, *rest],
            why={index: {"sorted_by_model": index in set(top)} | judge.reasons(index) for index in range(count)},
            notes=judge.notes,
        )


@dataclass
class _Judge:
    """One run: the comparisons, and what was said in them."""

    query: str
    candidates: Sequence[Candidate]
    method: Setwise
    answers: int = 0
    silent: int = 0
    reasoning_of: dict[int, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    replies: list[Sequence[Reply]] = field(default_factory=list)

    def best_of(self, sets: Sequence[Sequence[int]]) -> Asking:
        """Compare within all sets in one round trip; where nobody answers any more, the first of each is the best."""
        if self.silent >= _GIVES_UP_AFTER:
            return [members[0] for members in sets]
        replies = yield [self._request([self.candidates[index].text for index in members]) for members in sets]
        self.replies += [[reply] for reply in replies]
        self.silent = self.silent + 1 if all(isinstance(reply, Failed) for reply in replies) else 0
        return [self._winner(reply, members) for reply, members in zip(replies, sets, strict=True)]

    def reasons(self, index: int) -> dict[str, str]:
        return {"reasoning": self.reasoning_of[index]} if index in self.reasoning_of else {}

    def _request(self, texts: Sequence[str]) -> Request:
        if self.method.by == "choose":
            return label_request(self.query, texts, "best", self.method.prompt)
        return pick_request(self.query, texts, "best", reasoning=self.method.reasoning, prompt=self.method.prompt)

    def _winner(self, reply: Reply, members: Sequence[int]) -> int:
        place = self._place(reply, members)
        self.answers += place is not None
        return members[place or 0]

    def _place(self, reply: Reply, members: Sequence[int]) -> int | None:
        if self.method.by == "choose":
            return next(iter(chosen_first(reply, len(members), self.method.prompt)), None)
        pick = parse_pick(reply, len(members), self.method.prompt)
        if pick.fault not in ("", "failed"):
            self.notes.append(Note("repaired", f"A reply {pick.fault}; the first of its set counts as the best."))
        if pick.position is not None and pick.reasoning:
            self.reasoning_of[members[pick.position]] = pick.reasoning
        return pick.position
