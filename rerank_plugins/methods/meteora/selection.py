"""Selection: the chunks that rationales choose one by one, and those that all of them together point at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rerank_plugins.methods.meteora.elbow import Cut, ElbowRule, elbow
from rerank_plugins.methods.meteora.pairing import PAIRINGS, Pairing
from rerank_plugins.methods.vectors import Vector, cosine_table

__all__ = ["Fit", "Pooling", "Selection", "fits", "pooled", "select"]


@dataclass(frozen=True)
class Fit:
    """How near a chunk is to the rationales.

    Args:
        mean: Its cosine with the mean of their vectors.
        each: Its cosine with each of them; at least one.
    """

    mean: float
    each: Sequence[float]

    @property
    def nearest(self) -> int:
        """The rationale that is nearest; the earlier of equals."""
        return max(range(len(self.each)), key=self.each.__getitem__)

    @property
    def score(self) -> float:
        """The higher of the cosine with the mean and of that with the nearest."""
        return max(self.mean, *self.each)


def fits(rationales: Sequence[Vector], chunks: Sequence[Vector]) -> list[Fit]:
    """The fit of each chunk; vectors are of one dimension, and their mean is that of the vectors as they are.

    >>> fits([[1, 0], [0, 1]], [[0, 2]])
    [Fit(mean=0.707..., each=(0.0, 1.0))]
    """
    mean = [sum(values) / len(rationales) for values in zip(*rationales, strict=True)]
    of_mean, *each = cosine_table([mean, *rationales], chunks)
    return [Fit(value, cosines) for value, cosines in zip(of_mean, zip(*each, strict=True), strict=True)]


@dataclass(frozen=True)
class Pooling:
    """How many of the chunks nearest to the mean rationale are kept; `Meteora` explains the fields."""

    rule: ElbowRule = "paper"
    z: float = 1.0
    epsilon: float = 1e-6
    least: int = 1
    most: int | None = None


@dataclass(frozen=True)
class Selection:
    """What was chosen, and by what.

    Args:
        paired: Chunk to the rationales that took it.
        ranks: The place of each chunk by its cosine with the mean rationale, from 1.
        cut: Where the elbow is; the chunks up to this rank were pooled.
    """

    paired: Mapping[int, Sequence[int]]
    ranks: Sequence[int]
    cut: Cut

    def stages_of(self, chunk: int) -> list[str]:
        """The stages that chose a chunk; none if it was not chosen."""
        chose = {"pairing": chunk in self.paired, "pooling": self.ranks[chunk] <= self.cut.kept}
        return [stage for stage, did in chose.items() if did]

    @property
    def chosen(self) -> list[int]:
        """The chunks that any stage chose."""
        return [chunk for chunk in range(len(self.ranks)) if self.stages_of(chunk)]


def select(of_chunks: Sequence[Fit], pairing: Pairing = "converge", pooling: Pooling = Pooling()) -> Selection:
    """Pair and pool; at least one chunk is chosen.

    Args:
        of_chunks: The fit of each chunk; at least one.
        pairing: "converge" or "distinct".
        pooling: Where to cut the list by the mean rationale.

    >>> select(fits([[1, 0], [0, 1]], [[5, 0], [1, 1], [0, 2]]))
    Selection(paired={0: [0], 2: [1]}, ranks=[2, 1, 3], cut=Cut(kept=1, found_by=None))
    """
    table = list(zip(*(fit.each for fit in of_chunks), strict=True))
    paired: dict[int, list[int]] = {}
    for rationale, chunk in enumerate(PAIRINGS[pairing](table)):
        if chunk is not None:
            paired.setdefault(chunk, []).append(rationale)
    ranks, cut = pooled([fit.mean for fit in of_chunks], pooling)
    return Selection(paired, ranks, cut)


def pooled(scores: Sequence[float], pooling: Pooling = Pooling()) -> tuple[list[int], Cut]:
    """The rank of each chunk by its score, from 1, and where the elbow cuts, within the bounds.

    >>> pooled([0.2, 0.9, 0.88, 0.21, 0.22])
    ([5, 1, 2, 4, 3], Cut(kept=2, found_by='gap'))
    """
    order = sorted(range(len(scores)), key=lambda chunk: (-scores[chunk], chunk))
    found = elbow([scores[chunk] for chunk in order], pooling.rule, pooling.z, pooling.epsilon)
    ranks = [0] * len(order)
    for place, chunk in enumerate(order):
        ranks[chunk] = place + 1
    most = len(order) if pooling.most is None else pooling.most
    return ranks, Cut(min(max(found.kept, pooling.least), most, len(order)), found.found_by)
