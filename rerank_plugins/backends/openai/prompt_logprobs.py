"""The log-probabilities of a prompt's own tokens, as a vLLM server gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rerank_plugins.errors import BadReply, Refused

__all__ = ["PromptLogprobs"]


class PromptLogprobs:
    """What stands under `prompt_logprobs` in a completion: for each token of the prompt its text and its value.

    Args:
        data: The JSON of the response.
        source: Whose it is, for messages.

    Raises:
        BadReply: It is no completion.
        Refused: It holds no log-probabilities of the prompt.

    >>> from rerank_plugins.testing.bodies import text_completion
    >>> PromptLogprobs(text_completion([("rye", 0.0), (" is", -1.5), (" fine", -2.0)]), "Example").of_end(" is fine")
    (-1.5, -2.0)
    """

    def __init__(self, data: Any, source: str) -> None:
        choices = data.get("choices") if isinstance(data, Mapping) else None
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
            raise BadReply(f"{source} answered with JSON that is no completion; check base_url.")
        entries = choices[0].get("prompt_logprobs")
        if not isinstance(entries, list):
            raise Refused(f"{source} gives no log-probabilities of prompts; use a vLLM server, or TransformersLM.", 400)
        self._tokens = [_of_prompt(entry) for entry in entries]
        self._source = source

    def __len__(self) -> int:
        return len(self._tokens)

    def of_end(self, text: str) -> tuple[float, ...] | None:
        """The values of the tokens that spell the end of the prompt; None where no border of tokens is there.

        Blanks do not count, since some tokenizers leave them out of a token's text.
        """
        wanted, spelled = "".join(text.split()), ""
        for count, (token, _) in enumerate(reversed(self._tokens), start=1):
            spelled = "".join(token.split()) + spelled
            if len(spelled) >= len(wanted):
                return self.last(count) if spelled == wanted else None
        return None

    def last(self, count: int) -> tuple[float, ...]:
        """The values of the last tokens.

        Raises:
            BadReply: There are not so many, or one has no value, as the first of a prompt.
        """
        values = [value for _, value in self._tokens[-count:] if value is not None]
        if len(values) != count:
            raise BadReply(f"{self._source} gave log-probabilities for {len(values)} of {count} tokens.")
        return tuple(values)


def _of_prompt(entry: Any) -> tuple[str, float | None]:
    """Text and value of the prompt's token, which comes first where more probable ones are listed beside it."""
    if not isinstance(entry, Mapping) or not entry:
        return "", None
    found = next(iter(entry.values()))
    return str(found.get("decoded_token") or ""), float(found["logprob"])
