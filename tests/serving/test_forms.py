"""The forms of the APIs that clients already speak: what they send is read, and what they read is there."""

from __future__ import annotations

from typing import Any

import pytest

from rerank_plugins import Candidate, Embedding, FirstStage, Fuse, InsertRank
from rerank_plugins.errors import Refused
from rerank_plugins.ranking import Verdict, order_by, settle
from rerank_plugins.requests import Chat
from rerank_plugins.serving.forms import Answer, CohereV2, Tei, relevances
from rerank_plugins.testing import FakeModel

TEXTS = ["Wheat is kneaded.", "Rye needs acid.", "A stone holds heat."]


def ranking(scores: list[float | None], **options: Any) -> Any:
    return settle(order_by(scores), [Candidate(text) for text in TEXTS[: len(scores)]], **options)


async def test_cohere_v2(serve: Any) -> None:
    client = await serve()
    asked = {"model": "model", "query": "rye?", "documents": TEXTS, "top_n": 2, "max_tokens_per_doc": 4096}
    reply = (await client.post("/v2/rerank", json=asked)).json()
    assert [set(result) for result in reply["results"]] == [{"index", "relevance_score"}] * 2
    assert [result["index"] for result in reply["results"]] == [1, 2]
    assert reply["meta"]["api_version"] == {"version": "2"}
    assert reply["meta"]["tokens"]["input_tokens"] > 0
    assert reply["id"] != (await client.post("/v2/rerank", json=asked)).json()["id"]


async def test_cohere_v1_and_jina_share_a_path(serve: Any) -> None:
    client = await serve()
    asked = {"query": "rye?", "documents": [TEXTS[0], {"text": TEXTS[1], "title": "unread"}, TEXTS[2]]}
    reply = (await client.post("/v1/rerank", json=asked)).json()
    assert [result["document"]["text"] for result in reply["results"]] == [TEXTS[1], TEXTS[2], TEXTS[0]]
    assert reply["model"] == "model", "the first method is the default"
    usage = reply["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    reply = (await client.post("/v1/rerank", json=asked | {"return_documents": False})).json()
    assert all("document" not in result for result in reply["results"])


async def test_tei(serve: Any) -> None:
    client = await serve()
    asked = {"query": "rye?", "texts": TEXTS, "truncate": True}
    reply = (await client.post("/rerank", json=asked)).json()
    assert [rank["index"] for rank in reply] == [1, 2, 0]
    assert [set(rank) for rank in reply] == [{"index", "score"}] * 3
    reply = (await client.post("/rerank", json=asked | {"return_text": True})).json()
    assert [rank["text"] for rank in reply] == [TEXTS[1], TEXTS[2], TEXTS[0]]


async def test_the_model_field_chooses_the_method(serve: Any) -> None:
    client = await serve()
    for name, method in (("vectors", "Embedding()"), ("as-it-was", "FirstStage()")):
        asked = {"model": name, "query": "rye?", "documents": TEXTS, "explain": True}
        reply = (await client.post("/v2/rerank", json=asked)).json()
        assert (reply["model"], reply["rerank_plugins"]["method"]) == (name, method)


async def test_reasons_and_what_was_left_out_come_where_they_are_asked_for(serve: Any) -> None:
    client = await serve()
    asked = {"model": "vectors", "query": "Rye needs", "documents": TEXTS, "top_n": 1, "explain": True}
    reply = (await client.post("/v2/rerank", json=asked)).json()
    (first,) = reply["results"]
    assert first["rerank_plugins"]["first_stage_rank"] == 2
    assert first["rerank_plugins"]["why"]["cosine"] == pytest.approx(first["relevance_score"])
    dropped = reply["rerank_plugins"]["dropped"]
    assert {item["index"] for item in dropped} == {0, 2}
    assert all("top_n=1" in item["reason"] for item in dropped)


async def test_no_documents_are_no_error(serve: Any) -> None:
    client = await serve()
    reply = (await client.post("/v2/rerank", json={"query": "rye?", "documents": []})).json()
    assert reply["results"] == []


async def test_a_failure_in_part_is_a_warning(serve: Any) -> None:
    model = FakeModel(fails=lambda number, request: Refused("no", 401) if isinstance(request, Chat) else None)
    client = await serve(methods={"both": Fuse(Embedding(), InsertRank())}, backends=[model])
    answer = await client.post("/v2/rerank", json={"query": "rye?", "documents": TEXTS})
    assert answer.status_code == 200
    assert answer.json()["meta"]["warnings"]


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank"])
async def test_half_a_character_comes_back_as_a_replacement(serve: Any, path: str) -> None:
    client = await serve(methods={"as-it-was": FirstStage()})
    content = rb'{"query": "\ud800", "documents": ["\udfff x"], "texts": ["\udfff x"], "return_text": true}'
    answer = await client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert "\ufffd x" in answer.text


def test_scores_of_0_to_1_are_relevances_and_others_give_way_to_the_rank() -> None:
    assert relevances(ranking([0.2, 0.9])) == [0.9, 0.2]
    for scores in ([-3.0, -1.0], [7.0, 2.0], [0.5, None]):
        assert relevances(ranking(scores)) == [1.0, 0.5]  # type: ignore[arg-type] # lists are invariant


def test_raw_scores_are_the_methods_own_where_all_are_known() -> None:
    asked = Tei(query="q", texts=TEXTS, raw_scores=True)
    known, unknown = ranking([-3.0, -1.0]), ranking([-3.0, None])
    assert [rank.score for rank in asked.reply(Answer("id", "m", known, None))] == [-1.0, -3.0]
    assert [rank.score for rank in asked.reply(Answer("id", "m", unknown, None))] == [1.0, 0.5]


def test_a_client_gets_only_the_documents_that_it_sent() -> None:
    found = Verdict(order=[2, 1, 0], added=[Candidate("found by the method")])
    mixed = settle(found, [Candidate(text) for text in TEXTS[:2]])
    reply = CohereV2(query="q", documents=TEXTS[:2]).reply(Answer("id", "m", mixed, None))
    assert [(result.index, result.relevance_score) for result in reply.results] == [(1, 1 / 2), (0, 1 / 3)]
