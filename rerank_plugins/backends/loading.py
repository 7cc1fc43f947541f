"""What model backends share: packages checked early, a model or client made late and once."""

from __future__ import annotations

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
    """Read whatever goes wrong while a model is loaded as a refusal that says which model it was.

    Raises:
        Refused: Anything went wrong; its status is 404, so that the driver asks this backend for nothing more.
    """
    try:
        yield
    except RerankError:
        raise
    except Exception as error:  # a loader can fail in as many ways as there are formats
        raise Refused(
            f"{feature} could not load the model {model!r} ({type(error).__name__}); "
            "check its name or path, and that it is a model of this kind.",
            status=404,
        ) from error
