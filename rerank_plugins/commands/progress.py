"""A line on the terminal that moves while models are asked: with `rich` where it is installed, plain where not."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, Self

from rerank_plugins.events import CallEnded, Event, QueryEnded

__all__ = ["Progress"]

_EVERY_S = 0.1


class _Line(Protocol):
    def show(self, text: str) -> None: ...
    def clear(self) -> None: ...


class Progress:
    """An observer of the driver that says on stderr how far it is; nothing at all where stderr is no terminal.

    >>> with Progress("Reranking") as progress:
    ...     progress(None)
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._line: _Line | None = None
        self._queries = self._calls = 0
        self._due = 0.0

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._line = _rich_line() or _PlainLine()
            self._show()
        return self

    def __exit__(self, *_: object) -> None:
        if self._line is not None:
            self._line.clear()

    def __call__(self, event: Event | None) -> None:
        self._queries += isinstance(event, QueryEnded)
        self._calls += isinstance(event, CallEnded)
        if time.monotonic() >= self._due:
            self._show()

    def say(self, label: str) -> None:
        """Say what is being done now."""
        self._label, self._queries, self._calls = label, 0, 0
        self._show()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Make room for other output on the same terminal."""
        if self._line is not None:
            self._line.clear()
        yield
        self._show()

    def _show(self) -> None:
        if self._line is not None:
            self._due = time.monotonic() + _EVERY_S
            counts = [f"{self._calls} calls"] if self._calls else []
            counts += [f"{self._queries} queries done"] if self._queries else []
            self._line.show(f"{self._label}{': ' * bool(counts)}{', '.join(counts)}")


class _PlainLine:
    def __init__(self) -> None:
        self._width = 0

    def show(self, text: str) -> None:
        text = text[:79]
        sys.stderr.write("\r" + text.ljust(self._width))
        sys.stderr.flush()
        self._width = len(text)

    def clear(self) -> None:
        sys.stderr.write("\r" + " " * self._width + "\r")
        sys.stderr.flush()
        self._width = 0


class _RichLine:
    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._task = bars.add_task("", total=None)

    def show(self, text: str) -> None:
        self._bars.update(self._task, description=text)
        self._bars.start()

    def clear(self) -> None:
        self._bars.stop()


def _rich_line() -> _Line | None:
    try:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars
    except ImportError:
        return None
    columns = (BarColumn(20), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    # What is redirected comes out on stderr, and the lines on stdout belong to the next program.
    return _RichLine(
        Bars(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False)
    )
