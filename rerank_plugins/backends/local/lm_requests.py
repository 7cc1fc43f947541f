"""Requests to a language model in memory: made ready one by one, computed batch by batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rerank_plugins.backends.fitting import cut_note, fit_messages, fit_prompt
from rerank_plugins.backends.local.batching import Stats
from rerank_plugins.backends.local.causal_lm import CausalLM, Draw, Row
from rerank_plugins.backends.local.labels import LabelTokens
from rerank_plugins.backends.local.prompt_tokens import PromptTokens
from rerank_plugins.errors import PromptTooLong, RerankError, classify
from rerank_plugins.ranking import Note, Usage
from rerank_plugins.requests import Chat, ChatReply, Choose, Chosen, Failed, Likelihood, Measured, Message, Reply
from rerank_plugins.text import without_thinking

__all__ = ["LMRequests", "Scoring", "Writing"]


@dataclass(frozen=True, slots=True)
class Scoring:
    """A request that one pass through the model answers."""

    request: Choose | Likelihood
    row: Row
    notes: tuple[Note, ...]
    labels: LabelTokens | None = None


@dataclass(frozen=True, slots=True)
class Writing:
    """A request that a text of at most `count` tokens answers."""

    request: Chat
    text: str
    ids: Sequence[int]
    count: int
    notes: tuple[Note, ...]


class LMRequests:
    """What a loaded model makes of requests. Not safe across threads.

    Args:
        lm: The model.
        tokens: Its prompts.
        context: The most tokens of prompt and answer, or None for no bound.
        thinking_tokens: What may be written on top of each request's `max_tokens`.
    """

    def __init__(self, lm: CausalLM, tokens: PromptTokens, context: int | None, thinking_tokens: int) -> None:
        self._lm = lm
        self._tokens = tokens
        self._context = context
        self._thinking_tokens = thinking_tokens

    @property
    def device_type(self) -> str:
        """Such as "cpu"."""
        return self._lm.device.type

    @property
    def stats(self) -> Stats:
        """What has been computed so far."""
        return self._lm.stats

    def prepare(self, request: Any) -> Scoring | Writing | Reply:
        """Make one request ready, or answer it at once where nothing is to compute or it cannot be answered."""
        try:
            if isinstance(request, Likelihood):
                return self._likelihood(request)
            return self._choose(request) if isinstance(request, Choose) else self._chat(request)
        except RerankError as error:
            return Failed(classify(error))

    def beginning_alike(self, tasks: Sequence[Scoring]) -> list[list[int]]:
        """Positions of the tasks that gain from being in one batch, and at first of all others."""
        return self._lm.beginning_alike([task.row for task in tasks])

    def batch_tokens(self, tasks: Sequence[Scoring], limit: int) -> int:
        """The most tokens in a batch of such tasks; see `CausalLM.batch_tokens`."""
        return self._lm.batch_tokens([task.row for task in tasks], limit)

    def score(self, tasks: Sequence[Scoring]) -> list[Reply]:
        """Answer requests in one pass."""
        values = self._lm.logprobs([task.row for task in tasks])
        return [_scored(task, rows) for task, rows in zip(tasks, values, strict=True)]

    def write(self, tasks: Sequence[Writing]) -> list[Reply]:
        """Answer requests of one `count` by writing to all of them at once."""
        draws = [_draw(task.request) for task in tasks]
        written = self._lm.write([task.ids for task in tasks], tasks[0].count, draws)
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
        return Scoring(request, Row([*before, *after[:-1]], [[token] for token in after]), notes)

    def _choose(self, request: Choose) -> Scoring | Reply:
        if not request.labels:
            return Chosen({})
        text, ids, notes = self._conversation(request.messages, self._context)
        labels = LabelTokens(tuple(self._tokens.choice(text, label) for label in request.labels))
        return Scoring(request, Row([*ids, *labels.chain], labels.wanted), notes, labels)

    def _chat(self, request: Chat) -> Writing:
        count, limit = request.max_tokens + self._thinking_tokens, self._context
        if limit is not None:
            count = min(count, max(1, limit // 2))  # a generous bound on the answer must not drive out the question
            limit -= count
        text, ids, notes = self._conversation(request.messages, limit, may_cut=request.may_cut)
        return Writing(request, text, ids, count, notes)

    def _conversation(
        self, messages: Sequence[Message], limit: int | None, *, may_cut: bool = True
    ) -> tuple[str, list[int], tuple[Note, ...]]:
        """A conversation as text and as tokens, at most `limit` of them."""
        text = self._tokens.render(messages)
        ids = self._tokens.conversation(text)
        if limit is None or len(ids) <= limit:
            return text, ids, ()
        if not may_cut:
            raise PromptTooLong(limit, len(ids))
        shorter, _ = fit_messages(messages, self._count, limit)
        text = self._tokens.render(shorter)
        return text, self._tokens.conversation(text), (cut_note(limit),)

    def _count(self, messages: Sequence[Message]) -> int:
        return len(self._tokens.conversation(self._tokens.render(messages)))

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
