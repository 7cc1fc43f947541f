"""Sub-questions without a model: recorded ones, and what other ways to ask several times would search for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from rerank_plugins.lexical import tokenize
from rerank_plugins.requests import Chat, ChatReply, Request

Recorded = Mapping[str, Sequence[Mapping[str, str]]]
"""Question to its sub-questions, each with its answer."""


def recorded(queries: Path) -> Recorded:
    """The human sub-questions in a file of queries; "#1" in one stands for the answer of the first."""
    rows = map(json.loads, queries.read_text(encoding="utf-8").splitlines())
    return {row["text"]: row.get("decomposition", ()) for row in rows}


class RecordedAnswers:
    """A chat model that answers recorded sub-questions; `forms` has each with the answers before, and without them."""

    kinds: ClassVar[tuple[type[Request], ...]] = (Chat,)
    identity = "recorded answers"

    def __init__(self, sets: Recorded) -> None:
        self.forms = {text: row["answer"] for rows in sets.values() for row in rows for text in _forms(row, rows)}
        self._answers = {_squeezed(text): answer for text, answer in self.forms.items()}

    def answer(self, request: Chat, timeout: float | None) -> ChatReply:
        asked = re.findall(r"^(\d+)\. (.*)$", request.messages[-1]["content"], re.M)
        known = [(int(number), self._answers.get(_squeezed(text))) for number, text in asked]
        rows = [{"question": number, "answer": answer} for number, answer in known if answer]
        return ChatReply(json.dumps({"answers": rows}))


def _forms(row: Mapping[str, str], rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    yield re.sub(r"#(\d)", lambda found: rows[int(found[1]) - 1]["answer"], row["question"])
    yield " ".join(re.sub(r"#\d", " ", row["question"]).split())


def _squeezed(text: str) -> str:
    return " ".join(text.lower().split())


def paraphrases(count: Callable[[str], int]) -> Callable[[str], list[str]]:
    """As many variants of a question as told: each leaves out another share of the words that carry meaning."""

    def of(query: str) -> list[str]:
        words, parts = tokenize(query), count(query) + 1
        return [" ".join(word for place, word in enumerate(words) if place % parts != n) for n in range(parts - 1)]

    return of


def clauses(query: str) -> list[str]:
    """The clauses of a question that have at least four words that carry meaning; none if it is one clause."""
    parts = re.split(r",\s+(?:(?:and|while|but|or)\s+)?|\s+(?:while|and|but)\s+(?=the\b|an?\b|its\b|'|\")", query)
    return [part for part in parts if len(tokenize(part)) >= 4] if len(parts) > 1 else []
