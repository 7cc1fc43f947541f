"""The options of `Meteora`, refused by a sentence where they break a rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods.meteora.pairing import PAIRINGS
from rerank_plugins.methods.rules import Rule, checked, flag, key, number, one_of, whole
from rerank_plugins.prompts.rationales import Example
from rerank_plugins.rationales import DOMAINS, Domain, as_rationales

__all__ = ["RULES", "check_domain", "read_examples", "read_rationales"]

RULES: Mapping[str, Rule] = {
    "temperature": number(0, none="for the backend's own"),
    "pairing": one_of(*PAIRINGS),
    "elbow": one_of("paper", "knee"),
    "z": number(0),
    "epsilon": number(0),
    "min_pooled": whole(1),
    "max_pooled": whole(1, none="for no bound"),
    "expand": whole(0),
    "verify": flag(),
    "sure": number(0),
    "on_failed_check": one_of("keep", "drop"),
    "order": one_of("score", "document"),
    "source_key": key(),
    "number_key": key(),
}
"""What each option may be, but for those that are read here."""


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


def read_rationales(rationales: Any) -> Any:
    """How many are to be written, a function that gives them, or the rationales themselves.

    >>> read_rationales(["retention"])
    (Rationale(label='retention', strategy='', flag=''),)
    """
    if callable(rationales):
        return rationales
    if isinstance(rationales, (str, Iterable)):
        given = as_rationales(rationales)
        if not given:
            raise InvalidInput("Meteora(rationales=...) has at least one; with 0 the question itself is the only one.")
        return given
    return checked("Meteora", {"rationales": rationales}, {"rationales": whole(0)})["rationales"]


def check_domain(domain: Any) -> None:
    """Refuse what is neither a domain nor the name of one."""
    if isinstance(domain, str) and domain not in DOMAINS:
        raise InvalidInput(f"There is no domain {domain!r}; there are {', '.join(DOMAINS)}.")
    if not isinstance(domain, (str, Domain, type(None))):
        raise InvalidInput(f"Meteora(domain=...) is a name, a Domain or None, not {domain!r}.")
