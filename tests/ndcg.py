"""nDCG written out, to check what the library and the demo say."""

import math
from collections.abc import Mapping, Sequence

__all__ = ["ndcg"]


def ndcg(order: Sequence[str], grades: Mapping[str, int], cutoff: int = 10) -> float:
    """Järvelin and Kekäläinen's, with linear gains."""

    def dcg(gains: Sequence[int]) -> float:
        return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains[:cutoff], start=1))

    best = dcg(sorted(grades.values(), reverse=True))
    return dcg([grades.get(document, 0) for document in order]) / best if best else 0.0
