"""The attention that the last tokens of a text pay to all before them, summed up layer by layer.

The rows of these tokens alone are looked at, within the pass, and a layer's are gone before the next one's come: memory
grows with the context, never with layers x heads x context^2. It works for models whose attention goes through
transformers' `AttentionInterface`, which is there from version 4.51 on, the lowest that this package takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from rerank_plugins.errors import InvalidInput, Refused

if TYPE_CHECKING:
    import torch

__all__ = ["Watch", "watching"]

_NAME = "rerank_plugins_watched"
_watch: ContextVar[Watch] = ContextVar("_watch")  # a pass runs in one thread, and several models may run at once


class Watch:
    """What the layers of one pass have shown so far.

    Args:
        last: How many of the last tokens are watched.
        layers: The layers that count.
    """

    def __init__(self, last: int, layers: range) -> None:
        self._last = last
        self._layers = layers
        self._total: torch.Tensor | None = None
        self._seen = 0

    def add(self, layer: int, weights: torch.Tensor) -> None:
        """Take the weights of one layer, of shape (1, heads, queries, keys)."""
        if layer in self._layers:
            mean = weights[0, :, -self._last :].double().mean(dim=(0, 1))
            self._total = mean if self._total is None else self._total + mean
            self._seen += 1

    def mean(self) -> list[float]:
        """For each token the mean over the watched ones, all heads and the layers that count.

        Raises:
            Refused: The model computes its attention in a way of its own.
        """
        if self._total is None or self._seen != len(self._layers):
            raise Refused("This model does not show its attention; use one of the Llama, Qwen or Mistral kind.")
        mean: list[float] = (self._total / self._seen).tolist()
        return mean


@contextmanager
def watching(model: Any, last: int, layers: tuple[int, int] | None) -> Iterator[Watch]:
    """Watch the passes of a model over one row, in this thread and within the block.

    Raises:
        InvalidInput: There are no such layers.
    """
    config = model.config.get_text_config()
    counted = range(config.num_hidden_layers)[slice(*layers) if layers else slice(None)]
    if not counted:
        raise InvalidInput(
            f"Attend(layers=...) is the first layer and the one after the last of {config.num_hidden_layers}, "
            f"not {layers!r}."
        )
    _register()
    taken, before = _watch.set(watch := Watch(last, counted)), config._attn_implementation
    config._attn_implementation = _NAME
    try:
        yield watch
    finally:
        config._attn_implementation = before
        _watch.reset(taken)


def _register() -> None:
    from transformers import AttentionInterface

    AttentionInterface.register(_NAME, _attend)
    try:
        from transformers.masking_utils import AttentionMaskInterface, eager_mask
    except ImportError:
        return  # before 4.53 every unknown name got this mask
    AttentionMaskInterface.register(_NAME, eager_mask)


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    position_bias: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention in the plain way, with a look at its weights; the arguments are those of transformers' own."""
    import torch

    shared_by = query.shape[1] // key.shape[1]
    key, value = (kept.repeat_interleave(shared_by, dim=1) for kept in (key, value))
    scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    if attention_mask is not None:
        scores = scores + attention_mask[..., : key.shape[-2]]
    if position_bias is not None:
        scores = scores + position_bias
    if s_aux is not None:  # a sink for each head, which takes its share and gives nothing
        sinks = s_aux.reshape(1, -1, 1, 1).expand(*scores.shape[:-1], 1)
        scores = torch.cat([scores, sinks.to(scores.dtype)], dim=-1)
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32)[..., : key.shape[-2]]
    _watch.get().add(module.layer_idx, weights)
    return (weights.to(value.dtype) @ value).transpose(1, 2).contiguous(), None
