"""The command line: what comes out, what is said, and with which exit code."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rerank_plugins import __version__
from rerank_plugins.cli import console, main
from rerank_plugins.methods import METHODS
from rerank_plugins.testing import Fault, ScriptedEndpoint

CANDIDATES = [
    {"text": "Wheat dough is kneaded.", "id": "wheat", "score": 0.9},
    {"text": "Rye needs acid to keep its starch whole.", "id": "rye", "score": 0.8},
    {"text": "A stone holds heat.", "id": "stone", "score": 0.7},
]


class Ran(NamedTuple):
    code: int
    lines: list[dict[str, Any]]
    said: str


Run = Callable[..., Ran]


class Bytes(io.TextIOWrapper):
    """Standard input of some bytes."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `rerank-plugins rerank` in this process, with these objects as the lines of its input."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, given: list[Any] | bytes = CANDIDATES) -> Ran:  # type: ignore[assignment] # read only
        content = given if isinstance(given, bytes) else "\n".join(map(json.dumps, given)).encode()
        monkeypatch.setattr(sys, "stdin", Bytes(content))
        try:
            code = main(["rerank", *arguments])
        except SystemExit as end:  # argparse's way out
            code = int(end.code or 0)
        out, said = capsys.readouterr()
        assert "Traceback" not in said
        return Ran(code, [json.loads(line) for line in out.splitlines()], said)

    return run


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint(["[2] > [3] > [1]"]) as server:
        yield server


def at(server: ScriptedEndpoint) -> list[str]:
    return ["--model", "scripted", "--base-url", server.base_url]


# What comes out


def test_one_query(run: Run, endpoint: ScriptedEndpoint) -> None:
    ran = run("--method", "InsertRank(bm25=None)", "--query", "why is rye gummy?", *at(endpoint))
    assert ran.code == 0
    assert [(line["rank"], line["index"], line["id"], line["first_stage_score"]) for line in ran.lines] == [
        (1, 1, "rye", 0.8),
        (2, 2, "stone", 0.7),
        (3, 0, "wheat", 0.9),
    ]
    assert all(line["why"] == {"ranked_by_model": True} for line in ran.lines)
    assert all(set(line) == {"rank", "index", "id", "score", "first_stage_score", "why"} for line in ran.lines)
    assert "1 query, 3 documents, 1 call, " in ran.said
    assert "why is rye gummy?" in str(endpoint.requests[0].body)


def test_many_queries(run: Run, endpoint: ScriptedEndpoint) -> None:
    given = [{"query": f"question {n}", "query_id": n, "candidates": CANDIDATES} for n in range(70)]
    ran = run("--method", "InsertRank(bm25=None)", *at(endpoint), given=given)
    assert ran.code == 0
    assert [line["query_id"] for line in ran.lines] == [n for n in range(70) for _ in CANDIDATES]
    assert {(line["query"], line["query_id"]) for line in ran.lines} == {(f"question {n}", n) for n in range(70)}
    assert "70 queries, 210 documents, 70 calls" in ran.said


def test_an_embedding_model_at_an_endpoint(run: Run, endpoint: ScriptedEndpoint) -> None:
    arguments = ["--embedding-model", "vectors", "--base-url", endpoint.base_url]
    ran = run("--method", "Embedding", "--query", "rye gummy", *arguments)
    assert ran.code == 0 and ran.lines[0]["id"] == "rye"
    assert {request.body["model"] for request in endpoint.requests} == {"vectors"}


def test_top_n_and_what_it_drops(run: Run) -> None:
    assert [line["rank"] for line in run("--method", "FirstStage", "--query", "q", "--top-n", "2").lines] == [1, 2]
    ran = run("--method", "FirstStage", "--query", "q", "--top-n", "1", "--dropped", "--texts")
    assert [(line["rank"], line.get("dropped")) for line in ran.lines] == [
        (1, None),
        (None, "ranked below top_n=1"),
        (None, "ranked below top_n=1"),
    ]
    assert [line["text"] for line in ran.lines] == [candidate["text"] for candidate in CANDIDATES]


