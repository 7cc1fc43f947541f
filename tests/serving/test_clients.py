"""The command as users start it, asked by the clients that they already have, and told to stop."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from rerank_plugins.testing import Fault, ScriptedEndpoint

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

pytestmark = pytest.mark.slow

KEY = "the key of the server"
TEXTS = ["Wheat is kneaded.", "A stone holds heat.", "Rye needs acid."]


def rye_first(asked: Mapping[str, Any]) -> str:
    (identifier,) = re.findall(r'id="(\d)"[^>]*>\s*Rye', asked["messages"][-1]["content"])
    return f'{{"ranking": [{identifier}]}}'


@pytest.fixture(scope="module")
def endpoint() -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint(rye_first) as scripted:
        yield scripted


class Server:
    """A server in a process of its own; it listens when this is made."""

    def __init__(self, endpoint: ScriptedEndpoint) -> None:
        command = [sys.executable, "-m", "rerank_plugins", "serve", "--port", "0", "--method", "careful:InsertRank()"]
        models = ["--model", "scripted", "--base-url", endpoint.base_url, "--server-key-env", "THE_KEY"]
        environment = os.environ | {"THE_KEY": KEY, "OPENAI_API_KEY": "another key"}
        self.process = subprocess.Popen(
            [*command, *models, "--retries", "0"], stderr=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stderr is not None
        said = self.process.stderr.readline()
        assert said.startswith("Listening on "), said + self.process.stderr.read()
        self.address = said.split()[-1]

    def ask(self, *, timeout: float = 30, **further: Any) -> httpx.Response:
        asked = {"query": "what does rye need?", "documents": TEXTS} | further
        headers = {"Authorization": f"Bearer {KEY}"}
        return httpx.post(f"{self.address}/v2/rerank", json=asked, headers=headers, timeout=timeout)

    def stopped(self) -> tuple[int, str]:
        """Its exit code and what else it said, after it was told to stop."""
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


@pytest.fixture(scope="module")
def server(endpoint: ScriptedEndpoint) -> Iterator[Server]:
    started = Server(endpoint)
    yield started
    started.process.kill()
    started.process.communicate()


def test_the_client_of_cohere(server: Server) -> None:
    cohere = pytest.importorskip("cohere")
    for client in (cohere.ClientV2, cohere.Client):
        reply = client(api_key=KEY, base_url=server.address).rerank(
            model="careful", query="what does rye need?", documents=TEXTS, top_n=2
        )
        assert [result.index for result in reply.results] == [2, 0]
        assert reply.results[0].relevance_score > reply.results[1].relevance_score
    with pytest.raises(cohere.UnauthorizedError):
        cohere.ClientV2(api_key="wrong", base_url=server.address).rerank(model="careful", query="q", documents=TEXTS)
    with pytest.raises(cohere.NotFoundError, match="careful"):
        cohere.ClientV2(api_key=KEY, base_url=server.address).rerank(model="other", query="q", documents=TEXTS)


def test_the_cohere_rerank_of_langchain(server: Server) -> None:
    pytest.importorskip("langchain_cohere")
    from langchain_cohere import CohereRerank
    from langchain_core.documents import Document
    from pydantic import SecretStr

    reranker = CohereRerank(base_url=server.address, cohere_api_key=SecretStr(KEY), model="careful", top_n=2)
    found = reranker.compress_documents([Document(text) for text in TEXTS], "what does rye need?")
    assert [document.page_content for document in found] == [TEXTS[2], TEXTS[0]]


def test_the_cohere_rerank_of_llama_index(server: Server) -> None:
    pytest.importorskip("llama_index.postprocessor.cohere_rerank")
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
    from llama_index.postprocessor.cohere_rerank import CohereRerank

    reranker = CohereRerank(base_url=server.address, api_key=KEY, model="careful", top_n=2)
    nodes = [NodeWithScore(node=TextNode(text=text)) for text in TEXTS]
    found = reranker.postprocess_nodes(nodes, QueryBundle("what does rye need?"))
    assert [item.node.get_content() for item in found] == [TEXTS[2], TEXTS[0]]


def test_an_endpoint_that_is_down_is_told(endpoint: ScriptedEndpoint, server: Server) -> None:
    with ScriptedEndpoint([Fault("status", 500)]) as down:
        broken = Server(down)
        try:
            answer = broken.ask()
        finally:
            code, _ = broken.stopped()
    assert answer.status_code == 503
    assert "HTTP 500" in answer.json()["message"]
    assert code == 0


def test_told_to_stop_it_answers_what_was_begun(endpoint: ScriptedEndpoint) -> None:
    started = Server(endpoint)
    begun = len(endpoint.requests)
    endpoint.delay_s = 0.5
    try:
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(started.ask)
            give_up_at = time.monotonic() + 20
            while len(endpoint.requests) == begun and time.monotonic() < give_up_at:
                time.sleep(0.001)
            code, said = started.stopped()
            assert answer.result().json()["results"][0]["index"] == 2
    finally:
        endpoint.delay_s = 0.0
    assert code == 0
    assert said == "Stopped.\n"
    with pytest.raises(httpx.ConnectError):
        started.ask()


def test_a_taken_port_is_told(server: Server) -> None:
    port = server.address.rpartition(":")[2]
    command = [sys.executable, "-m", "rerank_plugins", "serve", "--method", "FirstStage", "--port", port]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert "cannot listen" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_who_hangs_up_is_worked_for_no_longer(endpoint: ScriptedEndpoint, server: Server) -> None:
    endpoint.delay_s = 30
    try:
        with pytest.raises(httpx.ReadTimeout):
            server.ask(timeout=0.5)
    finally:
        endpoint.delay_s = 0
    ended = 'rerank_requests_total{form="cohere-v2",method="careful",status="499"} 1.0'
    headers = {"Authorization": f"Bearer {KEY}"}
    end = time.monotonic() + 5
    while ended not in (page := httpx.get(f"{server.address}/metrics", headers=headers).text):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert "rerank_active 0.0" in page
