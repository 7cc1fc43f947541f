"""What model backends share: packages checked early, a model or client made late and once."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Generic, TypeVar

from rerank_plugins.errors import MissingExtra, Refused, RerankError

__all__ = ["Once", "loading", "require"]

T = TypeVar("T")


class Once(Generic[T]):
    """Something heavy, made when it is first called for, by whichever thread comes first.

    Where making it fails the exception goes to the caller, and the next call tries again. `made` is None until then.

    >>> model = Once(lambda: ["loaded"])
    >>> model() is model()
    True
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self.made: T | None = None

    def __call__(self) -> T:
        if self.made is None:
            with self._lock:
                if self.made is None:
                    self.made = self._make()
        return self.made


def require(feature: str, extra: str, *modules: str) -> None:
    """Check that modules could be imported, without importing them.

    Raises:
        MissingExtra: One of them could not.
    """
    for module in modules:
        if find_spec(module) is None:
            raise MissingExtra(feature, module.replace("_", "-"), extra)


@contextmanager
def loading(feature: str, model: str) -> Iterator[None]:
    """Read whatever goes wrong while a model is loaded as a refusal that says which model it was, and what is wrong.

    Raises:
        Refused: Anything went wrong. It holds for every call, so that the driver asks this backend for nothing more.
    """
    try:
        yield
    except RerankError:
        raise
    except Exception as error:  # a loader can fail in as many ways as there are formats
        raise Refused(
            f"{feature} could not load the model {model!r} ({type(error).__name__}): {_cause_of(error)}.",
            status=404,
            scope="backend",
        ) from error


_NO_MEMORY = re.compile(r"out of memory|not enough memory|can't allocate|cannot allocate|bad_alloc", re.I)
_NOT_FOUND = re.compile(
    r"not a local folder|no such file|does not exist|not found|couldn't connect|can't load the configuration|"
    r"is not the path|offline mode|cannot find the requested files|not a valid model identifier|repo id must",
    re.I,
)


def _cause_of(error: BaseException) -> str:
    """What went wrong, by the classes and words of an exception and of what it was raised from."""
    errors = [error]
    while (cause := errors[-1].__cause__ or errors[-1].__context__) is not None and cause not in errors:
        errors.append(cause)
    names = " ".join(cls.__name__ for item in errors for cls in type(item).__mro__)
    words = " ".join(map(str, errors))
    if "MemoryError" in names or _NO_MEMORY.search(words):
        return "there is not enough memory for it; take a smaller or quantised model, or another device"
    if re.search(r"NotFound|LocalEntry|HFValidation|Connect", names) or _NOT_FOUND.search(words):
        return "it was not found, here or on the hub; check its name or path, and the connection"
    return "it is no model of this kind, or its files are damaged; check what kind of model it is"
