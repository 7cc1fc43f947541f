"""What a provider's exception says, whichever SDK it comes from: status, text, wait, what holds for every call.

The text can hold a key or a whole prompt, so it is read here and never passed on.
"""

from __future__ import annotations

import json
import math
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = [
    "body_of",
    "connection_fault",
    "context_numbers",
    "holds_for_every_call",
    "origin_of",
    "retry_after_of",
    "says_too_long",
    "status_of",
    "text_of",
]

_CARRIERS = ("__cause__", "__context__", "original_error", "original_exception", "original", "orig", "inner", "error")
_MOST_CARRIED = 20  # exceptions can refer to each other in a circle


def origin_of(error: BaseException) -> BaseException:
    """The provider's exception inside a framework's: the first that carries a status, else the exception itself."""
    return next((item for item in _chain(error) if status_of(item) is not None), error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that it carries, nearest first."""
    waiting, seen = [error], list[BaseException]()
    while waiting and len(seen) < _MOST_CARRIED:
        item = waiting.pop(0)
        if item in seen:
            continue
        seen.append(item)
        yield item
        carried = [getattr(item, name, None) for name in _CARRIERS] + list(item.args)
        waiting += [value for value in carried if isinstance(value, BaseException)]


def connection_fault(error: BaseException) -> str:
    """What kept a connection from being made, in words; "broken off" for what has no cause to name, "" if it was made.

    >>> connection_fault(ConnectionRefusedError())
    'nothing answers at that address; check base_url, and that the server runs'
    """
    chain = list(_chain(error))
    names = " ".join(cls.__name__ for item in chain for cls in type(item).__mro__)
    words = " ".join(str(item) for item in chain if isinstance(item, OSError) or "Connect" in type(item).__name__)
    if any(isinstance(item, ssl.SSLError) for item in chain) or re.search(r"certificate|\bSSL\b|\bTLS\b", words):
        return "the connection could not be secured; check the certificate, and whether base_url is https"
    if any(isinstance(item, socket.gaierror) for item in chain) or re.search(r"getaddrinfo|Name or service", words):
        return "its host name could not be resolved; check base_url and the network"
    if "ConnectionRefusedError" in names or re.search(r"refused|All connection attempts failed", words):
        return "nothing answers at that address; check base_url, and that the server runs"
    if any(isinstance(item, OSError) for item in chain) or re.search(
        r"Connect|TransportError|ProtocolError|NetworkError|ReadError|WriteError", names
    ):
        return "broken off"
    return ""


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an exception carries, on itself or on its response."""
    for holder in (error, getattr(error, "response", None)):
        for name in ("status_code", "status", "http_status", "code"):
            value = getattr(holder, name, None)
            if isinstance(value, int) and 100 <= value <= 599:
                return value
    return None


def body_of(error: BaseException) -> Mapping[str, Any]:
    """The error object of a JSON body, with or without "error" around it; empty where there is none."""
    body = getattr(error, "body", None)
    if isinstance(body, Mapping) and isinstance(body.get("error"), Mapping):
        body = body["error"]
    return body if isinstance(body, Mapping) else {}


def text_of(error: BaseException) -> str:
    """All that an exception says in words, for reading and not for showing."""
    body = body_of(error)
    if not body.get("message"):
        return str(getattr(error, "body", None) or "") + " " + str(error)
    return " ".join(
        f"{key} {body[key]}" for key in ("message", "code", "type", "n_ctx", "n_prompt_tokens") if key in body
    )


def retry_after_of(error: BaseException) -> float | None:
    """The wait in seconds that the server asked for: in a header, else in the body or in a sentence, the longest."""
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None) or getattr(error, "headers", None)
    if isinstance(headers, Mapping) and (asked := _in_headers(headers)) is not None:
        return asked
    return max(_in_words(f"{text_of(error)} {_plain(getattr(error, 'body', None))}"), default=None)


