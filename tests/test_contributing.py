"""The example in CONTRIBUTING.md is a method, and passes what it says that it passes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rerank_plugins.methods import Method
from rerank_plugins.testing.conformance import DOCUMENTS, MethodConformance

TEXT = (Path(__file__).resolve().parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def example() -> dict[str, Any]:
    """The names that the Python blocks define, run one after the other."""
    names: dict[str, Any] = {"__name__": __name__}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.S):
        exec(compile(block, "CONTRIBUTING.md", "exec", dont_inherit=True), names)
    return names


def test_the_example_runs() -> None:
    names = example()
    names["test_what_helps_comes_first"]()
    suite: MethodConformance = names["TestHelpful"]()
    assert isinstance(suite.method, Method)
    for candidates in DOCUMENTS.values():
        suite.run(candidates)
    suite.test_repr_reads_back()
