"""LLMs that compute in this process: called one at a time and off the event loop."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence

from llama_index.core.llms.custom import CustomLLM
from llama_index.core.llms.llm import LLM

from llama_index.postprocessor.rerank_plugins.models import LlamaIndexLLM
from rerank_plugins.errors import classify
from rerank_plugins.requests import Chat, Failed, Reply

__all__ = ["OneAtATime", "is_synchronous"]


class OneAtATime:
    """An LLM that must not be called twice at once, and whose async methods would block the event loop.

    It has no timeout per call, which is for endpoints; a deadline is kept between calls. The calls of all that wrap
    the same LLM wait for each other.

    Args:
        llm: The model.
        structured: As for `LlamaIndexLLM`.
    """

    def __init__(self, llm: LLM, *, structured: bool = False) -> None:
        self._backend = LlamaIndexLLM(llm, structured=structured)
        self._lock = _lock_of(llm)
        self.kinds = self._backend.kinds
        self.retries_itself = self._backend.retries_itself

    @property
    def model_name(self) -> str:
        """The model's name, or that of its class."""
        return self._backend.model_name

    @property
    def identity(self) -> str:
        """As for `LlamaIndexLLM`."""
        return self._backend.identity

    def answer_batch(self, requests: Sequence[Chat]) -> Iterator[tuple[int, Reply]]:
        """Answer one after another; a call that fails fails alone."""
        for position, request in enumerate(requests):
            with self._lock:
                reply = self._tried(request)
            yield position, reply

    def _tried(self, request: Chat) -> Reply:
        try:
            return self._backend.answer(request, None)
        except Exception as error:  # noqa: BLE001 # whatever the model raises is the failure of this call
            return Failed(classify(error, self.identity or self.model_name))


def is_synchronous(llm: LLM) -> bool:
    """Whether all that an LLM has of its own is a synchronous `complete`: HuggingFaceLLM, LlamaCPP, most users' own.

    >>> from llama_index.core.llms import MockLLM
    >>> is_synchronous(MockLLM())
    True
    """
    return isinstance(llm, CustomLLM) and all(_owner(llm, name) is CustomLLM for name in ("achat", "acomplete"))


def _owner(llm: LLM, name: str) -> type:
    return next(cls for cls in type(llm).__mro__ if name in vars(cls))


_locks: dict[int, threading.Lock] = {}
_locks_lock = threading.Lock()


def _lock_of(llm: LLM) -> threading.Lock:
    """One lock per LLM object, gone when it goes; LLMs are equal by value, so that they cannot be keys."""
    with _locks_lock:
        if id(llm) not in _locks:
            _locks[id(llm)] = threading.Lock()
            weakref.finalize(llm, _locks.pop, id(llm), None)
        return _locks[id(llm)]