def test_a_file_instead_of_standard_input(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "candidates.jsonl"
    file.write_text('{"text": "from the file"}\n', encoding="utf-8")
    ran = run("--method", "FirstStage", "--query", "q", "--texts", str(file), given=b"nothing")
    assert [line["text"] for line in ran.lines] == ["from the file"]


def test_bad_lines_are_named_and_the_others_come_out(run: Run) -> None:
    ran = run(
        "--method", "FirstStage", "--query", "q", given=b'{"text": "a"}\n{"text"\n\n{"no": "text"}\n{"text": "b"}\n'
    )
    assert ran.code == 1
    assert [line["index"] for line in ran.lines] == [0, 1]
    assert "Line 2 is left out" in ran.said and "Line 4 is left out" in ran.said


def test_nothing_but_bad_lines(run: Run) -> None:
    ran = run("--method", "FirstStage", "--query", "q", given=b"{\n")
    assert (ran.code, ran.lines) == (1, [])


def test_a_query_without_candidates_is_no_error(run: Run) -> None:
    ran = run("--method", "FirstStage", given=[{"query": "q", "candidates": []}])
    assert (ran.code, ran.lines) == (0, [])


def test_the_report(run: Run, endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    given = [{"query": f"question {n}", "candidates": [*CANDIDATES, {"text": "extra"}]} for n in range(3)]
    run("--method", "InsertRank(bm25=None)", "--top-n", "1", "--report", str(report), *at(endpoint), given=given)
    found = json.loads(report.read_text(encoding="utf-8"))
    usage = found.pop("usage")
    assert (usage["calls"], usage["prompt_tokens"] > 0, usage["seconds"] > 0) == (3, True, True)
    (note,) = found.pop("notes")
    assert (note["kind"], note["queries"]) == ("repaired", 3)
    assert found == {
        "method": "InsertRank(bm25=None)",
        "score_kind": "order",
        "queries": 3,
        "documents": 12,
        "dropped": 9,
        "dollars": None,
        "all_calls_failed": False,
        "lines_left_out": 0,
    }


def test_a_model_with_a_listed_price(run: Run, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("genai_prices", reason="the extra `prices` is not installed")
    from rerank_plugins.commands import rerank as command

    monkeypatch.setattr(command, "dollars", lambda spent, model, address: spent.prompt_tokens * 1e-3)
    ran = run("--method", "InsertRank", "--query", "q", *at(endpoint))
    assert "$0." in ran.said
    # A server of one's own has no listed price, whatever it calls its model.
    monkeypatch.undo()
    ran = run("--method", "InsertRank", "--query", "q", "--model", "gpt-4o", "--base-url", endpoint.base_url)
    assert ran.code == 0 and "$" not in ran.said


def test_a_cache_is_paid_for_once(run: Run, endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    arguments = ["--method", "InsertRank", "--query", "q", "--cache", str(tmp_path / "cache"), *at(endpoint)]
    first, second = run(*arguments), run(*arguments)
    assert first.lines == second.lines
    assert len(endpoint.requests) == 1
    assert (first.code, second.code) == (0, 0)


def test_limits_reach_the_driver(run: Run, endpoint: ScriptedEndpoint) -> None:
    given = [{"query": f"question {n}", "candidates": CANDIDATES} for n in range(9)]
    ran = run("--method", "InsertRank", "--max-calls", "4", "--concurrency", "2", *at(endpoint), given=given)
    assert len(endpoint.requests) == 4 and endpoint.peak <= 2
    assert "the budget of 4 calls was used up" in ran.said and "(5 of 9 queries)" in ran.said
    assert (ran.code, len(ran.lines)) == (0, 27)


def test_the_key_comes_from_a_variable(run: Run, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "s3cret")
    ran = run("--method", "InsertRank", "--query", "q", "--api-key-env", "MY_KEY", *at(endpoint))
    assert endpoint.requests[0].headers["authorization"] == "Bearer s3cret"
    assert "s3cret" not in ran.said


@pytest.mark.slow
def test_verbose_logs_and_quiet_does_not(endpoint: ScriptedEndpoint) -> None:
    endpoint_of_none = ["--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--retries", "0"]
    said = [
        spawn("rerank", "--method", "InsertRank", "--query", "q", *endpoint_of_none, *verbose).communicate(
            json.dumps(CANDIDATES[0]).encode() + b"\n" + json.dumps(CANDIDATES[1]).encode()
        )[1]
        for verbose in ([], ["-v"])
    ]
    assert b"rerank_plugins: " not in said[0]
    assert b"rerank_plugins: " in said[1] and b"Wheat" not in said[1]


# What is wrong is said in a sentence

DOWN = ["--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--retries", "0"]

BAD: dict[str, tuple[list[str], str]] = {
    "no method": ([], "--method"),
    "an unknown method": (["--method", "Rerank()"], "There is no method 'Rerank'"),
    "no expression": (["--method", "InsertRank("], "A method is named by its repr"),
    "code": (["--method", "__import__('os').system('true')"], "neither a plain value nor a method"),
    "an unknown option of a method": (["--method", "InsertRank(windows=20)"], "InsertRank cannot be made"),
    "a wrong value": (["--method", "InsertRank(window=1)"], "at least 2"),
    "an unknown option": (["--method", "FirstStage", "--fast"], "--fast"),
    "an abbreviated option": (["--method", "FirstStage", "--que", "q"], "--que"),
    "no number": (["--method", "FirstStage", "--top-n", "few"], "'few'"),
    "a negative number": (["--method", "FirstStage", "--top-n", "-1"], "top_n"),
    "a negative deadline": (["--method", "FirstStage", "--deadline", "-1"], "deadline_s"),
    "no concurrency": (["--method", "FirstStage", "--concurrency", "0"], "max_concurrency"),
    "no model": (["--method", "InsertRank"], "no backend was given"),
    "a backend that cannot answer": (["--method", "Likelihood", *DOWN], "--lm (TransformersLM)"),
    "an address without a model": (["--method", "InsertRank", "--base-url", "http://x/v1"], "--model NAME"),
    "no address": (["--method", "InsertRank", "--model", "m", "--base-url", "localhost"], "http://"),
    "no key for OpenAI": (["--method", "InsertRank", "--model", "m"], "OPENAI_API_KEY"),
    "no such variable": (["--method", "InsertRank", "--api-key-env", "NO_SUCH", *DOWN], "'NO_SUCH'"),
    "no such file": (["--method", "FirstStage", "no/such/file"], "'no/such/file' cannot be read"),
    "a folder": (["--method", "FirstStage", "."], "cannot be read"),
    "no such GGUF file": (["--method", "Likelihood", "--lm", "no/such.gguf"], "no file 'such.gguf'"),
    "a cache in no folder": (["--method", "FirstStage", "--cache", "no/such/cache"], "cannot be used"),
    "a report in no folder": (["--method", "FirstStage", "--report", "no/such/report"], "cannot be written"),
    "a failed call that is to be raised": (
        ["--method", "InsertRank", "--on-error", "raise", *DOWN],
        "could not be reached",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_a_sentence(run: Run, name: str) -> None:
    arguments, sentence = BAD[name]
    ran = run(*arguments, *([] if "--query" in arguments or "--que" in arguments else ["--query", "q"]))
    assert (ran.code, ran.lines) == (2, [])
    assert sentence in ran.said


def test_an_empty_input(run: Run) -> None:
    for given in (b"", b"\n \n"):
        ran = run("--method", "FirstStage", "--query", "q", given=given)
        assert ran.code == 2 and "no candidates" in ran.said


def test_a_missing_package_is_named_with_its_pip_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rerank_plugins.backends.loading.find_spec", lambda name: None)
    ran = run("--method", "InsertRank", "--query", "q", *DOWN)
    assert ran.code == 2 and "pip install 'rerank-plugins[openai]'" in ran.said


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Fault("status", 401), "the key was not accepted"),
        (Fault("status", 404), "no such model"),
        (Fault("status", 500), "HTTP 500"),
        (Fault("html"), "instead of JSON"),
        (Fault("reset"), "broke off"),
    ],
)
def test_where_no_call_succeeds_nobody_takes_it_for_a_reranking(run: Run, fault: Fault, sentence: str) -> None:
    with ScriptedEndpoint(lambda asked: fault) as server:
        ran = run("--method", "InsertRank", "--query", "q", "--retries", "0", *at(server))
    assert ran.code == 3
    assert [line["id"] for line in ran.lines] == ["wheat", "rye", "stone"]
    assert sentence in ran.said
    assert "the first stage's order, and no reranking" in ran.said


def test_a_deadline_that_leaves_no_time_is_no_reranking_either(run: Run) -> None:
    with ScriptedEndpoint(["[1]"], delay_s=5) as server:
        ran = run("--method", "InsertRank", "--query", "q", "--deadline", "0.1", *at(server))
    assert ran.code == 3 and "the deadline of 0.1 s passed" in ran.said


def test_one_success_among_failures_is_a_reranking(run: Run) -> None:
    answers = [Fault("wrong-json"), "[3] > [2] > [1]"]
    given = [{"query": f"question {n}", "candidates": CANDIDATES} for n in range(2)]
    with ScriptedEndpoint(answers) as server:
        arguments = ["--method", "InsertRank(bm25=None)", "--concurrency", "1", *at(server)]
        ran = run(*arguments, given=given)
    assert ran.code == 0 and "failed: 1 call failed" in ran.said
    assert [line["id"] for line in ran.lines[3:]] == ["stone", "rye", "wheat"]


# The other commands


def test_methods_are_listed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["methods"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n{name}(" in f"\n{out}" for name in METHODS)
    assert max(map(len, out.splitlines())) <= 80
    assert "    asks for: a chat model's answer (Chat)" in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"rerank-plugins {__version__}\n"


@pytest.mark.parametrize("command", [[], ["rerank"], ["demo"], ["methods"]])
def test_help_fits_a_terminal(command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        main([*command, "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


# As a process of its own


def spawn(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    own = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    command = [sys.executable, "-m", "rerank_plugins", *arguments]
    return subprocess.Popen(command, preexec_fn=_listening, **{"env": own} | pipes | options)


def _listening() -> None:
    """What runs in the background of a shell ignores Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.slow
def test_it_is_a_process_like_any_other(endpoint: ScriptedEndpoint) -> None:
    process = spawn("rerank", "--method", "InsertRank(bm25=None)", "--query", "q", *at(endpoint))
    out, said = process.communicate("\n".join(map(json.dumps, CANDIDATES)).encode(), timeout=60)
    assert process.returncode == 0
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["rye", "stone", "wheat"]
    assert said.count(b"\n") == 1  # the cost, and no progress where there is no terminal


@pytest.mark.slow
def test_text_of_any_kind_goes_through_unchanged() -> None:
    texts = ["ünï 食パン 🍞", "lone \ud800", 'quotes " and \\', "line\nbreak\u2028"]
    process = spawn("rerank", "--method", "FirstStage", "--query", "q", "--texts", env={"LC_ALL": "C", "PATH": ""})
    out, _ = process.communicate("\n".join(json.dumps(text) for text in texts).encode(), timeout=60)
    assert [json.loads(line)["text"] for line in out.decode().split("\n") if line] == texts
    assert "食パン".encode() in out


@pytest.mark.slow
def test_an_interruption_keeps_what_is_done(tmp_path: Path) -> None:
    hang = Fault("hang")
    with ScriptedEndpoint(lambda asked: hang if "question 3" in str(asked["messages"]) else "[2] > [1]") as server:
        report = tmp_path / "report.json"
        arguments = ["--method", "InsertRank(bm25=None)", "--concurrency", "1", "--report", str(report), *at(server)]
        process = spawn("rerank", *arguments)
        assert process.stdin and process.stdout
        for number in range(9):
            line = {"query": f"question {number}", "candidates": ["a", "b"]}
            process.stdin.write(json.dumps(line).encode() + b"\n")
        process.stdin.close()
        done = [json.loads(process.stdout.readline()) for _ in range(6)]  # as they are ready, before the end
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr and b"Traceback" not in process.stderr.read()
    assert [line["query"] for line in done] == [f"question {n}" for n in range(3) for _ in range(2)]
    assert json.loads(report.read_text())["queries"] == 3


@pytest.mark.slow
def test_a_reader_that_has_gone_is_no_error_message() -> None:
    process = spawn("rerank", "--method", "FirstStage", "--query", "q", "--texts")
    assert process.stdin and process.stdout and process.stderr
    process.stdout.close()
    process.stdin.write(b"\n".join(json.dumps("x" * 1000).encode() for _ in range(500)))
    process.stdin.close()
    assert process.wait(30) == 141
    said = process.stderr.read()
    assert b"Traceback" not in said and b"Broken" not in said and b"Exception" not in said


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_queries(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    line = json.dumps({"query": "q", "candidates": ["x" * 2000] * 10}) + "\n"

    def peak(queries: int) -> float:
        file = tmp_path / f"{queries}.jsonl"
        file.write_text(line * queries, encoding="utf-8")
        process = spawn("rerank", "--method", "FirstStage", str(file), stdout=subprocess.DEVNULL)
        _, _, used = os.wait4(process.pid, 0)
        assert isinstance(used, resource.struct_rusage)
        return float(used.ru_maxrss)

    assert peak(6000) < 1.3 * peak(1000)  # of 6000 queries the texts alone are 120 MB


@pytest.mark.slow
def test_rows_of_input_that_come_slowly_are_not_waited_for_to_the_end(endpoint: ScriptedEndpoint) -> None:
    process = spawn("rerank", "--method", "InsertRank(bm25=None)", *at(endpoint))
    assert process.stdin and process.stdout
    for number in range(300):
        process.stdin.write(json.dumps({"query": f"q{number}", "candidates": ["a", "b"]}).encode() + b"\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["query"] == "q0"
    process.stdin.close()
    assert process.stdout.read().count(b"\n") == 599
    assert process.wait(30) == 0


@pytest.mark.slow
@pytest.mark.xdist_group("smollm2")
def test_the_shipped_models_rerank_a_file() -> None:
    method = "Fuse(Embedding(), Likelihood())"
    arguments = ["--embedder", "minilm", "--lm", "smollm2", "--query", "why is rye bread gummy?"]
    process = spawn("rerank", "--method", method, *arguments)
    out, said = process.communicate("\n".join(map(json.dumps, CANDIDATES)).encode(), timeout=300)
    assert process.returncode == 0, said
    assert json.loads(out.splitlines()[0])["id"] == "rye"
    assert b"3 documents, 5 calls" in said


def test_python_dash_m_and_the_script_are_the_same() -> None:
    from importlib.metadata import entry_points

    (script,) = entry_points(group="console_scripts", name="rerank-plugins")
    assert script.load() is console


def test_importing_the_command_line_is_quick() -> None:
    started = time.perf_counter()
    heavy = ("torch", "openai", "rich", "chromadb", "langchain_core", "numpy")
    code = f"import sys, rerank_plugins.cli; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code]).strip() == b"[]"
    assert time.perf_counter() - started < 30
