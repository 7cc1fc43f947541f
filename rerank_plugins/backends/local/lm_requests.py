"""Requests to a language model in memory: made ready one by one, computed batch by batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from rerank_plugins.backends.fitting import cut_note, fit_messages, fit_prompt
from rerank_plugins.backends.local.causal_lm import CausalLM, Row
from rerank_plugins.backends.local.drawing import Draw
from rerank_plugins.backends.local.labels import LabelTokens
from rerank_plugins.backends.local.prompt_tokens import PromptTokens
from rerank_plugins.errors import InvalidInput, PromptTooLong, RerankError, classify
from rerank_plugins.ranking import Note, Usage
from rerank_plugins.requests import (
    Attend,
    Attended,
    Chat,
    ChatReply,
    Choose,
    Chosen,
    Failed,
    Likelihood,
    Measured,
    Message,
    Reply,
)
from rerank_plugins.text import cap_for, documents_in, without_thinking

__all__ = ["Attending", "LMRequests", "Scoring", "Writing"]

_FEWEST_TOKENS = 4  # a segment that is cut to less says nothing


@dataclass(frozen=True, slots=True)
class Scoring:
    """A request that the log-probabilities after one row answer."""

    request: Choose | Likelihood
    row: Row
    notes: tuple[Note, ...]
    labels: LabelTokens | None = None


@dataclass(frozen=True, slots=True)
class Attending:
    """A request that the attention within one row answers; `lengths` are the tokens of prefix and segments."""

    request: Attend
    row: Row
    notes: tuple[Note, ...]
    lengths: Sequence[int]


@dataclass(frozen=True, slots=True)
class Writing:
    """A request that a text of at most `count` tokens answers."""

    request: Chat
    text: str
    ids: Sequence[int]
    count: int
    notes: tuple[Note, ...]


class _Conversation(NamedTuple):
    messages: Sequence[Message]
    text: str
    ids: list[int]
    notes: tuple[Note, ...] = ()


class LMRequests:
    """What a loaded model makes of requests. Not safe across threads.

    Args:
        lm: The model.
        tokens: Its prompts.
        context: The most tokens of prompt and answer, or None for no bound.
        thinking_tokens: What may be written on top of each request's `max_tokens`.
        keeping: Whether what the model keeps of documents is of use later.
    """

    def __init__(
        self, lm: CausalLM, tokens: PromptTokens, context: int | None, thinking_tokens: int, *, keeping: bool = False
    ) -> None:
        self.lm = lm
        self._tokens = tokens
        self._context = context
        self._thinking_tokens = thinking_tokens
        self._keeping = keeping

    def prepare(self, request: Any) -> Scoring | Attending | Writing | Reply:
        """Make one request ready, or answer it at once where nothing is to compute or it cannot be answered."""
        try:
            if isinstance(request, Likelihood):
                return self._likelihood(request)
            if isinstance(request, Attend):
                return self._attend(request)
            return self._choose(request) if isinstance(request, Choose) else self._chat(request)
        except RerankError as error:
            return Failed(classify(error))

    def score(self, tasks: Sequence[Scoring]) -> list[Reply]:
        """Answer requests in one pass."""
        values = self.lm.logprobs([task.row for task in tasks])
        return [_scored(task, rows) for task, rows in zip(tasks, values, strict=True)]

    def attend(self, tasks: Sequence[Attending]) -> list[Reply]:
        """Answer requests one by one: what they share has been read, and the rest of each is short."""
        return [self._attended(task) for task in tasks]

    def write(self, tasks: Sequence[Writing]) -> list[Reply]:
        """Answer requests of one `count` by writing to all of them at once."""
        draws = [_draw(task.request) for task in tasks]
        written = self.lm.write([task.ids for task in tasks], tasks[0].count, draws)
        return [self._written(task, ids) for task, ids in zip(tasks, written, strict=True)]

    def _likelihood(self, request: Likelihood) -> Scoring | Reply:
        def count(prompt: str) -> int:
            return sum(map(len, self._tokens.continued(prompt, request.continuation))) - 1  # the last is not read

        notes: tuple[Note, ...] = ()
        before, after = self._tokens.continued(request.prompt, request.continuation)
        if not after:
            return Measured(())
        if self._context is not None and len(before) + len(after) - 1 > self._context:
            prompt, _ = fit_prompt(request.prompt, count, self._context)
            before, after = self._tokens.continued(prompt, request.continuation)
            notes = (cut_note(self._context),)
        # The whole prompt is about its document, and the query is what is measured.
        kept = self._keeping and len(documents_in([request.prompt])) == 1
        row = Row([*before, *after[:-1]], [[token] for token in after], len(before) - 1 if kept else 0, kept)
        return Scoring(request, row, notes)

    def _choose(self, request: Choose) -> Scoring | Reply:
        if not request.labels:
            return Chosen({})
        messages, text, ids, notes = self._conversation(request.messages, self._context)
        labels = LabelTokens(tuple(self._tokens.choice(text, label) for label in request.labels))
        documents = documents_in(message["content"] for message in messages) if self._keeping else []
        end = self._tokens.until(documents[0], text, ids) if len(documents) == 1 else 0
        stop = min(end, len(ids) - 1)
        return Scoring(request, Row([*ids, *labels.chain], labels.wanted, stop, stop > 0), notes, labels)

    def _attend(self, request: Attend) -> Attending | Reply:
        *context, question = self._tokens.apart([request.prefix, *request.segments, request.question])
        if not question:
            raise InvalidInput(f"Attend(question=...) is a text of at least one token, not {request.question!r}.")
        context, notes = self._shortened(context, len(question), request.may_cut)
        before = [token for part in context for token in part]
        asked: list[list[int]] = [[]] * len(question)
        row = Row([*before, *question], asked, len(before))
        return Attending(request, row, notes, list(map(len, context)))

    def _shortened(
        self, parts: list[list[int]], reserved: int, may_cut: bool
    ) -> tuple[list[list[int]], tuple[Note, ...]]:
        """Cut the longest segments, which come after the prefix, until all fit beside some further tokens."""
        prefix, *segments = parts
        lengths = list(map(len, segments))
        room = sum(lengths) if self._context is None else self._context - reserved - len(prefix)
        if sum(lengths) <= room:
            return parts, ()
        if (cap := cap_for(lengths, room)) < _FEWEST_TOKENS or not may_cut:
            raise PromptTooLong(self._context, len(prefix) + sum(lengths) + reserved)
        return [prefix, *(segment[:cap] for segment in segments)], (cut_note(self._context),)

    def _chat(self, request: Chat) -> Writing:
        count, limit = request.max_tokens + self._thinking_tokens, self._context
        if limit is not None:
            count = min(count, max(1, limit // 2))  # a generous bound on the answer must not drive out the question
            limit -= count
        _, text, ids, notes = self._conversation(request.messages, limit, may_cut=request.may_cut)
        return Writing(request, text, ids, count, notes)

    def _conversation(self, messages: Sequence[Message], limit: int | None, *, may_cut: bool = True) -> _Conversation:
        """A conversation as text and as tokens, at most `limit` of them."""
        text = self._tokens.render(messages)
        ids = self._tokens.conversation(text)
        if limit is None or len(ids) <= limit:
            return _Conversation(messages, text, ids)
        if not may_cut:
            raise PromptTooLong(limit, len(ids))
        shorter, _ = fit_messages(messages, self._count, limit)
        text = self._tokens.render(shorter)
        return _Conversation(shorter, text, self._tokens.conversation(text), (cut_note(limit),))

    def _count(self, messages: Sequence[Message]) -> int:
        return len(self._tokens.conversation(self._tokens.render(messages)))

    def _attended(self, task: Attending) -> Reply:
        try:
            values = self.lm.attention(task.row, task.request.layers)
        except RerankError as error:
            return Failed(classify(error))
        ends = accumulate(task.lengths)
        tokens = tuple(tuple(values[start:end]) for start, end in pairwise(ends))
        usage = Usage(calls=1, prompt_tokens=len(task.row.ids))
        return Attended(tuple(map(sum, tokens)), tokens, usage=usage, notes=task.notes)

    def _written(self, task: Writing, ids: Sequence[int]) -> ChatReply:
        # Some chat templates open the thinking themselves, so that the answer holds only its end.
        opened = "<think>" if task.text.rstrip().endswith("<think>") else ""
        text = without_thinking(opened + self._tokens.text(ids))
        return ChatReply(
            text,
            _parsed(text) if task.request.schema else None,
            truncated=len(ids) == task.count,
            usage=Usage(calls=1, prompt_tokens=len(task.ids), completion_tokens=len(ids)),
            notes=task.notes,
        )


def _scored(task: Scoring, values: Sequence[Sequence[float]]) -> Reply:
    if isinstance(task.request, Choose) and task.labels is not None:
        usage = Usage(calls=1, prompt_tokens=len(task.row.ids))
        logprobs = dict(zip(task.request.labels, task.labels.read(values), strict=True))
        return Chosen(logprobs, usage=usage, notes=task.notes)
    usage = Usage(calls=1, prompt_tokens=len(task.row.ids) + 1)
    return Measured(tuple(value for (value,) in values), usage=usage, notes=task.notes)


def _draw(request: Chat) -> Draw | None:
    return Draw(request.temperature, request.seed) if request.temperature else None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
