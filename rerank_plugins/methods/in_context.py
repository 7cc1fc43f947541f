"""In-context reranking: which documents the words of the question attend to."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from rerank_plugins.candidates import Candidate
from rerank_plugins.errors import InvalidInput, PromptTooLong
from rerank_plugins.methods.base import Options
from rerank_plugins.methods.rules import Rule, each, flag, number, whole
from rerank_plugins.methods.windows import Window, check_stride, slide
from rerank_plugins.prompts.in_context import CONTENT_FREE, attend_request, document_tokens
from rerank_plugins.ranking import Note, ScoreKind, Verdict, order_by
from rerank_plugins.requests import Attend, Attended, Failed, Request, Steps

__all__ = ["InContext", "calibrated"]


@dataclass(frozen=True, kw_only=True, repr=False)
class InContext(Options):
    """Show the whole list, then the question, and score each document by the attention that the question pays to it.

    Nothing is written, and no letter has to be known: a model ranks by what it looks at. The same is asked with a query
    without content, "N/A", and subtracted, because places and signs draw attention whatever is asked. Tokens whose
    difference is abnormally low are left out. Both questions are asked at once over the same documents, so that a
    local model reads the documents once: one prefill, and two short tails.

    Scores are sums of attention shares over a document's tokens, about -1..1, higher is better, comparable within one
    list alone ("relative"). A list that does not fit goes to sliding windows, and then only the order means anything.

    Source: ICR, arXiv 2410.02642, section 3: the mean over the question's tokens and the sum over all heads and layers
    (here the mean, which orders alike), "N/A" for calibration, and two standard deviations for what is abnormal. The
    prompt is this project's own. How the documents stand is as the authors' scripts run it.

    Args:
        window: Documents per prompt; None puts the whole list into one.
        stride: By how many documents a window moves; None is half a window.
        layers: The first layer whose attention counts and the one after the last; None is all, as in the paper. A part
            in the middle can be better and needs no layers above it.
        reverse: Whether the first stage's best stands last, next to the question.
        abnormal: Tokens of a document that lie more than so many standard deviations below its mean do not count; None
            counts all.

    Raises:
        InvalidInput: An argument breaks a rule.

    >>> [request.question for request in next(InContext().steps("why?", [Candidate("a"), Candidate("b")]))]
    [' why?', ' N/A']
    """

    needs: ClassVar[tuple[type[Request], ...]] = (Attend,)
    score_kind: ClassVar[ScoreKind | None] = "relative"
    window: int | None = None
    stride: int | None = None
    layers: tuple[int, int] | None = None
    reverse: bool = True
    abnormal: float | None = 2.0

    rules: ClassVar[Mapping[str, Rule]] = {
        "window": whole(2, none="for the whole list"),
        "stride": whole(1, none="for half a window"),
        "layers": each(int, "the first layer and the one after the last, such as (8, 16)", none="for all", count=2),
        "reverse": flag(),
        "abnormal": number(above=0, of="standard deviations", none="to count all"),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_stride("InContext", self.window, self.stride)
        if self.layers is not None and not 0 <= self.layers[0] < self.layers[1]:
            raise InvalidInput(
                f"InContext(layers=...) is the first layer and the one after the last, such as (8, 16), or None for "
                f"all, not {self.layers!r}."
            )

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        if not candidates:
            return order_by([])
        board = _Board(query, candidates, self)
        size = self.window or len(candidates)
        order, _ = yield from slide(range(len(candidates)), size, self.stride, board.rank)
        scores = [board.scores.get(index) for index in range(len(candidates))]
        why = {index: {"attention": score} for index, score in board.scores.items()}
        if board.windows == 1:
            return order_by(scores, why=why, notes=board.notes)
        if self.window is None and board.fitted < len(candidates):
            board.notes.append(
                Note("limit", f"The list did not fit the model: it was ranked in windows of {board.fitted}.")
            )
        return Verdict(order=order if board.scores else (), why=why, notes=board.notes)


@dataclass
class _Board:
    """One run: the scores in the last window of each document."""

    query: str
    candidates: Sequence[Candidate]
    method: InContext
    scores: dict[int, float] = field(default_factory=dict)
    windows: int = 0
    fitted: int = 0
    notes: list[Note] = field(default_factory=list)

    def rank(self, window: Sequence[int], may_cut: bool) -> Window:
        """Order one window by two questions about the same documents."""
        shown = list(reversed(window)) if self.method.reverse else list(window)
        texts = [self.candidates[index].text for index in shown]
        replies = yield [
            attend_request(query, texts, self.method.layers, may_cut=may_cut) for query in (self.query, CONTENT_FREE)
        ]
        too_long = next(
            (r.error for r in replies if isinstance(r, Failed) and isinstance(r.error, PromptTooLong)), None
        )
        if too_long is not None and not may_cut:
            return too_long
        self.windows, self.fitted = self.windows + 1, max(self.fitted, len(window))
        asked, free = replies
        if not isinstance(asked, Attended):
            return ()
        self._note_gaps(asked, isinstance(free, Attended))
        scores = calibrated(asked, free if isinstance(free, Attended) else None, self.method.abnormal)
        found = {index: score for index, score in zip(shown, scores, strict=False) if math.isfinite(score)}
        self.scores |= found
        return sorted(found, key=lambda index: (-found[index], window.index(index)))

    def _note_gaps(self, asked: Attended, calibrates: bool) -> None:
        if not calibrates:
            gap = "The query without content was not answered: attention is not calibrated."
        elif not asked.tokens and self.method.abnormal is not None:
            gap = "The model gives attention by document alone: abnormal tokens could not be left out."
        else:
            return
        if all(note.message != gap for note in self.notes):
            self.notes.append(Note("info", gap))


def calibrated(asked: Attended, free: Attended | None, abnormal: float | None) -> list[float]:
    """The score of each document: what its tokens draw more with the question than without one, added up.

    >>> texts = ((0.0,), (0.3, 0.1), (0.0,), (0.2,), (0.0,))
    >>> asked = Attended(tuple(map(sum, texts)), texts)
    >>> free = Attended((0.0, 0.1, 0.0, 0.1, 0.0), ((0.0,), (0.1, 0.0), (0.0,), (0.1,), (0.0,)))
    >>> [round(score, 3) for score in calibrated(asked, free, 2.0)]
    [0.3, 0.1]
    """
    values = document_tokens(asked)
    baseline = document_tokens(free) if free is not None else [(0.0,) * len(known) for known in values]
    more = [[a - b for a, b in zip(*pair, strict=False)] for pair in zip(values, baseline, strict=False)]
    return [math.fsum(_normal(known, abnormal)) for known in more]


def _normal(values: Sequence[float], abnormal: float | None) -> Sequence[float]:
    if abnormal is None or len(values) < 2:
        return values
    least = statistics.fmean(values) - abnormal * statistics.pstdev(values)
    return [value for value in values if value >= least]
