"""Calls, round trips and tokens of the forms of `Rebel`, counted from the prompts that it sends.

Replies are those of a pretended model that writes as little as it is asked for. Tokens are characters / 4; documents
have 100 words. With --write the table goes into docs/methods/rebel.md.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from benchmarks._simulation import passage, simulate
from rerank_plugins import Criterion, Rebel
from rerank_plugins.testing import FakeModel, Grader

PAGE = Path(__file__).resolve().parents[1] / "docs" / "methods" / "rebel.md"
BLOCK = re.compile(r"(?<=<!-- costs: python -m benchmarks\.rebel_costs --write -->\n).*?(?=<!-- end -->)", re.S)
CANDIDATES = 50
FORMS = (
    Rebel(turns=1),
    Rebel(),
    Rebel(anchors=0),
    Rebel(reasons=True),
    Rebel(effort="brief"),
    Rebel(effort="full"),
    Rebel(samples=3),
    Rebel(samples=5),
    Rebel(scoring="choose", turns=1),
    Rebel(scoring="choose"),
)
NAMED = [Criterion(f"quality {n}", "It has what this question needs, in plenty and in detail.") for n in range(3)]


def table() -> str:
    """The table as Markdown."""
    lines = ["| form | round trips | calls | tokens read | tokens written |", "|---|---:|---:|---:|---:|"]
    for form in FORMS:
        model = FakeModel(Grader(lambda *_: 7.5, names=lambda _: NAMED))
        run = simulate(form, "how long does a dough proof?", [passage(n) for n in range(CANDIDATES)], model)
        lines.append(f"| `{form!r}` | {run.round_trips} | {run.calls} | {run.read:,} | {run.written:,} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    print(f"{CANDIDATES} candidates of 100 words; tokens are characters / 4.")
    print(table())
    if __name__ == "__main__" and "--write" in sys.argv:
        PAGE.write_text(BLOCK.sub(lambda _: table(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
