"""Limits: a bound that is none is refused with a sentence. What they do is tested with the driver."""

from __future__ import annotations

from typing import Any

import pytest

from rerank_plugins import Limits
from rerank_plugins.errors import InvalidInput


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_concurrency", 0),
        ("max_concurrency", None),
        ("retries", -1),
        ("timeout_s", -1),
        ("deadline_s", float("nan")),
        ("max_calls", 1.5),
        ("max_tokens", "10"),
        ("retries", True),
    ],
)
def test_a_bound_that_is_none_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=name):
        Limits(**{name: value})
