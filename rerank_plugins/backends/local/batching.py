"""Batches for a local model: rows of similar length together, so that little of what is computed is padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["MAX_WASTE", "Stats", "form_batches", "tokens_that_fit"]

MAX_WASTE = 0.1
"""The largest share of padding in all that is computed for one call of `form_batches`, unless less is asked for."""

_MOST, _FEWEST = 16384, 256  # more gains nothing on any device, and with fewer each pass is mostly overhead
_SHARE = 0.5  # of the free memory, since other things want some of it and the estimate is one


@dataclass(frozen=True, slots=True)
class Stats:
    """What a local model has computed so far.

    Args:
        forwards: Passes through the model.
        computed: Token positions in them, padding included.
        needed: Those that were no padding.
        distinct: Tokens that had to be computed at least: those of all requests, where a beginning that several
            requests of one batch have in common counts once.

    >>> both = Stats(1, 100, 90, 80) + Stats(1, 100, 100, 100)
    >>> round(both.waste, 3), round(both.surplus, 3)
    (0.05, 1.111)
    """

    forwards: int = 0
    computed: int = 0
    needed: int = 0
    distinct: int = 0

    def __add__(self, other: Stats) -> Stats:
        return Stats(
            self.forwards + other.forwards,
            self.computed + other.computed,
            self.needed + other.needed,
            self.distinct + other.distinct,
        )

    @property
    def waste(self) -> float:
        """The share of padding in all that was computed, 0..1."""
        return 1 - self.needed / self.computed if self.computed else 0.0

    @property
    def surplus(self) -> float:
        """All that was computed divided by what had to be: 1 is perfect, and less is what a document cache saved."""
        return self.computed / self.distinct if self.distinct else 1.0


def form_batches(
    lengths: Sequence[int], batch_tokens: int, *, further: int = 0, waste: float = MAX_WASTE
) -> list[list[int]]:
    """Put rows into batches, such that padding is at most a certain share of all that is computed.

    The batches come shortest first. Each holds about the same number of tokens, so that memory does not depend on the
    order, and at any moment the most rows are done: what a deadline leaves out is as few documents as can be.

    Args:
        lengths: Tokens of each row.
        batch_tokens: The most tokens in a batch, padding included; a longer row gets a batch of its own.
        further: Tokens by which each row will grow, as an answer does.
        waste: The share.

    Returns:
        Positions in `lengths`, each once.

    >>> form_batches([9, 100, 10, 98], 512)
    [[2, 0], [1, 3]]
    """
    batches: list[list[int]] = []
    longest = computed = padding = 0
    for position in sorted(range(len(lengths)), key=lambda position: -lengths[position]):
        gap = longest - lengths[position]
        fits = batches and (len(batches[-1]) + 1) * (longest + further) <= batch_tokens
        # The share is that of all batches so far: full batches of long rows save what the few short rows may waste,
        # whose own passes would cost more than their padding.
        if fits and padding + gap <= waste * (computed + longest):
            batches[-1].append(position)
            padding += gap
        else:
            batches.append([position])
            longest = lengths[position]
        computed += longest
    return batches[::-1]


def tokens_that_fit(free: int, config: Any, number_bytes: int) -> int:
    """How many tokens one pass may hold where memory is the bound; a batch that is too large yet is halved later.

    Args:
        free: The bytes that are free.
        config: The model's configuration: what a token takes is its keys and values in all layers, and what one layer
            needs at once.
        number_bytes: The size of one number.
    """
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    wide = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    numbers: int = 2 * config.num_hidden_layers * heads * size + 4 * wide + 8 * config.hidden_size
    return max(_FEWEST, min(_MOST, int(free * _SHARE) // (numbers * number_bytes)))
