"""Rerank endpoints: each form by documented bodies and by our own server, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rerank_plugins import Cascade, CrossEncode, InsertRank, Limits, Ranking, arerank, rerank
from rerank_plugins.backends import RerankAPI
from rerank_plugins.backends.rerank_forms import FORMS
from rerank_plugins.errors import InvalidInput
from rerank_plugins.requests import ScorePairs
from rerank_plugins.testing import FakeModel

TEXTS = ["Wheat is kneaded.", "A stone holds heat.", "Rye needs acid."]
VALUES = {"Wheat": 0.2, "A stone": 0.1, "Rye": 0.9, "": 0.0}


def value(text: str) -> float:
    return next(score for word, score in VALUES.items() if text.startswith(word))


class Server:
    """A rerank server that answers as a function of path and body says: a status and a body."""

    def __init__(self, answer: Callable[[str, Any], tuple[int, Any]]) -> None:
        self.asked: list[tuple[str, Any, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append((self.path, body, {k.lower(): v for k, v in self.headers.items()}))
                status, said = answer(self.path, body)
                data = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def serving(answer: Callable[[str, Any], tuple[int, Any]]) -> Iterator[Server]:
    server = Server(answer)
    try:
        yield server
    finally:
        server.close()


def in_a_loop(*args: Any, **options: Any) -> Ranking:
    return asyncio.run(arerank(*args, **options))


both = pytest.mark.parametrize("way", [rerank, in_a_loop], ids=["sync", "async"])
Way = Callable[..., Ranking]

# What each provider documents: the path, where the texts stand in a request, and a reply, the best first.
DOCUMENTED: dict[str, tuple[str, Callable[[Any], list[str]], Callable[[list[tuple[int, float]]], Any]]] = {
    "cohere": ("/v2/rerank", lambda b: b["documents"], lambda found: {
        "id": "07734bd2", "results": [{"index": i, "relevance_score": s} for i, s in found],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}}),
    "cohere-v1": ("/v1/rerank", lambda b: b["documents"], lambda found: {
        "results": [{"index": i, "relevance_score": s} for i, s in found],
        "meta": {"billed_units": {"search_units": 1}}}),
    "jina": ("/v1/rerank", lambda b: b["documents"], lambda found: {
        "model": "jina-reranker-v2-base-multilingual", "usage": {"total_tokens": 15, "prompt_tokens": 15},
        "results": [{"index": i, "relevance_score": s} for i, s in found]}),
    "voyage": ("/v1/rerank", lambda b: b["documents"], lambda found: {
        "object": "list", "data": [{"relevance_score": s, "index": i} for i, s in found],
        "model": "rerank-2.5", "usage": {"total_tokens": 26}}),
    "tei": ("/rerank", lambda b: b["texts"], lambda found: [{"index": i, "score": s} for i, s in found]),
    "vllm": ("/v1/rerank", lambda b: b["documents"], lambda found: {
        "id": "rerank-1", "model": "m", "usage": {"total_tokens": 56},
        "results": [{"index": i, "document": {"text": "t"}, "relevance_score": s} for i, s in found]}),
    "vllm-score": ("/score", lambda b: b["text_2"], lambda found: {
        "id": "score-1", "object": "list", "model": "m", "usage": {"prompt_tokens": 9, "total_tokens": 9},
        "data": [{"index": i, "object": "score", "score": s} for i, s in found]}),
    "nvidia": ("/v1/ranking", lambda b: [p["text"] for p in b["passages"]], lambda found: {
        "rankings": [{"index": i, "logit": s} for i, s in found], "usage": {"prompt_tokens": 12, "total_tokens": 12}}),
    "llama.cpp": ("/v1/rerank", lambda b: b["documents"], lambda found: {
        "model": "m", "object": "list", "usage": {"prompt_tokens": 29, "total_tokens": 29},
        "results": [{"index": i, "relevance_score": s} for i, s in found]}),
}  # fmt: skip


def documented(form: str, most: int = 10**6, bad: str = "-") -> Callable[[str, Any], tuple[int, Any]]:
    _, texts_of, reply = DOCUMENTED[form]

    def answer(path: str, body: Any) -> tuple[int, Any]:
        texts = texts_of(body)
        if len(texts) > most:
            return 422, {
                "error": f"batch size {len(texts)} > maximum allowed batch size {most}",
                "error_type": "Validation",
            }
        if any(bad in text for text in texts):
            return 400, {"message": "a document was blocked"}
        found = [(place, value(text)) for place, text in enumerate(texts)]
        return 200, reply(sorted(found, key=lambda item: -item[1]))

    return answer


@both
@pytest.mark.parametrize("form", FORMS)
def test_each_form_as_its_provider_documents_it(form: str, way: Way) -> None:
    with serving(documented(form)) as server:
        model = RerankAPI("m", server.url, "the-key", form=form)
        ranking = way(CrossEncode(), "what does rye need?", TEXTS, backends=model)
    assert ranking.order == [2, 0, 1]
    assert [item.score for item in ranking] == [0.9, 0.2, 0.1]
    ((path, body, headers),) = server.asked
    assert path == DOCUMENTED[form][0]
    assert headers["authorization"] == "Bearer the-key"
    assert "what does rye need?" in json.dumps(body)
    assert ranking.usage.calls == 1
    tokens = re.search(r'"total_tokens": (\d+)', json.dumps(DOCUMENTED[form][2]([])))
    assert ranking.usage.prompt_tokens == (int(tokens[1]) if tokens else 0)


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/", "/v1/rerank"])
def test_the_address_with_and_without_its_version(end: str) -> None:
    with serving(documented("jina")) as server:
        rerank(CrossEncode(), "q", TEXTS, backends=RerankAPI("m", server.url + end, form="jina"))
    assert server.asked[0][0] == "/v1/rerank"


@both
def test_the_size_that_is_taken_is_learned_and_remembered(way: Way) -> None:
    texts = [f"Rye number {number}." for number in range(100)]
    with serving(documented("tei", most=10)) as server:
        model = RerankAPI("", server.url, form="tei")
        first = way(CrossEncode(), "q", texts, backends=model)
        refused = sum(len(body["texts"]) > 10 for _, body, _ in server.asked)
        server.asked.clear()
        way(CrossEncode(), "q", texts, backends=model)
    assert len(first) == 100 and all(item.score == 0.9 for item in first)
    assert refused == 2  # 32, 16, then 8
    assert max(len(body["texts"]) for _, body, _ in server.asked) == 8


@both
def test_one_document_that_is_refused_costs_its_own_score(way: Way) -> None:
    texts = [*TEXTS, "A bad - one.", *TEXTS]
    with serving(documented("cohere")) as server:
        ranking = way(CrossEncode(), "q", texts, backends=RerankAPI("m", server.url))
    assert [item.index for item in ranking if item.score is None] == [3]
    assert ranking.order[:2] == [2, 6]
    assert any("refused" in note.message for note in ranking.notes)


@both
def test_a_request_that_is_wrong_itself_is_not_asked_for_each_document(way: Way) -> None:
    with serving(lambda path, body: (400, {"message": "top_n is too large"})) as server:
        ranking = way(CrossEncode(), "q", TEXTS * 10, backends=RerankAPI("m", server.url))
    assert len(server.asked) < 10
    assert ranking.notes[0].kind == "failed" and ranking.order == list(range(30))


@both
def test_a_document_that_is_too_long_is_shortened_and_noted(way: Way) -> None:
    def answer(path: str, body: Any) -> tuple[int, Any]:
        if any(len(text) > 500 for text in body["documents"]):
            return 400, {"message": "too many tokens: the maximum context length is 100 tokens"}
        return documented("cohere")(path, body)

    with serving(answer) as server:
        ranking = way(CrossEncode(), "q", ["Rye " * 1000, *TEXTS], backends=RerankAPI("m", server.url))
    assert all(item.score is not None for item in ranking)
    assert [note.kind for note in ranking.notes] == ["cut"]


@both
@pytest.mark.parametrize(
    ("reply", "scores"),
    [
        ({"results": [{"index": 2, "relevance_score": 0.9}]}, {2: 0.9}),
        ({"results": [{"index": 1, "relevance_score": 0.4}] * 2}, {1: 0.4}),
        ({"results": [{"index": 9, "relevance_score": 1.0}, {"index": -1, "relevance_score": 1.0}]}, {}),
        ({"results": [{"index": 0, "relevance_score": "nan"}, {"index": 1, "relevance_score": 0.3}]}, {1: 0.3}),
    ],
)
def test_scores_follow_documents_by_their_index(reply: Any, scores: dict[int, float], way: Way) -> None:
    with serving(lambda path, body: (200, reply)) as server:
        ranking = way(CrossEncode(), "q", TEXTS, backends=RerankAPI("m", server.url))
    assert sorted(ranking.order) == [0, 1, 2]
    if scores:
        assert {item.index: item.score for item in ranking if item.score is not None} == scores
    else:
        assert ranking.score_kind == "order" and ranking.notes


@both
@pytest.mark.parametrize(
    "said", [b"<html>a proxy</html>", {"detail": "hello"}, [], {"results": None}, {"results": [7]}]
)
def test_what_is_no_reply_is_told_in_a_sentence(said: Any, way: Way) -> None:
    with serving(lambda path, body: (200, said)) as server:
        ranking = way(CrossEncode(), "q", TEXTS, backends=RerankAPI("m", server.url))
    assert ranking.order == [0, 1, 2]
    assert "check base_url" in ranking.notes[0].message or "no score" in ranking.notes[0].message


@both
def test_a_busy_server_is_asked_again_and_a_wrong_key_is_not(way: Way) -> None:
    answers = [
        (429, {"message": "Please try again in 20ms."}),
        (503, {}),
        documented("cohere")("", {"documents": TEXTS}),
    ]
    with serving(lambda path, body: answers.pop(0)) as server:
        ranking = way(CrossEncode(), "q", TEXTS, backends=RerankAPI("m", server.url), limits=Limits(backoff_s=0.01))
    assert ranking.order == [2, 0, 1] and not ranking.notes and len(server.asked) == 3
    with serving(lambda path, body: (401, {"message": "invalid api token secret-key"})) as server:
        ranking = way(CrossEncode(), "q", TEXTS, backends=RerankAPI("m", server.url, "secret-key"))
    assert len(server.asked) == 1
    assert "check api_key" in ranking.notes[0].message and "secret-key" not in ranking.notes[0].message


@both
def test_a_server_that_hangs_is_not_waited_for(way: Way) -> None:
    def answer(path: str, body: Any) -> tuple[int, Any]:
        time.sleep(1)
        return 200, {}

    with serving(answer) as server:
        began = time.monotonic()
        way(CrossEncode(), "q", TEXTS, backends=RerankAPI("m", server.url), limits=Limits(deadline_s=0.2))
        assert time.monotonic() - began < 0.8


def test_an_instruction_goes_where_the_form_has_a_place_for_it() -> None:
    with serving(documented("voyage")) as server:
        model = RerankAPI("rerank-2.5", server.url, form="voyage", instruction="Prefer primary sources.")
        rerank(CrossEncode(), "why?", TEXTS, backends=model)
    assert server.asked[0][1]["query"] == "Prefer primary sources.\nQuery: why?"
    with pytest.raises(InvalidInput, match="no place for an instruction; these have one: voyage"):
        RerankAPI("m", "http://localhost", form="tei", instruction="Prefer primary sources.")


def test_a_cascade_of_an_endpoint_and_a_language_model_is_one_line() -> None:
    with serving(documented("cohere")) as server:
        backends = [RerankAPI("m", server.url), FakeModel("[2] > [1]", kinds=[*InsertRank().needs])]
        ranking = rerank(Cascade(CrossEncode(), InsertRank(), keep=2), "q", TEXTS, backends=backends)
    assert ranking.order == [0, 2, 1]


def test_what_is_cached_is_not_asked_for_again() -> None:
    cache: dict[str, str] = {}
    with serving(documented("cohere")) as server:
        model = RerankAPI("m", server.url)
        for texts in (TEXTS, [*TEXTS, "Rye again."]):
            ranking = rerank(CrossEncode(), "q", texts, backends=model, cache=cache)
    assert [len(body["documents"]) for _, body, _ in server.asked] == [3, 1]
    assert ranking.order == [2, 3, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"form": "azure"}, "is one of cohere"),
        ({"base_url": "localhost:8080"}, "begins with http"),
        ({"form": "tei"}, "has no address of its own"),
        ({"model": None, "base_url": "http://a"}, "the model's name"),
        ({"batch_size": 0, "base_url": "http://a"}, "whole number of at least 1"),
        ({}, "needs a key for https://api.cohere.com; pass api_key=... or set CO_API_KEY"),
    ],
)
def test_a_wrong_argument_gets_a_sentence(
    arguments: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CO_API_KEY", "COHERE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InvalidInput, match=re.escape(words)):
        RerankAPI(**arguments)


def test_its_name_holds_no_key_and_reads_back() -> None:
    model = RerankAPI("m", "http://user:secret@localhost:8080/v1", "secret", form="jina")
    assert repr(model) == "RerankAPI('m', base_url='http://localhost:8080/v1', form='jina')"
    assert "secret" not in model.identity
    assert model.kinds == (ScorePairs,)


@pytest.mark.parametrize("form", ["cohere", "cohere-v1", "jina", "tei"])
def test_our_own_server_in_each_of_its_forms(form: str) -> None:
    uvicorn = pytest.importorskip("uvicorn", reason="needs the extra serve")
    pytest.importorskip("fastapi", reason="needs the extra serve")
    from rerank_plugins.serving import Settings, create_app

    app = create_app(Settings(methods={"m": CrossEncode()}, backends=[FakeModel()]))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        behind = rerank(CrossEncode(), "q", TEXTS, backends=RerankAPI("m", f"http://127.0.0.1:{port}", form=form))
    finally:
        server.should_exit = True
        thread.join(10)
    assert behind.order == rerank(CrossEncode(), "q", TEXTS, backends=FakeModel()).order
