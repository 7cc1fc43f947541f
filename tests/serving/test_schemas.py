"""Replies and requests against what the other services publish of theirs: names, types, and what must be there.

- Cohere: `fern/openapi/rerank.yaml` in cohere-ai/cohere-developer-experience at 7ad5e65 for version 1, and the package
  cohere 5.21.1, whose models are generated from the description of version 2.
- Jina: the OpenAPI description of api.jina.ai as tryAGI/Jina at 0298ff6 keeps it, `RankAPIInput` and `RankingOutput`.
- TEI: `docs/openapi.json` in huggingface/text-embeddings-inference at a28ad28, `RerankRequest` and `RerankResponse`.
"""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any

import pytest

from rerank_plugins.testing import FakeModel

jsonschema = pytest.importorskip("jsonschema")

TEXTS = ["Wheat is kneaded.", "Rye needs acid.", "A stone holds heat."]
ASKED = {"query": "rye?", "documents": TEXTS, "texts": TEXTS}
METHODS = ("model", "vectors", "as-it-was")


def an_object(required: str = "", **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required.split(), "properties": properties}


def a_list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


NUMBER, WHOLE, TEXT, FLAG = ({"type": kind} for kind in ("number", "integer", "string", "boolean"))
FROM_0_TO_1 = {"type": "number", "minimum": 0, "maximum": 1}
A_DOCUMENT = an_object("text", text=TEXT)

META = an_object(
    api_version=an_object("version", version=TEXT, is_deprecated=FLAG, is_experimental=FLAG),
    billed_units=an_object(
        images=NUMBER, input_tokens=NUMBER, output_tokens=NUMBER, search_units=NUMBER, classifications=NUMBER
    ),
    tokens=an_object(input_tokens=NUMBER, output_tokens=NUMBER),
    warnings=a_list(TEXT),
)
COHERE_V2 = an_object(
    "results",
    id=TEXT,
    results=a_list(an_object("index relevance_score", index=WHOLE, relevance_score=FROM_0_TO_1)),
    meta=META,
)
COHERE_V1 = an_object(
    "results",
    id=TEXT,
    results=a_list(
        an_object("index relevance_score", index=WHOLE, relevance_score=FROM_0_TO_1, document=A_DOCUMENT),
    ),
    meta=META,
)
JINA = an_object(
    "model results usage",
    model=TEXT,
    results=a_list(an_object("index relevance_score", index=WHOLE, relevance_score=NUMBER, document=A_DOCUMENT)),
    usage=an_object("total_tokens", total_tokens=WHOLE, prompt_tokens=WHOLE),
)
TEI = a_list(an_object("index score", index=WHOLE | {"minimum": 0}, score=NUMBER, text=TEXT | {"nullable": True}))

COHERE_TOLD = an_object("message", message=TEXT)
JINA_TOLD = an_object("detail", detail=TEXT)
TEI_KINDS = ["Unhealthy", "Backend", "Overloaded", "Validation", "Tokenizer"]
TEI_TOLD = an_object("error error_type", error=TEXT, error_type={"enum": TEI_KINDS})
TOLD = {"/v2/rerank": [COHERE_TOLD], "/v1/rerank": [COHERE_TOLD, JINA_TOLD], "/rerank": [TEI_TOLD]}


def check(reply: Any, *schemas: dict[str, Any]) -> None:
    for schema in schemas:
        jsonschema.Draft202012Validator(schema).validate(reply)


