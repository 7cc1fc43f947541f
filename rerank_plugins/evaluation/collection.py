"""A test collection: documents, queries and relevance judgements, read from a folder in BEIR or TREC layout."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rerank_plugins.candidates import Candidate
from rerank_plugins.errors import InvalidInput
from rerank_plugins.evaluation.measures import Qrels

__all__ = ["Collection", "Run", "read_collection", "read_qrels", "read_run"]

Run = Mapping[str, Sequence[tuple[str, float | None]]]
"""Query id to document ids with their scores, best first; None if the run has no scores."""

_QRELS = ("qrels.tsv", "qrels/test.tsv", "qrels.txt", "qrels.trec")

T = TypeVar("T")


@dataclass(frozen=True)
class Collection:
    """What a comparison is made on.

    Args:
        name: For tables.
        documents: Document id to document. Its text is the title, if there is one, and the text.
        queries: Query id to question.
        qrels: Query id to document id to grade; higher is more relevant.
    """

    name: str
    documents: Mapping[str, Candidate]
    queries: Mapping[str, str]
    qrels: Qrels

    @property
    def judged(self) -> list[str]:
        """The ids of the queries that have judgements, in their order: only of those anything can be said."""
        return [query for query in self.queries if self.qrels.get(query)]


def read_collection(folder: str | Path, qrels: str | Path | None = None) -> Collection:
    """Read a folder with corpus.jsonl, queries.jsonl and qrels.

    Args:
        folder: Where the files are. A document has "_id" (or "id"), "text" and perhaps "title" and "metadata"; a query
            has "_id" (or "id") and "text". A document whose text is null has no text but its title.
        qrels: The judgements: three columns with a header line (BEIR) or four without (TREC). None looks for
            qrels.tsv, qrels/test.tsv, qrels.txt and qrels.trec in the folder.

    Raises:
        InvalidInput: A file is missing or cannot be read, or gives an id to two documents or queries; the message
            names the line.
    """
    place = Path(folder)
    if not place.is_dir():
        raise InvalidInput(f"A collection is a folder with corpus.jsonl, queries.jsonl and qrels.tsv, not {folder!r}.")
    documents = _by_id(place / "corpus.jsonl", _document)
    queries = _by_id(place / "queries.jsonl", _query)
    judged = read_qrels(qrels or _found(place))
    collection = Collection(place.resolve().name, documents, queries, judged)
    if not collection.judged:
        raise InvalidInput(f"No query of {str(folder)!r} has a judgement; check that the ids in its files agree.")
    return collection


def read_qrels(file: str | Path) -> Qrels:
    """Read judgements: query, document, grade with or without a header line, or query, iteration, document, grade.

    Raises:
        InvalidInput: The file is missing or has another form, a grade is not a whole number, or a document has two
            different grades for a query.
    """
    judged: dict[str, dict[str, int]] = defaultdict(dict)
    for number, columns in _columns(Path(file)):
        if len(columns) not in (3, 4):
            raise _wrong(file, number, "query, document and grade, a whole number")
        query, document, grade = columns[0], columns[-2], _number(columns[-1])
        if grade is None and number == 1:
            continue  # a header
        if grade is None or not grade.is_integer():
            raise _wrong(file, number, "query, document and grade, a whole number")
        if judged[query].setdefault(document, int(grade)) != grade:
            raise InvalidInput(
                f"Line {number} of {str(file)!r} grades document {document!r} for {query!r} {int(grade)!r}, and a line "
                f"before it {judged[query][document]!r}; keep one of them."
            )
    return dict(judged)


def read_run(file: str | Path) -> Run:
    """Read a run: query, Q0, document, rank, score and tag (TREC), or query, document and perhaps a score.

    Documents stand in the order of their ranks, those of one rank in the order of their scores, else of the file. A
    document without a score has None: its place is not taken for one.

    Raises:
        InvalidInput: The file is missing or has another form, names a document twice for a query, or has scores for
            some of a query's documents and not for others.
    """
    found: dict[str, dict[str, tuple[float, float | None]]] = defaultdict(dict)
    for number, columns in _columns(Path(file)):
        try:
            query, document, rank, score = _entry(columns)
        except (ValueError, IndexError):
            if number == 1:
                continue  # a header
            raise _wrong(file, number, "query, Q0, document, rank, score and tag, or query, document, score") from None
        if document in found[query]:
            raise InvalidInput(f"Line {number} of {str(file)!r} names document {document!r} twice for {query!r}.")
        found[query][document] = (rank, score)
    for query, entries in found.items():
        scored = [score is not None for _, score in entries.values()]
        if any(scored) and not all(scored):
            raise InvalidInput(f"In {str(file)!r} some documents of {query!r} have a score and some have none.")
    return {
        query: [(document, score) for document, (_, score) in sorted(entries.items(), key=_place)]
        for query, entries in found.items()
    }


def _place(item: tuple[str, tuple[float, float | None]]) -> tuple[float, float]:
    rank, score = item[1]
    return rank, -(score or 0.0)


def _entry(columns: Sequence[str]) -> tuple[str, str, float, float | None]:
    if len(columns) >= 5:
        return columns[0], columns[2], _finite(columns[3]), _finite(columns[4])
    return columns[0], columns[1], 0.0, _finite(columns[2]) if len(columns) > 2 else None


def _number(text: str) -> float | None:
    """A number, infinite ones included; None for other text."""
    try:
        return float(text)
    except ValueError:
        return None


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number


def _columns(file: Path) -> Iterator[tuple[int, list[str]]]:
    for number, line in _text_lines(file):
        if line.strip():
            yield number, line.strip().split("\t") if "\t" in line else line.split()


def _by_id(file: Path, read: Callable[[Mapping[str, Any]], tuple[str, T]]) -> dict[str, T]:
    found: dict[str, T] = {}
    for number, line in _text_lines(file):
        if not line.strip():
            continue
        try:
            name, value = read(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise _wrong(file, number, 'a JSON object with "_id" and "text"') from None
        if name in found:
            raise InvalidInput(f"Line {number} of {str(file)!r} has the id {name!r}, and so has a line before it.")
        found[name] = value
    return found


def _document(entry: Mapping[str, Any]) -> tuple[str, Candidate]:
    name, title = _id(entry), _string(entry.get("title") or "")
    text = "" if entry["text"] is None else _string(entry["text"])
    metadata = {**(entry.get("metadata") or {}), **({"title": title} if title else {})}
    return name, Candidate(f"{title} {text}".strip(), name, metadata=metadata)


def _query(entry: Mapping[str, Any]) -> tuple[str, str]:
    return _id(entry), _string(entry["text"])


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _id(entry: Mapping[str, Any]) -> str:
    name = entry["_id"] if "_id" in entry else entry["id"]
    return str(name) if isinstance(name, int) and not isinstance(name, bool) else _string(name)


def _found(folder: Path) -> Path:
    return next((folder / name for name in _QRELS if (folder / name).is_file()), folder / _QRELS[0])


def _text_lines(file: Path) -> Iterator[tuple[int, str]]:
    return enumerate(_text(file).split("\n"), start=1)  # JSON may hold what else `splitlines` takes for an end of line


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")  # Windows programs put a mark in front
    except OSError as error:
        raise InvalidInput(f"The file {str(file)!r} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"The file {str(file)!r} is not UTF-8; convert it.") from None


def _wrong(file: str | Path, number: int, form: str) -> InvalidInput:
    return InvalidInput(f"Line {number} of {str(file)!r} is not {form}.")
