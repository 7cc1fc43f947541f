"""Sliding windows as a generator, without any model."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_plugins.errors import PromptTooLong
from rerank_plugins.methods.windows import Window, slide


def run(count: int, size: int, stride: int | None, fits: int = 1000) -> tuple[list[int], int, list[list[int]]]:
    """Slide over `count` documents with a ranker that puts high indices first; give order, size and windows."""
    seen: list[list[int]] = []

    def rank(window: Sequence[int], may_cut: bool) -> Window:
        yield from ()
        if len(window) > fits and not may_cut:
            return PromptTooLong()
        seen.append(list(window))
        return sorted(window, reverse=True)

    steps = slide(list(range(count)), size, stride, rank)
    with pytest.raises(StopIteration) as end:
        next(steps)
    order, fitted = end.value.value
    return order, fitted, seen


def test_hundred_documents_take_nine_windows_of_twenty() -> None:
    order, _, seen = run(100, 20, 10)
    assert len(seen) == 9
    assert order[:10] == list(range(99, 89, -1))


@given(st.integers(1, 60), st.integers(1, 70), st.integers(1, 70), st.integers(1, 70))
def test_every_document_is_seen_and_none_is_lost(count: int, size: int, stride: int, fits: int) -> None:
    order, fitted, seen = run(count, size, min(stride, size), fits)
    assert sorted(order) == list(range(count))
    assert set().union(*seen) == set(range(count))
    assert order[0] == count - 1 or stride >= fitted, "the best of all arrives at the front where windows overlap"
    assert fitted <= size


def test_a_stride_as_long_as_the_window_carries_nothing_over() -> None:
    order, _, seen = run(9, 3, 3)
    assert seen == [[6, 7, 8], [3, 4, 5], [0, 1, 2]]
    assert order == [2, 1, 0, 5, 4, 3, 8, 7, 6]