async def test_every_choice_of_cohere_and_jina_is_answered_in_their_form(serve: Any) -> None:
    client = await serve()
    choices = {
        "model": METHODS,
        "top_n": (None, 1, 2, 10**9),
        "return_documents": (None, True, False),
        "explain": (False, True),
    }
    for values in product(*choices.values()):
        asked = {"query": "rye?", "documents": TEXTS} | dict(zip(choices, values, strict=True))
        for path, schemas in (("/v2/rerank", [COHERE_V2]), ("/v1/rerank", [COHERE_V1, JINA])):
            answer = await client.post(path, json=asked)
            assert answer.headers["content-type"] == "application/json"
            check(reply := answer.json(), *schemas)
            assert len(reply["results"]) == min(asked["top_n"] or 3, 3)
            scores = [result["relevance_score"] for result in reply["results"]]
            assert scores == sorted(scores, reverse=True)
            shown = asked["return_documents"] if path == "/v2/rerank" else asked["return_documents"] is not False
            assert all(("document" in result) is bool(shown) for result in reply["results"])
            assert ("rerank_plugins" in reply) is asked["explain"]


@pytest.mark.parametrize("default", METHODS)
async def test_every_choice_of_tei_is_answered_in_its_form(serve: Any, default: str) -> None:
    client = await serve(default=default)
    for raw, shown, cut in product((False, True), (False, True), (None, False, True)):
        asked = {"query": "rye?", "texts": TEXTS, "raw_scores": raw, "return_text": shown, "truncate": cut}
        check(reply := (await client.post("/rerank", json=asked)).json(), TEI)
        assert {rank["index"] for rank in reply} == {0, 1, 2}
        assert all(rank.get("text") == (TEXTS[rank["index"]] if shown else None) for rank in reply)
        assert [rank["score"] for rank in reply] == sorted((rank["score"] for rank in reply), reverse=True)


@pytest.mark.parametrize(
    ("settings", "changed", "status"),
    [
        ({}, {"query": 7}, 422),
        ({"max_documents": 2}, {}, 413),
        ({"key": "the-key"}, {}, 401),
        ({"backends": [FakeModel(fails=lambda number, request: OSError())]}, {}, 503),
    ],
)
async def test_refusals_are_in_the_form_of_each(
    serve: Any, settings: dict[str, Any], changed: dict[str, Any], status: int
) -> None:
    client = await serve(**settings)
    for path in TOLD:
        refused(await client.post(path, json=ASKED | changed), path, status)


async def test_a_full_server_says_so_in_the_form_of_each(serve: Any) -> None:
    client = await serve(backends=[FakeModel("[1]", delay_s=0.1)], max_active=1, max_waiting=0)
    first = asyncio.create_task(client.post("/v2/rerank", json=ASKED))
    await asyncio.sleep(0.02)
    for path in TOLD:
        answer = await client.post(path, json=ASKED)
        refused(answer, path, 429)
        assert int(answer.headers["retry-after"]) >= 1
    assert (await first).status_code == 200


def refused(answer: Any, path: str, status: int) -> None:
    assert answer.status_code == status
    assert int(answer.headers["content-length"]) == len(answer.content), "an answer of a known length is not chunked"
    check(answer.json(), *TOLD[path])


async def test_every_field_of_cohere_v2_is_taken(serve: Any) -> None:
    client = await serve()
    asked = {
        "model": "model",
        "query": "rye?",
        "documents": TEXTS,
        "top_n": 2,
        "max_tokens_per_doc": 512,
        "priority": 3,
    }
    assert (await client.post("/v2/rerank", json=asked)).status_code == 200


async def test_every_field_of_cohere_v1_is_taken(serve: Any) -> None:
    client = await serve()
    documents = [
        "Wheat is kneaded.",
        {"title": "Rye", "body": "Rye needs acid.", "text": "unread", "year": 1986},
        {"text": "A stone holds heat.", "source": "page 3"},
    ]
    asked = {
        "query": "rye?",
        "documents": documents,
        "top_n": 3,
        "rank_fields": ["body", "title"],
        "return_documents": True,
        "max_chunks_per_doc": 10,
    }
    reply = (await client.post("/v1/rerank", json=asked)).json()
    check(reply, COHERE_V1)
    assert [result["document"] for result in reply["results"]] == [
        {"title": "Rye", "body": "Rye needs acid.", "text": "unread"},
        {"text": "A stone holds heat.", "source": "page 3"},
        {"text": "Wheat is kneaded."},
    ]


