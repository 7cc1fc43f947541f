"""From scores per criterion to a verdict: the sum, the floor, the ties, and the reasons."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rerank_plugins.criteria import Criterion
from rerank_plugins.methods.rebel.gradings import Gradings
from rerank_plugins.ranking import ScoreKind, Verdict

__all__ = ["BelowFloor", "Rules", "conclude"]

BelowFloor = Literal["last", "drop"]

_TIES = "authoritativeness"


@dataclass(frozen=True)
class Rules:
    """What is made of the scores; see `Rebel` for the first three."""

    floor: float | None
    below_floor: BelowFloor
    keep: int | None
    score_kind: ScoreKind


def conclude(rubric: Sequence[Criterion], graded: Gradings, rules: Rules) -> Verdict:
    """Add up, order and explain.

    A document's score is the sum of its scores times their weights; below the floor it is its relevance alone, which is
    less than any sum above the floor, so that one order holds for all. A document without a score for relevance has
    none. A criterion that a grader left out counts as the mean of the other documents on it: this neither lifts nor
    sinks the document for what is not its fault.

    >>> rubric = [Criterion("relevance", "It helps.", 1, 10), Criterion("depth", "It goes deep.")]
    >>> graded = Gradings([{0: 6, 1: 2}, {0: 2.5, 1: 5}, {0: 5, 1: 4.5}, {}])
    >>> conclude(rubric, graded, Rules(3, "last", None, "absolute")).scores
    {2: 7.25, 0: 7.0, 1: 2.5}
    """
    typical = _typical(rubric, graded.scores)
    sums = {i: _sum(rubric, scores, typical) for i, scores in enumerate(graded.scores) if 0 in scores}
    below = {i for i in sums if rules.floor is not None and graded.scores[i][0] < rules.floor}
    counted = {i: graded.scores[i][0] if i in below else total for i, total in sums.items()}
    authority = next((place for place, criterion in enumerate(rubric) if criterion.key == _TIES), None)
    by_authority = {i: graded.scores[i].get(authority, 0.0) if authority is not None else 0.0 for i in sums}
    order = sorted(counted, key=lambda i: (-counted[i], -by_authority[i], i))
    return Verdict(
        order=order,
        scores={i: counted[i] for i in order},
        why={i: _why(rubric, graded, typical, i, sums.get(i), rules.floor) for i in range(len(graded.scores))},
        dropped=_dropped(order, below, graded, rules),
        notes=graded.notes,
        score_kind=rules.score_kind,
    )


def _typical(rubric: Sequence[Criterion], given: Sequence[Mapping[int, float]]) -> list[float]:
    """The mean score on each criterion; the middle of the scale where nobody has one."""
    known = [[scores[place] for scores in given if place in scores] for place in range(len(rubric))]
    return [statistics.fmean(k) if k else criterion.scale / 2 for criterion, k in zip(rubric, known, strict=True)]


def _sum(rubric: Sequence[Criterion], scores: Mapping[int, float], typical: Sequence[float]) -> float:
    total = sum(c.weight * scores.get(place, typical[place]) for place, c in enumerate(rubric))
    return round(total, 9)  # 0.1 + 0.2 and 0.3 are a tie


def _dropped(order: Sequence[int], below: set[int], graded: Gradings, rules: Rules) -> dict[int, str]:
    dropped = {}
    if rules.below_floor == "drop":
        dropped = {
            i: f"its relevance of {graded.scores[i][0]:.4g} is below {rules.floor:g}" for i in order if i in below
        }
    if rules.keep is not None:
        ungraded = [i for i in range(len(graded.scores)) if i not in set(order)]
        left = [i for i in [*order, *ungraded] if i not in dropped]
        dropped |= dict.fromkeys(left[rules.keep :], f"ranked below the {rules.keep} that are kept")
    return dropped


def _why(
    rubric: Sequence[Criterion],
    graded: Gradings,
    typical: Sequence[float],
    index: int,
    total: float | None,
    floor: float | None,
) -> dict[str, Any]:
    scores = graded.scores[index]
    if not scores:
        return {}
    criteria = []
    for place, criterion in enumerate(rubric[1:], start=1):
        score, weight, scale = scores.get(place), criterion.weight, criterion.scale
        entry = {"name": criterion.name, "score": score, "weight": weight, "scale": scale}
        criteria.append(entry if place in scores else entry | {"counted_as": typical[place]})
    why: dict[str, Any] = {"relevance": scores.get(0), "criteria": criteria, "total": total, "floor": floor}
    if 0 in scores and floor is not None:
        why["below_floor"] = scores[0] < floor
    return why | ({"reason": graded.reasons[index]} if graded.reasons.get(index) else {})
