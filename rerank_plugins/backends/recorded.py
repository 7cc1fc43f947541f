"""Replies from a file instead of a model, so that a run can be evaluated again without paying for it again."""

from __future__ import annotations

import gzip
import json
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO, cast

from rerank_plugins.backends._processes import ByArguments
from rerank_plugins.backends.base import Backend
from rerank_plugins.cache import decoded, encoded, key_of
from rerank_plugins.errors import InvalidInput, Refused
from rerank_plugins.ranking import Usage
from rerank_plugins.requests import Chat, ChatReply, Failed, Found, Reply, Request

__all__ = ["RecordedReplies", "Recording"]

_ASKS = {kind.__name__: kind for kind in Request.__subclasses__()}

_log = logging.getLogger(__name__)


class Recording(ByArguments):
    """A backend that hands every request to another one, and writes each reply down for `RecordedReplies`.

    Replies that come from a cache pass it by, so a whole recording is made without one. Documents that a retriever
    finds are not recorded: an index answers again for nothing. Prompts are not written, only digests of them.

    Args:
        backend: What answers.
        path: The file of JSON lines to add to, gzipped if it ends in .gz; its folder is made.

    Raises:
        InvalidInput: The file cannot be written.
    """

    def __init__(self, backend: Backend, path: str | Path) -> None:
        self.backend: Any = backend
        self.kinds = tuple(kind for kind in backend.kinds if kind.reply is not Found)
        self.identity = backend.identity
        self.retries_itself = bool(getattr(backend, "retries_itself", False))
        self._path = Path(path)
        self._lock = threading.Lock()
        self._write("")  # a file that cannot be written is noticed before a call is paid for
        for name in ("answer", "aanswer", "answer_batch"):  # what there is tells the driver how to call it
            if hasattr(backend, name):
                setattr(self, name, getattr(self, f"_{name}"))

    def __repr__(self) -> str:
        return f"<Recording of {self.identity or self.backend!r}>"

    def _answer(self, request: Request, timeout: float | None) -> Reply:
        return self._kept(request, self.backend.answer(request, timeout))

    async def _aanswer(self, request: Request, timeout: float | None) -> Reply:
        return self._kept(request, await self.backend.aanswer(request, timeout))

    def _answer_batch(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        for position, reply in self.backend.answer_batch(requests):
            yield position, self._kept(requests[position], reply)

    def _kept(self, request: Request, reply: Reply) -> Reply:
        if isinstance(reply, Failed):
            return reply
        units = _units(request)
        parts = [reply] if len(units) == 1 else request.split(reply, len(units))
        costs = [reply.usage, *[Usage()] * (len(units) - 1)]
        try:
            self._write("".join(map(_as_line, units, parts, costs)))
        except InvalidInput as error:
            _log.warning("A reply is missing in the recording. %s", error)  # the reply itself is good
        return reply

    def _write(self, lines: str) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock, _opened(self._path, "at") as file:
                file.write(lines)
        except OSError as error:
            raise InvalidInput(f"The file {str(self._path)!r} cannot be written ({error.strerror}).") from None


class RecordedReplies(ByArguments):
    """A backend that answers from a recording, and refuses what was not recorded: it never guesses.

    There are two kinds of recording. One made by `Recording` is exact: a request gets the reply that the same request
    got then, and what it cost then. One made by another tool, with other prompts, has for each query the replies in the
    order of the calls: the first request about a query gets its first reply, and so on, and a request that comes again
    gets the same again. Which query a request is about is read from the prompt, where the query has to stand as a line
    of its own, with or without a label before it ("Question: ..."); a prompt that has the lines of two recorded queries
    is refused.

    A replay in order depends on what was asked before, so its replies are never cached.

    Args:
        source: A query's replies in order, by query; or a file, gzipped if it ends in .gz: the JSON lines of a
            `Recording`, JSON lines with "query" and "response" (or "responses", a list), or one JSON object with a
            list of such entries under "queries".
        only: Fields and values that an entry of the file must have to be read; the others are left out.
        query_of: Reads the query from a request in place of the rule above.

    Raises:
        InvalidInput: The file is missing, is no recording, or has nothing that is to be read.

    >>> from rerank_plugins import InsertRank, rerank
    >>> model = RecordedReplies({"which?": ["[2] > [1]"]})
    >>> rerank(InsertRank(), "which?", ["this", "that"], backends=model).order
    [1, 0]
    >>> rerank(InsertRank(), "when?", ["this", "that"], backends=model).notes[0].message
    '1 call failed: the recording names no query that stands as a line in the prompt.'
    """

    def __init__(
        self,
        source: str | Path | Mapping[str, Sequence[str]],
        *,
        only: Mapping[str, Any] | None = None,
        query_of: Callable[[Chat], str] | None = None,
    ) -> None:
        self._exact: dict[str, Mapping[str, Any]] = {}
        self._in_order: dict[str, list[str]] = defaultdict(list)
        self._places: dict[str, dict[str, int]] = defaultdict(dict)
        self._query_of = query_of or self._query_in
        self._lock = threading.Lock()
        if isinstance(source, Mapping):
            self._in_order.update({query: list(replies) for query, replies in source.items()})
        else:
            self._read(Path(source), dict(only or {}))
        self._name = "RecordedReplies" if isinstance(source, Mapping) else f"RecordedReplies({str(source)!r})"
        asked = {entry["asks"] for entry in self._exact.values()} | ({"Chat"} if self._in_order else set())
        if not asked:
            raise InvalidInput(f"{self._name} has no reply to give; check the source and `only`.")
        self.kinds = tuple(_ASKS[name] for name in sorted(asked))
        self.identity = "" if self._in_order else self._name

    def __repr__(self) -> str:
        return self._name

    def answer_batch(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Answer one after another, so that replies in order meet the requests of a batch in order."""
        for position, request in enumerate(requests):
            try:
                yield position, self._answer(request)
            except Refused as error:
                yield position, Failed(error)

    def _answer(self, request: Request) -> Reply:
        keys = [key_of("", unit) for unit in _units(request)]
        if all(key in self._exact for key in keys):
            return _joined(request, [self._exact[key] for key in keys])
        if isinstance(request, Chat) and self._in_order:
            return ChatReply(self._next(self._query_of(request), key_of("", request)))
        raise Refused(f"the recording has no reply to this request ({type(request).__name__}).")

    def _next(self, query: str, key: str) -> str:
        replies = self._in_order.get(query, [])
        with self._lock:
            place = self._places[query].setdefault(key, len(self._places[query]))
        if place >= len(replies):
            raise Refused(f"the recording has {len(replies)} replies for this query, and one more was asked for.")
        return replies[place]

    def _query_in(self, request: Chat) -> str:
        prompt = "\n".join(["", *(message["content"] for message in request.messages), ""])
        named = [query for query in self._in_order if f"\n{query}\n" in prompt or f": {query}\n" in prompt]
        if len(named) != 1:
            many = "several queries that stand as lines" if named else "no query that stands as a line"
            raise Refused(f"the recording names {many} in the prompt.")
        return named[0]

    def _read(self, path: Path, only: Mapping[str, Any]) -> None:
        for place, entry in _entries(path):
            try:
                if only.items() <= entry.items():
                    self._take(entry)
            except (KeyError, TypeError, AttributeError):
                raise InvalidInput(
                    f"Entry {place} of {str(path)!r} is no recorded reply: it has 'request', 'asks', 'reply' and "
                    "'usage' as Recording writes them, or 'query' and 'response'."
                ) from None

    def _take(self, entry: Mapping[str, Any]) -> None:
        if "request" in entry:
            kind, cost = _ASKS[entry["asks"]], Usage(**entry["usage"])
            self._exact[entry["request"]] = {"asks": kind.__name__, "reply": json.dumps(entry["reply"]), "usage": cost}
        else:
            replies = entry["responses"] if "responses" in entry else [entry["response"]]
            self._in_order[str(entry["query"])] += map(str, replies)


def _units(request: Request) -> Sequence[Request]:
    return list(request.units()) or [request]


def _as_line(request: Request, reply: Reply, usage: Usage) -> str:
    entry = {"request": key_of("", request), "asks": type(request).__name__, "reply": json.loads(encoded(reply))}
    return json.dumps(entry | {"usage": asdict(usage)}, ensure_ascii=True) + "\n"


def _joined(request: Request, kept: Sequence[Mapping[str, Any]]) -> Reply:
    whole: Reply = request.join([decoded(entry["reply"], request.reply) for entry in kept])
    return replace(whole, usage=sum((entry["usage"] for entry in kept), Usage()))


def _entries(path: Path) -> Iterator[tuple[int, Any]]:
    """The entries of a file with their numbers from 1: those of the list in it, or its lines."""
    text = _text(path)
    try:
        whole = json.loads(text)
    except ValueError:
        whole = None
    if isinstance(whole, dict) and "queries" in whole:
        yield from enumerate(whole["queries"], start=1)
        return
    for number, line in enumerate(text.split("\n"), start=1):  # splitlines would also split at U+2028 inside a string
        if line.strip():
            yield number, _parsed(line, number, path)


def _parsed(line: str, number: int, path: Path) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        raise InvalidInput(f"Line {number} of {str(path)!r} is not JSON; a line is one recorded reply.") from None


def _text(path: Path) -> str:
    try:
        with _opened(path, "rt") as file:
            return file.read()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InvalidInput(f"The recording {str(path)!r} cannot be read ({type(error).__name__}).") from None


def _opened(path: Path, mode: str) -> TextIO:
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    return cast("TextIO", opener(path, mode, encoding="utf-8-sig" if mode.startswith("r") else "utf-8"))