def _in_headers(headers: Mapping[str, Any]) -> float | None:
    milliseconds = _seconds(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    return _seconds(headers.get("retry-after") or headers.get("Retry-After"))


def _seconds(value: object) -> float | None:
    """Read a Retry-After header: seconds, or an HTTP date."""
    if value is None:
        return None
    try:
        seconds = float(str(value))
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        import email.utils  # slow to import, and dates are rare here

        date = email.utils.parsedate_tz(str(value))
        return None if date is None else max(0.0, email.utils.mktime_tz(date) - time.time())


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_WAIT = re.compile(
    r"(?:(?:try|retry)\s+(?:again\s+)?(?:in|after)|wait(?:\s+for)?|retry_?(?:after|delay)(?:_seconds)?)[\W_]{0,6}"
    r"((?:\d+(?:\.\d+)?\s*(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|h)?(?![a-z])\s*)+)",
    re.I,
)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(milliseconds?|ms|h|m(?!s)|s)?", re.I)


def _in_words(text: str) -> list[float]:
    """Each wait that a text names, in seconds.

    >>> _in_words("Please try again in 1m30.5s."), _in_words('"retryDelay": "12s"'), _in_words("retry in 250ms")
    ([90.5], [12.0], [0.25])
    """
    return [sum(map(_part, _PART.finditer(found[1]))) for found in _WAIT.finditer(text)]


def _part(found: re.Match[str]) -> float:
    unit = (found[2] or "s").lower()
    return float(found[1]) * _UNITS["ms" if unit.startswith("mi") or unit == "ms" else unit]


def _plain(body: object) -> str:
    try:
        return json.dumps(body)
    except (TypeError, ValueError, RecursionError):
        return ""


_WRONG_KEY = re.compile(
    r"(?:invalid|incorrect|wrong|missing|expired|revoked|no)\W{1,3}(?:x-?)?(?:api|auth\w*|access|secret)?[ _-]?"
    r"(?:key|token|credential)|authentication|unauthori[sz]ed|unauthenticated|"
    r"api[ _-]?key\b.{0,30}\b(?:not valid|invalid|incorrect|missing|required|expired|not found)",
    re.I,
)
_NO_CREDIT = re.compile(
    r"insufficient[ _](?:quota|balance|credit|funds)|credit balance|out of credit|no credit|billing|payment required|"
    r"exceeded your current quota|account.{0,30}(?:suspend|deactivat|disabled|not active)",
    re.I,
)
_NO_MODEL = re.compile(
    r"model[ _]not[ _]found|no such model|unknown model|(?:not have|no) access to (?:the )?model|"
    # within one sentence, in which a dot may stand inside a model's name
    r"model\b(?:[^.{}\"]|\.(?=\S)){0,120}\b(?:does not exist|not found|not available|not supported|not have access|"
    r"decommissioned|deprecated)",
    re.I,
)


def holds_for_every_call(error: BaseException, status: int) -> str:
    """Why every further call would be refused as well: "key", "credit" or "model"; "" if only this one is.

    A status alone does not tell: some answer 400 to a wrong key, some 403 to one document that their filter stopped.
    """
    text = f"{text_of(error)} {_plain(getattr(error, 'body', None))}"
    if status == 402 or (status in (400, 403, 429) and _NO_CREDIT.search(text)):
        return "credit"
    if status == 401 or (status in (400, 403) and _WRONG_KEY.search(text)):
        return "key"
    if status in (400, 403, 404) and _NO_MODEL.search(text):
        return "model"
    return ""


_TOO_LONG = re.compile(
    r"context.?length|context.?window|context.?size|model.?length|max(?:imum)? context|too many tokens|"
    r"prompt.{0,20}too long|input.{0,20}too long|input tokens? (?:count )?.{0,20}exceed|"
    r"`inputs` (?:tokens|must have)|too large for model with|max \d+ tokens per request",
    re.I,
)
# Of the rate limits, the only one that no waiting mends.
_TOO_LARGE = re.compile(r"request too large", re.I)

_LIMIT = [
    re.compile(pattern, re.I)
    for pattern in (
        r"max(?:imum)? (?:context|model) (?:length|size)(?: of| is| \()?\s*(?:only )?(\d+)",  # OpenAI, vLLM
        r"available context size \((\d+)",  # llama.cpp
        r"n_ctx\W{1,4}(\d+)",  # llama.cpp
        r"exceeds? context window of (\d+)",  # llama-cpp-python
        r"context length (?:of only |\()(\d+)",  # LM Studio, SGLang
        r"must (?:be <=|have less than) (\d+)",  # TGI
        r"limit of (\d+)",  # OpenAI
        r"tokens allowed \((\d+)\)",  # Gemini
        r"> (\d+) maximum",  # Anthropic
        r"with (\d+) maximum context",  # Mistral
        r"limit:? (\d+), requested",  # Groq, OpenAI: tokens per minute
        r"max (\d+) tokens per request",  # OpenAI, embeddings
    )
]
_NEEDED = [
    re.compile(pattern, re.I)
    for pattern in (
        r"requested (?:a total of )?(\d+) tokens",  # OpenAI, vLLM, llama-cpp-python, SGLang
        r"resulted in (?:over )?(\d+) tokens",  # OpenAI
        r"too large: (\d+)\..*?(?:request|prompt) has (?:at least )?(\d+) input tokens",  # vLLM: answer and prompt
        r"request \((\d+) tokens\) exceeds",  # llama.cpp
        r"n_prompt_tokens\W{1,4}(\d+)",  # llama.cpp
        r"requested tokens \((\d+)\)",  # llama-cpp-python
        r"given: (\d+) `inputs` tokens and (\d+)",  # TGI: prompt and answer
        r"given: (\d+)",  # TGI
        r"(?:length|count|input|prompt) \((?:length )?(\d+)",  # vLLM, Gemini, SGLang
        r"too long: (\d+) tokens",  # Anthropic
        r"(?:contains|first) (\d+) tokens",  # Mistral, LM Studio
        r"requested (\d+)",  # Groq
    )
]


def says_too_long(error: BaseException, status: int) -> bool:
    """Whether an error is about a prompt that does not fit; llama.cpp servers have said so with a 500."""
    if status in (400, 422, 500):
        return _TOO_LONG.search(text_of(error)) is not None
    return status == 413 or (status == 429 and _TOO_LARGE.search(text_of(error)) is not None)


def context_numbers(text: str) -> tuple[int | None, int | None]:
    """Read the model's limit and what was needed, in tokens; None for what is not said.

    What was needed counts the answer as well where the provider counts it.

    >>> context_numbers("maximum context length is 2048 tokens. However, you requested 3,071 tokens (3031 in the ...")
    (2048, 3071)
    >>> context_numbers("Your input exceeds the context window of this model.")
    (None, None)
    """
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    return _first(_LIMIT, plain), _first(_NEEDED, plain)


def _first(patterns: list[re.Pattern[str]], text: str) -> int | None:
    found = next((match for pattern in patterns if (match := pattern.search(text))), None)
    return None if found is None else sum(map(int, found.groups()))
