"""What a rerank of 100 candidates takes beside its models: the model answers at once."""

from __future__ import annotations

import json

from benchmarks._timing import medians
from rerank_plugins import Cascade, CrossEncode, Embedding, FirstStage, Fuse, InsertRank, Likelihood, rerank
from rerank_plugins.requests import Embed, Embedded, Measured, Reply, Request, Scored, ScorePairs
from rerank_plugins.requests import Likelihood as LikelihoodRequest
from rerank_plugins.testing import FakeModel

WORDS = ["rye", "wheat", "oven", "steam", "crust", "salt", "water", "starter", "dough", "proof", "knead", "bake"]
VECTOR = [0.5] * 384
TEXTS = [" ".join(WORDS[(n * k + k) % 12] + str(n * k % 97) for k in range(1, 80)) for n in range(100)]
METHODS = [
    FirstStage(),
    Embedding(),
    CrossEncode(),
    Likelihood(),
    InsertRank(bm25=None),
    InsertRank(),
    InsertRank(window=20, stride=10),
    Fuse(Embedding(), InsertRank()),
    Cascade(Embedding(), InsertRank()),
]


class Instant(FakeModel):
    """Answers with numbers made beforehand."""

    def answer(self, request: Request, timeout: float | None) -> Reply:
        if isinstance(request, Embed):
            return Embedded([VECTOR] * len(request.texts))
        if isinstance(request, ScorePairs):
            return Scored((0.5,) * len(request.texts))
        if isinstance(request, LikelihoodRequest):
            return Measured((-1.0, -2.0))
        return super().answer(request, timeout)


def main() -> None:
    says = json.dumps({"ranking": list(range(100, 0, -1))})
    actions = {
        repr(method): lambda method=method: rerank(method, "how to bake rye", TEXTS, backends=Instant(says))
        for method in METHODS
    }
    medians(actions, rounds=1)  # imports
    for name, value in medians(actions, rounds=9).items():
        print(f"{name:40} {value * 1000:7.2f} ms")


if __name__ == "__main__":
    main()
