"""Anchors in `Rebel`: Kendall's tau with the true order, for graders whose batches differ in offset and scale.

The grader is simulated. It knows each document's worth (0 to 10), and says it wrong by noise of its own for each
document and by an offset and a scale that are drawn anew for each call, rounded to half points.
"""

from __future__ import annotations

import random
import statistics

from benchmarks._simulation import kendall, number_of, passage, seed_of, simulate
from rerank_plugins import Rebel
from rerank_plugins.testing import FakeModel, Grader
from rerank_plugins.testing.graders import Shown

ANCHORS = (0, 2, 3, 4)
COUNTS = (20, 50, 100)
GRADERS = (  # standard deviations: offset of a batch, log of the scale of a batch, noise of a document
    (0.0, 0.0, 1.0),
    (0.5, 0.0, 1.0),
    (1.0, 0.1, 1.0),
    (1.5, 0.2, 1.0),
    (0.0, 0.0, 0.5),
    (1.0, 0.1, 0.5),
)
QUERIES = 60


def noisy(worth: list[float], offset: float, scale: float, noise: float) -> Grader:
    """A grader whose mood is drawn for each call, from the call itself."""

    def score(shown: Shown, text: str, _: str) -> float:
        mood = random.Random(seed_of(shown.request))
        batch_offset, batch_scale = mood.gauss(0, offset), mood.lognormvariate(0, scale)
        own = random.Random(seed_of(shown.request) + text).gauss(0, noise)
        said = 5 + batch_scale * (worth[number_of(text)] - 5) + batch_offset + own
        return round(2 * min(max(said, 0), 10)) / 2

    return Grader(score)


def tau(count: int, grader: tuple[float, float, float], anchors: int, queries: int = QUERIES) -> float:
    """The mean over queries; the first stage is right as far as noise twice that of a grade lets it."""
    found = []
    for query in range(queries):
        draw = random.Random(f"{count} {query}")
        worth = [draw.uniform(0, 10) for _ in range(count)]
        worth.sort(key=lambda value: -(value + draw.gauss(0, 3)))
        model = FakeModel(noisy(worth, *grader))
        method = Rebel(criteria=(), anchors=anchors, floor=None)
        run = simulate(method, f"query {query}", [passage(n, words=3) for n in range(count)], model)
        found.append(kendall(run.ranking, worth))
    return statistics.fmean(found)


def main() -> None:
    print(f"Simulated. Kendall's tau, mean of {QUERIES} queries, batches of 10 and the anchors on top.")
    print(
        f"{'documents':>9} {'offset':>7} {'scale':>6} {'noise':>6} " + "".join(f"{f'{k} anchors':>11}" for k in ANCHORS)
    )
    for count in COUNTS:
        for offset, scale, noise in GRADERS:
            row = "".join(f"{tau(count, (offset, scale, noise), anchors):11.3f}" for anchors in ANCHORS)
            print(f"{count:9} {offset:7.1f} {scale:6.1f} {noise:6.1f} {row}", flush=True)


if __name__ == "__main__":
    main()
