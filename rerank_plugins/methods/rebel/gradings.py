"""The gradings of all batches, put together by document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rerank_plugins.criteria import Criterion
from rerank_plugins.methods.rebel.calibration import aligned
from rerank_plugins.prompts.grade_replies import Grades
from rerank_plugins.ranking import Note

__all__ = ["Gradings", "gathered"]


@dataclass(frozen=True)
class Gradings:
    """What graders gave.

    Args:
        scores: Per document, position in the rubric (0 is relevance) to score.
        reasons: Index of a document to a grader's words.
        notes: What a reader should know.
    """

    scores: Sequence[Mapping[int, float]]
    reasons: Mapping[int, str] = field(default_factory=dict)
    notes: Sequence[Note] = ()


def gathered(
    batches: Sequence[Sequence[int]],
    read: Sequence[Grades],
    anchors: Sequence[int],
    count: int,
    rubric: Sequence[Criterion],
) -> Gradings:
    """All grades by document, evened out by the anchors, each criterion by itself, and kept in their scales.

    Args:
        batches: The indices of the documents of each grading, as they were shown.
        read: What each grading said.
        anchors: The indices that stand in every batch.
        count: How many documents there are.
        rubric: Relevance, then the criteria.
    """
    scores: list[dict[int, float]] = [{} for _ in range(count)]
    offsets: list[list[float]] = []
    for place, criterion in enumerate(rubric):
        even, found = aligned([_sheet(b, grades, place) for b, grades in zip(batches, read, strict=True)], anchors)
        offsets.append(found)
        for index, score in even.items():
            scores[index][place] = min(max(score, 0.0), float(criterion.scale))
    return Gradings(scores, _reasons(batches, read), _notes(read, max(offsets[0]) - min(offsets[0])))


def _sheet(batch: Sequence[int], grades: Grades, place: int) -> dict[int, float]:
    return {batch[pos]: grade.scores[place] for pos, grade in grades.of.items() if place in grade.scores}


def _reasons(batches: Sequence[Sequence[int]], read: Sequence[Grades]) -> dict[int, str]:
    reasons: dict[int, str] = {}
    for batch, grades in zip(batches, read, strict=True):
        for position, grade in grades.of.items():
            reasons.setdefault(batch[position], grade.reason)
    return reasons


def _notes(read: Sequence[Grades], spread: float) -> list[Note]:
    faults = dict.fromkeys(grades.fault for grades in read if grades.fault not in ("", "failed"))
    notes = [Note("repaired", f"A reply {fault}.") for fault in faults]
    if spread:
        notes.append(Note("info", f"Batches that differed by up to {spread:.2g} in relevance were evened out."))
    return notes
