"""Cohere's own client, both versions, against the application: it finds what it looks for, answers and refusals."""

from __future__ import annotations

from typing import Any

import pytest

cohere = pytest.importorskip("cohere")

TEXTS = ["Wheat is kneaded.", "Rye needs acid.", "A stone holds heat."]


@pytest.mark.parametrize("version", ["AsyncClientV2", "AsyncClient"])
async def test_it_reads_the_ranking_and_the_refusals(serve: Any, version: str) -> None:
    transport = await serve(key="the-key", max_documents=3)

    def client(key: str) -> Any:
        return getattr(cohere, version)(api_key=key, base_url="http://server", httpx_client=transport)

    reply = await client("the-key").rerank(model="model", query="rye?", documents=TEXTS, top_n=2)
    assert [result.index for result in reply.results] == [1, 2]
    assert reply.meta.api_version.version == ("2" if version.endswith("V2") else "1")
    assert reply.meta.tokens.input_tokens > 0
    with pytest.raises(cohere.UnauthorizedError):
        await client("another").rerank(model="model", query="rye?", documents=TEXTS)
    with pytest.raises(cohere.NotFoundError) as refused:
        await client("the-key").rerank(model="other", query="rye?", documents=TEXTS)
    assert "'as-it-was'" in refused.value.body["message"]
    with pytest.raises(cohere.UnprocessableEntityError):
        await client("the-key").rerank(model="model", query="rye?", documents=TEXTS, top_n=0)
