"""Cross-encoders on this machine, through sentence-transformers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rerank_plugins.backends._processes import ByArguments
from rerank_plugins.backends.loading import Once, loading, require
from rerank_plugins.backends.local.pair_scorer import PairScorer
from rerank_plugins.errors import InvalidInput, Refused
from rerank_plugins.ranking import Usage
from rerank_plugins.requests import Reply, Request, Scored, ScorePairs

if TYPE_CHECKING:
    import sentence_transformers

__all__ = ["CrossEncoder"]


class CrossEncoder(ByArguments):
    """A model that reads query and document together and scores the pair, in this process.

    All pairs of a batch, whatever their query, are scored together, sorted by length. Scores are the model's logits
    in 32 bits, without the sigmoid that would press the best of them into ties. A generative cross-encoder, a language
    model that answers yes or no, gives the difference of the two logits. The model is loaded and tried at the first
    request, once, and may be used from several threads, which take turns.

    Texts are read as texts: one that looks like a path, a URL or a data URI is never opened, and the model's control
    tokens in it are broken up.

    Args:
        model: A name on the Hugging Face hub, a folder, or a `sentence_transformers.CrossEncoder`. The replies of such
            an object are not cached, because nothing tells it from another.
        device: Such as "cpu", "cuda:0" or "mps"; None takes the best that there is.
        batch_size: Pairs in one pass through the model.
        max_length: The most tokens of a pair, the rest is cut off; None takes what the model was made for.
        prompt: What the model is told to do, for one that was trained to be told; None is the model's own. It needs
            sentence-transformers 5.4.
        trust_remote_code: Whether to run code that comes with the model.

    Raises:
        MissingExtra: sentence-transformers is not installed.
        InvalidInput: `batch_size` is less than 1, or the object cannot rank: it gives several labels instead of one
            score, say. A model that is loaded by its name is then refused, for this call and all further ones.

    >>> CrossEncoder()
    CrossEncoder('Alibaba-NLP/gte-reranker-modernbert-base')
    """

    kinds: ClassVar[tuple[type[Request], ...]] = (ScorePairs,)

    def __init__(
        self,
        model: str | Path | sentence_transformers.CrossEncoder = "Alibaba-NLP/gte-reranker-modernbert-base",
        *,
        device: str | None = None,
        batch_size: int = 32,
        max_length: int | None = None,
        prompt: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        if batch_size < 1:
            raise InvalidInput(f"CrossEncoder(batch_size=...) is at least 1, not {batch_size!r}.")
        require("CrossEncoder", "sentence-transformers", "sentence_transformers")
        self._name = str(model) if isinstance(model, (str, Path)) else ""
        self._device, self._trust = device, trust_remote_code
        self._batch_size, self._max_length = batch_size, max_length
        self._prompt = prompt
        given = None if self._name else PairScorer(model, prompt)
        self._loaded = Once(self._load if given is None else lambda: given)
        self._computing = threading.Lock()

    @property
    def identity(self) -> str:
        """The model and what decides its scores; empty where an object was given."""
        return repr(self) if self._name else ""

    def __repr__(self) -> str:
        options = {"max_length": self._max_length, "prompt": self._prompt}
        shown = "".join(f", {name}={value!r}" for name, value in options.items() if value is not None)
        return f"CrossEncoder({self._name!r}{shown})" if self._name else f"CrossEncoder(...{shown})"

    def answer_batch(self, requests: Sequence[Any]) -> Iterator[tuple[int, Reply]]:
        pairs = [(request.query, text) for request in requests for text in request.texts]
        scores = iter(self._score(pairs) if pairs else [])
        for position, request in enumerate(requests):
            yield position, Scored(tuple(islice(scores, len(request.texts))), usage=Usage(calls=1))

    def _score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        scorer = self._loaded()
        longest_first = sorted(range(len(pairs)), key=lambda place: -sum(map(len, pairs[place])))
        with self._computing:
            values = scorer.scores([pairs[place] for place in longest_first], self._batch_size)
        scores = [0.0] * len(pairs)
        for place, value in zip(longest_first, values, strict=True):
            scores[place] = value
        return scores

    def _load(self) -> PairScorer:
        from sentence_transformers import CrossEncoder as Model

        with loading("CrossEncoder", self._name):
            model = Model(self._name, device=self._device, max_length=self._max_length, trust_remote_code=self._trust)
            try:
                return PairScorer(model, self._prompt)
            except InvalidInput as error:  # it is not loaded again for each query
                raise Refused(str(error), scope="backend") from error
