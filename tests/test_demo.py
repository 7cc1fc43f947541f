"""The demo, for real: Chroma, LangChain, MiniLM and SmolLM2 over the whole sample collection."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from rerank_plugins import sample

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("smollm2")]


def test_the_figures_are_those_of_this_run() -> None:
    command = [sys.executable, "-m", "rerank_plugins", "demo", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert rows[0]["method"] == "FirstStage()"
    assert rows[0]["calls"] == 0
    methods = {row["method"]: row for row in rows}
    assert {"Embedding()", "Likelihood()", "Fuse(Embedding(), Likelihood())"} <= set(methods)
    questions = len(sample.load().queries)
    assert all(0 < row["ndcg@10"] <= 1 for row in rows)
    assert methods["Likelihood()"]["questions"] == questions
    assert methods["Likelihood()"]["calls"] >= questions * 10
    # The first stage is a cosine of the same model, so that its order is the embedding method's.
    assert methods["Embedding()"]["ndcg@10"] == pytest.approx(rows[0]["ndcg@10"], abs=1e-3)
