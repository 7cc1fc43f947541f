"""The searches of one question: what was asked of the retriever, what each search found, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rerank_plugins.candidates import Candidate
from rerank_plugins.errors import Unanswered
from rerank_plugins.methods.decompose.pool import Pool
from rerank_plugins.ranking import Note
from rerank_plugins.requests import Failed, Reply, Retrieve

__all__ = ["Searches"]


class Searches:
    """Searches by their numbers: 0 is for the question itself, the others for its sub-questions.

    Attributes:
        pool: What was found.
        texts: Number to what was searched for, of the searches that did not fail.
        asked: The numbers of all searches.
        unanswered: Why nothing can be retrieved at all, or None.
        notes: What a reader should know.
    """

    def __init__(self, query: str, given: Sequence[Candidate], k: int) -> None:
        self.pool = Pool(given)
        self.texts: dict[int, str] = {}
        self.asked: set[int] = set()
        self.unanswered: Unanswered | None = None
        self.notes: list[Note] = []
        self._query, self._k = query, k
        self._empty = 0

    @property
    def subquestions(self) -> dict[int, str]:
        """Number to sub-question, as it was searched for."""
        return {number: text for number, text in sorted(self.texts.items()) if number}

    def requests(self, texts: Mapping[int, str]) -> list[Retrieve]:
        """What to yield, to search for these."""
        return [Retrieve(text, self._k) for text in texts.values()]

    def take(self, texts: Mapping[int, str], replies: Sequence[Reply]) -> None:
        """Take in the replies to `requests`; a retriever that gives more than `k` is held to it."""
        for (number, text), reply in zip(texts.items(), replies, strict=True):
            self.asked.add(number)
            if isinstance(reply, Failed):
                self.unanswered = reply.error if isinstance(reply.error, Unanswered) else self.unanswered
                continue
            found: Sequence[Candidate] = getattr(reply, "candidates", ())[: self._k]
            self.texts[number] = text
            self._empty += not found
            self.pool.add(number, found)

    def read_for(self, numbers: Iterable[int], most: int) -> list[str]:
        """The texts of the best documents found for some sub-questions, at most so many of each."""
        found = [index for number in numbers for index in self.pool.found_by(number)[:most]]
        return [self.pool.documents[index].text for index in dict.fromkeys(found)]

    def served(self, index: int) -> list[dict[str, Any]]:
        """The questions for which a document was found, and at which rank."""
        return [
            {"question": self.texts.get(number, self._query), "subquestion": number or None, "rank": rank}
            for number, rank in sorted(self.pool.ranks[index].items())
        ]

    def all_notes(self) -> list[Note]:
        """The notes, and what became of the searches."""
        if self.unanswered is not None:
            reason = (
                "Nothing could be searched for: the documents given were only put in order, which is not this method's "
                f"retrieval. {self.unanswered.need}"
            )
            return [*self.notes, Note("info", reason)]
        failed = len(self.asked) - len(self.texts)
        counts = {"failed, and the others count without them": failed, "found nothing": self._empty}
        told = [Note("info", f"{n} of {len(self.asked)} searches {what}.") for what, n in counts.items() if n]
        return [*self.notes, *told]
