"""What a rerank may cost: time, calls, tokens, and how many calls at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from rerank_plugins.errors import InvalidInput

__all__ = ["Limits", "as_limits"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The bounds of one call to `rerank`, or of one call to `rerank_many` as a whole.

    Args:
        max_concurrency: Calls in flight at once; at least 1. A local model counts as one whatever its batch.
        timeout_s: Seconds that one try of one call to an endpoint may take; None for no bound.
        silence_s: Seconds that a model in this process may compute without giving any reply; None for no bound. After
            them it counts as hung, and is asked nothing more.
        deadline_s: Seconds for everything. At the deadline the best ranking known by then is returned.
        max_calls: Calls that may be sent, retries counted.
        max_tokens: Prompt and completion tokens that may be spent. A call starts only if its prompt (estimated
            at four bytes a token) and its longest reply still fit.
        backoff_s: Seconds before the first further try, at most; twice as many before each after it. A wait that a
            server asks for is kept in any case.
        retries: Further tries after a failure that another try may mend (429, 5xx, lost connection, timeout). None
            are made on top of a client's own: see `backends.CallBackend`.

    >>> Limits(deadline_s=2.5).retries
    2
    """

    max_concurrency: int = 16
    timeout_s: float | None = 60.0
    deadline_s: float | None = None
    max_calls: int | None = None
    max_tokens: int | None = None
    retries: int = 2
    silence_s: float | None = 600.0
    backoff_s: float = 0.5

    def __post_init__(self) -> None:
        for item in fields(self):
            _check(item.name, getattr(self, item.name))


def _check(name: str, value: float | None) -> None:
    lowest = 1 if name == "max_concurrency" else 0
    required = name in ("max_concurrency", "retries", "backoff_s")
    if value is None and not required:
        return
    whole = name in ("max_concurrency", "max_calls", "max_tokens", "retries")
    if not isinstance(value, int if whole else (int, float)) or isinstance(value, bool) or not value >= lowest:
        kind = "a whole number" if whole else "a number of seconds"
        bound = "" if required else ", or None for no bound"
        raise InvalidInput(f"Limits({name}=...) is {kind} of at least {lowest}{bound}, not {value!r}.")


def as_limits(limits: Limits | Mapping[str, Any] | None) -> Limits:
    """Read limits, or a dict of their arguments; None stands for the defaults.

    Raises:
        InvalidInput: It is neither, or names something that is no limit.

    >>> as_limits({"deadline_s": 2.5}).deadline_s
    2.5
    """
    if limits is None or isinstance(limits, Limits):
        return limits or Limits()
    known = [item.name for item in fields(Limits)]
    if not isinstance(limits, Mapping):
        raise InvalidInput(f"limits is a Limits(...), or a dict of its arguments, not {limits!r}.")
    if unknown := [name for name in limits if name not in known]:
        raise InvalidInput(f"There is no limit {unknown[0]!r}; there are {', '.join(known)}.")
    return Limits(**limits)
