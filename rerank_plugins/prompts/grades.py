"""Grades: a batch of documents shown with a rubric, each to be scored on every criterion.

`grade_replies` reads what comes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rerank_plugins.criteria import Criterion
from rerank_plugins.prompts.handles import handles
from rerank_plugins.prompts.quoting import defused, quoted
from rerank_plugins.prompts.rubric import GRADER, keys, rubric_text
from rerank_plugins.prompts.schemas import closed_object
from rerank_plugins.requests import Chat
from rerank_plugins.text import Prompt

__all__ = ["Effort", "grades_request"]

Effort = Literal["none", "brief", "full"]
"""What is written before the scores: nothing, a line for each document, or a comparison of all."""


def grades_request(
    query: str,
    texts: Sequence[str],
    rubric: Sequence[Criterion],
    *,
    effort: Effort = "none",
    reasons: bool = False,
    temperature: float | None = None,
    seed: int | None = None,
) -> Chat:
    """Ask for a score of each text on each criterion. What comes first is the same for all batches of a query.

    Args:
        query: The question.
        texts: The documents of this batch; `handles` says what each is called.
        rubric: Relevance, then the criteria.
        effort: How much the model thinks on paper before it gives scores.
        reasons: Whether it gives a line for each document.
        temperature: None leaves it to the backend.
        seed: Tells samples apart.
    """
    parts: list[str] = [f"Criteria:\n{rubric_text(rubric)}\n\nQuestion: {defused(query)}\n\n"]
    for handle, text in zip(handles(query, texts), texts, strict=True):
        parts += [f'<document id="{handle}">\n', quoted(text), "\n</document>\n"]
    fields = _fields(keys(rubric), effort, reasons)
    parts.append("\n" + _task(fields, effort))
    return Chat(
        messages=[{"role": "system", "content": GRADER}, {"role": "user", "content": Prompt.of(*parts)}],
        schema=_schema(fields, len(texts), effort),
        max_tokens=64 + len(texts) * (32 + 16 * len(rubric) + _FURTHER_TOKENS[effort] + 40 * reasons),
        temperature=temperature,
        seed=seed,
    )


_FURTHER_TOKENS: Mapping[Effort, int] = {"none": 0, "brief": 48, "full": 120}


def _fields(scores: Sequence[str], effort: Effort, reasons: bool) -> list[str]:
    """The fields of a grade, in the order in which they are to be written."""
    if effort == "brief":
        return ["id", "thought", *scores]  # the thought is the reason
    return ["id", *scores, "reason"] if reasons else ["id", *scores]


def _task(fields: Sequence[str], effort: Effort) -> str:
    lines = [
        "Score every document on every criterion, by its own text: 0 is the worst, the upper number the best, and "
        "decimals are welcome. Criteria are independent: a document can be well written and beside the point."
    ]
    if effort == "full":
        lines.append(
            "First reason: for each document what it contributes and where it falls short, criterion by criterion; "
            "then compare the documents, so that equal scores mean equal worth."
        )
    if "thought" in fields:
        lines.append("Before the scores of a document, write one short sentence that weighs it.")
    if "reason" in fields:
        lines.append("After the scores of a document, give the reason for them in one short sentence.")
    grade = ", ".join(f'"{name}": {_TEXTS.get(name, "...")}' for name in fields)
    reasoning = '"reasoning": "...", ' if effort == "full" else ""
    return "\n".join([*lines, f'Answer with JSON alone: {{{reasoning}"grades": [{{{grade}}}]}}'])


_TEXTS = {"id": '"the id of a document"', "thought": '"one sentence"', "reason": '"one sentence"'}


def _schema(fields: Sequence[str], count: int, effort: Effort) -> dict[str, Any]:
    # Without the identifiers: they differ in each call, and providers compile each new schema once.
    grade = closed_object({name: {"type": "string" if name in _TEXTS else "number"} for name in fields})
    grades = {"grades": {"type": "array", "items": grade, "maxItems": count}}
    return closed_object({"reasoning": {"type": "string"}} | grades if effort == "full" else grades)
