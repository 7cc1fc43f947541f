"""`rerank-plugins demo`: what reranking does to the sample collection, measured while you watch."""

from __future__ import annotations

import argparse
import os
from typing import Any

from rerank_plugins.commands.models import add_endpoint_options, chat_of, quieten
from rerank_plugins.tally import dollars

__all__ = ["add_parser"]


def add_parser(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to those of the parser."""
    parser = commands.add_parser(
        "demo",
        parents=[shared],
        help="index the sample collection, rerank it, and show what it bought",
        description="Index 89 passages on baking bread in an embedded Chroma, retrieve for 20 questions, and rerank "
        "with models that came as packages: no key, no download. With --model a chat model of yours is asked as well.",
        allow_abbrev=False,
    )
    add_endpoint_options(parser.add_argument_group("a chat model of yours"))
    parser.add_argument("--question", metavar="ID", help="the question that is shown, q01 to q20")
    parser.add_argument("--json", action="store_true", help="print the figures alone, as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo."""
    quieten()  # before any of the libraries is imported
    from rerank_plugins.demo import QUESTION, run_demo

    address = arguments.base_url or os.environ.get("OPENAI_BASE_URL")
    run_demo(
        chat_of(arguments),
        question=arguments.question or QUESTION,
        as_json=arguments.json,
        pricing=lambda usage: dollars(usage, arguments.model, address),
    )
    return 0
