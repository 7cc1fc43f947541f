"""What backends hold that cannot go to another process: locks, clients, models; and how they go there all the same."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any, Self, TypeVar

__all__ = ["ByArguments", "renew_after_fork"]

T = TypeVar("T")


class ByArguments:
    """The base of backends that are pickled by the arguments that they were made with.

    What is read back in another process makes its own clients, and loads its model when it is first asked. A copy, deep
    or not, is the backend itself, as of any connection: to load a model twice helps nobody.

    >>> import copy, pickle
    >>> from rerank_plugins.testing import FakeModel
    >>> model = FakeModel("[2] > [1]")
    >>> pickle.loads(pickle.dumps(model)).identity, copy.deepcopy(model) is model
    ('FakeModel', True)
    """

    _made_with: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        made = super().__new__(cls)
        made._made_with = arguments, options
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (type(self), *self._made_with)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def _made(cls: type[T], arguments: tuple[Any, ...], options: dict[str, Any]) -> T:
    return cls(*arguments, **options)


_renewed: weakref.WeakKeyDictionary[Any, Callable[[Any], None]] = weakref.WeakKeyDictionary()


def renew_after_fork(holder: T, renew: Callable[[T], None]) -> None:
    """Have `renew(holder)` called in a forked process.

    The threads of the parent do not exist there, so that a lock which one of them held is never let go; and to write to
    a connection of the parent would mix the bytes of both.
    """
    _renewed[holder] = renew


def _renew_all() -> None:
    for holder, renew in list(_renewed.items()):
        renew(holder)


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_renew_all)
