"""What an endpoint takes, found out by asking and remembered: "compatible" means something else at each of them.

A request is written with everything that is wanted. Where the endpoint refuses a part of it, the part is left out or
replaced, and once a request has gone through without it, later requests go without it from the start.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any

from rerank_plugins.errors import PromptTooLong, classify
from rerank_plugins.provider_errors import body_of, status_of, text_of

__all__ = ["Dialect", "Form"]

_log = logging.getLogger(__name__)

_SCHEMA_FORMS = ("json_schema", "json_object")
_A_SCHEMA = r"response.?format|json.?schema|json.?object|structured|guided|grammar|json_validate|generate json"
# How refusals name the parts that can do without. A part that is not sent is not looked for.
_NAMES = {
    "json_schema": _A_SCHEMA,
    "json_object": _A_SCHEMA,
    "max_completion_tokens": r"max_completion_tokens",
    "max_tokens": r"(?<!_)max_tokens",
    "short answers": r"could not finish the message because max_tokens",
    "temperature": r"\btemperature",
    "seed": r"\b(?:random_)?seed\b",
    "reasoning_effort": r"reasoning.?effort",
    "system role": r"system role|role\W{1,12}system|system message|roles must alternate|only user and assistant roles",
    "20 logprobs": r"top_?logprobs",
    "base64": r"encoding_format|base64",
}
_SURE = 2  # a refusal that names its cause counts 2, one that says nothing counts 1


@dataclass
class Form:
    """A request's body while it is written.

    Args:
        refused: The parts that the endpoint does not take.
        body: What is sent.
        used: The parts in it that could be refused.
    """

    refused: frozenset[str]
    body: dict[str, Any]
    used: set[str] = field(default_factory=set)

    def offer(self, part: str, **fields: Any) -> bool:
        """Write these fields, unless the endpoint is known to refuse the part; say whether they were written."""
        if part in self.refused:
            return False
        self.body |= fields
        self.used.add(part)
        return True


class Dialect:
    """What one endpoint is known to refuse. It is used by many threads and event loops at once.

    >>> dialect = Dialect("Example")
    >>> dialect.learn("temperature")
    >>> sorted(dialect.refused)
    ['temperature']
    """

    def __init__(self, name: str, refused: Iterable[str] = ()) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._evidence = Counter(dict.fromkeys(refused, _SURE))
        self._proven: set[str] = set()
        self._failing: Counter[str] = Counter()
        self.refused = frozenset(refused)

    def asking(self, write: Callable[[frozenset[str]], Form]) -> Generator[dict[str, Any], Any, tuple[Form, Any]]:
        """Yield bodies until one is taken; return its form and the reply to it.

        A refusal that names a part costs one more request without that part. A bare "400" or "500" to a request with a
        schema can mean the schema, so it costs a try of the lower forms, unless a schema has worked here before; if
        they fail as well, the first error is raised as it was. Only what went through in the end is remembered.
        """
        first: Exception | None = None
        refused: Counter[str] = Counter()
        while True:
            form = write(self.refused | refused.keys())
            try:
                reply = yield form.body
            except Exception as error:  # noqa: BLE001 # it is raised again unless it is a refusal
                part, weight = self._cause(error, form)
                if part is None:
                    raise self._verdict(first, error, refused) from None
                first = first or error
                refused[part] = weight
            else:
                self._remember(form.used, refused)
                return form, reply

    def learn(self, part: str) -> None:
        """Take it for certain that the endpoint refuses a part."""
        self._remember(set(), Counter({part: _SURE}))

    def _cause(self, error: Exception, form: Form) -> tuple[str | None, int]:
        if status_of(error) not in (400, 422, 500, 501) or isinstance(classify(error), PromptTooLong):
            return None, 0
        if (named := _named(error, form.used)) is not None:
            return named, _SURE
        unproven = form.used.intersection(_SCHEMA_FORMS) - self._proven
        return next(iter(unproven), None), 1

    def _verdict(self, first: Exception | None, last: Exception, refused: Counter[str]) -> Exception:
        """Which error to raise after the last form failed too."""
        if first is None:
            return last
        read, sure = classify(last), all(weight >= _SURE for weight in refused.values())
        if sure and isinstance(read, PromptTooLong):
            self._remember(set(), refused)  # an endpoint that measures the prompt has taken the rest
        return last if isinstance(read, PromptTooLong) or (sure and read.retryable) else first

    def _remember(self, used: set[str], refused: Counter[str]) -> None:
        with self._lock:
            works = used.intersection(_SCHEMA_FORMS)
            self._failing = Counter({part: count for part, count in self._failing.items() if part not in works})
            self._proven |= works
            self._evidence += refused
            self._failing.update(self._proven.intersection(refused))
            # A server that was set up anew may refuse what it took: twice in a row is no accident of one schema.
            self._proven -= {part for part, count in self._failing.items() if count >= _SURE}
            known = {part for part, weight in self._evidence.items() if weight >= _SURE}
            # One schema can be refused where others are taken.
            now = frozenset(known - self._proven)
            for part in now - self.refused:
                _log.info("%s takes no %s; requests go without from now on.", self._name, part)
            self.refused = now


def _named(error: Exception, parts: set[str]) -> str | None:
    """The part that a refusal names first."""
    body = body_of(error)
    text = f"{body.get('param') or ''} {text_of(error)}"
    found = {part: match.start() for part in parts if (match := re.search(_NAMES[part], text, re.I))}
    return min(found, key=lambda part: found[part], default=None)
