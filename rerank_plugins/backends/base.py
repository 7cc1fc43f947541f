"""What a backend is: something that answers some kinds of request, one by one or a whole batch at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from rerank_plugins.backends._processes import ByArguments
from rerank_plugins.errors import InvalidInput
from rerank_plugins.requests import Reply, Request

__all__ = ["Backend", "BatchBackend", "CallBackend", "as_backends", "index_by_kind"]


class Backend(Protocol):
    """What both forms have in common.

    Attributes:
        kinds: The request types that it answers.
        identity: Model and parameters as one string, for the cache key and for messages; never a key. An empty
            string means that two replies cannot be told apart safely, so that nothing is cached.
    """

    @property
    def kinds(self) -> tuple[type[Request], ...]: ...
    @property
    def identity(self) -> str: ...


@runtime_checkable
class CallBackend(Backend, Protocol):
    """A backend that answers one request with one call, as an endpoint does. Calls run concurrently.

    Both methods raise when the call fails; the driver reads any exception with `errors.classify`, and tries again.
    A backend whose client does that on its own has an attribute `retries_itself` that is True: then the driver does
    not, because the tries would multiply. `timeout` is in seconds, None for no bound.
    """

    def answer(self, request: Any, timeout: float | None) -> Reply:
        """Answer from the calling thread, without an event loop."""
        ...

    async def aanswer(self, request: Any, timeout: float | None) -> Reply:
        """Answer from the running event loop."""
        ...


@runtime_checkable
class BatchBackend(Backend, Protocol):
    """A backend that computes in this process and gains from seeing many requests at once, as a local model does.

    One batch runs at a time. Replies are yielded as they are ready, in any order: what was yielded before a
    deadline counts, and the iterator is closed between two replies when the rest is no longer wanted. A request that
    fails alone is answered with `Failed`; an exception fails all that are still open.
    """

    def answer_batch(self, requests: Sequence[Any]) -> Iterator[tuple[int, Reply]]:
        """Yield (position in `requests`, reply) for each request once."""
        ...


_FORMS = ("answer_batch", "answer", "aanswer")


def as_backends(backends: Backend | Sequence[Backend]) -> Sequence[Backend]:
    """Read one backend or several.

    Raises:
        InvalidInput: Something in it is no backend.
    """
    given = backends if isinstance(backends, Sequence) and not isinstance(backends, str) else [backends]
    for backend in given:
        if isinstance(backend, str):
            raise InvalidInput(f"A backend is an object, such as OpenAIChat({backend!r}), not its model's name alone.")
        known = hasattr(backend, "kinds") and hasattr(backend, "identity")
        if not known or isinstance(backend, type) or not any(hasattr(backend, form) for form in _FORMS):
            raise InvalidInput(
                f"A backend has `kinds`, `identity` and one of `answer`, `aanswer` and `answer_batch`, and "
                f"{type(backend).__name__} has not; pass an instance, such as OpenAIChat('gpt-5-mini')."
            )
    return given


def index_by_kind(backends: Iterable[Backend]) -> dict[type[Request], Backend]:
    """For each kind of request the first backend that answers it."""
    answering: dict[type[Request], Backend] = {}
    for backend in backends:
        for kind in backend.kinds:
            answering.setdefault(kind, backend)
    return answering


B = TypeVar("B", bound=Backend)


class Wrapper(ByArguments, Generic[B]):
    """What a backend around another has of it: the kinds that it answers, its identity, and whether it retries.

    Args:
        backend: The backend that is wrapped.
    """

    def __init__(self, backend: B) -> None:
        self.backend = backend
        self.retries_itself = bool(getattr(backend, "retries_itself", False))

    @property
    def kinds(self) -> tuple[type[Request], ...]:
        """Those of the backend."""
        return self.backend.kinds

    @property
    def identity(self) -> str:
        """That of the backend."""
        return self.backend.identity
