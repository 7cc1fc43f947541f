"""The command line: what it reads, what it writes, and what it says about bad input."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rerank_plugins.cli import main
from rerank_plugins.methods import METHODS
from rerank_plugins.testing import Fault, ScriptedEndpoint

CANDIDATES = "\n".join(json.dumps({"text": f"text {n}", "id": f"d{n}", "score": 1 - n / 10}) for n in range(3))


def run(monkeypatch: pytest.MonkeyPatch, text: str, *arguments: str) -> int:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    try:
        return main(["rerank", *arguments])
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_candidates_of_one_question(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedEndpoint('{"ranking": [3, 1, 2]}') as endpoint:
        endpoint_arguments = ["--base-url", endpoint.base_url, "--model", "m"]
        code = run(monkeypatch, CANDIDATES, "--method", "InsertRank(bm25=None)", "--query", "q", *endpoint_arguments)
    out, err = capsys.readouterr()
    assert code == 0
    assert [(line["id"], line["rank"], line["first_stage_score"]) for line in lines(out)] == [
        ("d2", 1, 0.8),
        ("d0", 2, 1.0),
        ("d1", 3, 0.9),
    ]
    assert "1 call" in err


def test_many_questions_in_either_form(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(
        [
            json.dumps({"query": "one", "candidates": ["a", {"text": "b"}]}),
            json.dumps({"query": "two", "text": "c"}),
            json.dumps({"query": "two", "text": "d"}),
            json.dumps({"query": "three", "text": "e"}),
        ]
    )
    assert run(monkeypatch, text, "--method", "FirstStage") == 0
    found = [(line["query"], line["index"]) for line in lines(capsys.readouterr().out)]
    assert found == [("one", 0), ("one", 1), ("two", 0), ("two", 1), ("three", 0)]


def test_bad_lines_are_named_and_the_others_come_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = ['{"text": "cut', "3", '{"id": "no text"}', '{"text": null}', "[" * 5000]
    assert run(monkeypatch, "\n".join([CANDIDATES, *bad]), "--method", "FirstStage", "--query", "q") == 1
    out, err = capsys.readouterr()
    assert [line["id"] for line in lines(out)] == ["d0", "d1", "d2"]
    assert [f"Line {number} is left out" in err for number in range(1, 9)] == [False] * 3 + [True] * 5


def test_what_is_dropped_is_printed_if_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, CANDIDATES, "--method", "FirstStage", "--query", "q", "--top-n", "1", "--dropped")
    assert [line.get("dropped") for line in lines(capsys.readouterr().out)] == [None, *["ranked below top_n=1"] * 2]


def test_replies_are_kept_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with ScriptedEndpoint("[2] > [1]") as endpoint:
        for _ in range(2):
            arguments = ["--base-url", endpoint.base_url, "--model", "m", "--cache", str(tmp_path / "cache")]
            run(monkeypatch, CANDIDATES, "--method", "InsertRank", "--query", "q", *arguments)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("fault", [Fault("status", 401), Fault("html"), Fault("reset")])
def test_where_every_call_failed_the_exit_code_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: Fault
) -> None:
    monkeypatch.setattr("rerank_plugins.engine._BACKOFF_S", 0.001)
    with ScriptedEndpoint([fault]) as endpoint:
        endpoint_arguments = ["--base-url", endpoint.base_url, "--model", "m"]
        code = run(monkeypatch, CANDIDATES, "--method", "InsertRank", "--query", "q", *endpoint_arguments)
    out, err = capsys.readouterr()
    assert code == 3
    assert [line["id"] for line in lines(out)] == ["d0", "d1", "d2"]
    assert "No call to a model succeeded" in err


def test_an_endpoint_that_is_not_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--method", "InsertRank", "--query", "q", "--retries", "0", "--model", "m"]
    assert run(monkeypatch, CANDIDATES, *arguments, "--base-url", "http://127.0.0.1:9/v1") == 3
    assert "could not be reached" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "Insertrank"], "There is no method 'Insertrank'; there are"),
        (["--method", "InsertRank(windows=2)"], "windows"),
        (["--method", "InsertRank(", "--query", "q"], "named by its repr"),
        (["--method", "InsertRank", "--query", "q"], "no backend was given"),
        (["--method", "Embedding", "--query", "q", "--model", "m", "--base-url", "http://x/v1"], "embedding vectors"),
        (["--method", "FirstStage", "--query", "q", "--base-url", "http://x/v1"], "add --model"),
        (["--method", "FirstStage", "--query", "q", "--top-n", "-1"], "top_n"),
        (["--method", "FirstStage", "--query", "q", "--max-calls", "-1"], "max_calls"),
        (["--method", "Likelihood", "--query", "q", "--lm", "missing.gguf"], "missing.gguf"),
        (["--method", "FirstStage", "--query", "q", "--cache", "/no/such/folder/cache"], "cannot be used"),
    ],
)
def test_bad_input_gets_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(monkeypatch, CANDIDATES, *arguments) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert "Traceback" not in err
    assert out == ""


def test_an_empty_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "\n", "--method", "FirstStage", "--query", "q") == 2
    assert "There are no candidates in the input" in capsys.readouterr().err


def test_lines_without_a_question(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, CANDIDATES, "--method", "FirstStage") != 0
    assert "--query" in capsys.readouterr().err


def test_methods_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    listed = capsys.readouterr().out
    assert all(f"{name}(" in listed for name in METHODS)


def test_the_command_itself() -> None:
    command = [sys.executable, "-m", "rerank_plugins.cli", "rerank", "--method", "FirstStage", "--query", "q"]
    done = subprocess.run(
        command, input=CANDIDATES + '\n{"text": "caf\\u00e9 \\ud83c\\udf5e"}', capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4


def test_a_reader_that_has_seen_enough() -> None:
    many = "\n".join(json.dumps({"query": str(n), "text": "x" * 500}) for n in range(2000))
    script = f"{sys.executable} -m rerank_plugins.cli rerank --method FirstStage | head -n 1"
    done = subprocess.run(["bash", "-c", script], input=many, capture_output=True, text=True)
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
