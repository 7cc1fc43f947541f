"""`rerank-plugins compare`: what comes out, what is kept, and with which exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from rerank_plugins.cli import main
from rerank_plugins.testing import Fault, ScriptedEndpoint

REVERSED = "[4] > [3] > [2] > [1]"


class Ran(NamedTuple):
    code: int
    out: str
    said: str


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Ran:
        try:
            code = main(["compare", *arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        out, said = capsys.readouterr()
        assert "Traceback" not in said
        return Ran(code, out, said)

    return run


@pytest.fixture
def bread(tmp_path: Path) -> str:
    """Six questions; the relevant document of each stands last in the run."""
    folder = tmp_path / "bread"
    folder.mkdir()
    names = [f"q{n}" for n in range(6)]
    write(folder / "corpus.jsonl", [{"_id": f"d{n}", "text": f"bread number {n}"} for n in range(4)])
    write(folder / "queries.jsonl", [{"_id": name, "text": f"which bread, {name}?"} for name in names])
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(f"{name}\td3\t1\n" for name in names))
    lines = [f"{name} Q0 d{n} {n + 1} {9 - n} x\n" for name in names for n in range(4)]
    (folder / "run.trec").write_text("".join(lines))
    return str(folder)


def write(path: Path, entries: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint([REVERSED]) as server:
        yield server


def at(server: ScriptedEndpoint) -> list[str]:
    return ["--model", "scripted", "--base-url", server.base_url, "--retries", "0"]


def over(bread: str) -> list[str]:
    return [bread, "--first-stage", f"{bread}/run.trec", "--measures", "RR@10"]


def test_a_table(run: Run, bread: str, endpoint: ScriptedEndpoint) -> None:
    ran = run(*over(bread), "--methods", "InsertRank(bm25=None)", *at(endpoint))
    assert ran.code == 0 and len(endpoint.requests) == 6
    assert "bread: 6 queries, at most 4 candidates each from the run run.trec" in ran.out
    assert "| `FirstStage()` | 0.250 [0.250, 0.250] |" in ran.out
    assert "| `InsertRank(bm25=None)` | 1.000 [1.000, 1.000] | +0.750 * |" in ran.out
    assert "Clearly better than FirstStage() in RR@10: InsertRank(bm25=None) (+0.750" in ran.out


def test_figures_as_json(run: Run, bread: str, endpoint: ScriptedEndpoint) -> None:
    ran = run(*over(bread), "--methods", "InsertRank", "--json", "--no-oracle", "--queries", "3", *at(endpoint))
    found = json.loads(ran.out)
    assert [(row["method"], row["queries"]) for row in found["rows"]] == [("FirstStage()", 3), ("InsertRank()", 3)]
    assert found["rows"][1]["measures"]["RR@10"]["mean"] == 1.0


def test_queries_are_drawn_by_a_seed(run: Run, bread: str) -> None:
    def drawn(*arguments: str) -> list[str]:
        found = json.loads(run(*over(bread), "--json", "--queries", "3", *arguments).out)
        return list(found["rows"][0]["measures"]["RR@10"]["per_query"])

    assert drawn() == ["q0", "q1", "q2"]
    several = [drawn("--seed", str(seed)) for seed in range(6)]
    assert all(len(names) == 3 and names == sorted(names) for names in several)
    assert drawn("--seed", "4") == several[4] and len(set(map(tuple, several))) > 1


def test_bm25_inside_the_pools_of_a_run(run: Run, bread: str) -> None:
    ran = run(bread, "--pool", f"{bread}/run.trec", "--measures", "RR@10")
    assert ran.code == 0 and "at most 4 candidates each from BM25 inside the pools of run.trec" in ran.out


def test_another_baseline_overwrites_nothing(run: Run, bread: str, endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for baseline in ("FirstStage()", "InsertRank()"):
        run(*over(bread), "--methods", "InsertRank", "--baseline", baseline, "--out", str(out), *at(endpoint))
    assert "differences to FirstStage()" in (out / "table.md").read_text()
    (other,) = out.glob("against-*/table.md")
    assert "differences to InsertRank()" in other.read_text()
    assert len(endpoint.requests) == 6  # the records are shared


def test_bm25_and_the_sample(run: Run) -> None:
    ran = run("sample", "--k", "20")
    assert ran.code == 0 and "sample: 20 queries, at most 20 candidates each from BM25 over the corpus" in ran.out


def test_an_embedding_model_as_first_stage(run: Run, bread: str, endpoint: ScriptedEndpoint) -> None:
    ran = run(
        bread, "--first-stage", "embedding", "--embedding-model", "m", "--base-url", endpoint.base_url, "--k", "2"
    )
    assert ran.code == 0 and "at most 2 candidates each from the embedding model" in ran.out


@pytest.mark.slow
def test_all_is_kept_in_a_folder(run: Run, bread: str, endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in range(2):
        ran = run(*over(bread), "--methods", "InsertRank", "--out", str(out), *at(endpoint))
    assert len(endpoint.requests) == 6  # the second time there was nothing to do
    assert (out / "table.md").read_text().strip() == ran.out.strip()
    assert json.loads((out / "figures.json").read_text())["rows"][1]["usage"]["calls"] == 6
    assert len(list((out / "runs").glob("*.trec"))) == 3
    assert list((out / "pictures").glob("*.png"))
    assert "InsertRank()" in (out / "report.html").read_text() and "report.html" in ran.said


@pytest.mark.slow
def test_robustness_too(run: Run, bread: str, endpoint: ScriptedEndpoint) -> None:
    ran = run(*over(bread), "--methods", "InsertRank", "--robustness", *at(endpoint))
    assert ran.code == 0 and "Reversed" in ran.out
    assert len(endpoint.requests) > 6
    asked = [str(request.body["messages"]) for request in endpoint.requests]
    assert not set(asked[:6]) & set(asked[6:12]), "the lists as they are, are ranked once"
    whole = run(*over(bread), "--methods", "InsertRank", "--robustness", "--max-calls", str(len(asked)), *at(endpoint))
    assert whole.code == 0
    assert whole.out.partition("Reversed")[2] == ran.out.partition("Reversed")[2], "a ceiling of just what it costs"


@pytest.mark.slow
def test_a_peer_at_the_same_endpoint(run: Run, bread: str) -> None:
    pytest.importorskip("llama_index.llms.openai")
    with ScriptedEndpoint(["Doc: 4, Relevance: 9\nDoc: 1, Relevance: 5"]) as server:
        ran = run(*over(bread), "--peers", "llama_index.LLMRerank", *at(server))
    assert ran.code == 0 and "| `llama_index.LLMRerank` | 1.000" in ran.out
    assert "Documents lost: llama_index.LLMRerank (12)." in ran.out


def test_the_ceiling_makes_it_partial(run: Run, bread: str, endpoint: ScriptedEndpoint) -> None:
    ran = run(*over(bread), "--methods", "InsertRank", "--max-calls", "2", *at(endpoint))
    assert (ran.code, len(endpoint.requests)) == (1, 2)
    assert "`InsertRank()` (2 queries)" in ran.out and "PARTIAL" in ran.out


def test_no_answer_at_all(run: Run, bread: str) -> None:
    with ScriptedEndpoint([Fault("status", 401)]) as server:
        ran = run(*over(bread), "--methods", "InsertRank", *at(server))
    assert ran.code == 3 and "No call of InsertRank() succeeded" in ran.said


def listening() -> None:
    """What runs in the background of a shell ignores Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.slow
