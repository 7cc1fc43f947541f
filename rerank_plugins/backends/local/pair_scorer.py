"""A cross-encoder of sentence-transformers, tried before it is used, that reads texts as texts and nothing else."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any

from rerank_plugins.backends.local.prompt_tokens import _control_tokens
from rerank_plugins.errors import InvalidInput

__all__ = ["PairScorer"]


class PairScorer:
    """Scores pairs with one model, whose logits it gives.

    The model is tried on two pairs when this is made, so that one that cannot rank is refused before a query waits.

    Args:
        model: A `sentence_transformers.CrossEncoder` of any version: an encoder with one output, or a language model
            whose answer "yes" is weighed against "no".
        prompt: What the model is told to do; None is its own.

    Raises:
        InvalidInput: The model gives no single score for each pair, or takes no prompt.
    """

    def __init__(self, model: Any, prompt: str | None = None) -> None:
        import torch

        _check_labels(model)
        _check_answers(model)
        self._model = model
        self._formatter = _formatter_of(model)
        self._control = _control_tokens(_tokenizer_of(model))
        self._options: dict[str, Any] = {_activation_option(model): torch.nn.Identity()}
        if prompt is not None:
            _check_prompt(model)
            self._options["prompt"] = prompt
        self._try()

    def scores(self, pairs: Sequence[tuple[str, str]], batch_size: int) -> list[float]:
        """Return the logit of each (query, text); for a language model the log-odds of its two answers."""
        handed = [self._as_text(query, text) for query, text in pairs]
        values = self._model.predict(handed, batch_size=batch_size, show_progress_bar=False, **self._options)
        return [float(value) for value in values]

    def _as_text(self, query: str, text: str) -> Any:
        query, text = self._without_control(query), self._without_control(text)
        if self._formatter is None:
            return query, text
        # A bare string that looks like a picture's path, URL or data URI is opened by models that see pictures; a
        # message that calls itself text is not.
        message = self._formatter.to_message
        return [*message({"text": query}, role="query"), *message({"text": text}, role="document")]

    def _without_control(self, text: str) -> str:
        # Else a document could end its turn of the conversation and speak in another role.
        return self._control.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)

    def _try(self) -> None:
        try:
            values = self.scores([("a", "b"), ("a", "b c d")], 2)  # of two lengths: padding is tried as well
        except ValueError as error:  # so sentence-transformers says what a model lacks; nothing of a user's is in it
            said = str(error).partition("\n")[0].removesuffix(", e.g.:").rstrip(".")
            raise InvalidInput(f"This cross-encoder cannot score a pair of texts: {said}.") from error
        if not all(map(math.isfinite, values)):
            raise InvalidInput(
                f"This cross-encoder scores pairs of texts with {values}, not with numbers; its weights "
                "are damaged, or too large for the number format that it is loaded in."
            )


def _check_labels(model: Any) -> None:
    # The configuration of a language model speaks of labels that it does not have: the model itself knows.
    labels = getattr(model, "num_labels", None) or model.config.num_labels
    if labels != 1:
        raise InvalidInput(
            f"A cross-encoder for reranking gives one score for each pair, and this model has {labels} labels; "
            "take one that was trained to rank, such as the default."
        )


def _check_answers(model: Any) -> None:
    """Refuse a language model whose two answers are one token, so that every score would be 0."""
    unknown = getattr(_tokenizer_of(model), "unk_token_id", None)
    for part in _parts_of(model):
        if not hasattr(part, "true_token_id"):
            continue
        answers = (part.true_token_id, part.false_token_id)
        if answers[0] == answers[1] or (unknown is not None and unknown in answers):
            raise InvalidInput(
                f"A generative cross-encoder weighs two tokens, such as yes and no, and this model's are {answers}; "
                "save it with a LogitScore module that names the tokens it was trained to answer with."
            )


def _check_prompt(model: Any) -> None:
    if "prompt" not in inspect.signature(model.predict).parameters:
        raise InvalidInput(
            "CrossEncoder(prompt=...) needs sentence-transformers 5.4 or later; run: "
            "pip install -U sentence-transformers"
        )


def _parts_of(model: Any) -> list[Any]:
    return list(model.children()) if hasattr(model, "children") else []


def _formatter_of(model: Any) -> Any:
    """What makes messages for a model that reads conversations; None for one that reads pairs."""
    first: Any = next(iter(_parts_of(model)), None)
    return first.input_formatter if "message" in getattr(first, "modality_config", {}) else None


def _tokenizer_of(model: Any) -> Any:
    return getattr(model.tokenizer, "tokenizer", model.tokenizer)  # a processor for pictures has one inside it


def _activation_option(model: Any) -> str:
    """What `predict` calls the function that it applies to logits: the name changed with version 4."""
    return "activation_fn" if "activation_fn" in inspect.signature(model.predict).parameters else "activation_fct"
