"""What backends do when a process forks, ends, or hands them to another.

Locks, clients and models cannot go to another process; and a thread that computes must not be cut off by the end of its
own.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar

__all__ = ["ByArguments", "computing", "is_computing", "renew_after_fork"]

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


_LONGEST_FAREWELL_S = 30.0  # a pass of a large model on a slow processor; one that hangs must not hold the end up
_computing: dict[threading.Thread, threading.Event] = {}


@contextmanager
def computing(stop: threading.Event) -> Iterator[None]:
    """Mark the calling thread as one that computes, until the end of the block.

    A daemon thread that comes back from a long computation while the interpreter ends is killed inside the library
    that computes, which aborts the whole process, whatever its exit code was to be. So the end of the process sets
    `stop`, and waits for the thread.
    """
    _computing[threading.current_thread()] = stop
    try:
        yield
    finally:
        _computing.pop(threading.current_thread(), None)


def is_computing() -> bool:
    """Whether a thread of this process computes: an end of the process has to wait for it, or to be `os._exit`."""
    return bool(_computing)


def _farewell() -> None:
    for stop in list(_computing.values()):
        stop.set()
    for thread in list(_computing):
        thread.join(_LONGEST_FAREWELL_S)


atexit.register(_farewell)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_computing.clear)
