"""Prompts as tokens of one model: its chat template, its labels, and the border between prompt and continuation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rerank_plugins.errors import InvalidInput, Refused
from rerank_plugins.requests import Message

__all__ = ["PromptTokens"]

_TAIL = 32  # characters before an answer that can decide how its first token is cut
_ROLES = {"system": "System", "user": "User", "assistant": "Assistant"}


class PromptTokens:
    """Turns prompts into token ids. Not safe across threads: tokenizers keep state.

    Args:
        tokenizer: A transformers tokenizer.
        template_options: What the chat template is given beside the messages.
    """

    def __init__(self, tokenizer: Any, template_options: Mapping[str, Any]) -> None:
        self._tokenizer = tokenizer
        self._options = dict(template_options)
        self._control = _control_tokens(tokenizer)
        self._choices: dict[tuple[str, str], tuple[int, ...]] = {}
        self.opening = _opening(tokenizer)
        self._gap = self._gap_before_answers()

    def render(self, messages: Sequence[Message]) -> str:
        """A conversation as the text that the model reads, up to where its answer begins.

        A model without a chat template reads "System: ...", "User: ..." and so on, and at last "Assistant:". No
        content can hold a control token: one that is spelled out in a document is broken up.
        """
        turns = [{"role": turn["role"], "content": self._safe(turn["content"])} for turn in messages]
        if not self._tokenizer.chat_template:
            return "\n\n".join(f"{_ROLES[turn['role']]}: {turn['content']}" for turn in turns) + "\n\nAssistant:"
        return self._templated(turns)

    def conversation(self, text: str) -> list[int]:
        """The tokens of a rendered conversation."""
        if self._tokenizer.chat_template:
            return self._ids(text, whole=False)
        return [*self.opening, *self._ids(text)]

    def until(self, document: str, text: str, ids: Sequence[int]) -> int:
        """How many of the tokens of a rendered conversation come up to the end of a document in it; 0 if none do."""
        place = text.find(content := self._safe(document))
        if place < 0:
            return 0
        before = self.conversation(text[: place + len(content)])
        return next((at for at, (one, other) in enumerate(zip(before, ids, strict=False)) if one != other), len(before))

    def apart(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of texts that follow one another, each cut by itself; what opens a text is with the first."""
        first, *others = (self._ids(text) for text in texts)
        return [[*self.opening, *first], *others]

    def choice(self, text: str, label: str) -> tuple[int, ...]:
        """The tokens that a label is, as the beginning of an answer to a rendered conversation.

        Raises:
            InvalidInput: The label is nothing, or it changes the tokens before it.
        """
        tail = text[-_TAIL:]
        if (tail, label) not in self._choices:
            before, after = self._ids(tail), self._ids(tail + self._gap + label)
            if not label or len(after) <= len(before) or after[: len(before)] != before:
                raise InvalidInput(
                    f"Each label is one or more tokens of the model at the beginning of an answer, and {label!r} is "
                    "not; take another one, such as a letter or a digit."
                )
            self._choices[tail, label] = tuple(after[len(before) :])
        return self._choices[tail, label]

    def continued(self, prompt: str, continuation: str) -> tuple[list[int], list[int]]:
        """The tokens of a prompt, those that open a text included, and of what follows it.

        The border always lies between two tokens. If the two together would be cut differently before it, as where a
        word is split, each is cut by itself. An empty prompt is the token that opens a text, or where the model
        has none the one that ends it.
        """
        before, both = self._ids(prompt), self._ids(prompt + continuation)
        after = both[len(before) :] if both[: len(before)] == before else self._ids(continuation)
        return [*self.opening, *before] or [self._start()], after

    def text(self, ids: Sequence[int]) -> str:
        """What the model wrote, without control tokens."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    def _ids(self, text: str, *, whole: bool = True) -> list[int]:
        """The tokens of a text; with `whole` nothing in it is read as a control token."""
        ids = self._tokenizer(text, add_special_tokens=False, split_special_tokens=whole, verbose=False)["input_ids"]
        return list(ids)

    def _safe(self, content: str) -> str:
        return self._control.sub(lambda match: f"{match[0][0]} {match[0][1:]}", content)

    def _templated(self, turns: list[dict[str, str]]) -> str:
        from jinja2.exceptions import TemplateError

        try:
            return self._template(turns)
        except TemplateError:
            pass  # some models take no system message
        try:
            return self._template(_without_system(turns))
        except TemplateError as error:
            raise Refused("The model's chat template does not take this conversation; check its roles.") from error

    def _template(self, turns: list[dict[str, str]], *, prompt: bool = True) -> str:
        return str(
            self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=prompt, **self._options)
        )

    def _gap_before_answers(self) -> str:
        """Whether the model was taught to begin its answer with a space."""
        if not self._tokenizer.chat_template:
            return " "
        question, answer = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
        dialogue = self._template([question, answer], prompt=False)
        return " " if dialogue.startswith(self._template([question]) + " a") else ""

    def _start(self) -> int:
        for token in (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id):
            if token is not None:
                return int(token)
        raise InvalidInput("This model has no token to open a text, so that the prompt may not be empty.")


def _opening(tokenizer: Any) -> list[int]:
    """The tokens that this tokenizer puts before each text."""
    bos = tokenizer.bos_token_id
    return [bos] if bos is not None and tokenizer("a")["input_ids"][:1] == [bos] else []


def _control_tokens(tokenizer: Any) -> re.Pattern[str]:
    tokens = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    tokens = sorted({token for token in tokens if len(token) > 1}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, tokens)) or r"(?!)")


def _without_system(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """The same conversation with what the system says at the head of the first turn."""
    said = [turn["content"] for turn in turns if turn["role"] == "system"]
    others = [dict(turn) for turn in turns if turn["role"] != "system"]
    if others:
        others[0]["content"] = "\n\n".join([*said, others[0]["content"]])
    return others
