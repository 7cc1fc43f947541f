"""What `Meteora` takes beside its models: 100 chunks, 8 rationales, 384 dimensions, models that answer at once."""

from __future__ import annotations

import random
from dataclasses import replace

from benchmarks._timing import seconds
from rerank_plugins import Candidate, Meteora, rerank
from rerank_plugins.requests import Embed, Embedded, Reply, Request
from rerank_plugins.testing import FakeModel, Judge

DRAW = random.Random(1)
VECTORS = [[DRAW.gauss(0, 1) for _ in range(384)] for _ in range(109)]
CHUNKS = [Candidate(f"Chunk {number}. " + "word " * 80) for number in range(100)]
STORED = [replace(chunk, embedding=vector) for chunk, vector in zip(CHUNKS, VECTORS, strict=False)]
SELECT = Meteora(rationales=[f"rationale {number}" for number in range(8)], verify=False, expand=0)
METHODS = {
    "selection": (SELECT, CHUNKS),
    "selection, vectors from the store": (SELECT, STORED),
    "selection by the knee": (replace(SELECT, elbow="knee"), CHUNKS),
    "selection, expansion, verification": (replace(SELECT, verify=True, expand=1), CHUNKS),
}


class Instant(FakeModel):
    """Answers with vectors made beforehand."""

    def answer(self, request: Request, timeout: float | None) -> Reply:
        if isinstance(request, Embed):
            return Embedded(VECTORS[-len(request.texts) :])
        return super().answer(request, timeout)


def main() -> None:
    model = Instant(Judge())
    actions = {
        name: lambda method=method, chunks=chunks: rerank(method, "why?", chunks, backends=model)
        for name, (method, chunks) in METHODS.items()
    }
    for name, action in actions.items():
        print(f"{name:40} {min(seconds(action) for _ in range(25)) * 1000:7.2f} ms")


if __name__ == "__main__":
    main()
