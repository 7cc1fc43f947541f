"""A judge whose opinions are known: it reads the prompts of `Meteora` and answers them as it is told to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rerank_plugins.rationales import Rationale, as_rationales
from rerank_plugins.requests import Chat
from rerank_plugins.testing.fakes import prompt_of

__all__ = ["Judge"]

_DOCUMENT = re.compile(r'<document id="(\w+)">\n(.*?)\n</document>', re.S)
_ASKED = re.compile(r"The document asked about: (\w+)\Z")


@dataclass(frozen=True)
class Judge:
    """What a `FakeModel` says to `Meteora`.

    Args:
        flag: Called with the text of a document; "none", "factual" or "instruction".
        contradicts: Called with the text asked about and another; whether they cannot both be true.
        rationales: What it writes as rationales, whatever the question.
        confidence: How sure it says that it is.

    >>> from rerank_plugins import Meteora, rerank
    >>> from rerank_plugins.testing import FakeModel
    >>> judge = Judge(flag=lambda text: "factual" if "flat" in text else "none", rationales=["the shape of the earth"])
    >>> texts = ["the earth is flat in shape", "the shape of the earth is round"]
    >>> rerank(Meteora(min_pooled=2), "what shape?", texts, backends=FakeModel(judge)).order
    [1]
    """

    flag: Callable[[str], str] = field(default=lambda _: "none")
    contradicts: Callable[[str, str], bool] = field(default=lambda text, other: False)
    rationales: Sequence[Rationale | str] = ()
    confidence: float = 0.95

    def __call__(self, request: Chat) -> str:
        prompt = prompt_of(request)
        documents = dict(_DOCUMENT.findall(prompt))
        if not documents:
            return json.dumps({"rationales": [vars(rationale) for rationale in as_rationales(self.rationales)]})
        asked = _ASKED.search(prompt)
        return json.dumps(self._of_one(documents) if asked is None else self._of_all(documents, asked[1]))

    def _of_one(self, documents: dict[str, str]) -> dict[str, Any]:
        ((name, text),) = documents.items()
        return {"id": name, "reason": "So it is.", "flag": self.flag(text), "confidence": self.confidence}

    def _of_all(self, documents: dict[str, str], asked: str) -> dict[str, Any]:
        own = documents[asked]
        against = [name for name, text in documents.items() if name != asked and self.contradicts(own, text)]
        return {"id": asked, "reason": "So it is.", "contradicts": against, "confidence": self.confidence}
