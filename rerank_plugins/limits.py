"""What a rerank may cost: time, calls, tokens, and how many calls at once."""

from __future__ import annotations

from dataclasses import dataclass, fields

from rerank_plugins.errors import InvalidInput

__all__ = ["Limits"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The bounds of one call to `rerank`, or of one call to `rerank_many` as a whole.

    Args:
        max_concurrency: Calls in flight at once; at least 1. A local model counts as one whatever its batch.
        timeout_s: Seconds that one try of one call to an endpoint may take; None for no bound.
        deadline_s: Seconds for everything. At the deadline the best ranking known by then is returned.
        max_calls: Calls that may be sent, retries counted.
        max_tokens: Prompt and completion tokens that may be spent. A call starts only if its prompt (estimated
            at four bytes a token) and its longest reply still fit.
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

    def __post_init__(self) -> None:
        for item in fields(self):
            _check(item.name, getattr(self, item.name))


def _check(name: str, value: float | None) -> None:
    lowest = 1 if name == "max_concurrency" else 0
    required = name in ("max_concurrency", "retries")
    if value is None and not required:
        return
    whole = name in ("max_concurrency", "max_calls", "max_tokens", "retries")
    if not isinstance(value, int if whole else (int, float)) or isinstance(value, bool) or not value >= lowest:
        kind = "a whole number" if whole else "a number of seconds"
        bound = "" if required else ", or None for no bound"
        raise InvalidInput(f"Limits({name}=...) is {kind} of at least {lowest}{bound}, not {value!r}.")
