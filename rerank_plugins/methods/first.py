"""FIRST: the order of a list, read off the probabilities of its first identifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from rerank_plugins.candidates import Candidate
from rerank_plugins.methods.base import Options
from rerank_plugins.methods.rules import Rule, one_of, whole
from rerank_plugins.methods.schedules import SCHEDULES, Schedule, scheduled
from rerank_plugins.methods.windows import Window, check_stride
from rerank_plugins.prompts.checkpoints import LISTWISE, template_of
from rerank_plugins.prompts.label_mass import is_silent, silence_notes
from rerank_plugins.prompts.lettered import MOST, chosen_first, label_request
from rerank_plugins.ranking import Note, ScoreKind, Verdict
from rerank_plugins.requests import Choose, Chosen, Reply, Request, Steps

__all__ = ["First"]


@dataclass(frozen=True, kw_only=True, repr=False)
class First(Options):
    """Show the list, and order it by how probable each document's letter is as the first of the answer.

    A listwise model that begins to write "C > A > ..." has weighed all documents before its first letter. Nothing is
    written: one call of one token for each window, 1 for 20 documents and 9 for 100. Longer lists go to windows, the
    last first. Only the order of the result means anything ("order").

    A local model gives the probability of every letter. An endpoint gives its most probable 20 tokens: documents whose
    letter is not among them follow in first-stage order, and a note says how many.

    Source: FIRST, arXiv 2406.15657, sections 3 and 4: the order of the logits of the first identifier, windows of 20
    moved by 10. The paper trains the model for it; a model that was not trained has to be good at listwise ranking
    already. The prompt is this project's own unless a checkpoint's is asked for.

    Args:
        window: Documents per call, 2 to 26; an endpoint gives no more than 20 letters.
        stride: By how many documents the window moves; None is half a window.
        schedule: Which lists are shown if there are more documents than a window holds, as in `InsertRank`.
        prompt: The name of a released checkpoint, such as "castorini/first_mistral", to use the wording that it was
            trained on (see `method_for`); None for our own.

    Raises:
        InvalidInput: An argument breaks a rule.

    >>> steps = First().steps("q", [Candidate("a"), Candidate("b")])
    >>> (request,) = next(steps)
    >>> try:
    ...     steps.send([Chosen({"A": -3.0, "B": -0.1})])
    ... except StopIteration as end:
    ...     print(end.value.order)
    [1, 0]
    """

    needs: ClassVar[tuple[type[Request], ...]] = (Choose,)
    score_kind: ClassVar[ScoreKind | None] = "order"
    window: int = 20
    stride: int | None = None
    schedule: Schedule = "windows"
    prompt: str | None = None

    rules: ClassVar[Mapping[str, Rule]] = {
        "window": whole(2, MOST, why="a letter each"),
        "stride": whole(1, none="for half a window"),
        "schedule": one_of(*SCHEDULES),
    }

    def __post_init__(self) -> None:
        template_of(self.prompt, LISTWISE)
        super().__post_init__()
        check_stride("First", self.window, self.stride)

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        if len(candidates) < 2:
            return Verdict(order=range(len(candidates)))
        board = _Board(query, candidates, self.prompt)
        order, _ = yield from scheduled(self.schedule, range(len(candidates)), self.window, self.stride, board.rank)
        if not board.logprobs:
            return Verdict(order=(), notes=board.notes())
        return Verdict(
            order=order,
            why={index: {"log_probability": board.logprobs.get(index)} for index in range(len(candidates))},
            notes=board.notes(),
        )


@dataclass
class _Board:
    """One run: the last that was read for each document, and whose letter was missing from a reply."""

    query: str
    candidates: Sequence[Candidate]
    prompt: str | None
    logprobs: dict[int, float] = field(default_factory=dict)
    missing: set[int] = field(default_factory=set)
    replies: list[Sequence[Reply]] = field(default_factory=list)

    def rank(self, window: Sequence[int], may_cut: bool) -> Window:
        """Order one window by one call."""
        texts = [self.candidates[index].text for index in window]
        (reply,) = yield [label_request(self.query, texts, "order", self.prompt)]
        self.replies.append([reply])
        if not isinstance(reply, Chosen) or is_silent([reply]):
            return ()
        found = {window[place]: value for place, value in chosen_first(reply, len(window), self.prompt).items()}
        without = sorted(set(window).difference(found))
        self.logprobs |= found
        self.missing.update(without)
        return [*found, *without]

    def notes(self) -> list[Note]:
        if not self.missing:
            return silence_notes(self.replies)
        return [
            *silence_notes(self.replies),
            Note(
                "info",
                f"The model gave no probability for the letters of {len(self.missing)} documents; in their window they "
                "follow the others in first-stage order.",
            ),
        ]
