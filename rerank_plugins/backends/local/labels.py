"""Labels as tokens: how probable each is as the answer, also where a label is several tokens or begins another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rerank_plugins.errors import InvalidInput

__all__ = ["LabelTokens"]

Path = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LabelTokens:
    """Labels of one request, each as its tokens after the same prompt, read in one row.

    Such as the scores 0 to 10, where a model knows only digits: "10" begins with the token of "1", so that the row is
    the prompt and a "1", of which both positions are asked.

    Args:
        paths: The tokens of each label; at most one of several tokens, or all of these along one chain.

    Raises:
        InvalidInput: Labels of several tokens branch before their last one.

    >>> labels = LabelTokens(((8,), (7,), (7, 6)))
    >>> labels.chain, labels.wanted
    ((7,), [[8, 7, 6], [8, 7, 6]])
    >>> never, half, quarter = -9.0, math.log(0.5), math.log(0.25)
    >>> [round(math.exp(value), 3) for value in labels.read([[half, half, never], [never, never, quarter]])]
    [0.5, 0.375, 0.125]
    """

    paths: tuple[Path, ...]

    def __post_init__(self) -> None:
        if any(self.chain[: len(path) - 1] != path[:-1] for path in self.paths):
            raise InvalidInput(
                "Labels of more than one token may differ from each other in their last token alone, or begin one "
                "another, and these branch before; ask for them in several requests."
            )

    @property
    def chain(self) -> Path:
        """What has to be read after the prompt: all but the last token of the longest label."""
        return max(self.paths, key=len)[:-1]

    @property
    def wanted(self) -> list[list[int]]:
        """The tokens that are asked for, after the prompt and after each token of the chain: the same everywhere."""
        tokens = list(dict.fromkeys(token for path in self.paths for token in path))
        return [tokens] * (len(self.chain) + 1)

    def read(self, values: Sequence[Sequence[float]]) -> list[float]:
        """The log-probability of each label, from those of the tokens in `wanted`.

        An answer counts for the longest label that it begins with: "1" has what "10" leaves of it.
        """
        at = [dict(zip(asked, known, strict=True)) for asked, known in zip(self.wanted, values, strict=True)]
        begun = {path: sum(at[depth][token] for depth, token in enumerate(path)) for path in self.paths}
        return [self._without_longer(path, begun) for path in self.paths]

    def _without_longer(self, path: Path, begun: dict[Path, float]) -> float:
        longer = [other for other in begun if len(other) > len(path) and other[: len(path)] == path]
        shortest = [o for o in longer if not any(len(path) < len(b) < len(o) and o[: len(b)] == b for b in longer)]
        share = sum(math.exp(begun[other] - begun[path]) for other in shortest)
        # Rounding may give the longer ones a hair more than all there is.
        return begun[path] + math.log1p(-min(share, 1 - 1e-9)) if shortest else begun[path]
