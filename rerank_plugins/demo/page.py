"""What the demo prints: one question before and after, a table, and what the table shows, in words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rerank_plugins.demo.figures import Comparison, Row, compared
from rerank_plugins.ranking import Ranking
from rerank_plugins.sample import Passage

__all__ = ["explained", "listed", "of_one_question", "table", "verdict", "words"]

_INDENT = " " * 15


def listed(
    names: Sequence[str], passages: Mapping[str, Passage], grades: Mapping[str, int], width: int
) -> Iterator[str]:
    """The first stage's list."""
    for rank, name in enumerate(names, start=1):
        yield from _passage(rank, "", passages[name], grades.get(name), width)


def explained(
    documents: Sequence[Any], passages: Mapping[str, Passage], grades: Mapping[str, int], width: int
) -> Iterator[str]:
    """The reranked list: each passage with where it was before, and why it is here now."""
    for document in documents:
        found = document.metadata["rerank_plugins"]
        was, rank = found["first_stage_rank"], found["rank"]
        moved = "as before" if was == rank else f"was {was}"
        yield from _passage(rank, moved, passages[document.id], grades.get(document.id), width)
        yield textwrap.fill(f"why: {words(found['why'])}", width, initial_indent=_INDENT, subsequent_indent=_INDENT)


def words(why: Mapping[str, Any]) -> str:
    """A method's reasons as a phrase.

    >>> words({"fused": [{"method": "Embedding()", "adds": 1.234, "why": {"cosine": 0.6123}}]})
    'cosine 0.61 (+1.23)'
    >>> words({"bm25": 7.31, "bm25_source": "candidates", "shown": "7.3", "ranked_by_model": True})
    'BM25 7.3 was shown; placed by the model'
    """
    if "fused" in why:
        return ", ".join(f"{words(part['why'])} ({part['adds']:+.2f})" for part in why["fused"])
    phrases = [f"{name} {why[key]:.2f}" for key, name in _NUMBERS.items() if isinstance(why.get(key), float)]
    if why.get("shown") is not None:
        phrases.append(f"BM25 {why['shown']} was shown")
    if "ranked_by_model" in why:
        phrases.append("placed by the model" if why["ranked_by_model"] else "not named by the model")
    if why.get("reasoning"):
        phrases.append(str(why["reasoning"]))
    return "; ".join(phrases) or "no reason was given"


_NUMBERS = {
    "cosine": "cosine",
    "query_log_likelihood": "question log-likelihood",
    "first_stage_score": "the first stage's score",
}


def table(rows: Sequence[Row], stages: Sequence[str]) -> Iterator[str]:
    """The figures, one row a method; the change against the first stage stands in brackets."""
    width = max(len(_name(row, rows[0], stages)) for row in rows)
    money = any(row.dollars is not None for row in rows)
    heads = "".join(f"{stage:>16}" for stage in stages)
    yield f"{'':{width}}{heads}{'calls':>7}{'seconds':>9}{'$' * money:>{8 * money}}"
    for row in rows:
        cells = "".join(f"{_cell(row, rows[0], stage):>16}" for stage in stages)
        price = "" if row.dollars is None else f"{row.dollars:.4f}"
        spent = f"{row.usage.calls:>7,}{row.usage.seconds:9.1f}{price:>{8 * money}}"
        yield f"{_name(row, rows[0], stages):{width}}{cells}{spent}"


def of_one_question(question: str, before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """How a question that is shown stands among all."""
    found = compared(after, before)
    return (
        f"On this question nDCG@10 goes from {before[question]:.3f} to {after[question]:.3f}. Of all {len(after)}, "
        f"{found.better} are better for it and {found.worse} worse."
    )


def _is_partial(row: Row, first: Row, stages: Sequence[str]) -> bool:
    return len(row.values[stages[0]]) < len(first.values[stages[0]])


def _name(row: Row, first: Row, stages: Sequence[str]) -> str:
    return row.method + (f", {_questions(len(row.values[stages[0]]))}" if _is_partial(row, first, stages) else "")


def _cell(row: Row, first: Row, stage: str) -> str:
    mean, base = row.mean(stage), first.mean(stage)
    if mean is None or base is None or len(row.values[stage]) < len(first.values[stage]):
        return "-"
    return f"{mean:.3f}" + ("         " if row is first else f" ({mean - base:+.3f})")


def verdict(rows: Sequence[Row], stages: Sequence[str], width: int) -> Iterator[str]:
    """What the figures say: nothing in it is known before the run."""
    first, *others = rows
    whole = [row for row in others if not _is_partial(row, first, stages)]
    for stage in stages:
        measured = {
            row.method: compared(row.values[stage], first.values[stage]) for row in whole if stage in row.values
        }
        yield textwrap.fill(f"Over the {stage}: {_findings(measured)}.", width)
    for row in others:
        if _is_partial(row, first, stages):
            yield textwrap.fill(_answers(row.method, row.rankings[stages[0]]), width)
    yield textwrap.fill(
        f"Clear is a difference of more than twice its standard error. {_questions(len(first.values[stages[0]]))} are "
        "few, and the sample is no benchmark: measure on your own data.",
        width,
    )


def _findings(measured: Mapping[str, Comparison]) -> str:
    same = [name for name, found in measured.items() if not found.better and not found.worse]
    kinds = {
        "clearly better": {name: found for name, found in measured.items() if found.clear and found.gain > 0},
        "clearly worse": {name: found for name, found in measured.items() if found.clear and found.gain < 0},
        "no clear difference": {
            name: found for name, found in measured.items() if not found.clear and name not in same
        },
    }
    parts = [f"{kind}: {', '.join(map(_result, some, some.values()))}" for kind, some in kinds.items() if some]
    return "; ".join([*parts, *([f"the very same order: {', '.join(same)}"] if same else [])])


def _result(name: str, found: Comparison) -> str:
    return f"{name} ({found.gain:+.3f}; {found.better} questions better, {found.worse} worse)"


def _answers(method: str, rankings: Sequence[Ranking]) -> str:
    """What a model that is too small made of being asked to write an order: no figure of quality."""
    asked = sum(len(ranking) for ranking in rankings)
    named = sum(bool(item.why.get("ranked_by_model")) for ranking in rankings for item in ranking)
    others = (
        f"{named} of the {asked} passages; the others follow" if named else f"none of the {asked} passages: they stay"
    )
    return (
        f"{method} asks the small model to write the order itself. On {_questions(len(rankings))} it named {others} in "
        "the first stage's order. Such an answer says nothing about the method, which takes a larger model (--model, "
        "--base-url)."
    )


def _questions(count: int) -> str:
    return "1 question" if count == 1 else f"{count} questions"


def _passage(rank: int, moved: str, passage: Passage, grade: int | None, width: int) -> Iterator[str]:
    judged = "not judged" if grade is None else f"grade {grade}"
    title = textwrap.shorten(passage.title, width - len(_INDENT) - 12, placeholder=" ...")
    yield f"{rank:3}  {moved:9} {title:{width - len(_INDENT) - 12}}  {judged}".rstrip()
    yield _INDENT + textwrap.shorten(passage.text, width - len(_INDENT), placeholder=" ...")