def test_an_interruption_keeps_what_is_done_and_says_so(bread: str, tmp_path: Path) -> None:
    arguments = [*over(bread), "--methods", "InsertRank", "--out", str(tmp_path / "out"), "--concurrency", "1"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    with ScriptedEndpoint([REVERSED], delay_s=0.4) as server:
        command = [sys.executable, "-m", "rerank_plugins", "compare", *arguments, *at(server)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=listening
        )
        deadline = time.monotonic() + 60
        while len(server.requests) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "PARTIAL: It was interrupted." in out and "Traceback" not in said
    (kept,) = (tmp_path / "out" / "records").glob("InsertRank*")
    assert kept.read_text().count("\n") >= 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "A collection is a folder with corpus.jsonl"),
        (["sample", "--methods", "Wonder()"], "There is no method 'Wonder'"),
        (["sample", "--methods", "Embedding"], "pass one of.* --embedder"),
        (
            ["sample", "--methods", "Fuse(Embedding, FirstStage())"],
            r"'Embedding' lacks its brackets; write 'Embedding\(\)'",
        ),
        (["sample", "--seed", "1"], "add --queries N"),
        (["sample", "--first-stage", "embedding", "--pool", "x"], "--pool is what --first-stage bm25 ranks"),
        (["sample", "--first-stage", "embedding"], "needs an embedding model"),
        (["sample", "--first-stage", "no.run"], "'no.run' cannot be read"),
        (["sample", "--measures", "nDCG at 10"], "A measure is named as ir_measures names it"),
        (["sample", "--baseline", "Embedding()"], "is not among them"),
        (["sample", "--k", "0"], "at least 1, not 0"),
        (["sample", "--queries", "0"], "at least 1, not 0"),
        (["sample", "--max-calls", "0"], "a number above 0"),
        (
            ["sample", "--max-dollars", "1", "--model", "nobody's", "--base-url", "http://127.0.0.1:9/v1"],
            "no.* for this",
        ),
        (["sample", "--peers", "llama_index.LLMRerank"], "add --model NAME"),
        (["sample", "--peers", "x", "--model", "m"], "There is no peer 'x'"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, arguments: list[str], says: str) -> None:
    import re

    ran = run(*arguments)
    assert ran.code == 2 and re.search(says, ran.said), ran.said
    assert not ran.out
