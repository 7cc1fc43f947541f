"""Criteria as values: what they refuse, and that the ready-made sets can be used as they are."""

import re
from dataclasses import replace
from typing import Any

import pytest

from rerank_plugins import Criterion, Rebel, read_method
from rerank_plugins.criteria import PAPER, PRESETS, RELEVANCE
from rerank_plugins.errors import InvalidInput


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "  "}, "name"),
        ({"name": 3}, "name"),
        ({"definition": "?!"}, "definition"),
        ({"weight": -0.1}, "weight"),
        ({"weight": float("nan")}, "weight"),
        ({"weight": "1"}, "weight"),
        ({"scale": 0}, "scale"),
        ({"scale": 2.5}, "scale"),
        ({"scale": True}, "scale"),
    ],
)
def test_what_a_criterion_refuses(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(
        InvalidInput, match=rf"Criterion\({words}=\.\.\.\) is .* not {re.escape(repr(*changes.values()))}"
    ):
        replace(Criterion("depth", "It goes deep."), **changes)


def test_the_papers_set_is_five_criteria_of_five_points_at_half_weight() -> None:
    assert [(criterion.weight, criterion.scale) for criterion in PAPER] == [(0.5, 5)] * 5
    assert RELEVANCE.scale + sum(criterion.weight * criterion.scale for criterion in PAPER) == 22.5


@pytest.mark.parametrize("name", PRESETS)
def test_a_ready_made_set_can_be_used_edited_and_written_down(name: str) -> None:
    edited = [replace(PRESETS[name][0], weight=0.9), *PRESETS[name][1:]]
    assert len({criterion.key for criterion in edited}) == len(edited) >= 3
    assert read_method(repr(Rebel(criteria=edited))) == Rebel(criteria=edited)
    assert repr(Rebel(criteria=name)) == f"Rebel(criteria={name!r})"


@pytest.mark.parametrize(
    ("one", "other"), [("Depth of Content", "depth_of-content"), ("Aktualität", "AKTUALITÄT"), ("権威性", "権威性 ")]
)
def test_names_that_differ_in_case_or_punctuation_are_one(one: str, other: str) -> None:
    assert Criterion(one, "x").key == Criterion(other, "x").key != Criterion("other", "x").key
