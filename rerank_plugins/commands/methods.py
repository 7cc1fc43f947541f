"""`rerank-plugins methods`: what there is, and what each asks of a model."""

from __future__ import annotations

import argparse
import inspect
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods import method_class, method_names
from rerank_plugins.requests import Request

__all__ = ["add_parser"]


def add_parser(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to those of the parser."""
    parser = commands.add_parser(
        "methods",
        parents=[shared],
        help="list the methods, and what each asks of a model",
        description="List the methods: one line on each, its options with their defaults, and what it asks of a model.",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    width = min(shutil.get_terminal_size().columns, 120)
    print("\n\n".join("\n".join(_described(name, width)) for name in method_names()))
    return 0


def _described(name: str, width: int) -> Iterator[str]:
    cls = method_class(name)
    yield from _wrapped(f"{name}{_signature(cls)}", width, "", " " * (len(name) + 1))
    yield from _wrapped(_summary(cls), width)
    yield from _wrapped(f"asks for: {_asks(cls)}", width)


def _wrapped(text: str, width: int, first: str = "    ", later: str = "    ") -> list[str]:
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)


def _signature(cls: Any) -> str:
    """The options as they are written; keyword-only is no news where everything is written with its name."""
    options = inspect.signature(cls).parameters.values()
    shown = [str(option.replace(annotation=inspect.Parameter.empty)) for option in options]
    return f"({', '.join(shown)})"


def _summary(cls: Any) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def _asks(cls: Any) -> str:
    try:
        method = cls()
    except (TypeError, InvalidInput):
        return "what its methods ask for"
    wants = getattr(method, "wants", ())
    wanted = f"; where something answers it, also for {_named(wants)}" if wants else ""
    return (_named(method.needs) or "nothing") + wanted


def _named(kinds: Iterable[type[Request]]) -> str:
    return ", ".join(f"{kind.asks} ({kind.__name__})" for kind in kinds)
