"""The options that bound single calls, which several commands have."""

from __future__ import annotations

import argparse
from typing import Any

from rerank_plugins.limits import Limits

__all__ = ["add_call_options", "call_limits"]


def add_call_options(group: Any) -> None:
    """Add how many calls run at once, how long one may take, and how often one is tried again."""
    usual = Limits()
    for name, kind, default, says in (
        ("concurrency", int, usual.max_concurrency, "calls at once"),
        ("timeout", float, usual.timeout_s, "seconds for one call"),
        ("retries", int, usual.retries, "further tries"),
    ):
        metavar = "N" if kind is int else "S"
        group.add_argument(f"--{name}", type=kind, metavar=metavar, default=default, help=f"{says} (%(default)s)")


def call_limits(arguments: argparse.Namespace, **further: Any) -> Limits:
    """The limits that these options stand for, with `further` ones.

    Raises:
        InvalidInput: One breaks a rule.
    """
    return Limits(
        max_concurrency=arguments.concurrency, timeout_s=arguments.timeout, retries=arguments.retries, **further
    )
