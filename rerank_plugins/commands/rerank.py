"""`rerank-plugins rerank`: a file of candidates in, ranked documents out as they are ready."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from rerank_plugins.candidates import Candidate
from rerank_plugins.commands.cache_file import CacheFile
from rerank_plugins.commands.call_options import add_call_options, call_limits
from rerank_plugins.commands.lines import FORMAT, Task, lines_of, read_tasks
from rerank_plugins.commands.models import MODEL_OPTIONS, add_model_options, backends_of, quieten
from rerank_plugins.commands.progress import Progress
from rerank_plugins.drive import rerank_stream
from rerank_plugins.errors import InvalidInput, UnmetNeed
from rerank_plugins.events import Event
from rerank_plugins.limits import Limits
from rerank_plugins.methods import Method, read_method
from rerank_plugins.ranking import Ranking
from rerank_plugins.tally import Tally, dollars

__all__ = ["add_parser"]

_WELL, _LINES_LEFT_OUT, _NO_ANSWER = 0, 1, 3
_DESCRIPTION = """\
Rerank candidates, for one query or for many. Each query is written as soon as
it and all before it are ready, and memory does not grow with their number.
"""
_EPILOG = """
exit codes:
  0  all is well
  1  some input lines were left out
  2  what was asked cannot be done
  3  no call to a model succeeded: what came out is the first stage's order
  130  interrupted; what was ready by then has been written

examples:
  rerank-plugins rerank --method InsertRank --model gpt-5-mini \\
      --query 'why is it gummy?' < candidates.jsonl
  rerank-plugins rerank --method 'Fuse(Embedding(), Likelihood())' \\
      --embedder minilm --lm smollm2 queries.jsonl
