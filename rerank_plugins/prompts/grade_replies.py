"""The reply to a grading prompt: each document's scores, from whatever comes back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rerank_plugins.candidates import finite
from rerank_plugins.criteria import Criterion
from rerank_plugins.prompts.found_json import flat_objects, json_values
from rerank_plugins.prompts.handles import handles
from rerank_plugins.prompts.rubric import keys
from rerank_plugins.requests import ChatReply, Failed, Reply
from rerank_plugins.text import without_thinking

__all__ = ["Grade", "Grades", "parse_grades"]


@dataclass(frozen=True)
class Grade:
    """What one document got.

    Args:
        scores: Position in the rubric to score, within the criterion's scale; what was not given is missing.
        reason: The model's line, or "".
    """

    scores: Mapping[int, float]
    reason: str = ""


@dataclass(frozen=True)
class Grades:
    """What a reply says.

    Args:
        of: Position in the batch to grade.
        fault: What is wrong with the reply, or "".
    """

    of: Mapping[int, Grade]
    fault: str = ""


def parse_grades(reply: Reply, query: str, texts: Sequence[str], rubric: Sequence[Criterion]) -> Grades:
    """Read the grades of a batch; what follows the reply are the first three arguments of `grades_request`.

    JSON is looked for first, whole or cut off, then lines that begin with an identifier. Only identifiers that were
    handed out count, whoever else is graded. A document that is graded twice has the later grade, which corrects the
    earlier. A score outside its scale is moved to the nearest end of it.

    >>> rubric = [Criterion("relevance", "It helps.", 1, 10), Criterion("depth", "It goes deep.")]
    >>> (name,) = handles("why?", ["Because."])
    >>> parse_grades(ChatReply(f"{name}: relevance 7.5, depth 4"), "why?", ["Because."], rubric).of[0].scores
    {0: 7.5, 1: 4.0}
    """
    if isinstance(reply, Failed):
        return Grades({}, "failed")
    assert isinstance(reply, ChatReply)
    sheet = _Sheet({handle: position for position, handle in enumerate(handles(query, texts))}, rubric)
    text = without_thinking(reply.text)
    data = [reply.parsed] if isinstance(reply.parsed, dict) else json_values(text)
    sheet.take(_rows(value for value in data if isinstance(value, dict)))  # lists are found after the objects in them
    if len(sheet.of) < len(texts):
        # In a long reply that was cut off, or is unsound somewhere, single grades are still whole.
        whole = _Sheet(sheet.positions, rubric)
        whole.take(_rows(flat_objects(text)))
        sheet = max(sheet, whole, key=lambda found: len(found.of))
    if not sheet.of:
        # The last number of a text that was cut off can be half of one: a 1 may have been going to be a 10.
        sheet = _from_text(re.sub(r"[\d.,]+\Z", "", text) if reply.truncated else text, sheet.positions, rubric)
    return Grades(sheet.of, sheet.fault(reply.truncated))


@dataclass
class _Sheet:
    """The grades found so far, and what was odd about them."""

    positions: Mapping[str, int]
    rubric: Sequence[Criterion]
    of: dict[int, Grade] = field(default_factory=dict)
    odd: Counter[str] = field(default_factory=Counter)

    def take(self, rows: Iterable[tuple[str, Mapping[Any, Any]]]) -> None:
        names = _names(self.rubric)
        for handle, row in rows:
            position = self.positions.get(handle.strip().casefold())
            if position is None:
                self.odd["unknown"] += 1
                continue
            given = ((names.get(_bare(str(name))), _number(value)) for name, value in row.items())
            known = {place: number for place, number in given if place is not None and number is not None}
            self.odd["repeated"] += position in self.of
            self.of[position] = Grade(
                {place: self._within(place, number) for place, number in known.items()}, _reason(row)
            )

    def _within(self, place: int, number: float) -> float:
        moved = min(max(number, 0.0), float(self.rubric[place].scale))
        self.odd["moved"] += moved != number
        return moved

    def fault(self, truncated: bool) -> str:
        if not self.of:
            return "grades no document"
        missing = sum(len(self.rubric) - len(grade.scores) for grade in self.of.values())
        left_out = len(self.positions) - len(self.of)
        faults = [
            (self.odd["unknown"], f"grades {self.odd['unknown']} unknown documents, which was ignored"),
            (self.odd["repeated"], f"grades {self.odd['repeated']} documents again"),
            (left_out, f"leaves out {left_out} of {len(self.positions)} documents"),
            (missing, f"leaves out {missing} scores"),
            (self.odd["moved"], f"has {self.odd['moved']} scores that were outside their scale"),
            (truncated, "is cut off"),
        ]
        return " and ".join(fault for count, fault in faults if count)


def _names(rubric: Sequence[Criterion]) -> dict[str, int]:
    """What may stand for a criterion in a reply: its key, or its name where the model prefers that."""
    by_name = {_bare(criterion.name): place for place, criterion in enumerate(rubric)}
    return by_name | {key: place for place, key in enumerate(keys(rubric))}


def _bare(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


_ID_KEYS = ("id", "document", "doc", "document_id", "identifier")
_DEEPEST = 3


def _rows(values: Iterable[Any], depth: int = 0) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """The grades in some data: objects with an identifier, or objects under an identifier."""
    for value in values:
        if isinstance(value, dict):
            name = next((value[key] for key in _ID_KEYS if isinstance(value.get(key), str)), None)
            if name is not None:
                yield name, _flattened(value)
            elif depth < _DEEPEST:
                yield from _rows((_under(key, entry) for key, entry in value.items()), depth + 1)
        elif isinstance(value, list) and depth < _DEEPEST:
            yield from _rows(value, depth + 1)


def _under(key: Any, entry: Any) -> Any:
    named = isinstance(entry, dict) and not any(isinstance(inner, (dict, list)) for inner in entry.values())
    return {"id": str(key)} | entry if named else entry


def _flattened(row: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """A grade whose scores stand in an object of their own, like one whose scores do not."""
    inner = [value for value in row.values() if isinstance(value, dict)]
    return {**row, **{name: number for scores in inner for name, number in scores.items()}}


_WRITTEN = re.compile(r"\s*(-?\d{1,4}(?:[.,]\d{1,6})?)(?:\s*(?:/|of|out of)\s*\d{1,4})?\s*")


def _number(value: Any) -> float | None:
    """A score as a number, or as it may be written: "4,5", "4/5" or {"score": 4}."""
    if isinstance(value, dict):
        value = value.get("score", value.get("value"))
    if isinstance(value, str):
        match = _WRITTEN.fullmatch(value[:40])
        return None if match is None else float(match[1].replace(",", "."))
    return finite(value)


def _reason(row: Mapping[Any, Any]) -> str:
    said = [row.get(name) for name in ("thought", "reason")]
    return " ".join(text.strip() for text in said if isinstance(text, str) and text.strip())[:1000]


def _from_text(text: str, positions: Mapping[str, int], rubric: Sequence[Criterion]) -> _Sheet:
    """Grades in prose or in lines: what stands between an identifier and the next, read by the criteria's names.

    A line of an identifier and as many numbers as there are criteria will do as well. Where a document has two
    different numbers for a criterion, one may be its own, in the model's quotation: neither counts.
    """
    said: dict[str, dict[str, set[float]]] = {}
    text = re.sub(r"[^\S\n]+", " ", text[:200_000])
    _, *parts = re.split(rf"(?<!\w)({'|'.join(positions)})(?!\w)", text, flags=re.I)
    for handle, piece in zip(parts[::2], parts[1::2], strict=True):
        numbers = said.setdefault(handle.casefold(), {})
        for key, number in (*_named(piece, rubric), *_listed(piece, rubric)):
            numbers.setdefault(key, set()).add(number)
    sure = {handle: {key: min(found) for key, found in its.items() if len(found) == 1} for handle, its in said.items()}
    sheet = _Sheet(positions, rubric)
    sheet.take((handle, row) for handle, row in sure.items() if row)
    return sheet


def _named(piece: str, rubric: Sequence[Criterion]) -> Iterator[tuple[str, float]]:
    for key, criterion in zip(keys(rubric), rubric, strict=True):
        name = rf"(?:{key}|{re.escape(' '.join(criterion.name.split()))})"
        for written in re.findall(
            rf"(?<!\w){name}(?!\w)[^\w\n-]{{0,6}}(\d{{1,4}}(?:[.,]\d{{1,6}})?)(?![\d%])", piece, re.I
        ):
            number = _number(written)
            if number is not None and number <= criterion.scale:  # a larger one in prose is no score at all
                yield key, number


def _listed(piece: str, rubric: Sequence[Criterion]) -> Iterator[tuple[str, float]]:
    line = piece.partition("\n")[0]
    numbers = re.findall(r"\d{1,4}(?:\.\d{1,6})?", line)
    if len(numbers) == len(rubric) and not re.search(r"[^\W\d]", line):
        yield from zip(keys(rubric), map(float, numbers), strict=True)
