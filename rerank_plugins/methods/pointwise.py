"""Pointwise scores: each document judged by itself, and the judgement read off its probability."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from rerank_plugins.candidates import Candidate, finite
from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods.base import Options
from rerank_plugins.methods.rules import Rule, each, flag, one_of, whole
from rerank_plugins.prompts.checkpoints import POINTWISE, template_of
from rerank_plugins.prompts.label_mass import is_silent, silence_notes
from rerank_plugins.prompts.pointwise import (
    judgement_requests,
    parse_score,
    probabilities,
    score_labels,
    written_score_request,
)
from rerank_plugins.ranking import Note, ScoreKind, order_by
from rerank_plugins.requests import Chat, ChatReply, Choose, Chosen, Reply, Request, Steps

__all__ = ["Graded", "YesNo"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Graded(Options):
    """Have each document scored by itself, from 0 to `scale`; one request per document, all at once.

    Scores lie in 0..scale, higher is better. They depend on the question and the document alone and are on one scale
    for all questions ("absolute").

    Source: ERank, arXiv 2509.00520, section on scoring: integers from 0 to 10, and as the score the integer times its
    probability. There the model thinks before it answers; here it does so with `reading="text"` alone. The mean over
    the scale is that of G-Eval, arXiv 2303.16634, section 2. The prompt is this project's own unless a checkpoint's
    is asked for.

    Args:
        scale: The highest score, 1 to 100.
        reading: "product" is the paper's: the most probable score times its probability, both among the scores of the
            scale. "mean" is the expected score. Both are exact with a local model, also where a score such as 10 is two
            tokens of it; an endpoint gives its most probable 20 tokens. "text" has the score written, for models that
            give no probabilities: many documents will have the same.
        goal: What a document is wanted for, in a sentence, such as "A document helps if it names a harm."
        document_first: Whether the question stands after the document, for models that remember documents across
            questions; else what the documents of a question have in common stands first. A checkpoint's wording has
            an order of its own.
        prompt: The name of a released checkpoint, such as "Alibaba-NLP/ERank-4B", to use the wording that it was
            trained on (see `method_for`); None for our own.

    Raises:
        InvalidInput: An argument breaks a rule.

    >>> steps = Graded(reading="mean", scale=4).steps("q", [Candidate("a"), Candidate("b")])
    >>> _ = next(steps)
    >>> try:
    ...     steps.send([Chosen({"1": -1.0, "3": -1.0}), Chosen({"4": -0.1})])
    ... except StopIteration as end:
    ...     print(end.value.scores)
    {0: 2.0, 1: 4.0}
    """

    score_kind: ClassVar[ScoreKind | None] = "absolute"
    scale: int = 10
    reading: Literal["product", "mean", "text"] = "product"
    goal: str = ""
    document_first: bool = False
    prompt: str | None = None

    rules: ClassVar[Mapping[str, Rule]] = {
        "scale": whole(1, 100),
        "reading": one_of("product", "mean", "text"),
        "document_first": flag(),
    }

    def __post_init__(self) -> None:
        template = template_of(self.prompt, POINTWISE)
        super().__post_init__()
        if template is not None and template.labels != score_labels(self.scale):
            raise InvalidInput(
                f"{self.prompt!r} was trained to answer {template.labels[0]!r} to {template.labels[-1]!r}, which is no "
                f"scale from 0 to {self.scale}; take YesNo, or another scale."
            )

    @property
    def needs(self) -> tuple[type[Request], ...]:  # what it asks for depends on its options
        return (Chat,) if self.reading == "text" else (Choose,)

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        reading = self._in_writing if self.reading == "text" else self._by_probability
        return (yield from reading(query, candidates))

    def _in_writing(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        replies = yield [self._written(query, candidate) for candidate in candidates]
        scores = [parse_score(reply, self.scale) for reply in replies]
        why = {index: {"score": score} for index, score in enumerate(scores) if score is not None}
        return order_by(scores, why=why, notes=_unread(replies, scores, self.scale), score_kind="absolute")

    def _by_probability(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        asked = [self._judged(query, candidate) for candidate in candidates]
        replies = iter((yield [request for requests in asked for request in requests]))
        answers = [[next(replies) for _ in requests] for requests in asked]
        masses = [probabilities(group, self.prompt) for group in answers]
        scores = [self._read(known) for known in masses]
        why = {index: _reasons(known) for index, known in enumerate(masses) if known}
        return order_by(scores, why=why, notes=_missing(answers, masses, self.scale + 1), score_kind="absolute")

    def _judged(self, query: str, candidate: Candidate) -> list[Choose]:
        return judgement_requests(
            query,
            candidate.text,
            score_labels(self.scale),
            goal=self.goal,
            prompt=self.prompt,
            document_first=self.document_first,
        )

    def _written(self, query: str, candidate: Candidate) -> Chat:
        return written_score_request(
            query,
            candidate.text,
            self.scale,
            goal=self.goal,
            prompt=self.prompt,
            document_first=self.document_first,
        )

    def _read(self, masses: dict[str, float]) -> float | None:
        if not masses:
            return None
        if self.reading == "mean":
            return math.fsum(int(label) * mass for label, mass in masses.items())
        best = _most_probable(masses)
        return int(best) * masses[best]


@dataclass(frozen=True, kw_only=True, repr=False)
class YesNo(Options):
    """Ask of each document whether it helps: the score is by how much "Yes" is more probable than "No", in logits.

    One request per document, all at once. Scores are differences of log-probabilities in nats: 0 is undecided, higher
    is better. They depend on the question and the document alone ("absolute"), as far as the model's doubt means the
    same from one question to the next. They are kept as logits, since probabilities near 1 run together. Where an
    endpoint gives one of the two alone, the other counts as all the rest, which is the most that it can be.

    Source: ProRank, arXiv 2506.03487, section 3, and mxbai-rerank-v2, with the labels "1" and "0". The prompt is this
    project's own unless a checkpoint's is asked for.

    Args:
        labels: The answer that says that the document helps, and the one that says that it does not; None is "Yes" and
            "No", or what the checkpoint was trained on.
        goal: What a document is wanted for, in a sentence.
        document_first: As in `Graded`.
        prompt: The name of a released checkpoint, such as "mixedbread-ai/mxbai-rerank-base-v2" (see `method_for`);
            None for our own wording.

    Raises:
        InvalidInput: An argument breaks a rule.

    >>> steps = YesNo().steps("q", [Candidate("a"), Candidate("b")])
    >>> _ = next(steps)
    >>> try:
    ...     steps.send([Chosen({"Yes": -2.0, "No": -0.5}), Chosen({"Yes": -0.5, "No": -3.0})])
    ... except StopIteration as end:
    ...     print(end.value.scores)
    {0: -1.5, 1: 2.5}
    """

    needs: ClassVar[tuple[type[Request], ...]] = (Choose,)
    score_kind: ClassVar[ScoreKind | None] = "absolute"
    labels: tuple[str, str] | None = None
    goal: str = ""
    document_first: bool = False
    prompt: str | None = None

    rules: ClassVar[Mapping[str, Rule]] = {
        "labels": each(str, "two different words, the one for 'it helps' first", none="for the usual ones", count=2),
        "document_first": flag(),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self._labels)) != 2 or not all(self._labels):
            raise InvalidInput(
                f"YesNo(labels=...) is two different words, the one for 'it helps' first, not {self.labels!r}."
            )

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        replies = yield [
            request
            for candidate in candidates
            for request in judgement_requests(
                query,
                candidate.text,
                self._labels,
                goal=self.goal,
                prompt=self.prompt,
                document_first=self.document_first,
            )
        ]
        masses = [probabilities([reply], self.prompt) for reply in replies]
        scores = [self._read(reply) for reply in replies]
        why = {i: {"probabilities": known} for i, known in enumerate(masses) if known}
        notes = _missing([[reply] for reply in replies], masses, 2)
        return order_by(scores, why=why, notes=notes, score_kind="absolute")

    @property
    def _labels(self) -> tuple[str, ...]:
        template = template_of(self.prompt, POINTWISE)
        return self.labels or (template.labels if template else ("Yes", "No"))

    def _read(self, reply: Reply) -> float | None:
        if not isinstance(reply, Chosen) or is_silent([reply]):
            return None
        yes, no = (finite(reply.logprobs.get(label)) for label in self._labels)
        if yes is None and no is None:
            return None
        return (_rest(no) if yes is None else yes) - (_rest(yes) if no is None else no)


def _rest(logprob: float | None) -> float:
    """The log-probability of everything else."""
    assert logprob is not None
    return math.log(max(-math.expm1(logprob), 1e-9))  # rounding may leave nothing


def _most_probable(masses: dict[str, float]) -> str:
    """The label with the highest probability; of several the lowest, which promises least."""
    return max(masses, key=lambda label: (masses[label], -int(label)))


def _reasons(masses: dict[str, float]) -> dict[str, Any]:
    best = _most_probable(masses)
    return {"score": int(best), "probability": masses[best]}


def _missing(answers: Sequence[Sequence[Reply]], masses: Sequence[dict[str, float]], count: int) -> list[Note]:
    """Say where an endpoint did not give all labels: what it leaves out counts as improbable."""
    answered = [any(isinstance(reply, Chosen) for reply in group) for group in answers]
    short = sum(0 < len(known) < count for known, given in zip(masses, answered, strict=True) if given)
    if not short:
        return silence_notes(answers)
    gap = f"The model gave no probability for some of the {count} labels of {short} documents."
    return [*silence_notes(answers), Note("info", gap)]


def _unread(replies: Sequence[Reply], scores: Sequence[float | None], scale: int) -> list[Note]:
    answered = [isinstance(reply, ChatReply) for reply in replies]
    unread = sum(score is None for score, given in zip(scores, answered, strict=True) if given)
    return [Note("repaired", f"{unread} replies have no score from 0 to {scale}.")] if unread else []
