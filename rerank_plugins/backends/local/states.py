"""What a model keeps of tokens that it has read: keys and values, layer by layer, handed on from pass to pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["Past", "States"]

Pair = tuple["torch.Tensor", "torch.Tensor"]


@dataclass(frozen=True, eq=False)
class States:
    """What the model keeps of a stretch of tokens.

    Args:
        layers: Keys and values of each layer, each of shape (heads, tokens, size).
        before: What it keeps of the tokens before these, where they are no part of `layers`.
        scales: By what numbers of 8 bits are multiplied, each of shape (heads, tokens, 1); None for other numbers.
    """

    layers: Sequence[Pair]
    before: States | None = None
    scales: Sequence[Pair] | None = None

    @cached_property
    def tokens(self) -> int:
        """All tokens up to the end of this stretch."""
        return int(self.layers[0][0].shape[-2]) + (self.before.tokens if self.before else 0)

    @cached_property
    def bytes(self) -> int:
        """The memory of this stretch alone."""
        pairs = [*self.layers, *(self.scales or ())]
        return sum(kept.numel() * kept.element_size() for pair in pairs for kept in pair)

    @cached_property
    def chain(self) -> list[States]:
        """All stretches up to this one, in the order of their tokens."""
        return [*(self.before.chain if self.before else ()), self]

    def of_layer(self, layer: int, part: int) -> torch.Tensor:
        """The keys (part 0) or values (part 1) of one layer."""
        kept = self.layers[layer][part]
        return kept if self.scales is None else kept * self.scales[layer][part]

    def packed(self, dtype: torch.dtype | None, before: States | None) -> States:
        """The same with numbers of another precision, after the same tokens."""
        import torch

        if dtype is None:
            return States(self.layers, before)
        if dtype is not torch.int8:
            return States([(keys.to(dtype), values.to(dtype)) for keys, values in self.layers], before)
        scales = [(_scale(keys), _scale(values)) for keys, values in self.layers]
        rounded = [
            ((keys / a).round().to(dtype), (values / b).round().to(dtype))
            for (keys, values), (a, b) in zip(self.layers, scales, strict=True)
        ]
        return States(rounded, before, scales)


def _scale(kept: torch.Tensor) -> torch.Tensor:
    """One for each head and token: what makes the largest number 127."""
    return kept.abs().amax(dim=-1, keepdim=True).clamp(min=1e-6) / 127


class Past:
    """The states that the rows of one pass begin with, in the place of transformers' own cache.

    They are joined with what is new within each layer, for the time of that layer: what several rows have in common is
    kept once, and memory does not grow with rows times layers. Rows with fewer states than others are padded on the
    left.

    Args:
        rows: For each row its states, or None where it begins with its first token.
        recording: Whether what the pass adds is kept.
    """

    def __init__(self, rows: Sequence[States | None], recording: bool) -> None:
        self._rows = rows
        self._recording = recording
        self._new: dict[int, Pair] = {}
        self.lengths = [states.tokens if states else 0 for states in rows]
        self.width = max(self.lengths)

    @property
    def used(self) -> bool:
        """Whether there is anything to hand in or to record."""
        return self._recording or self.width > 0

    def as_cache(self) -> Any:
        """A cache of the type that models insist on, with the methods of this one."""
        from transformers import DynamicCache

        cache: Any = DynamicCache()
        for name in ("update", "get_seq_length", "get_mask_sizes"):
            setattr(cache, name, getattr(self, name))
        return cache

    def update(self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_: Any, **__: Any) -> Pair:
        """All keys and values of a layer, of shape (rows, heads, tokens, size), given the new ones."""
        import torch

        if self._recording:
            self._new[layer] = keys, values
        if not self.width:
            return keys, values
        old_keys, old_values = self._joined(layer, 0, keys), self._joined(layer, 1, values)
        return torch.cat([old_keys, keys], dim=-2), torch.cat([old_values, values], dim=-2)

    def get_seq_length(self, *_: Any, **__: Any) -> int:
        """Tokens before the new ones, padding included."""
        return self.width

    def get_mask_sizes(self, new: Any, *_: Any, **__: Any) -> tuple[int, int]:
        """The length of a layer's keys, and the position of the first; `new` is a number of tokens or their places."""
        return self.width + (new if isinstance(new, int) else len(new)), 0

    def recorded(self, lengths: Sequence[int]) -> list[States]:
        """The states of each row, given how many of its last tokens were no padding."""
        layers = [self._new[layer] for layer in sorted(self._new)]
        return [
            States([(keys[row, :, -length:].clone(), values[row, :, -length:].clone()) for keys, values in layers], old)
            for row, (old, length) in enumerate(zip(self._rows, lengths, strict=True))
        ]

    def _joined(self, layer: int, part: int, like: torch.Tensor) -> torch.Tensor:
        import torch

        first = self._rows[0]
        if first is not None and all(states is first for states in self._rows):
            kept = torch.cat([stretch.of_layer(layer, part) for stretch in first.chain], dim=-2).to(like.dtype)
            return kept.expand(len(self._rows), *kept.shape)
        rows, heads, _, size = like.shape
        joined = like.new_zeros(rows, heads, self.width, size)
        for row, states in enumerate(self._rows):
            place = self.width - self.lengths[row]
            for stretch in states.chain if states else ():
                kept = stretch.of_layer(layer, part)
                joined[row, :, place : place + kept.shape[-2]] = kept
                place += kept.shape[-2]
        return joined
