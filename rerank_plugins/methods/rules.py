"""What an option of a method may be: one rule for each, checked when the method is made, told in one form of sentence.

A rule reads a value as the plain one that is kept (a numpy integer becomes an int, a list a tuple, so that a method's
repr reads back) or refuses it. A method names its rules in `rules`; what binds several options it checks itself,
afterwards.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rerank_plugins.candidates import finite
from rerank_plugins.errors import InvalidInput

__all__ = ["Rule", "checked", "each", "flag", "key", "number", "one_of", "whole"]


@dataclass(frozen=True)
class Rule:
    """What an option may be.

    Args:
        says: The rule in words: "a whole number of at least 1".
        read: Gives the plain value, or raises TypeError or ValueError if the rule is broken.
    """

    says: str
    read: Callable[[Any], Any]


def checked(owner: str, values: Mapping[str, Any], rules: Mapping[str, Rule]) -> dict[str, Any]:
    """Give the plain values of options.

    Raises:
        InvalidInput: One of them breaks its rule.

    >>> checked("First", {"window": "wide"}, {"window": whole(2, 26)})
    Traceback (most recent call last):
    ...
    rerank_plugins.errors.InvalidInput: First(window=...) is a whole number from 2 to 26, not 'wide'.
    """
    plain = {}
    for name, rule in rules.items():
        try:
            plain[name] = rule.read(values[name])
        except (TypeError, ValueError, OverflowError, StopIteration):
            raise InvalidInput(f"{owner}({name}=...) is {rule.says}, not {values[name]!r}.") from None
    return plain


def whole(least: int, most: int | None = None, *, none: str = "", why: str = "") -> Rule:
    """A whole number; `none` says what None stands for, if it may be None.

    >>> whole(1, none="for no bound").says
    'a whole number of at least 1, or None for no bound'
    """
    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"

    def read(value: Any) -> int:
        if isinstance(value, bool):
            raise TypeError
        plain = operator.index(value)
        _check_bounds(plain, least, most)
        return plain

    return _or_none(Rule(f"a whole number {bounds}{why and f', {why}'}", read), none)


def number(
    least: float | None = None, most: float | None = None, *, above: float | None = None, none: str = "", of: str = ""
) -> Rule:
    """A finite number; `of` says of what.

    >>> number(0, 1).says, number(above=0, of="standard deviations", none="for all").says
    ('a number from 0 to 1', 'a number of standard deviations above 0, or None for all')
    """
    bounds = "" if least is None else f" of at least {least:g}" if most is None else f" from {least:g} to {most:g}"
    bounds = bounds if above is None else f" above {above:g}"

    def read(value: Any) -> float:
        plain = finite(value)
        if plain is None or isinstance(value, str) or (above is not None and plain <= above):
            raise ValueError
        _check_bounds(plain, least, most)
        return int(value) if hasattr(value, "__index__") else plain

    return _or_none(Rule(f"a number{of and f' of {of}'}{bounds}", read), none)


def one_of(*allowed: Any) -> Rule:
    """One of a few values.

    >>> one_of("heap", "tournament").says
    "'heap' or 'tournament'"
    """

    def read(value: Any) -> Any:
        plain = (
            value if isinstance(value, (str, bool, type(None))) else operator.index(value)
        )  # numpy's integers as well
        return next(item for item in allowed if type(item) is type(plain) and item == plain)

    *others, last = map(repr, allowed)
    return Rule(f"{', '.join(others)} or {last}", read)


def flag() -> Rule:
    """True or False, numpy's included."""

    def read(value: Any) -> bool:
        if type(value).__name__ not in ("bool", "bool_"):
            raise TypeError
        return bool(value)

    return Rule("True or False", read)


def key(what: str = "the name of a metadata key") -> Rule:
    """A text that is not empty, or None."""

    def read(value: Any) -> str | None:
        if value is not None and not (isinstance(value, str) and value):
            raise TypeError
        return value

    return Rule(f"{what}, or None", read)


def each(kind: type | tuple[type, ...], says: str, *, none: str = "", count: int | None = None) -> Rule:
    """A list of values of a kind, kept as a tuple; a text is not a list of its letters."""

    def read(value: Iterable[Any]) -> tuple[Any, ...]:
        if isinstance(value, (str, bytes)) or not isinstance(value, (Sequence, Iterable)):
            raise TypeError
        items = tuple(value)
        if not all(isinstance(item, kind) for item in items) or (count is not None and len(items) != count):
            raise TypeError
        return items

    return _or_none(Rule(says, read), none)


def _check_bounds(value: float, least: float | None, most: float | None) -> None:
    if (least is not None and value < least) or (most is not None and value > most):
        raise ValueError


def _or_none(rule: Rule, none: str) -> Rule:
    if not none:
        return rule
    return Rule(f"{rule.says}, or None {none}", lambda value: None if value is None else rule.read(value))
