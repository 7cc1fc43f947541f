"""Batches for a local model: rows of similar length together, so that little of what is computed is padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["MAX_WASTE", "Stats", "form_batches"]

MAX_WASTE = 0.1
"""The largest share of padding in all that is computed for one call of `form_batches`."""


@dataclass(frozen=True, slots=True)
class Stats:
    """What a local model has computed so far.

    Args:
        forwards: Passes through the model.
        computed: Token positions in them, padding included.
        needed: Those that were no padding.

    >>> round((Stats(1, 100, 90) + Stats(1, 100, 100)).waste, 3)
    0.05
    """

    forwards: int = 0
    computed: int = 0
    needed: int = 0

    def __add__(self, other: Stats) -> Stats:
        return Stats(self.forwards + other.forwards, self.computed + other.computed, self.needed + other.needed)

    @property
    def waste(self) -> float:
        """The share of padding in all that was computed, 0..1."""
        return 1 - self.needed / self.computed if self.computed else 0.0


def form_batches(lengths: Sequence[int], batch_tokens: int, *, further: int = 0) -> list[list[int]]:
    """Put rows into batches, such that padding is at most `MAX_WASTE` of all that is computed.

    The batches come shortest first. Each holds about the same number of tokens, so that memory does not depend on the
    order, and at any moment the most rows are done: what a deadline leaves out is as few documents as can be.

    Args:
        lengths: Tokens of each row.
        batch_tokens: The most tokens in a batch, padding included; a longer row gets a batch of its own.
        further: Tokens by which each row will grow, as an answer does.

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
        if fits and padding + gap <= MAX_WASTE * (computed + longest):
            batches[-1].append(position)
            padding += gap
        else:
            batches.append([position])
            longest = lengths[position]
        computed += longest
    return batches[::-1]
