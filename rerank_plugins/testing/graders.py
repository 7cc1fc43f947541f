"""A grader whose opinions are known: it reads the prompts of `Rebel` and answers them, as sharp or as noisy as told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rerank_plugins.criteria import Criterion
from rerank_plugins.requests import Chat
from rerank_plugins.testing.fakes import prompt_of

__all__ = ["Grader", "Shown"]

_WORDS = "It answers half of the question, and says where it has that from. "
_DOCUMENT = re.compile(r'<document id="(\w+)">\n(.*?)\n</document>', re.S)
_CRITERION = re.compile(r"^(relevance|c\d+)(?: \((.*?)\))?, 0 to (\d+): ", re.M)


@dataclass(frozen=True)
class Shown:
    """What a grading prompt shows.

    Args:
        request: The request itself.
        query: The question.
        documents: Identifier to text.
        criteria: Key to name and highest score, relevance first.
    """

    request: Chat
    query: str
    documents: Mapping[str, str]
    criteria: Mapping[str, tuple[str, int]]


def _read(request: Chat) -> Shown:
    prompt = prompt_of(request)
    asked = re.search(r"^Question: (.*?)\n\n", prompt, re.M | re.S)
    head = prompt.partition("<document id=")[0]
    criteria = {key: (name or key, int(scale)) for key, name, scale in _CRITERION.findall(head)}
    return Shown(request, asked[1] if asked else "", dict(_DOCUMENT.findall(prompt)), criteria)


@dataclass(frozen=True)
class Grader:
    """What a `FakeModel` says to `Rebel`.

    Args:
        score: Called with the prompt, the text of a document and the name of a criterion; its score.
        names: Called with the question; the criteria that this grader names for it.
        adds: Called with the prompt; what the grader writes after its answer, whatever sense it makes.

    >>> from rerank_plugins import Rebel, rerank
    >>> from rerank_plugins.testing import FakeModel
    >>> model = FakeModel(Grader(lambda shown, text, name: min(5, len(text))))
    >>> rerank(Rebel(turns=1), "which?", ["a", "abcd"], backends=model).order
    [1, 0]
    """

    score: Callable[[Shown, str, str], float]
    names: Callable[[str], Sequence[Criterion]] = field(default=lambda _: ())
    adds: Callable[[Shown], str] = field(default=lambda _: "")

    def __call__(self, request: Chat) -> str:
        shown = _read(request)
        if not shown.documents:
            return json.dumps({"need": "To know.", "criteria": [vars(named) for named in self.names(shown.query)]})
        # The answer's form stands in the last line, after the documents.
        form = prompt_of(request).rpartition("</document>")[2]
        grades = [self._grade(shown, name, text, form) for name, text in shown.documents.items()]
        reasoning = {"reasoning": _WORDS * 3 * len(grades)} if '"reasoning"' in form else {}
        return json.dumps(reasoning | {"grades": grades}) + self.adds(shown)

    def _grade(self, shown: Shown, identifier: str, text: str, form: str) -> dict[str, Any]:
        scores = {key: self.score(shown, text, name) for key, (name, _) in shown.criteria.items()}
        thought, reason = ({name: _WORDS} if f'"{name}"' in form else {} for name in ("thought", "reason"))
        return {"id": identifier, **thought, **scores, **reason}
