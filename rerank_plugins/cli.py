"""The command line: rerank your own file, compare methods, serve them, list them, watch the demo.

Exit codes: 0 all is well; 1 some input lines were left out; 2 something is wrong with what was asked, and nothing or
only a part came out; 3 no call to a model succeeded, so that the order is the first stage's; 130 interrupted; 141 the
reader of the output has gone.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Sequence

from rerank_plugins import __version__
from rerank_plugins.backends._processes import is_computing
from rerank_plugins.commands import compare, demo, methods, rerank, serve
from rerank_plugins.errors import RerankError

__all__ = ["console", "main"]

_WRONG, _INTERRUPTED, _NO_READER = 2, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    >>> main(["rerank", "--method", "Rerank()"])
    2
    """
    arguments = _parser().parse_args(argv)
    _set_up_logging(arguments.verbose)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except RerankError as error:
        print(f"rerank-plugins: {error}", file=sys.stderr)
        return _WRONG
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # What is still in the buffer has nowhere to go; the interpreter would complain about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NO_READER
    return code


def console() -> None:
    """Run a command as a program, and end with its exit code at once, also while a local model computes."""
    code = main()
    if is_computing():
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("-v", "--verbose", action="store_true", help="log what the driver does, on stderr")
    parser = argparse.ArgumentParser(
        prog="rerank-plugins",
        description="Published LLM reranking methods for the candidates of your first stage.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"rerank-plugins {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (rerank, compare, serve, methods, demo):
        command.add_parser(commands, shared)
    return parser


def _set_up_logging(verbose: bool) -> None:
    # The notes of a ranking say all that a user has to know; as log lines they would come twice.
    handler = logging.StreamHandler()
    handler.addFilter(lambda record: record.levelno >= logging.ERROR or (verbose and _is_ours(record)))
    logging.basicConfig(handlers=[handler], format="%(name)s: %(message)s")
    if verbose:
        logging.getLogger("rerank_plugins").setLevel(logging.DEBUG)


def _is_ours(record: logging.LogRecord) -> bool:
    # Others log whole requests at their lower levels, and documents with them.
    return record.name.partition(".")[0] == "rerank_plugins"


if __name__ == "__main__":
    console()
