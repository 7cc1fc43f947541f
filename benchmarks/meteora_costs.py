"""What `Meteora` costs by the number of chunks that it chooses, counted from the prompts that are sent.

python -m benchmarks meteora_costs             # a Markdown table
python -m benchmarks.meteora_costs --write     # and into the page
"""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks._pages import show
from benchmarks._simulation import Run, passage, simulate
from rerank_plugins import Meteora, Rationale
from rerank_plugins.requests import Chat
from rerank_plugins.testing import FakeModel, Judge

PAGE = Path(__file__).resolve().parents[1] / "docs" / "methods" / "meteora.md"
BLOCK = re.compile(r"(<!-- costs:.*?-->\n).*?(<!-- end -->)", re.S)
CANDIDATES = 50
WRITTEN = [Rationale(f"what to look for {n}", "One sentence that says how such a passage reads.") for n in range(8)]


def cost(chosen: int) -> tuple[Run, int]:
    """A simulated run, and how many of its calls go to the chat model."""
    model = FakeModel(Judge(rationales=WRITTEN))
    method = Meteora(expand=0, min_pooled=chosen, max_pooled=chosen)
    run = simulate(method, "how long are the data kept?", [passage(n) for n in range(CANDIDATES)], model)
    return run, sum(isinstance(request, Chat) for request in model.requests)


def table() -> str:
    lines = [
        "| chunks chosen | chat calls | one after another | tokens read | tokens written |",
        "|---:|---:|---:|---:|---:|",
    ]
    for chosen in (5, 10, 20):
        run, chats = cost(chosen)
        lines.append(f"| {chosen} | {chats} | 3 | {run.read:,} | {run.written:,} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    text = table()
    show(text, PAGE, BLOCK)


if __name__ == "__main__":
    main()
