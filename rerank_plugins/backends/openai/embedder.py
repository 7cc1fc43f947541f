"""Embedding models behind any OpenAI-compatible endpoint, through the official SDK."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rerank_plugins.backends._processes import ByArguments
from rerank_plugins.backends.asking import Asking, arun, countdown, run
from rerank_plugins.backends.openai.dialect import Dialect, Form
from rerank_plugins.backends.openai.endpoint import Endpoint
from rerank_plugins.backends.openai.reading import read_usage
from rerank_plugins.backends.openai.writing import digest
from rerank_plugins.errors import BadReply, InvalidInput, PromptTooLong, classify
from rerank_plugins.ranking import Note, Usage
from rerank_plugins.requests import Embed, Embedded, Request

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

__all__ = ["OpenAIEmbedder"]

_MOST_CHARACTERS = 250_000  # in one request: OpenAI takes 300,000 tokens, and some scripts have one for each character
_AT_ONCE = 8
_USUAL_LIMIT = 512  # tokens of a text, where the endpoint does not say its limit
_CHARACTERS_A_TOKEN = (4, 2, 1)


class OpenAIEmbedder(ByArguments):
    """An embedding model behind an OpenAI-compatible endpoint: OpenAI, Azure, vLLM, Ollama, TEI, LiteLLM, ...

    Many texts go out in several requests: in async code up to 8 of them at once, in sync code one after the other. A
    text that is too long for the model is shortened, and a note says so. A text of blanks alone is sent as one space,
    since endpoints refuse an empty one. One instance serves any number of threads and event loops.

    Args:
        model: The model's name at the endpoint.
        base_url: As for `OpenAIChat`.
        api_key: As for `OpenAIChat`.
        client: As for `OpenAIChat`.
        async_client: As for `OpenAIChat`.
        dimensions: The length of the vectors, for models that can shorten them; None is the model's own.
        batch_size: The most texts in one request; OpenAI takes 2048.
        query_prefix: Put before each query, for models that were trained so (such as "query: ").
        document_prefix: Put before each document (such as "passage: ").
        headers: Sent with each request.
        extra_body: Further fields of each request's JSON.

    Raises:
        InvalidInput: An argument breaks a rule, or there is no key for OpenAI.
        MissingExtra: The package openai is not installed.

    >>> OpenAIEmbedder("nomic-embed-text", "http://localhost:11434/v1", query_prefix="search_query: ")
    OpenAIEmbedder('nomic-embed-text', base_url='http://localhost:11434/v1', query_prefix='search_query: ')
    """

    kinds: ClassVar[tuple[type[Request], ...]] = (Embed,)

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        client: OpenAI | None = None,
        async_client: AsyncOpenAI | None = None,
        dimensions: int | None = None,
        batch_size: int = 256,
        query_prefix: str = "",
        document_prefix: str = "",
        headers: Mapping[str, str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(model, str) or not model:
            raise InvalidInput(f"OpenAIEmbedder(model=...) is the model's name at the endpoint, not {model!r}.")
        for name, value in (("batch_size", batch_size), ("dimensions", 1 if dimensions is None else dimensions)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidInput(f"OpenAIEmbedder({name}=...) is a whole number of at least 1, not {value!r}.")
        self._endpoint = Endpoint("OpenAIEmbedder", base_url, api_key, client, async_client, headers)
        self._model = model
        self._dimensions = dimensions
        self._batch_size = batch_size
        self._prefixes = {"query": query_prefix, "document": document_prefix}
        self._extra_body = dict(extra_body or {})
        self._dialect = Dialect(self.identity)

    @property
    def identity(self) -> str:
        """Model, address and what decides the vectors; no key and no header."""
        options = {"base_url": self._endpoint.shown, "dimensions": self._dimensions}
        options |= {f"{role}_prefix": prefix for role, prefix in self._prefixes.items()}
        shown = "".join(f", {name}={value!r}" for name, value in options.items() if value)
        if self._extra_body:
            shown += f", extra_body={digest(self._extra_body)!r}"
        return f"OpenAIEmbedder({self._model!r}{shown})"

    def __repr__(self) -> str:
        return self.identity

    def answer(self, request: Embed, timeout: float | None) -> Embedded:
        left, post = countdown(timeout), partial(self._endpoint.post, "embeddings")
        return _joined([run(self._asking(batch), post, left()) for batch in self._batches(request)])

    async def aanswer(self, request: Embed, timeout: float | None) -> Embedded:
        left, post = countdown(timeout), partial(self._endpoint.apost, "embeddings")
        places = asyncio.Semaphore(_AT_ONCE)

        async def answer(batch: Sequence[str]) -> Embedded:
            async with places:
                return await arun(self._asking(batch), post, left())

        tasks = [asyncio.create_task(answer(batch)) for batch in self._batches(request)]
        try:
            return _joined(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # none is still at work when the caller goes on

    def _batches(self, request: Embed) -> Iterator[list[str]]:
        """The texts as they are sent, as many together as one request takes."""
        batch: list[str] = []
        characters = 0
        for text in request.texts:
            sent = (self._prefixes.get(request.role, "") + text) if text.strip() else " "
            if batch and (len(batch) == self._batch_size or characters + len(sent) > _MOST_CHARACTERS):
                yield batch
                batch, characters = [], 0
            batch.append(sent)
            characters += len(sent)
        if batch:
            yield batch

    def _asking(self, texts: Sequence[str]) -> Asking[Embedded]:
        """Ask, and ask again with shorter texts while one is too long."""
        notes: tuple[Note, ...] = ()
        ratios = iter(_CHARACTERS_A_TOKEN)
        while True:
            try:
                _, data = yield from self._dialect.asking(partial(self._form, texts))
                return Embedded(self._vectors(data, len(texts)), usage=read_usage(data), notes=notes)
            except Exception as error:
                read = classify(error)
                ratio = next(ratios, 0) if isinstance(read, PromptTooLong) else 0
                if not isinstance(read, PromptTooLong) or not ratio:
                    raise
                limit = read.limit or _USUAL_LIMIT
                texts = [text[: limit * ratio] for text in texts]
                notes = (Note("cut", f"Texts were shortened to fit {self.identity}."),)

    def _form(self, texts: Sequence[str], refused: frozenset[str]) -> Form:
        form = Form(refused, {"model": self._model, "input": list(texts)})
        if not form.offer("base64", encoding_format="base64"):
            form.body["encoding_format"] = "float"
        if self._dimensions is not None:
            form.body["dimensions"] = self._dimensions
        form.body |= self._extra_body
        return form

    def _vectors(self, data: Any, count: int) -> list[Any]:
        entries = data.get("data") if isinstance(data, Mapping) else None
        if not isinstance(entries, list) or len(entries) != count:
            raise BadReply(f"{self.identity} did not answer with one vector per text; check base_url and model.")
        try:
            entries = sorted(entries, key=lambda entry: int(entry.get("index", 0)))
            vectors = [_vector(entry["embedding"]) for entry in entries]
        except (AttributeError, KeyError, TypeError, ValueError):
            raise BadReply(f"{self.identity} answered with vectors that cannot be read.") from None
        if {vector.shape for vector in vectors} != {(len(vectors[0]),)}:
            raise BadReply(f"{self.identity} answered with vectors of unlike lengths.")
        return vectors


def _vector(value: Any) -> Any:
    """A vector as an array; base64 holds little-endian float32."""
    import numpy as np  # here, so that importing the package stays quick

    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value), dtype="<f4")
    return np.asarray(value, dtype=np.float32)


def _joined(replies: Sequence[Embedded]) -> Embedded:
    return Embedded(
        [vector for reply in replies for vector in reply.vectors],
        usage=sum((reply.usage for reply in replies), Usage()),
        notes=tuple(dict.fromkeys(note for reply in replies for note in reply.notes)),
    )
