"""REBEL: documents graded on relevance and on further criteria, which the question itself can decide."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from rerank_plugins.candidates import Candidate, encodable
from rerank_plugins.criteria import PAPER, PRESETS, RELEVANCE, Criterion
from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods.base import Options
from rerank_plugins.methods.rebel.calibration import deal
from rerank_plugins.methods.rebel.gradings import Gradings, gathered
from rerank_plugins.methods.rebel.totals import BelowFloor, Rules, conclude
from rerank_plugins.methods.rules import Rule, each, flag, number, one_of, whole
from rerank_plugins.prompts.choices import choice_requests, expected_score
from rerank_plugins.prompts.criteria import criteria_request, parse_criteria
from rerank_plugins.prompts.grade_replies import parse_grades
from rerank_plugins.prompts.grades import Effort, grades_request
from rerank_plugins.prompts.label_mass import silence_notes
from rerank_plugins.ranking import Note, ScoreKind, Verdict
from rerank_plugins.requests import Chat, Choose, Request, Steps

__all__ = ["Rebel"]

Rubric = tuple[Criterion, ...]
Asking = Generator[Sequence[Request], Sequence[Any], Any]

_SAMPLING_TEMPERATURE = 0.7
_LONGEST_METADATA = 200  # characters of one value


@dataclass(frozen=True, kw_only=True, repr=False)
class Rebel(Options):
    """Grade each document on relevance and on further criteria, and add up the scores.

    With two turns the model first names the criteria that matter for this question, seeing no document; then all
    documents are graded in batches, all at once: two round trips, whatever their number. With one turn the criteria are
    fixed, and it is one round trip. The model gives scores; the sums, the floor, and the ties (to the document with the
    higher authoritativeness, then in first-stage order) are computed here.

    The score is relevance (0 to 10) plus each criterion's score times its weight; higher is better, and the paper's
    five criteria add at most 12.5. A document below the floor has its relevance alone as its score. With one turn the
    scale is the same for every question ("absolute"), with two the criteria are a question's own ("relative").

    If naming the criteria fails, the fixed ones serve, and a note says so. A batch that fails costs the scores of its
    own documents alone.

    Source: Relevance Isn't All You Need, arXiv 2504.07104, and the authors' public code; `Rebel.paper` has its
    configuration. Prompts, definitions, anchors, samples and scoring by log-probabilities are this project's own.

    Args:
        criteria: What to judge by beside relevance, or the name of a set in `rerank_plugins.criteria.PRESETS`; () is
            relevance alone. None is the paper's way: five fixed criteria with one turn, the model's own with two. With
            two turns, criteria that are given stay, and the model adds to them.
        turns: 1 or 2; None takes 1 where criteria are given, else 2.
        scoring: "chat" has the scores written. "choose" reads each score off the probabilities of the digits, as their
            mean: nothing is written or parsed, at one request per document and criterion, relevance included.
        batch: Documents per call, for "chat".
        anchors: Documents that are put into every batch on top of its own (at most half as many), where there are
            several batches. They show how strict each grading was, so that it can be evened out; they cost tokens, and
            no call. The default is from a simulation (`python -m benchmarks rebel_calibration`) of 20 to 100 documents:
            where batches differ as much as grades of one document do, or twice as much, three anchors raise Kendall's
            tau by .02 to .07; with steady graders they move it by .003 at most, and two lose up to .014. 0 for none.
        effort: What is written before the scores: "none", "brief" (a line per document) or "full" (a comparison).
        samples: How many independent gradings are averaged; they run at once, in differing orders of the documents.
        temperature: For grading; None is 0.7 with several samples, and the backend's own with one.
        reasons: Whether the model gives its reason in a line per document; with "brief" effort it does anyway.
        floor: The least relevance for the criteria to count; None for no floor.
        below_floor: "last" ranks what is below the floor behind the rest, "drop" leaves it out.
        keep: How many documents are kept; None for all.
        weight: With two turns, the weight of each criterion that the model names; None lets the model weigh them.
        metadata: Keys whose values are shown above a document's text, such as ("source", "date"): authority and
            recency are hard to judge without them.

    Raises:
        InvalidInput: An argument breaks a rule.

    >>> Rebel(criteria="legal", reasons=True)
    Rebel(criteria='legal', reasons=True)
    >>> len(next(Rebel(turns=1).steps("why?", [Candidate("text")] * 40)))
    4
    """

    values: ClassVar[tuple[type, ...]] = (Criterion,)
    criteria: str | Sequence[Criterion] | None = None
    turns: Literal[1, 2] | None = None
    scoring: Literal["chat", "choose"] = "chat"
    batch: int = 10
    anchors: int = 3
    effort: Effort = "none"
    samples: int = 1
    temperature: float | None = None
    reasons: bool = False
    floor: float | None = 3.0
    below_floor: BelowFloor = "last"
    keep: int | None = None
    weight: float | None = None
    metadata: Sequence[str] = ()

    rules: ClassVar[Mapping[str, Rule]] = {
        "turns": one_of(1, 2, None),
        "scoring": one_of("chat", "choose"),
        "batch": whole(1),
        "anchors": whole(0),
        "effort": one_of("none", "brief", "full"),
        "samples": whole(1),
        "temperature": number(0, none="for the usual one"),
        "reasons": flag(),
        "floor": number(0, none="for no floor"),
        "below_floor": one_of("last", "drop"),
        "keep": whole(0, none="for all"),
        "weight": number(0, none="to let the model weigh"),
        "metadata": each(str, "a list of metadata keys"),
    }

    def __post_init__(self) -> None:
        self._keep(metadata=(self.metadata,) if isinstance(self.metadata, str) else self.metadata)
        super().__post_init__()
        if not isinstance(self.criteria, str | None):
            self._keep(criteria=tuple(self.criteria))
        _check_criteria(self.criteria)
        if self.scoring == "choose" and (self.samples > 1 or self.reasons or self.effort != "none"):
            raise InvalidInput("Rebel(scoring='choose') has nothing written: it takes no samples, reasons or effort.")

    @classmethod
    def paper(cls, turns: Literal[1, 2] = 2) -> Self:
        """The published configuration: batches of 10, weights of 0.5, relevance below 3 discarded, the best 3 kept.

        >>> Rebel.paper(1)
        Rebel(turns=1, anchors=0, below_floor='drop', keep=3)
        """
        return cls(turns=turns, anchors=0, below_floor="drop", keep=3, weight=0.5 if turns == 2 else None)

    @property
    def needs(self) -> tuple[type[Request], ...]:  # what it asks for depends on its options
        if self.scoring == "chat":
            return (Chat,)
        return (Chat, Choose) if self._turns == 2 else (Choose,)

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        if not candidates:
            return Verdict(order=(), score_kind=self.score_kind)
        criteria, notes = (yield from self._named(query)) if self._turns == 2 else (self._fixed, ())
        rubric = (RELEVANCE, *criteria)
        texts = [self._shown(candidate) for candidate in candidates]
        grading = self._chosen if self.scoring == "choose" else self._written
        graded: Gradings = yield from grading(query, texts, rubric)
        rules = Rules(self.floor, self.below_floor, self.keep, self.score_kind)
        return conclude(rubric, Gradings(graded.scores, graded.reasons, [*notes, *graded.notes]), rules)

    @property
    def _turns(self) -> int:
        return self.turns or (2 if self.criteria is None else 1)

    @property
    def _given(self) -> Rubric:
        return PRESETS[self.criteria] if isinstance(self.criteria, str) else tuple(self.criteria or ())

    @property
    def _fixed(self) -> Rubric:
        """The criteria where the model names none."""
        return PAPER if self.criteria is None else self._given

    @property
    def score_kind(self) -> ScoreKind:  # type: ignore[override] # as above
        return "absolute" if self._turns == 1 else "relative"

    def _shown(self, candidate: Candidate) -> str:
        """The text of a document, below the metadata that is to be seen."""
        known = [(key, candidate.metadata[key]) for key in self.metadata if candidate.metadata.get(key) is not None]
        lines = [f"{key}: {' '.join(encodable(str(value)).split())[:_LONGEST_METADATA]}" for key, value in known]
        return "\n".join([*lines, candidate.text])

    def _named(self, query: str) -> Asking:
        """Ask for the question's criteria; they go from here to the grading of this query and nowhere else."""
        (reply,) = yield [criteria_request(query, self._given, weights=self.weight is None)]
        named = parse_criteria(reply, self._given, weight=self.weight)
        if not named.criteria:
            return self._fixed, [Note("repaired", "The model named no criteria; the fixed ones serve instead.")]
        said = "; ".join(f"{c.name} (0 to {c.scale}, weight {c.weight:g}): {c.definition}" for c in named.criteria)
        notes = [Note("info", f"Criteria of this question: {said}")]
        if named.fault:
            notes.append(Note("repaired", f"The reply that names the criteria {named.fault}."))
        return (*self._given, *named.criteria), notes

    def _written(self, query: str, texts: Sequence[str], rubric: Rubric) -> Asking:
        """Have all batches graded, each as often as there are samples, in one round trip."""
        batches, anchors = deal(len(texts), self.batch, self.anchors)
        shown = [(_turned(batch, n, self.samples), n) for n in range(self.samples) for batch in batches]
        replies = yield [
            grades_request(
                query,
                [texts[index] for index in batch],
                rubric,
                effort=self.effort,
                reasons=self.reasons,
                temperature=self._temperature,
                seed=number if self.samples > 1 else None,
            )
            for batch, number in shown
        ]
        read = [
            parse_grades(reply, query, [texts[index] for index in batch], rubric)
            for reply, (batch, _) in zip(replies, shown, strict=True)
        ]
        return gathered([batch for batch, _ in shown], read, anchors, len(texts), rubric)

    @property
    def _temperature(self) -> float | None:
        return _SAMPLING_TEMPERATURE if self.temperature is None and self.samples > 1 else self.temperature

    def _chosen(self, query: str, texts: Sequence[str], rubric: Rubric) -> Asking:
        """Ask for each score by itself; requests that share a beginning follow each other."""
        answers = yield [request for text in texts for request in choice_requests(query, text, rubric)]
        replies = iter(answers)
        expected = [[expected_score(next(replies), criterion) for criterion in rubric] for _ in texts]
        scores = [{place: s for place, s in enumerate(row) if s is not None} for row in expected]
        return Gradings(scores, notes=silence_notes([[answer] for answer in answers]))


def _turned(batch: Sequence[int], number: int, samples: int) -> list[int]:
    """The batch begun elsewhere for each sample, because a place in the prompt can favour a document."""
    start = number * len(batch) // samples
    return [*batch[start:], *batch[:start]]


def _check_criteria(criteria: str | Sequence[Criterion] | None) -> None:
    if isinstance(criteria, str):
        if criteria not in PRESETS:
            raise InvalidInput(f"There is no set of criteria {criteria!r}; there are {', '.join(PRESETS)}.")
        return
    if not all(isinstance(criterion, Criterion) for criterion in criteria or ()):
        raise InvalidInput(
            "Rebel(criteria=...) is a list of Criterion(name, definition), the name of a set, or None, "
            f"not {criteria!r}."
        )
    names = [RELEVANCE.key, *(criterion.key for criterion in criteria or ())]
    if len(set(names)) < len(names):
        raise InvalidInput(
            "The criteria of Rebel have different names, and none is called relevance, which counts anyway; "
            f"rename one of {names[1:]!r}."
        )
