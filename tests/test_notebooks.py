"""The notebooks run from a clean kernel, and what they store is what they say: their numbers, not their times."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rerank_plugins.testing.conformance import DOCUMENTS, REPLIES, MethodConformance

ROOT = Path(__file__).resolve().parents[1]
STABLE = {
    "quickstart_llama_index": (r"grade \d", r"calls: \d+", r"^ +\d+ +0\.\d\d +0\.\d\d +\d+$"),
    "quickstart_langchain": (r"grade \d", r"^\w+\(.*\) +\d+ +[\d,]+ +[\d,]+$", r"1 call failed"),
    "compare": (r"`\w+\(.*\)` \| 0\.\d{3}", r"\d+% of the relevant", r"\d+ better, \d+ worse"),
    "your_own_method": (r"`\w+\(.*\)` \| 0\.\d{3}", r"0\.\d{3}  #+", r"\d+ rankings", r"was \d+, grade \d"),
    "decompose": (r"^rank +\d+", r"^ *\d+ of \d+:", r"^   [a-z].* \d+ +\d+ +#+$", r"found: \w+ .*", r"calls \d.*"),
    "meteora": (r"^0\.\d\d  [\w. ]+", r"the ranks .*", r"\d of 6", r"flagged by .*", r"(?:kept|left out)$", r"^own .*"),
    "insert_rank": (
        r"rank by words +\d+, by meaning +\d+",
        r"sees .*",
        r"(?:D\d ?){4}.*",
        r"^ +[a-z].*(?: \d){8}$",
        r"0\.\d{3} \[.*\]",
    ),
    "local_models": (r"^\w+\(.*\) +\d{3,} +\d{3,} +\d+%$", r"question \d: +\d+ tokens", r"^\w+\(.*\).*calls in.*"),
}
"""What is the same on every machine, by notebook; each of these stands in it."""


@pytest.mark.slow
@pytest.mark.parametrize("name", STABLE)
def test_a_notebook_runs_and_says_what_is_stored(name: str, tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    notebook = read(name)
    stored = [told(notebook, pattern) for pattern in STABLE[name]]
    pictures = sum(kind == "image/png" for kind, _ in data_of(notebook))
    assert all(stored), "every pattern finds something"
    client = nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    # Tests run side by side: threads that wait for each other would take seconds for what takes milliseconds.
    client.execute(env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})
    assert [told(notebook, pattern) for pattern in STABLE[name]] == stored, "run it again and store what it says"
    assert sum(kind == "image/png" for kind, _ in data_of(notebook)) == pictures


@pytest.mark.parametrize("name", STABLE)
def test_what_is_stored_is_fit_to_be_read(name: str) -> None:
    notebook = read(name)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "it was run once, from the top"
    assert sum(bool(cell.outputs) for cell in code) > len(code) / 2
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert not re.search(r"/(?:home|root|tmp|Users|work|usr)/|site-packages", json.dumps(outputs))


def test_the_method_of_the_notebook_is_one() -> None:
    names: dict[str, Any] = {"__name__": __name__}
    (source,) = (cell.source for cell in read("your_own_method").cells if "class Quotes" in cell.source)
    exec(compile(source, "your_own_method.ipynb", "exec", dont_inherit=True), names)
    suite = type("TestQuotes", (MethodConformance,), {"method": names["Quotes"]()})()
    for candidates in DOCUMENTS.values():
        suite.run(candidates)
    for reply in REPLIES.values():
        suite.run(DOCUMENTS["many"], [reply])
    suite.test_repr_reads_back()


def read(name: str) -> Any:
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    return notebook


def told(notebook: Any, pattern: str) -> list[str]:
    texts = (text for kind, text in data_of(notebook) if kind in ("stdout", "text/markdown"))
    return re.findall(pattern, "\n".join(texts), re.M)


def data_of(notebook: Any) -> Iterator[tuple[str, str]]:
    """What stands under the cells: its kind, and its text."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            yield from output.get("data", {}).items()
            if "text" in output:
                yield output.name, output.text
