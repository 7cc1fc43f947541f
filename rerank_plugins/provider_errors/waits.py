"""How long a server asks its clients to wait: in headers, in the body, in a sentence. The longest wait holds."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from rerank_plugins.provider_errors.carried import body_of, headers_of, message_of

__all__ = ["retry_after_of"]


def retry_after_of(error: BaseException) -> float | None:
    """The longest wait in seconds that the server asked for; None if it asked for none."""
    body = body_of(error)
    said = f"{message_of(error)} {_plain(body)}"
    waits = [*_in_headers(headers_of(error)), *_in_body(body), *_in_words(said)]
    return max((wait for wait in waits if math.isfinite(wait) and wait >= 0), default=None)


_RESET = re.compile(r"(?:x-|anthropic-)?ratelimit-(?:reset(?:-after)?(?:-(\w+(?:-\w+)*))?|(\w+(?:-\w+)*)-reset)")


def _in_headers(headers: Mapping[str, Any]) -> Iterator[float]:
    for name, value in headers.items():
        if name in ("retry-after-ms", "x-ms-retry-after-ms"):
            wait = _seconds(value)
            yield from [] if wait is None else [wait / 1000]
        elif name in ("retry-after", "x-retry-after") or _is_exhausted(name, headers):
            wait = _seconds(value)
            yield from [] if wait is None else [wait]


def _is_exhausted(name: str, headers: Mapping[str, Any]) -> bool:
    """Whether a header says when a limit is reset that is used up; providers send those of all limits."""
    found = _RESET.fullmatch(name)
    if found is None:
        return False
    kind = found[1] or found[2]
    of_kind = [
        str(value) for other, value in headers.items() if "remaining" in other and (kind is None or kind in other)
    ]
    return not of_kind or "0" in of_kind


_EPOCH = 1e9  # a number of seconds this large is a moment


def _seconds(value: object) -> float | None:
    """Read a header: seconds, a duration such as 6m0s, a moment, or an HTTP date."""
    said = str(value).strip()
    try:
        seconds = float(said)
    except ValueError:
        return _duration(said) if _DURATION.fullmatch(said) else _until(said)
    if seconds >= _EPOCH:
        seconds = seconds / (1000 if seconds >= 1000 * _EPOCH else 1) - time.time()
        return max(0.0, seconds) if math.isfinite(seconds) else None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _until(date: str) -> float | None:
    import email.utils  # slow to import, and dates are rare here

    try:
        parsed = email.utils.parsedate_tz(date)
        ends = datetime.fromisoformat(date).timestamp() if parsed is None else email.utils.mktime_tz(parsed)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return max(0.0, ends - time.time())


_FIELDS = re.compile(r"(?:retry|wait|estimated)_?(?:after|delay|time|in)?_?(ms|milliseconds)?(?:s|seconds|secs)?", re.I)


def _in_body(value: Any, depth: int = 0) -> Iterator[float]:
    """The numbers in a body whose names say that they are waits."""
    if isinstance(value, Mapping) and depth < 4:
        for name, entry in value.items():
            found = _FIELDS.fullmatch(str(name))
            if found and isinstance(entry, (int, float)) and not isinstance(entry, bool):
                yield entry / 1000 if found[1] else float(entry)
            elif found and isinstance(entry, str) and (wait := _seconds(entry)) is not None:
                yield wait / 1000 if found[1] else wait
            else:
                yield from _in_body(entry, depth + 1)
    elif isinstance(value, list) and depth < 4:
        for entry in value[:20]:
            yield from _in_body(entry, depth + 1)


_UNIT = r"(?:milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)"
_DURATION = re.compile(rf"(?:\d+(?:\.\d+)?\s*{_UNIT}\s*)+", re.I)
_WAIT = re.compile(
    r"(?:(?:(?:try|retry)(?:\s+again|\s+your\s+request)?\s+(?:in|after)|wait(?:ing)?(?:\s+for)?|available\s+(?:again\s+)?in|"
    rf"resets?\s+in)\s+(?:about\s+|at\s+least\s+)?)((?:\d+(?:\.\d+)?(?:\s*{_UNIT})?(?![a-z])\s*)+)",
    re.I,
)
_PART = re.compile(rf"(\d+(?:\.\d+)?)\s*({_UNIT}(?![a-z]))?", re.I)
_FACTORS = {"ms": 0.001, "mi": 60.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _in_words(text: str) -> list[float]:
    """Each wait that a text names, in seconds.

    >>> _in_words("Please try again in 1m30.5s."), _in_words("retry in 250ms"), _in_words("try again in 2 minutes")
    ([90.5], [0.25], [120.0])
    """
    return [_duration(found[1]) for found in _WAIT.finditer(text)]


def _duration(text: str) -> float:
    return sum(float(number) * _factor(unit.lower() or "s") for number, unit in _PART.findall(_split(text)))


def _split(text: str) -> str:
    """Put a space behind each unit, as in `1m30s`, so that none runs into the next number."""
    return re.sub(r"(?<=[a-z])(?=\d)", " ", text, flags=re.I)


def _factor(unit: str) -> float:
    if unit.startswith(("ms", "mil")):
        return _FACTORS["ms"]
    return _FACTORS[unit[0]]


def _plain(body: object) -> str:
    try:
        return json.dumps(body, default=str)[:20_000]
    except (TypeError, ValueError, RecursionError):
        return ""
