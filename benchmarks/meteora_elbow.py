"""The two rules of `Meteora` for the elbow, on scores whose truth is known: pure chance, and a group on top of it.

python -m benchmarks meteora_elbow             # tables as Markdown
python -m benchmarks.meteora_elbow --write     # and into the page
"""

from __future__ import annotations

import random
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks._pages import show
from rerank_plugins.methods.meteora.elbow import ElbowRule, elbow

PAGE = Path(__file__).resolve().parents[1] / "docs" / "methods" / "meteora.md"
BLOCK = re.compile(r"(<!-- elbow:.*?-->\n).*?(<!-- end -->)", re.S)
RULES: tuple[ElbowRule, ...] = ("paper", "knee")
COUNTS = (10, 20, 50, 100)
ROUNDS = 1000


def kept(scores: Sequence[float], rule: ElbowRule) -> int:
    return elbow(sorted(scores, reverse=True), rule, 1.0, 1e-6).kept


def by_chance(rule: ElbowRule, count: int, rounds: int = ROUNDS) -> tuple[float, float, float, float]:
    """On normal scores: share of lists cut to one; mean kept; moved by noise; moved by one chunk that is missing.

    Moved is the mean change of the number kept, as a share of the mean kept. The noise is 2 % of the scores' deviation.
    """
    draw = random.Random(count)
    ones, sizes, noisy, fewer = [], [], [], []
    for _ in range(rounds):
        scores = [draw.gauss(0, 1) for _ in range(count)]
        size = kept(scores, rule)
        ones.append(size == 1)
        sizes.append(size)
        noisy.append(abs(kept([score + draw.gauss(0, 0.02) for score in scores], rule) - size))
        fewer.append(abs(kept(draw.sample(scores, count - 1), rule) - size))
    mean = statistics.fmean(sizes)
    return statistics.fmean(ones), mean, statistics.fmean(noisy) / mean, statistics.fmean(fewer) / mean


def found(rule: ElbowRule, count: int, relevant: int, above: float, rounds: int = ROUNDS) -> float:
    """Mean F1 of what is kept, where some scores are drawn from a normal distribution that lies higher."""
    draw, values = random.Random(f"{count} {relevant}"), []
    for _ in range(rounds):
        scores = [draw.gauss(above if place < relevant else 0, 1) for place in range(count)]
        order = sorted(range(count), key=lambda place: -scores[place])
        size = kept(scores, rule)
        hits = sum(place < relevant for place in order[:size])
        values.append(2 * hits / (size + relevant))
    return statistics.fmean(values)


def tables() -> str:
    lines = [
        "| chunks | rule | cut to one | mean kept | moved by noise | moved by one chunk less |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for count in COUNTS:
        for rule in RULES:
            one, size, noisy, fewer = by_chance(rule, count)
            lines.append(f"| {count} | {rule} | {one:.0%} | {size:.1f} | {noisy:.0%} | {fewer:.0%} |")
    lines += ["", "| chunks | relevant, lying higher by 3 | paper: F1 | knee: F1 |", "|---:|---:|---:|---:|"]
    for count in (20, 50, 100):
        for relevant in (1, 3, 5, 10):
            values = " | ".join(f"{found(rule, count, relevant, 3):.2f}" for rule in RULES)
            lines.append(f"| {count} | {relevant} | {values} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    text = tables()
    show(text, PAGE, BLOCK)


if __name__ == "__main__":
    main()
