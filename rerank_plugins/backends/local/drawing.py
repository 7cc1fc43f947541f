"""How the next token of a text is drawn, for each row of a batch by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["Draw", "Drawing"]


@dataclass(frozen=True, slots=True)
class Draw:
    """How a row's next token is drawn: at a temperature above 0, from a seed of its own or an unforeseeable one."""

    temperature: float
    seed: int | None = None


class Drawing:
    """Draws by adding Gumbel noise to scaled logits and taking the largest: exactly a sample of their softmax.

    So each row keeps its own temperature and seed, whatever shares its batch, and nothing touches the global state.

    Args:
        draws: For each row how its tokens are drawn; None takes the most probable.
    """

    def __init__(self, draws: Sequence[Draw | None]) -> None:
        import torch

        self._draws = draws
        self._sources = [torch.Generator() for _ in draws]
        for draw, source in zip(draws, self._sources, strict=True):
            if draw is None or draw.seed is None:
                source.seed()
            else:
                source.manual_seed(draw.seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        import torch

        drawn = scores.clone()
        for row, (draw, source) in enumerate(zip(self._draws, self._sources, strict=True)):
            if draw is not None:
                noise = -torch.empty(scores.shape[-1]).exponential_(generator=source).log()
                drawn[row] = scores[row] / draw.temperature + noise.to(scores.device)
        return drawn
