"""Rationales and domains as values."""

from typing import Any

import pytest

from rerank_plugins.errors import InvalidInput
from rerank_plugins.rationales import DOMAINS, Domain, Rationale, as_rationales


@pytest.mark.parametrize(
    ("rationale", "text"),
    [
        (Rationale("dose", "In mg."), "dose: In mg."),
        (Rationale("dose"), "dose"),
        (Rationale("", "In mg."), "In mg."),
        (Rationale(" dose ", "  "), "dose"),
        (Rationale("broken \ud800"), "broken \ufffd"),
    ],
)
def test_what_is_compared_is_label_and_strategy(rationale: Rationale, text: str) -> None:
    assert rationale.text == text


@pytest.mark.parametrize("fields", [(" ", ""), ("", " "), (3,), ("a", None), ("a", "b", 3)])
def test_a_rationale_says_something(fields: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidInput):
        Rationale(*fields)


@pytest.mark.parametrize("odd", ["text", None, 3])
def test_rationales_are_a_list(odd: Any) -> None:
    with pytest.raises(InvalidInput, match="list"):
        as_rationales(odd)


def test_texts_and_rationales_mix() -> None:
    assert as_rationales(("a", Rationale("b"))) == (Rationale("a"), Rationale("b"))


@pytest.mark.parametrize(("guidance", "flags"), [("x", "one flag"), ("x", [3]), (3, [])])
def test_a_domain_has_texts(guidance: Any, flags: Any) -> None:
    with pytest.raises(InvalidInput):
        Domain(guidance, flags)


@pytest.mark.parametrize("name", DOMAINS)
def test_each_domain_tells_what_counts_and_what_to_refuse(name: str) -> None:
    assert DOMAINS[name].guidance.endswith(".")
    assert DOMAINS[name].flags
    hash(DOMAINS[name])
