"""Contradictions: all evidence shown at once, and for each document which others it cannot be true together with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rerank_plugins.prompts.checks import CHECKER, confidence_in, reason_in
from rerank_plugins.prompts.found_json import flat_objects, json_values
from rerank_plugins.prompts.handles import handles
from rerank_plugins.prompts.quoting import defused, quoted
from rerank_plugins.prompts.schemas import closed_object
from rerank_plugins.requests import Chat, ChatReply, Reply
from rerank_plugins.text import Prompt, without_thinking

__all__ = ["Conflicts", "contradiction_requests", "parse_conflicts"]


def contradiction_requests(query: str, texts: Sequence[str]) -> list[Chat]:
    """Ask of each text which of the others it contradicts: one request per text.

    The requests differ in their last line alone, so that a prefix cache reads the evidence once. Texts are shown as
    they stand: give them in an order that does not depend on the first stage, and nothing else does.
    """
    parts: list[str] = [f"Question: {defused(query)}\n\n"]
    named = handles(query, texts)
    for handle, text in zip(named, texts, strict=True):
        parts += [f'<document id="{handle}">\n', quoted(text), "\n</document>\n"]
    parts.append(_TASK)
    return [
        Chat(
            messages=[
                {"role": "system", "content": CHECKER},
                {"role": "user", "content": Prompt.of(*parts, f"The document asked about: {handle}")},
            ],
            schema=_SCHEMA,
            max_tokens=256 + 8 * len(texts),
            may_cut=False,
        )
        for handle in named
    ]


_TASK = """
Which of the other documents does the document asked about contradict? Two documents contradict each other if, about \
the same thing, what one states cannot be true if what the other states is true. To differ in detail, subject or scope \
is no contradiction. Most documents contradict none. Confidence is how sure you are of your answer, from 0 to 1.
Answer with JSON alone: {"id": "the id of the document asked about", "reason": "one short sentence", \
"contradicts": ["ids of the others, or none"], "confidence": 0.5}
"""
_SCHEMA: Mapping[str, Any] = closed_object(
    {
        "id": {"type": "string"},
        "reason": {"type": "string"},
        "contradicts": {"type": "array", "items": {"type": "string"}},
        "confidence": {"type": "number"},
    }
)


@dataclass(frozen=True)
class Conflicts:
    """What the reply says of a document.

    Args:
        places: Positions of the documents that it contradicts.
        confidence: How sure the model is of it, 0 to 1; None if it did not say.
        reason: Its sentence, or "".
    """

    places: frozenset[int]
    confidence: float | None = None
    reason: str = ""


def parse_conflicts(reply: Reply, query: str, texts: Sequence[str], place: int) -> Conflicts | None:
    """Read which texts the text at `place` contradicts; None where the reply does not say, or failed.

    Only identifiers that were handed out count. Of several answers the first counts.

    >>> first, second = handles("why?", ["yes", "no"])
    >>> said = ChatReply(f'{{"id": "{first}", "contradicts": ["{second}", "x"]}}')
    >>> parse_conflicts(said, "why?", ["yes", "no"], 0).places
    frozenset({1})
    """
    if not isinstance(reply, ChatReply):
        return None
    named = {handle: position for position, handle in enumerate(handles(query, texts))}
    own = next(handle for handle, position in named.items() if position == place)
    for value in _answers(reply):
        if str(value.get("id", "")).strip().casefold() == own and isinstance(value.get("contradicts"), list):
            others = (named.get(str(entry).strip().casefold()) for entry in value["contradicts"])
            places = frozenset(other for other in others if other is not None and other != place)
            return Conflicts(places, confidence_in(value), reason_in(value))
    return _from_line(without_thinking(reply.text), named, own)


def _answers(reply: ChatReply) -> Iterator[Mapping[Any, Any]]:
    if isinstance(reply.parsed, dict):
        yield reply.parsed
        return
    text = without_thinking(reply.text)
    yield from (value for value in (*json_values(text), *flat_objects(text)) if isinstance(value, dict))


def _from_line(text: str, named: Mapping[str, int], own: str) -> Conflicts | None:
    """An answer in words: "<id> contradicts <id>, <id>" or "<id> contradicts none"."""
    line = re.search(rf"(?<!\w){own}\W{{1,6}}contradicts\W{{1,6}}([^\n]{{1,500}})", text[:50_000], re.I)
    if line is None:
        return None
    words = re.findall(r"\w+", line[1].casefold())
    places = frozenset(named[word] for word in words if word in named and word != own)
    return Conflicts(places) if places or "none" in words[:1] else None
