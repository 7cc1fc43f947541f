"""Embedding models on this machine, through sentence-transformers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rerank_plugins.backends._processes import ByArguments
from rerank_plugins.backends.loading import Once, loading, require
from rerank_plugins.errors import InvalidInput
from rerank_plugins.ranking import Usage
from rerank_plugins.requests import Embed, Embedded, Reply, Request

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["SentenceEmbedder"]


class SentenceEmbedder(ByArguments):
    """An embedding model that computes in this process.

    All texts of a batch that have the same role are embedded together, in one call. Queries and documents get the
    prompts that the model's makers gave it for them, where there are any. The model is loaded at the first request,
    once, and may be used from several threads, which take turns.

    Args:
        model: A name on the Hugging Face hub (those of sentence-transformers without the owner, if you like), a
            folder, or a `SentenceTransformer`. The replies of such an object are not cached, because nothing tells
            it from another.
        device: Such as "cpu", "cuda:0" or "mps"; None takes the best that there is.
        batch_size: Texts in one pass through the model.
        normalize: Whether vectors are scaled to length 1.
        prompts: What is put before each text, by role ("query", "document"), instead of the model's own prompts.
        trust_remote_code: Whether to run code that comes with the model.

    Raises:
        MissingExtra: sentence-transformers is not installed.
        InvalidInput: `batch_size` is less than 1.

    >>> SentenceEmbedder("all-MiniLM-L6-v2")
    SentenceEmbedder('all-MiniLM-L6-v2')
    """

    kinds: ClassVar[tuple[type[Request], ...]] = (Embed,)

    def __init__(
        self,
        model: str | Path | SentenceTransformer = "sentence-transformers/all-MiniLM-L6-v2",
        *,
        device: str | None = None,
        batch_size: int = 32,
        normalize: bool = True,
        prompts: Mapping[str, str] | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        if batch_size < 1:
            raise InvalidInput(f"SentenceEmbedder(batch_size=...) is at least 1, not {batch_size!r}.")
        require("SentenceEmbedder", "sentence-transformers", "sentence_transformers")
        self._name = str(model) if isinstance(model, (str, Path)) else ""
        self._device, self._trust = device, trust_remote_code
        self._batch_size, self._normalize = batch_size, normalize
        self._prompts = dict(prompts or {})
        self._loaded = Once(self._load if self._name else lambda: model)
        self._computing = threading.Lock()

    @property
    def identity(self) -> str:
        """The model and what decides its vectors; empty where an object was given."""
        return repr(self) if self._name else ""

    def __repr__(self) -> str:
        shown = "" if self._normalize else ", normalize=False"
        shown += f", prompts={self._prompts!r}" if self._prompts else ""
        return f"SentenceEmbedder({self._name!r}{shown})" if self._name else f"SentenceEmbedder(...{shown})"

    def answer_batch(self, requests: Sequence[Any]) -> Iterator[tuple[int, Reply]]:
        for role in dict.fromkeys(request.role for request in requests):
            places = [position for position, request in enumerate(requests) if request.role == role]
            # Several queries have documents in common: each is embedded once.
            texts = list(dict.fromkeys(text for position in places for text in requests[position].texts))
            vectors, lengths = self._embed(texts, role) if texts else ([], [])
            found = {text: (vector, length) for text, vector, length in zip(texts, vectors, lengths, strict=True)}
            for position in places:
                own = [found[text] for text in requests[position].texts]
                usage = Usage(calls=1, prompt_tokens=sum(length for _, length in own))
                yield position, Embedded([vector for vector, _ in own], usage=usage)

    def _embed(self, texts: Sequence[str], role: str) -> tuple[Sequence[Sequence[float]], Sequence[int]]:
        """The vectors of texts, and how many tokens each has."""
        model = self._loaded()
        encode, options = _encoder(model, role)
        if (prompt := self._prompts.get(role)) is not None:
            encode, options = model.encode, {"prompt": prompt}
        with self._computing:
            vectors = encode(
                list(texts),
                batch_size=self._batch_size,
                normalize_embeddings=self._normalize,
                show_progress_bar=False,
                **options,
            )
            return vectors, _token_counts(model, texts)

    def _load(self) -> Any:
        from sentence_transformers import SentenceTransformer

        with loading("SentenceEmbedder", self._name):
            return SentenceTransformer(self._name, device=self._device, trust_remote_code=self._trust)


def _encoder(model: Any, role: str) -> tuple[Any, dict[str, Any]]:
    """The function that embeds texts of a role, and what it has to be told."""
    own = {"query": "encode_query", "document": "encode_document"}.get(role, "encode")
    if hasattr(model, own):  # from version 5 on, where it also minds models with one module per role
        return getattr(model, own), {}
    return model.encode, {"prompt_name": role} if role in model.prompts else {}


def _token_counts(model: Any, texts: Sequence[str]) -> list[int]:
    """Tokens of each text, as far as the model reads them; zeros where its tokenizer is not one of transformers'."""
    tokenizer = model.tokenizer
    if not hasattr(tokenizer, "backend_tokenizer"):
        return [0] * len(texts)
    most = model.max_seq_length
    ids = tokenizer(list(texts), truncation=most is not None, max_length=most, verbose=False)["input_ids"]
    return list(map(len, ids))
