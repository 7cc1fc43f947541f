"""Anchors: how documents are dealt to batches, and that what batches differ by is taken out, no more and no less."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_plugins.methods.rebel.calibration import aligned, deal


@given(st.integers(0, 200), st.integers(1, 25), st.integers(0, 8))
def test_each_document_is_dealt_and_only_anchors_are_dealt_twice(count: int, size: int, anchors: int) -> None:
    batches, shared = deal(count, size, anchors)
    own = [[index for index in batch if index not in shared] for batch in batches]
    assert sorted([index for batch in own for index in batch] + shared) == list(range(count))
    assert all(set(shared) <= set(batch) and batch == sorted(set(batch)) for batch in batches)
    sizes = [len(batch) for batch in (own if shared else batches)]
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1
    assert len(shared) == (0 if count <= size else min(anchors, size // 2))


@given(st.integers(1, 200), st.integers(2, 25))
def test_anchors_cost_no_call(count: int, size: int) -> None:
    assert len(deal(count, size, 2)[0]) <= len(deal(count, size, 0)[0])


def test_each_batch_is_a_cross_section() -> None:
    batches, anchors = deal(100, 10, 2)
    assert len(batches) == 10
    assert anchors == [25, 75]
    assert all(min(batch) < 15 and max(batch) > 85 for batch in batches)


def test_offsets_of_a_steady_grader_are_found_exactly() -> None:
    worth, offsets = [2.0, 5.0, 7.0, 8.0, 3.0], [-1.0, 0.5, 0.5]
    batches = [(0, 1, 2), (0, 1, 3), (0, 1, 4)]
    sheets = [{i: worth[i] + offset for i in batch} for batch, offset in zip(batches, offsets, strict=True)]
    found, taken = aligned(sheets, [0, 1])
    assert [found[i] for i in range(5)] == pytest.approx(worth)
    assert taken == pytest.approx(offsets)


@given(st.lists(st.dictionaries(st.integers(0, 5), st.floats(0, 10)), min_size=1, max_size=5))
def test_without_anchors_it_is_the_mean(sheets: list[dict[int, float]]) -> None:
    found, offsets = aligned(sheets, [])
    assert found == {
        i: pytest.approx(statistics.fmean(sheet[i] for sheet in sheets if i in sheet)) for s in sheets for i in s
    }
    assert not any(offsets)


@given(
    st.lists(st.dictionaries(st.integers(0, 5), st.floats(0, 10)), min_size=1, max_size=5), st.sets(st.integers(0, 7))
)
def test_any_gaps_are_survived(sheets: list[dict[int, float]], anchors: set[int]) -> None:
    found, offsets = aligned(sheets, sorted(anchors))
    assert set(found) == {i for sheet in sheets for i in sheet}
    assert len(offsets) == len(sheets)
    assert all(-20 <= value <= 30 for value in found.values())


def drawn(spread: float, noise: float, seed: int) -> list[float]:
    """The offsets that are taken out of ten batches with two anchors."""
    draw = random.Random(seed)
    offsets = [draw.gauss(0, spread) for _ in range(10)]
    sheets = [{i: 5 + offset + draw.gauss(0, noise) for i in (0, 1)} for offset in offsets]
    return aligned(sheets, [0, 1])[1]


def test_what_is_chance_is_left_alone_and_what_is_not_is_taken_out() -> None:
    chance = statistics.fmean(statistics.pstdev(drawn(0, 1, seed)) for seed in range(50))
    true = statistics.fmean(statistics.pstdev(drawn(2, 1, seed)) for seed in range(50))
    assert chance < 0.35 < 0.5 * 0.707 * 2, "unshrunk offsets of pure chance would spread by 0.7"
    assert true == pytest.approx(2, rel=0.2)
