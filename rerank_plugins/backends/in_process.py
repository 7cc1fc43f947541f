"""Which of a framework's models compute in this process, and how each kind is called."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from functools import lru_cache

from rerank_plugins.backends.base import Backend, CallBackend
from rerank_plugins.backends.in_threads import InThreads
from rerank_plugins.backends.one_at_a_time import OneAtATime

__all__ = ["computes_here", "suited"]

_RUNTIMES = frozenset(
    """
    InstructorEmbedding ctransformers ctranslate2 exllamav2 fastembed gpt4all jax keras llama_cpp mistralrs mlx mlx_lm
    model2vec modelscope onnxruntime onnxruntime_genai openvino openvino_genai optimum sentence_transformers tensorflow
    tensorrt_llm torch transformers vllm
    """.split()
)
_DEPTH = 3  # settings bound to a chat model, which holds a pipeline, which holds the model


def suited(backend: CallBackend, model: object, *, blocks: bool, packages: Collection[str] = ()) -> Backend:
    """The backend as its model can be called.

    One that computes in this process is called once at a time, since tokenizers and runtimes fail or crash when two
    threads use them. One that `blocks`, because all that it has are synchronous methods, is called on threads; all
    others as they are.

    Args:
        backend: What answers.
        model: The framework's model that it calls.
        blocks: Whether the model has synchronous methods only.
        packages: Packages whose classes compute in this process, whatever they hold.
    """
    if _is_of(type(model), packages) or computes_here(model):
        return OneAtATime(backend, model)
    return InThreads(backend) if blocks else backend


def computes_here(model: object) -> bool:
    """Whether a model, or what it holds, is of a library that runs models in this process; tokenizers do not count.

    >>> from types import SimpleNamespace
    >>> runtime = type("Llama", (), {"__module__": "llama_cpp.llama"})()
    >>> computes_here(SimpleNamespace(client=runtime)), computes_here(SimpleNamespace(url="https://example.org"))
    (True, False)
    """
    return _is_or_holds(model, _DEPTH)


def _is_of(cls: type, packages: Collection[str]) -> bool:
    modules = [f"{base.__module__}." for base in cls.__mro__]
    return any(module.startswith(f"{package}.") for module in modules for package in packages)


def _is_or_holds(value: object, depth: int) -> bool:
    if (told := _told_by(type(value))) is not None:  # type: ignore[arg-type] # mypy takes a class for unhashable
        return told
    return depth > 0 and any(_is_or_holds(held, depth - 1) for held in _held(value))


@lru_cache(maxsize=4096)
def _told_by(cls: type) -> bool | None:
    """Whether instances compute here, or None where it depends on what they hold."""
    if issubclass(cls, (str, bytes, type)):
        return False
    if any("Tokenizer" in base.__name__ for base in cls.__mro__):  # clients of endpoints hold one to count tokens
        return False
    return True if _is_of(cls, _RUNTIMES) else None


def _held(value: object) -> Iterator[object]:
    """The attributes, read past whatever the class does on access, and at one moment: other threads may add some."""
    for name in ("__dict__", "__pydantic_private__"):  # pydantic keeps private attributes apart
        with contextlib.suppress(AttributeError):
            attributes = object.__getattribute__(value, name)
            yield from list(attributes.values()) if isinstance(attributes, dict) else ()
