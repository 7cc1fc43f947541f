"""Candidates, and the well-formed view of them that methods see."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_plugins import Candidate
from rerank_plugins.candidates import as_candidates, encodable, finite, well_formed
from rerank_plugins.errors import InvalidInput


def test_a_candidate_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Candidate("a").text = "b"  # type: ignore[misc] # the mistake under test


@pytest.mark.parametrize("text", [None, 3, b"bytes", ["a"]])
def test_a_text_is_a_string(text: Any) -> None:
    with pytest.raises(InvalidInput, match=type(text).__name__):
        Candidate(text)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Z", "Cs"])))
def test_every_text_can_be_encoded(text: str) -> None:
    assert encodable(text).encode("utf-8").decode("utf-8") == encodable(text)


def test_whole_text_is_not_copied() -> None:
    candidate = Candidate("黑麦 🍞", score=1.0)
    assert well_formed(candidate) is candidate


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, 1.0), (0.5, 0.5), (None, None), (math.nan, None), (-math.inf, None), ("1", None), (True, None), ([], None)],
)
def test_a_score_is_a_number_or_nothing(value: object, expected: float | None) -> None:
    assert finite(value) == expected


def test_strings_stand_for_candidates() -> None:
    assert as_candidates(iter(["a", Candidate("b", id="x")])) == (Candidate("a"), Candidate("b", id="x"))
