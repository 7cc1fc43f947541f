"""The page and the notebook on REBEL say what is so: their code runs, and their numbers are those of the commands."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import rebel_calibration, rebel_costs, rebel_tradeoff
from rerank_plugins import Candidate, Criterion, Rebel
from rerank_plugins.testing import Grader, ScriptedEndpoint
from rerank_plugins.testing.graders import Shown

ROOT = Path(__file__).resolve().parents[1]
PAGE = rebel_costs.PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def run(block: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(block, "rebel.md", "exec", dont_inherit=True), names)
    return names


@pytest.mark.slow
def test_the_first_block_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from rerank_plugins.requests import Chat

    def score(shown: Shown, text: str, name: str) -> float:
        return 4.0 + ("best" in text)

    says = Grader(score, names=lambda _: [Criterion("depth", "It goes deep.")])
    with ScriptedEndpoint(lambda body: says(Chat(body["messages"]))) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "a key")
        names = run(BLOCKS[0], {"question": "why?", "candidates": [Candidate("good"), Candidate("best")]})
    assert names["ranking"].order == [1, 0]
    assert "1 7.5 5.0 {'depth': 5.0} It answers half" in capsys.readouterr().out


def test_the_second_block_runs() -> None:
    names = run(BLOCKS[1], {})
    assert all(isinstance(names[name], Rebel) for name in ("mine", "legal", "stricter"))
    assert len(BLOCKS) == 2


def test_the_table_of_costs_is_that_of_the_command() -> None:
    assert rebel_costs.BLOCK.search(PAGE)
    assert rebel_costs.table() in PAGE, "run python -m benchmarks.rebel_costs --write"


def test_anchors_raise_tau_with_moody_graders_and_leave_steady_ones_alone() -> None:
    steady, moody = (0.0, 0.0, 0.5), (1.5, 0.2, 0.5)
    anchors = Rebel().anchors
    assert rebel_calibration.tau(100, moody, anchors, 4) > rebel_calibration.tau(100, moody, 0, 4) + 0.05
    assert rebel_calibration.tau(100, steady, anchors, 4) > rebel_calibration.tau(100, steady, 0, 4) - 0.015


@pytest.mark.slow
def test_the_picture_can_be_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    points = rebel_tradeoff.points(queries=2)
    rebel_tradeoff.draw(points, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000
    assert points["first stage"][0] == 0
    assert points["two turns"][0] < points["two turns, full"][0]


@pytest.mark.slow
def test_the_notebook_runs_and_says_what_is_stored(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.read(ROOT / "notebooks" / "rebel.ipynb", as_version=4)
    nbformat.validate(notebook)
    stored = [printed(cell) for cell in notebook.cells]
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=os.environ | {"PYTHONPATH": str(ROOT)})
    *told, local = [printed(cell) for cell in notebook.cells]
    assert told == stored[:-1], "run the notebook again and store what it says"
    assert len(re.findall(r"relevance \d\.\d\d", local)) == 4, "the model's own numbers may differ between machines"


def printed(cell: Any) -> str:
    outputs = cell.get("outputs", [])
    return "".join(output.get("text", "") for output in outputs if output.get("name") == "stdout")
