"""Any causal language model on this machine, through transformers: text, probabilities and attention."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from rerank_plugins.backends._processes import ByArguments
from rerank_plugins.backends.loading import Once, loading, require
from rerank_plugins.backends.local import model_files
from rerank_plugins.backends.local.batching import Stats, form_batches
from rerank_plugins.backends.local.causal_lm import CausalLM, out_of_memory
from rerank_plugins.backends.local.document_cache import DocumentCache
from rerank_plugins.backends.local.gguf_files import read_once
from rerank_plugins.backends.local.lm_requests import Attending, LMRequests, Scoring, Writing
from rerank_plugins.backends.local.prefixes import distinct_tokens
from rerank_plugins.backends.local.prompt_tokens import PromptTokens
from rerank_plugins.backends.local.reading import Reading
from rerank_plugins.errors import InvalidInput, Refused
from rerank_plugins.requests import Attend, Chat, Choose, Failed, Likelihood, Reply, Request

__all__ = ["TransformersLM"]

# Reading gains nothing from more on a CPU, and a deadline is noticed only between batches. Writing does gain: each
# step reads all weights, however many answers it lengthens.
_READ_ON_CPU, _WRITTEN_ON_CPU, _ELSEWHERE = 512, 8192, 16384
_KEPT_AS = (None, "float32", "float16", "bfloat16", "int8")
_NO_THINKING: Mapping[str, Any] = {"enable_thinking": False}

T = TypeVar("T")
OneRow = TypeVar("OneRow", Scoring, Attending)


class TransformersLM(ByArguments):
    """A causal language model that computes in this process.

    It answers `Likelihood` and `Choose` exactly: log-probabilities from a softmax in 32 bits over the whole vocabulary.
    It answers `Attend` from a softmax in 32 bits, for models whose attention transformers lets one look at. It answers
    `Chat` by writing, the most probable token each time unless the request sets a temperature. A schema does not
    constrain what it writes. The model is loaded at the first request, once, and may be used from several threads,
    which take turns batch by batch.

    Whatever the requests of one batch begin with together is read once: an instruction before many documents, or a
    document before many queries. Requests are put into passes by length, with little padding, shortest first: that is
    how the most documents have a score when a deadline passes. A prompt that is longer than the context is cut in its
    longest documents, and the reply says so. If memory does not suffice for a pass it is halved, down to single
    requests.

    With `document_cache_bytes` a document that stands before the query, as in `Likelihood`, is read once for all
    queries to come: only the query's tokens are computed. Scores are the same; kept in "float16" they differ by less
    than 0.02 nats, in "int8" by less than 0.2, with the model that the tests use. Where the query stands before the
    document nothing is gained.

    Args:
        model: A name on the Hugging Face hub, a folder, or the path of a .gguf file.
        gguf_file: The name of a .gguf file in that folder or on that hub page.
        device: Such as "cpu", "cuda:0" or "mps"; None takes the best that there is.
        dtype: Such as "float32"; None takes bfloat16 on a CUDA device that has it, and float32 elsewhere.
        max_length: The most tokens of prompt and answer; None takes what the model was made for.
        batch_tokens: The most tokens in a pass, padding included; None takes 512 on a CPU (8192 where answers are
            written), and elsewhere 16384 or what fits the free memory of a CUDA device.
        chat_template_kwargs: What the chat template is given beside the messages; None asks it for no thinking, since
            thinking takes most of the time and all of a short answer.
        thinking_tokens: What a thinking model may write on top of each request's `max_tokens`.
        trust_remote_code: Whether to run code that comes with the model.
        document_cache_bytes: Memory for what the model keeps of documents, the least recently used forgotten first.
        document_cache_dtype: Its precision: "float16" or "bfloat16" takes half of the room of 32 bits and "int8" little
            more than a quarter; None is the model's.

    Raises:
        MissingExtra: torch or transformers is not installed, or for a GGUF file gguf or accelerate.
        InvalidInput: The .gguf file does not exist, or a number of tokens is too low.

    >>> TransformersLM("HuggingFaceTB/SmolLM2-135M-Instruct", device="cpu")
    TransformersLM('HuggingFaceTB/SmolLM2-135M-Instruct')
    """

    kinds: ClassVar[tuple[type[Request], ...]] = (Chat, Choose, Likelihood, Attend)

    def __init__(
        self,
        model: str | Path,
        *,
        gguf_file: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        max_length: int | None = None,
        batch_tokens: int | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        thinking_tokens: int = 0,
        trust_remote_code: bool = False,
        document_cache_bytes: int = 0,
        document_cache_dtype: str | None = None,
    ) -> None:
        for name, number, least in (("max_length", max_length, 2), ("batch_tokens", batch_tokens, 1)):
            if number is not None and number < least:
                raise InvalidInput(
                    f"TransformersLM({name}=...) is a number of tokens of at least {least}, or None, not {number!r}."
                )
        if thinking_tokens < 0:
            raise InvalidInput(f"TransformersLM(thinking_tokens=...) is a number of tokens, not {thinking_tokens!r}.")
        if document_cache_bytes < 0:
            raise InvalidInput(
                f"TransformersLM(document_cache_bytes=...) is a number of bytes, or 0, not {document_cache_bytes!r}."
            )
        if document_cache_dtype not in _KEPT_AS:
            raise InvalidInput(
                f"TransformersLM(document_cache_dtype=...) is one of {', '.join(map(repr, _KEPT_AS))}, "
                f"not {document_cache_dtype!r}."
            )
        self._folder, self._gguf_file = model_files.located(str(model), gguf_file)
        require("TransformersLM", "transformers", "torch", "transformers")
        if self._gguf_file:
            require("TransformersLM with a GGUF file", "transformers", "gguf", "accelerate")
        self._device, self._dtype, self._trust = device, dtype, trust_remote_code
        self._max_length, self._batch_tokens = max_length, batch_tokens
        self._template_options = _NO_THINKING if chat_template_kwargs is None else dict(chat_template_kwargs)
        self._thinking_tokens = thinking_tokens
        self._cache_bytes, self._cache_dtype = document_cache_bytes, document_cache_dtype
        self._loaded = Once(self._load)
        self._computing = threading.Lock()

    @property
    def identity(self) -> str:
        """The model and what decides its replies."""
        options = {
            "gguf_file": self._gguf_file,
            "dtype": self._dtype,
            "max_length": self._max_length,
            "chat_template_kwargs": None if self._template_options is _NO_THINKING else self._template_options,
            "thinking_tokens": self._thinking_tokens or None,
            "document_cache_dtype": self._cache_dtype if self._cache_bytes else None,
        }
        shown = "".join(f", {name}={value!r}" for name, value in options.items() if value is not None)
        return f"TransformersLM({self._folder!r}{shown})"

    def __repr__(self) -> str:
        return self.identity

    @property
    def stats(self) -> Stats:
        """Passes through the model so far, how much of them was padding, and how much had to be computed at least."""
        return Stats() if self._loaded.made is None else self._loaded.made[0].lm.stats

    def answer_batch(self, requests: Sequence[Any]) -> Iterator[tuple[int, Reply]]:
        lm, cache = self._loaded()
        scoring: list[tuple[int, Scoring]] = []
        attending: list[tuple[int, Attending]] = []
        writing: dict[int, list[tuple[int, Writing]]] = {}
        for position, request in enumerate(requests):
            with self._computing:
                task = lm.prepare(request)
            if isinstance(task, Reply):
                yield position, task
            elif isinstance(task, Scoring):
                scoring.append((position, task))
            elif isinstance(task, Attending):
                attending.append((position, task))
            else:
                writing.setdefault(task.count, []).append((position, task))
        yield from self._read(lm, scoring, lm.score, cache)
        yield from self._read(lm, attending, lm.attend)
        for count, tasks in writing.items():
            yield from self._written(lm, tasks, count)

    def _read(
        self,
        lm: LMRequests,
        tasks: Sequence[tuple[int, OneRow]],
        compute: Callable[[Sequence[OneRow]], Sequence[Reply]],
        cache: DocumentCache | None = None,
    ) -> Iterator[tuple[int, Reply]]:
        rows = [task.row for _, task in tasks]
        self._expect(lm, [row.ids for row in rows])
        for batch in Reading(lm.lm, rows, self._limit(lm.lm, _READ_ON_CPU), self._computed, cache).batches():
            yield from self._halving([(tasks[i][0], replace(tasks[i][1], row=row)) for i, row in batch], compute)

    def _written(self, lm: LMRequests, tasks: Sequence[tuple[int, Writing]], count: int) -> Iterator[tuple[int, Reply]]:
        self._expect(lm, [task.ids for _, task in tasks])
        limit = self._limit(lm.lm, _WRITTEN_ON_CPU)
        for batch in form_batches([len(task.ids) for _, task in tasks], limit, further=count):
            yield from self._halving([tasks[index] for index in batch], lm.write)

    def _expect(self, lm: LMRequests, rows: Sequence[Sequence[int]]) -> None:
        """Count what is to be computed at least."""
        with self._computing:
            lm.lm.stats += Stats(distinct=distinct_tokens(rows))

    def _limit(self, lm: CausalLM, on_cpu: int) -> int:
        """The most tokens in a pass."""
        return self._batch_tokens or (on_cpu if lm.device.type == "cpu" else lm.batch_tokens() or _ELSEWHERE)

    def _halving(
        self, tasks: Sequence[tuple[int, T]], compute: Callable[[Sequence[T]], Sequence[Reply]]
    ) -> Iterator[tuple[int, Reply]]:
        """Compute a batch, or each half of it where memory does not suffice for the whole."""
        replies = self._computed(lambda: compute([task for _, task in tasks]))
        if replies is not None:
            yield from zip((position for position, _ in tasks), replies, strict=True)
        elif len(tasks) > 1:
            middle = len(tasks) // 2
            yield from self._halving(tasks[:middle], compute)
            yield from self._halving(tasks[middle:], compute)
        else:
            yield tasks[0][0], Failed(Refused(f"Memory does not suffice for one request to {self.identity}."))

    def _computed(self, compute: Callable[[], T]) -> T | None:
        """The outcome, or None where memory does not suffice. The lock is never held while replies are handed on."""
        try:
            with self._computing:
                return compute()
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
        return None

    def _load(self) -> tuple[LMRequests, DocumentCache | None]:
        with (
            loading("TransformersLM", self._gguf_file or self._folder),
            read_once() if self._gguf_file else nullcontext(),
        ):
            model, tokenizer = model_files.load(
                self._folder,
                gguf_file=self._gguf_file,
                device=self._device,
                dtype=self._dtype,
                trust_remote_code=self._trust,
            )
            lm, tokens = CausalLM(model, tokenizer), PromptTokens(tokenizer, self._template_options)
            cache = self._document_cache()
        context = self._max_length or lm.context
        return LMRequests(lm, tokens, context, self._thinking_tokens, keeping=cache is not None), cache

    def _document_cache(self) -> DocumentCache | None:
        import torch

        dtype = getattr(torch, self._cache_dtype) if self._cache_dtype else None
        return DocumentCache(self._cache_bytes, dtype) if self._cache_bytes else None
