"""Quality against inference time for forms of `Rebel`, with a simulated grader whose relevance and quality are known.

Nothing here is a measurement of a model. What is put in: each question has three qualities, out of ten, that make a
document better for it, worth as much as relevance together; relevance and quality are independent. The grader says what
is true, wrong by noise of its own for each score and by an offset per batch. It names most of the right qualities.
Writing before the scores lowers its noise by factors that are ASSUMED. What comes out: how near the best three
documents of a ranking are to the best three that there are, and how long the calls would take.

With a path as argument it draws the picture there.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks._simulation import Pace, Run, number_of, passage, seed_of, simulate
from rerank_plugins import Criterion, FirstStage, Rebel
from rerank_plugins.criteria import PAPER
from rerank_plugins.methods import Method
from rerank_plugins.testing import FakeModel, Grader
from rerank_plugins.testing.graders import Shown

CANDIDATES, QUERIES, BEST = 50, 40, 3
OTHERS = ("fit to the field", "neutrality", "reasoning", "first-hand", "worked examples")
QUALITIES = (*(criterion.name for criterion in PAPER), *OTHERS)
NOISE = 1.2  # standard deviation of a score of relevance; half of it on a scale to 5
OFFSET = 0.5
NOISE_LEFT = {"none": 1.0, "brief": 0.75, "full": 0.55}  # assumed: what writing first leaves of the noise
HIT_RATE = 0.8  # assumed: how often a quality that matters is named

METHODS: dict[str, Method] = {
    "first stage": FirstStage(),
    "relevance only": Rebel(criteria=()),
    "relevance only, 5 samples": Rebel(criteria=(), samples=5),
    "one turn": Rebel(turns=1),
    "two turns": Rebel(),
    "two turns, brief": Rebel(effort="brief"),
    "two turns, full": Rebel(effort="full"),
    "two turns, 3 samples": Rebel(samples=3),
    "two turns, 5 samples": Rebel(samples=5),
    "two turns, full, 5 samples": Rebel(effort="full", samples=5),
}


@dataclass(frozen=True)
class World:
    """One question: relevance (0 to 10) and qualities (0 to 5) of its documents, and the qualities that matter."""

    relevance: Sequence[float]
    qualities: Sequence[dict[str, float]]
    matter: Sequence[str]

    @classmethod
    def of(cls, query: int) -> World:
        draw = random.Random(f"world {query}")
        relevance = sorted(
            (draw.betavariate(1.5, 1.8) * 10 for _ in range(CANDIDATES)), key=lambda r: -(r + draw.gauss(0, 3))
        )
        qualities = [{name: draw.uniform(0, 5) for name in QUALITIES} for _ in range(CANDIDATES)]
        return cls(relevance, qualities, draw.sample(QUALITIES, 3))

    def worth(self, number: int) -> float:
        """What a document adds to the answer: nothing where it is off the subject."""
        relevance = self.relevance[number]
        return 0.0 if relevance < 3 else relevance + sum(self.qualities[number][name] for name in self.matter) * 2 / 3

    def share(self, order: Sequence[int]) -> float:
        """Worth of the first three, as a share of what the best three are worth."""
        return sum(map(self.worth, order[:BEST])) / sum(sorted(map(self.worth, range(CANDIDATES)))[-BEST:])

    def grader(self) -> Grader:
        return Grader(self._score, names=self._names)

    def _score(self, shown: Shown, text: str, name: str) -> float:
        seed, number = seed_of(shown.request), number_of(text)
        scale = 10 if name == "relevance" else 5
        true = self.relevance[number] if name == "relevance" else self.qualities[number].get(name, 2.5)
        noise = NOISE * NOISE_LEFT[_effort(shown)] * random.Random(seed + text + name).gauss(0, 1)
        said = true + (noise + random.Random(seed).gauss(0, OFFSET)) * scale / 10
        return round(2 * min(max(said, 0), scale)) / 2

    def _names(self, query: str) -> list[Criterion]:
        draw = random.Random(f"names {query}")
        wrong = draw.sample([name for name in QUALITIES if name not in self.matter], 3)
        named = [right if draw.random() < HIT_RATE else other for right, other in zip(self.matter, wrong, strict=True)]
        return [Criterion(name, f"It has much of {name}.", 2 / 3, 5) for name in named]


def _effort(shown: Shown) -> str:
    form = str(shown.request.messages[-1]["content"]).rpartition("</document>")[2]
    return "full" if '"reasoning"' in form else "brief" if '"thought"' in form else "none"


def runs(method: Method, queries: int = QUERIES) -> list[tuple[float, Run]]:
    """Share of the attainable worth, and the run, for each query."""
    found = []
    for query in range(queries):
        world = World.of(query)
        texts = [passage(number) for number in range(CANDIDATES)]
        run = simulate(method, f"question {query}", texts, FakeModel(world.grader()), Pace())
        found.append((world.share(run.ranking.order), run))
    return found


def points(queries: int = QUERIES) -> dict[str, tuple[float, float, float]]:
    """Name to seconds, share and standard error of the share."""
    found = {}
    for name, method in METHODS.items():
        of_method = runs(method, queries)
        shares = [share for share, _ in of_method]
        seconds = statistics.fmean(run.seconds for _, run in of_method)
        found[name] = seconds, statistics.fmean(shares), statistics.stdev(shares) / len(shares) ** 0.5
    return found


def draw(found: dict[str, tuple[float, float, float]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg" if path.suffix == ".svg" else "agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    for number, (name, (seconds, share, error)) in enumerate(found.items()):
        color = "tab:blue" if name.startswith("two") else "tab:gray"
        axes.errorbar(seconds, share, yerr=error, fmt="o", capsize=3, color=color, label=f"{number}  {name}")
        axes.annotate(str(number), (seconds, share), textcoords="offset points", xytext=(6, 3), fontsize=8)
    axes.legend(fontsize=8, loc="lower right", markerscale=0.5)
    axes.set_xlabel("seconds per query, all calls of a round trip at once (simulated endpoint)")
    axes.set_ylabel(f"worth of the best {BEST}, share of the attainable")
    axes.set_title("SIMULATED grader with known relevance and quality: no model was measured", fontsize=10)
    axes.margins(x=0.1)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else {"Software": None})


def main() -> None:
    found = points()
    print(f"Simulated: {QUERIES} questions of {CANDIDATES} candidates. No model was measured.")
    print(f"{'':28} {'seconds':>8} {'share of attainable worth':>26}")
    for name, (seconds, share, error) in found.items():
        print(f"{name:28} {seconds:8.1f} {share:18.3f} ± {error:.3f}")
    if __name__ == "__main__" and len(sys.argv) > 1:
        draw(found, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
