"""One score without writing: a document, a criterion, and how probable each digit is as the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rerank_plugins.criteria import Criterion
from rerank_plugins.prompts.label_mass import is_silent
from rerank_plugins.prompts.quoting import defused, quoted
from rerank_plugins.prompts.rubric import GRADER, one_line, rubric_text
from rerank_plugins.requests import Choose, Chosen, Reply
from rerank_plugins.text import Prompt

__all__ = ["choice_requests", "expected_score"]

_HIGHEST_DIGIT = 9


def choice_requests(query: str, text: str, rubric: Sequence[Criterion]) -> list[Choose]:
    """Ask for the score of one text on each criterion, one request per criterion.

    The order is instruction, criteria, question, document, and at the very end the criterion asked: the requests for a
    document share all but their last line, and those for a query all before the document, so that a prefix cache hits.

    Labels are single digits, since "10" is two tokens to most models: a scale of up to 9 is asked as it is, a longer
    one as 0 to 9, and stretched when it is read.

    >>> [request.labels[-1] for request in choice_requests("why?", "Because.", [Criterion("a", "a", scale=5)])]
    ['5']
    """
    shown = [replace(criterion, scale=_top(criterion)) for criterion in rubric]
    before = f"Criteria:\n{rubric_text(shown)}\n\nQuestion: {defused(query)}\n\n<document>\n"
    return [
        Choose(
            [
                {"role": "system", "content": GRADER},
                {"role": "user", "content": Prompt.of(before, quoted(text), f"\n</document>\n\n{_asked(criterion)}")},
            ],
            _labels(criterion),
        )
        for criterion in rubric
    ]


def expected_score(reply: Reply, criterion: Criterion) -> float | None:
    """The mean of the digits, each weighted by its probability among them, stretched to the scale; None without any.

    >>> expected_score(Chosen({"0": math.log(0.2), "5": math.log(0.2)}), Criterion("a", "a", scale=5))
    2.5
    """
    if not isinstance(reply, Chosen) or is_silent([reply]):
        return None
    given = {label: reply.logprobs.get(label, -math.inf) for label in _labels(criterion)}
    known = {label: value for label, value in given.items() if math.isfinite(value)}
    if not known:
        return None
    highest = max(known.values())
    masses = {label: math.exp(value - highest) for label, value in known.items()}
    mean = sum(int(label) * mass for label, mass in masses.items()) / sum(masses.values())
    return mean * criterion.scale / _top(criterion)


def _top(criterion: Criterion) -> int:
    return min(criterion.scale, _HIGHEST_DIGIT)


def _labels(criterion: Criterion) -> tuple[str, ...]:
    return tuple(map(str, range(_top(criterion) + 1)))


def _asked(criterion: Criterion) -> str:
    return (
        f"Score this document on one criterion, {one_line(criterion.name)}, with one digit from 0 (worst) to "
        f"{_top(criterion)} (best). Answer with the digit alone."
    )