@pytest.mark.parametrize("query", ["rye?", {"text": "rye?"}, {"id": "7", "text": "rye?"}])
async def test_every_field_of_jina_is_taken(serve: Any, query: Any) -> None:
    client = await serve()
    documents = [{"id": "a", "text": TEXTS[0]}, {"text": TEXTS[1]}, {"text": TEXTS[2]}]
    asked = {"model": "model", "query": query, "documents": documents, "top_n": 1, "return_documents": True}
    reply = (await client.post("/v1/rerank", json=asked)).json()
    check(reply, JINA)
    assert reply["results"][0]["document"] == {"text": TEXTS[1]}


@pytest.mark.parametrize("direction", ["Left", "Right", "left"])
async def test_every_field_of_tei_is_taken(serve: Any, direction: str) -> None:
    client = await serve()
    asked = {
        "query": "rye?",
        "texts": TEXTS,
        "raw_scores": True,
        "return_text": True,
        "truncate": True,
        "truncation_direction": direction,
    }
    assert (await client.post("/rerank", json=asked)).status_code == 200


async def test_the_fields_to_rank_are_what_the_method_reads() -> None:
    from rerank_plugins.serving.forms import CohereV1

    document = {"title": "Rye", "body": "It needs acid.", "text": "else"}
    for fields, read in ((None, "else"), (["body", "title"], "It needs acid.\nRye"), (["author"], "else")):
        asked = CohereV1.model_validate({"query": "q", "documents": [document], "rank_fields": fields})
        assert asked.texts_in_order == [read]


@pytest.mark.parametrize("document", [{"image": "https://example.org/a.png"}, {}, {"text": None}])
async def test_a_document_without_a_text_is_named(serve: Any, document: dict[str, Any]) -> None:
    client = await serve()
    answer = await client.post("/v1/rerank", json={"query": "rye?", "documents": ["a text", document]})
    assert answer.status_code == 422
    assert "document 1 has no field 'text'" in answer.json()["detail"]
    assert "example.org" not in answer.text


async def test_the_same_document_twice_keeps_both_places(serve: Any) -> None:
    client = await serve()
    asked = {"query": "rye?", "documents": ["Rye needs acid.", "Wheat is kneaded.", "Rye needs acid."]}
    for name in METHODS:
        reply = (await client.post("/v2/rerank", json=asked | {"model": name})).json()
        assert sorted(result["index"] for result in reply["results"]) == [0, 1, 2]


@pytest.mark.parametrize("name", METHODS)
async def test_half_characters_anywhere_are_no_defect(serve: Any, name: str) -> None:
    client = await serve()
    content = rb"""{"query": "\ud800", "documents": ["\udfff x", {"text": "Rye needs\ud800", "more": "\udc01"}],
        "rank_fields": ["more", "\udc00"], "return_documents": true, "explain": true, "model": "%s"}""" % name.encode()
    answer = await client.post("/v1/rerank", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    check(answer.json(), COHERE_V1)


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"-1", b"1.5", b"1e400", b'"many"', b"[]"])
async def test_a_top_n_that_is_no_number_is_refused(serve: Any, value: bytes) -> None:
    client = await serve()
    content = b'{"query": "rye?", "documents": ["a", "b"], "top_n": %s}' % value
    answer = await client.post("/v2/rerank", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "top_n" in answer.json()["message"]


async def test_head_options_and_a_slash_too_many_are_told_in_json(serve: Any) -> None:
    client = await serve()
    for method in ("HEAD", "OPTIONS", "PUT", "DELETE"):
        assert (await client.request(method, "/v2/rerank")).status_code == 405
    answer = await client.post("/v2/rerank/", json={"query": "rye?", "documents": TEXTS})
    assert (answer.status_code, "location" in answer.headers) == (404, False)
    check(answer.json(), COHERE_TOLD, JINA_TOLD)
