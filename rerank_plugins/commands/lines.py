"""JSON lines: candidates in, ranked documents out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rerank_plugins.candidates import Candidate, finite
from rerank_plugins.errors import InvalidInput
from rerank_plugins.ranking import Dropped, Ranked, Ranking

__all__ = ["FORMAT", "Task", "lines_of", "read_tasks"]

FORMAT = """\
input, one JSON object a line, in the first stage's order:
  {"text": "...", "id": "p7", "score": 0.61, "metadata": {...}}
      A candidate of the query of --query. Only "text" is required, and a string
      alone is a text. Fields of any other name count as metadata.
  {"query": "...", "text": "...", ...}
      A candidate with its own query. Lines of one query stand together.
  {"query": "...", "candidates": [{"text": "..."}, ...]}
      A query with all its candidates.
  A "query_id" may stand beside "query"; where it differs it is another query.

output, one JSON object a line, best first, the queries in their order:
  {"query": "...", "query_id": "...", "rank": 1, "index": 4, "id": "p7",
   "score": 0.9, "first_stage_score": 0.61, "why": {...}}
  "index" counts the candidates of the query from 0. "query" and "query_id" come
  where the input has them. With --dropped also what was left out: "rank" is
  null, and "dropped" says why.
"""


@dataclass(frozen=True, slots=True)
class Task:
    """A query and its candidates.

    Args:
        query: The query.
        candidates: Its candidates, in the first stage's order.
        labels: What is written beside each of its documents: query and query_id, where the input has them.
    """

    query: str
    candidates: tuple[Candidate, ...]
    labels: Mapping[str, Any]


def read_tasks(lines: Iterable[bytes], query: str | None, complain: Callable[[str], object]) -> Iterator[Task]:
    """Read queries as they come. A line that breaks a rule is left out, and complained about by its number.

    Args:
        lines: The lines, UTF-8.
        query: The query of candidates that come without one.
        complain: Called with a sentence.

    >>> lines = [b'{"query": "why?", "text": "Because."}', b'{"query": "how?", "candidates": ["So.", "Thus."]}', b'{']
    >>> for task in read_tasks(lines, None, print):
    ...     print(task.query, len(task.candidates))
    why? 1
    how? 2
    Line 3 is left out: it is not JSON (Expecting property name enclosed in double quotes).
    """
    labels: dict[str, Any] = {}
    waiting: list[Candidate] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = _read(line, query)
        except InvalidInput as error:
            complain(f"Line {number} is left out: {error}")
            continue
        if waiting and (found.whole or found.labels != labels):
            yield _task(waiting, labels, query)
            waiting = []
        if found.whole:
            yield _task(found.candidates, found.labels, query)
        else:
            labels = found.labels
            waiting += found.candidates
    if waiting:
        yield _task(waiting, labels, query)


def lines_of(ranking: Ranking, labels: Mapping[str, Any], *, dropped: bool, texts: bool) -> Iterator[str]:
    """The output lines of one query.

    Args:
        ranking: Its ranking.
        labels: As in `Task`.
        dropped: Whether what was left out is written too.
        texts: Whether text and metadata are written too.

    >>> from rerank_plugins import FirstStage, rerank
    >>> print(*lines_of(rerank(FirstStage(), "q", ["a"]), {}, dropped=False, texts=True))
    {"rank": 1, "index": 0, "id": null, "score": 1.0, "first_stage_score": null, "why": {"first_stage_score": null},
     "text": "a", "metadata": {}}
    """
    for item in (*ranking, *(ranking.dropped if dropped else ())):
        line = {**labels, **_document(item)}
        if texts:
            line |= {"text": item.candidate.text, "metadata": dict(item.candidate.metadata)}
        yield json.dumps(line, ensure_ascii=False)


def _document(item: Ranked | Dropped) -> dict[str, Any]:
    document = {
        "rank": item.rank if isinstance(item, Ranked) else None,
        "index": item.index,
        "id": item.candidate.id,
        "score": item.score,
        "first_stage_score": finite(item.candidate.score),
        "why": dict(item.why),
    }
    return document if isinstance(item, Ranked) else document | {"dropped": item.reason}


@dataclass(frozen=True, slots=True)
class _Line:
    labels: dict[str, Any]
    candidates: list[Candidate]
    whole: bool


def _read(line: bytes, query: str | None) -> _Line:
    value = _parsed(line)
    if isinstance(value, str):
        value = {"text": value}
    if not isinstance(value, dict):
        raise InvalidInput("it is neither a JSON object nor a string.")
    labels = _labels(value)
    if "query" not in labels and query is None:
        raise InvalidInput('it has no "query", and there is no --query.')
    if "candidates" not in value:
        return _Line(labels, [_candidate(value, "the candidate")], whole=False)
    if not isinstance(value["candidates"], list):
        raise InvalidInput('its "candidates" are no list.')
    items = enumerate(value["candidates"])
    return _Line(labels, [_candidate(item, f"candidate {place}") for place, item in items], whole=True)


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InvalidInput("it is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise InvalidInput(f"it is not JSON ({error.msg}).") from None
    except (ValueError, RecursionError):  # a number of thousands of digits; brackets in thousands of brackets
        raise InvalidInput("it is no JSON that can be read.") from None


def _labels(value: Mapping[str, Any]) -> dict[str, Any]:
    labels = {name: value[name] for name in ("query", "query_id") if value.get(name) is not None}
    if not isinstance(labels.get("query", ""), str):
        raise InvalidInput('its "query" is no string.')
    if not _is_id(labels.get("query_id")):
        raise InvalidInput('its "query_id" is neither a string nor a whole number.')
    return labels


def _candidate(value: Any, name: str) -> Candidate:
    if isinstance(value, str):
        return Candidate(value)
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        raise InvalidInput(f'{name} has no "text" that is a string.')
    if not _is_id(identifier := value.get("id")):
        raise InvalidInput(f'the "id" of {name} is neither a string nor a whole number.')
    if not _is_number(score := value.get("score")):
        raise InvalidInput(f'the "score" of {name} is no number.')
    if not isinstance(metadata := value.get("metadata") or {}, dict):
        raise InvalidInput(f'the "metadata" of {name} are no JSON object.')
    others = {key: entry for key, entry in value.items() if key not in _OWN}
    return Candidate(value["text"], None if identifier is None else str(identifier), score, others | metadata)


_OWN = ("text", "id", "score", "metadata", "query", "query_id")


def _is_id(value: Any) -> bool:
    return value is None or (isinstance(value, (str, int)) and not isinstance(value, bool))


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _task(candidates: list[Candidate], labels: dict[str, Any], query: str | None) -> Task:
    return Task(labels.get("query", query or ""), tuple(candidates), labels)
