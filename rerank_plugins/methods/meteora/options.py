"""The options of `Meteora`, refused by a sentence where they break a rule."""

from __future__ import annotations

from typing import Any

from rerank_plugins.candidates import finite
from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods.meteora.pairing import PAIRINGS
from rerank_plugins.prompts.rationales import Example
from rerank_plugins.rationales import DOMAINS, Domain, as_rationales

__all__ = ["check_options", "read_examples"]

_CHOICES: dict[str, tuple[object, ...]] = {
    "pairing": tuple(PAIRINGS),
    "elbow": ("paper", "knee"),
    "verify": (True, False),
    "on_failed_check": ("keep", "drop"),
    "order": ("score", "document"),
}
_LEAST = {"rationales": 0, "min_pooled": 1, "max_pooled": 1, "expand": 0}
_NUMBERS = ("z", "epsilon", "sure", "temperature")
_OPTIONAL = ("max_pooled", "temperature")


def read_examples(examples: Any) -> tuple[Example, ...]:
    """Pairs of a question and its rationales, where plain strings stand for rationales.

    >>> read_examples([("why?", ["because"])])
    (('why?', (Rationale(label='because', strategy='', flag=''),)),)
    """
    try:
        pairs = [(question, given) for question, given in examples]
    except (TypeError, ValueError):
        pairs = [(None, None)]
    if not all(isinstance(question, str) for question, _ in pairs):
        raise InvalidInput(f"Meteora(examples=...) is a list of pairs (question, rationales), not {examples!r}.")
    return tuple((question, as_rationales(given)) for question, given in pairs)


def check_options(method: Any) -> None:
    """Refuse an option that breaks a rule.

    Raises:
        InvalidInput: It names the option, the rule and the value.
    """
    for name, allowed in _CHOICES.items():
        if (value := getattr(method, name)) not in allowed:
            raise InvalidInput(f"Meteora({name}=...) is one of {', '.join(map(repr, allowed))}, not {value!r}.")
    for name, least in _LEAST.items():
        _check_count(name, getattr(method, name), least)
    for name in _NUMBERS:
        _check_number(name, getattr(method, name))
    for name in ("source_key", "number_key"):
        if (value := getattr(method, name)) is not None and not (isinstance(value, str) and value):
            raise InvalidInput(f"Meteora({name}=...) is the name of a metadata key, or None, not {value!r}.")
    if method.rationales == ():
        raise InvalidInput("Meteora(rationales=...) has at least one; with 0 the question itself is the only one.")
    _check_domain(method.domain)


def _check_count(name: str, value: Any, least: int) -> None:
    if (name in _OPTIONAL and value is None) or (name == "rationales" and not isinstance(value, int)):
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidInput(f"Meteora({name}=...) is a whole number of at least {least}, not {value!r}.")


def _check_number(name: str, value: Any) -> None:
    if name in _OPTIONAL and value is None:
        return
    number = finite(value)
    if number is None or number < 0:
        raise InvalidInput(f"Meteora({name}=...) is a number of at least 0, not {value!r}.")


def _check_domain(domain: Any) -> None:
    if isinstance(domain, str) and domain not in DOMAINS:
        raise InvalidInput(f"There is no domain {domain!r}; there are {', '.join(DOMAINS)}.")
    if not isinstance(domain, (str, Domain, type(None))):
        raise InvalidInput(f"Meteora(domain=...) is a name, a Domain or None, not {domain!r}.")
