"""Sub-questions made safe to use: one plain line each, none too long, none twice, and references that hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from rerank_plugins.candidates import encodable
from rerank_plugins.lexical import tokenize
from rerank_plugins.prompts.rubric import one_line

__all__ = ["distinct", "filled", "references", "same_subject", "without_references"]

_LONGEST = 300  # characters; what is longer is no sub-question
_REFERENCE = re.compile(r"#\s?(\d{1,2})(?!\d)")
# Words that a question can be put with or without; what is asked for is in the others.
_LIGHT = frozenset(
    (
        "what which who whom whose when where why how do does did has have had were been being would could should can "
        "may might so from about please tell me give name find out you your we our i my he his she her its than"
    ).split()
)


def distinct(rows: Iterable[str], query: str, most: int) -> tuple[tuple[str, ...], str]:
    """The sound ones among some sub-questions, and what is wrong with the others.

    Left out are empty and overlong ones, near-copies of the question and of each other (the same words, question words
    and word order aside), and what comes after `most`. References such as "#1" are renumbered, so that they name the
    same sub-question as before.

    >>> distinct(["Who wrote Emma?", "Emma, who wrote it?", "Where was #2 born?"], "the author of Emma's birthplace", 5)
    (('Who wrote Emma?', 'Where was #1 born?'), 'has 1 repeated')
    """
    taken: dict[frozenset[str], int] = {_key(query): 0}
    kept: list[str] = []
    numbers: dict[int, int] = {}
    unsound = repeated = beyond = 0
    for number, row in enumerate(rows, start=1):
        question = _plain(row)
        if question is None:
            unsound += 1
        elif (key := _key(question)) in taken:
            repeated += 1
            numbers[number] = taken[key]
        elif len(kept) == most:
            beyond += 1
        else:
            kept.append(question)
            taken[key] = numbers[number] = len(kept)
    counts = {"unsound": unsound, "repeated": repeated, f"more than the {most} asked for": beyond}
    faults = [f"{count} {what}" for what, count in counts.items() if count]
    questions = tuple(_renumbered(question, numbers) for question in kept)
    return questions, f"has {', '.join(faults)}" if faults else ""


def _plain(row: object) -> str | None:
    """A sub-question in one line without control characters, or None where it is none."""
    if not isinstance(row, str) or len(row) > _LONGEST:
        return None
    printable = "".join(char if char.isprintable() else " " for char in encodable(row))
    question = _bare(one_line(printable).strip(" *_`"))
    return question if any(map(str.isalpha, without_references(question))) else None


def _bare(question: str) -> str:
    """A sub-question without the quotation marks around the whole of it."""
    mark = question[:1]
    return question.strip(mark) if mark in ('"', "'") and question.find(mark, 1) == len(question) - 1 else question


def _key(question: str) -> frozenset[str]:
    words = tokenize(question)
    content = [stem for word in words if word not in _LIGHT and (stem := word.removesuffix("s"))]
    return frozenset([*(content or words or [question]), *_REFERENCE.findall(question)])


def same_subject(question: str, other: str) -> bool:
    """Whether two questions share a word that is not just a question word."""
    return bool(_key(question) & _key(other))


def _renumbered(question: str, numbers: Mapping[int, int]) -> str:
    return _REFERENCE.sub(lambda found: f"#{numbers.get(int(found[1]), 0)}", question)  # no answer will come for #0


def references(question: str) -> set[int]:
    """The numbers of the sub-questions whose answers a sub-question waits for.

    >>> references("Did #1 meet #2?")
    {1, 2}
    """
    return {int(number) for number in _REFERENCE.findall(question)}


def filled(question: str, answers: Mapping[int, str]) -> str:
    """A sub-question with the answers that are known in the place of its references.

    >>> filled("Did #1 meet #2?", {1: "Jane Austen"})
    'Did Jane Austen meet #2?'
    """
    return _REFERENCE.sub(lambda found: answers.get(int(found[1]), found[0]), question)


def without_references(question: str) -> str:
    """What of a sub-question can be searched for while its answers are missing.

    >>> without_references("Did #1 meet #2?")
    'Did meet ?'
    """
    return " ".join(_REFERENCE.sub(" ", question).split())
