from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_plugins.backends.local.batching import MAX_WASTE, Stats, form_batches, tokens_that_fit

lengths = st.lists(st.integers(1, 500), max_size=80)


def computed(sizes: list[int], batches: list[list[int]]) -> int:
    return sum(len(batch) * max(sizes[index] for index in batch) for batch in batches)


@given(lengths, st.integers(1, 5000), st.integers(0, 200))
def test_each_row_is_in_one_batch(sizes: list[int], batch_tokens: int, further: int) -> None:
    batches = form_batches(sizes, batch_tokens, further=further)
    assert sorted(index for batch in batches for index in batch) == list(range(len(sizes)))


@given(lengths, st.integers(1, 5000))
def test_padding_is_at_most_a_tenth(sizes: list[int], batch_tokens: int) -> None:
    total = computed(sizes, form_batches(sizes, batch_tokens))
    assert total - sum(sizes) <= MAX_WASTE * total


@given(lengths, st.integers(1, 5000), st.integers(0, 200))
def test_batches_keep_to_the_bound_unless_one_row_is_longer(sizes: list[int], batch_tokens: int, further: int) -> None:
    for batch in form_batches(sizes, batch_tokens, further=further):
        longest = max(sizes[index] for index in batch)
        assert len(batch) == 1 or len(batch) * (longest + further) <= batch_tokens


@given(lengths, st.integers(1, 5000))
def test_shortest_rows_come_first(sizes: list[int], batch_tokens: int) -> None:
    batches = form_batches(sizes, batch_tokens)
    order = [[sizes[index] for index in batch] for batch in batches]
    assert all(max(before) <= min(after) for before, after in pairwise(order))


@given(st.integers(1, 60), st.integers(1, 400))
def test_rows_of_one_length_fill_batches(count: int, length: int) -> None:
    batches = form_batches([length] * count, 1000)
    per_batch = max(1, 1000 // length)
    assert len(batches) == -(-count // per_batch)


def test_short_rows_share_a_pass_where_long_ones_saved_padding() -> None:
    sizes = [10 + 390 * index // 63 for index in range(64)]
    assert len(form_batches(sizes, 2048)) <= 10


@given(lengths, st.integers(1, 5000), st.floats(0, 0.2))
def test_padding_is_at_most_the_share_that_is_asked_for(sizes: list[int], batch_tokens: int, waste: float) -> None:
    total = computed(sizes, form_batches(sizes, batch_tokens, waste=waste))
    assert total - sum(sizes) <= waste * total + 1e-9


LLAMA_8B = SimpleNamespace(
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=8,
    head_dim=128,
    hidden_size=4096,
    intermediate_size=14336,
)


def test_a_pass_holds_what_the_free_memory_holds() -> None:
    sizes = [tokens_that_fit(gigabytes * 2**30, LLAMA_8B, 2) for gigabytes in (0, 1, 4, 8, 60)]
    assert sizes == sorted(sizes)
    assert sizes[0] == 256
    assert 1000 < sizes[1] < 4000
    assert sizes[-1] == 16384


def test_a_configuration_may_leave_out_what_follows_from_the_rest() -> None:
    short = SimpleNamespace(num_hidden_layers=2, num_attention_heads=4, hidden_size=64)
    assert tokens_that_fit(2**22, short, 4) == 2**21 // (4 * (2 * 2 * 4 * 16 + 4 * 256 + 8 * 64))


def test_stats_add_up() -> None:
    total = Stats(1, computed=100, needed=80, distinct=60) + Stats(2, computed=100, needed=100, distinct=100)
    assert total == Stats(forwards=3, computed=200, needed=180, distinct=160)
    assert total.surplus == pytest.approx(1.25)
    assert Stats().surplus == 1
    assert total.waste == pytest.approx(0.1)
    assert Stats().waste == 0