"""


def add_parser(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to those of the parser."""
    parser = commands.add_parser(
        "rerank",
        parents=[shared],
        help="rerank the candidates in a file or on standard input",
        description=_DESCRIPTION,
        epilog=FORMAT + _EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("file", nargs="?", default="-", metavar="FILE", help="JSON lines; standard input if not given")
    parser.add_argument("--method", required=True, help="such as InsertRank, or 'InsertRank(window=20)'")
    parser.add_argument("--query", help="the query of candidates that come without one")
    parser.add_argument("--top-n", type=int, metavar="N", help="how many documents of each query to keep")
    parser.add_argument("--dropped", action="store_true", help="also write what was left out, with the reason")
    parser.add_argument("--texts", action="store_true", help="also write text and metadata of each document")
    parser.add_argument("--report", metavar="FILE", help="write cost and notes to this file as JSON")
    parser.add_argument("--cache", metavar="FILE", help="keep replies in this file, and do not pay for them twice")
    add_model_options(parser)
    _add_limits(parser)
    parser.set_defaults(run=run)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits (of the whole run)")
    group.add_argument("--deadline", type=float, metavar="S", help="seconds for everything")
    group.add_argument("--max-calls", type=int, metavar="N", help="calls that may be sent")
    group.add_argument("--max-tokens", type=int, metavar="N", help="tokens that may be spent")
    add_call_options(group)
    group.add_argument(
        "--on-error", choices=["degrade", "raise"], default="degrade", help="go on without a failed call, or stop"
    )


def run(arguments: argparse.Namespace) -> int:
    """Rerank the file."""
    if not sys.stderr.isatty():
        quieten()
    _write_utf8()
    method = read_method(arguments.method)
    run = _Run(arguments, method)
    try:
        with ExitStack() as stack:
            run.work(stack)
    finally:
        run.report()
    return run.exit_code


class _Run:
    """One run of the command."""

    def __init__(self, arguments: argparse.Namespace, method: Method) -> None:
        self._arguments = arguments
        self._method = method
        self._left_out = 0
        self._tally = Tally()
        self._progress = Progress(repr(method))
        self._waiting: deque[Task] = deque()

    @property
    def exit_code(self) -> int:
        if self._tally.all_failed:
            return _NO_ANSWER
        return _LINES_LEFT_OUT if self._left_out else _WELL

    def work(self, stack: ExitStack) -> None:
        """Read, rerank and write until the input ends."""
        arguments = self._arguments
        _check_writable(arguments.report)
        cache = stack.enter_context(closing(CacheFile(arguments.cache))) if arguments.cache else None
        lines = stack.enter_context(_opened(arguments.file))
        stack.enter_context(self._progress)
        rankings = self._stream(lines, backends=backends_of(arguments), limits=_limits(arguments), cache=cache)
        for ranking in rankings:
            self._write(ranking, self._waiting.popleft())
        if not self._tally.queries and not self._left_out:
            raise InvalidInput("There are no candidates in the input; give JSON lines, as `rerank --help` shows them.")

    def report(self) -> None:
        """Say what it cost and what went wrong, also after an interruption."""
        arguments, tally, method = self._arguments, self._tally, repr(self._method)
        if not tally.queries:
            return
        cost = dollars(tally.chat, arguments.model, arguments.base_url or os.environ.get("OPENAI_BASE_URL"))
        for sentence in tally.sentences(method, cost):
            _say(sentence)
        if tally.all_failed:
            _say("No call to a model succeeded: what came out is the first stage's order, and no reranking.")
        if arguments.report:
            found = tally.as_json(method, cost) | {"lines_left_out": self._left_out}
            Path(arguments.report).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")

    def _stream(self, lines: Iterable[bytes], **options: Any) -> Iterator[Ranking]:
        arguments = self._arguments
        try:
            return rerank_stream(
                self._method,
                self._tasks(lines),
                top_n=arguments.top_n,
                on_error=arguments.on_error,
                observer=self._observe,
                **options,
            )
        except UnmetNeed as error:
            raise UnmetNeed(f"{error} {MODEL_OPTIONS}") from None

    def _tasks(self, lines: Iterable[bytes]) -> Iterator[tuple[str, tuple[Candidate, ...]]]:
        for task in read_tasks(lines, self._arguments.query, self._complain):
            self._waiting.append(task)
            yield task.query, task.candidates

    def _complain(self, sentence: str) -> None:
        self._left_out += 1
        with self._progress.hidden():
            _say(sentence)

    def _observe(self, event: Event) -> None:
        self._tally(event)
        self._progress(event)

    def _write(self, ranking: Ranking, task: Task) -> None:
        self._tally.add(ranking)
        with self._progress.hidden():
            for line in lines_of(ranking, task.labels, dropped=self._arguments.dropped, texts=self._arguments.texts):
                print(line)
            sys.stdout.flush()


def _limits(arguments: argparse.Namespace) -> Limits:
    return call_limits(
        arguments, deadline_s=arguments.deadline, max_calls=arguments.max_calls, max_tokens=arguments.max_tokens
    )


def _check_writable(report: str | None) -> None:
    """A report that cannot be written is refused before anything is paid for."""
    if report is None:
        return
    try:
        Path(report).open("a").close()
    except OSError as error:
        raise InvalidInput(f"The report {report!r} cannot be written ({error.strerror}).") from None


@contextmanager
def _opened(name: str) -> Iterator[Iterable[bytes]]:
    if name == "-":
        if sys.stdin.isatty():
            _say("Reading candidates from the terminal; end with Ctrl-D.")
        yield _of_standard_input()
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 # the error that may be raised here is not one of the block below
    except OSError as error:
        raise InvalidInput(f"The file {name!r} cannot be read ({error.strerror}).") from None
    with file:
        yield file


def _of_standard_input() -> Iterable[bytes]:
    """The lines of standard input, read past its buffer.

    They are read in a thread of their own. If that waits for a line when the program ends, the lock of the buffer would
    make the interpreter abort.
    """
    try:
        descriptor = sys.stdin.fileno()
    except (OSError, ValueError):  # something in memory
        return sys.stdin.buffer
    return _lines_of_descriptor(descriptor)


def _lines_of_descriptor(descriptor: int) -> Iterator[bytes]:
    rest = b""
    while chunk := os.read(descriptor, 1 << 16):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in lines)
    if rest:
        yield rest


def _write_utf8() -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A lone surrogate, which no encoding has, is written as JSON writes it.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def _say(sentence: str) -> None:
    print(f"rerank-plugins: {sentence}", file=sys.stderr)
