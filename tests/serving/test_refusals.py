"""What gets no ranking: which status, which sentence, and never what the client sent."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from rerank_plugins.errors import Refused
from rerank_plugins.serving import Settings
from rerank_plugins.testing import FakeModel

SECRET = "a very private document"
ASKED: dict[str, Any] = {"query": "rye?", "documents": [SECRET, "Rye needs acid."]}


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"{no json, " + SECRET.encode(), 400, "no JSON"),
        (b"[" * 100_000, 400, "cannot be read"),
        (b'{"documents": ["%s"]}' % SECRET.encode(), 422, "query"),
        (b'{"query": ["%s"], "documents": []}' % SECRET.encode(), 422, "query"),
        (b'{"query": "q", "documents": ["%s", 7]}' % SECRET.encode(), 422, "documents.1"),
        (b'{"query": "q", "documents": ["%s"], "top_n": 0}' % SECRET.encode(), 422, "top_n"),
        (b'{"query": "q", "documents": ["%s"], "model": "other"}' % SECRET.encode(), 404, "'as-it-was'"),
        (b'{"query": "q", "documents": ["a", "b", "c", "%s"]}' % SECRET.encode(), 413, "at most 3 documents"),
        (b'{"query": "q", "documents": ["%s"]}' % (SECRET.encode() * 100), 413, "at most 1000 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_a_sentence_says_what_is_wrong(serve: Any, body: bytes, status: int, told: str) -> None:
    client = await serve(max_documents=3, max_body_bytes=200_000 if body.startswith(b"[[") else 1000)
    answer = await client.post("/v2/rerank", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, told in answer.json()["message"]) == (status, True), answer.text
    assert SECRET not in answer.text
    assert answer.json()["message"].endswith(".")


async def test_a_body_without_a_length_is_counted_as_it_comes(serve: Any) -> None:
    client = await serve(max_body_bytes=1000)
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 100

    answer = await client.post("/v2/rerank", content=endless(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert sent <= 12


async def test_each_path_names_the_sentence_as_its_clients_expect(serve: Any) -> None:
    client = await serve(max_documents=1)
    asked = {"query": "q", "documents": ["a", "b"], "texts": ["a", "b"]}
    assert set((await client.post("/v2/rerank", json=asked)).json()) == {"message", "detail"}
    assert (await client.post("/rerank", json=asked)).json()["error_type"] == "Validation"


async def test_unknown_paths_and_methods_are_told_in_json(serve: Any) -> None:
    client = await serve()
    assert ((await client.get("/nowhere")).status_code, (await client.get("/v2/rerank")).status_code) == (404, 405)
    assert "openapi.json" in (await client.get("/nowhere")).json()["message"]


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", "Basic the-key", "the-key", "Bearer the-keyy"])
async def test_without_the_key_nothing_is_read(serve: Any, header: str | None) -> None:
    model = FakeModel()
    client = await serve(key="the-key", backends=[model])
    headers = {} if header is None else {"Authorization": header}
    for path in ("/v2/rerank", "/v1/rerank", "/rerank"):
        answer = await client.post(path, content=b"no json", headers=headers)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "the-key" not in answer.text
    assert (await client.get("/metrics", headers=headers)).status_code == 401
    assert (await client.get("/v1/models", headers=headers)).status_code == 401
    assert not model.requests


async def test_with_the_key_all_is_open_and_without_it_the_page_and_the_probes(serve: Any) -> None:
    client = await serve(key="the-key")
    answer = await client.post("/v2/rerank", json=ASKED, headers={"Authorization": "bearer the-key"})
    assert answer.status_code == 200
    for path in ("/", "/healthz", "/readyz", "/openapi.json"):
        assert (await client.get(path)).status_code == 200


async def test_a_method_by_its_repr_only_where_that_is_allowed(serve: Any) -> None:
    asked = ASKED | {"model": "Fuse(Embedding(), InsertRank(window=4))", "explain": True}
    closed, opened = await serve(), await serve(any_method=True)
    assert (await closed.post("/v2/rerank", json=asked)).status_code == 404
    answer = await opened.post("/v2/rerank", json=asked)
    assert answer.json()["rerank_plugins"]["method"] == "Fuse(Embedding(), InsertRank(window=4))"
    for name in ("__import__('os').system('true')", "Nonsense()", "InsertRank(windows=3)", "x" * 2000):
        assert (await opened.post("/v2/rerank", json=asked | {"model": name})).status_code == 404


async def test_a_model_that_is_down_is_told_as_503(serve: Any) -> None:
    model = FakeModel(fails=lambda number, request: Refused("The endpoint answered with HTTP 401.", 401))
    client = await serve(backends=[model])
    answer = await client.post("/v2/rerank", json=ASKED)
    assert answer.status_code == 503
    assert "HTTP 401" in answer.json()["message"]


async def test_a_defect_is_told_as_500_and_only_its_kind_is_logged(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def steps(self, query: str, candidates: Any) -> Any:
            raise ZeroDivisionError(candidates[0].text)
            yield

    client = await serve(methods={"broken": Broken()})
    with caplog.at_level(logging.DEBUG):
        answer = await client.post("/v2/rerank", json=ASKED)
    assert answer.status_code == 500
    assert "ZeroDivisionError" in caplog.text
    assert SECRET not in caplog.text + answer.text


async def test_no_log_line_has_a_text_or_the_key(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = await serve(key="the-key")
    with caplog.at_level(logging.DEBUG):
        await client.post("/v2/rerank", json=ASKED, headers={"Authorization": "Bearer the-key"})
        await client.post("/v2/rerank", json=ASKED, headers={"Authorization": "Bearer the-wrong-key"})
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("rerank_plugins"))
    assert "Ranked 2 documents" in ours
    assert SECRET not in caplog.text
    assert "-key" not in ours
    assert "the-key" not in repr(Settings(methods={"a": _first_stage()}, key="the-key"))


def _first_stage() -> Any:
    from rerank_plugins import FirstStage

    return FirstStage()
