"""More than a server can take: it says so at once, nothing is mixed up, and what it counts is true."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from rerank_plugins.limits import Limits
from rerank_plugins.serving.admission import Admission
from rerank_plugins.serving.refusals import Refusal
from rerank_plugins.testing import FakeModel

ASKED = {"query": "rye?", "documents": ["Wheat.", "Rye."], "model": "model"}


class Held(FakeModel):
    """A model that answers when it is told to."""

    def __init__(self) -> None:
        super().__init__("[2] > [1]")
        self.go = asyncio.Event()

    async def aanswer(self, request: Any, timeout: float | None) -> Any:
        await self.go.wait()
        return await super().aanswer(request, timeout)


async def metric(client: Any, name: str) -> float:
    """The sum of a metric over its labels."""
    page = (await client.get("/metrics")).text
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.M))


async def until(client: Any, name: str, value: float) -> None:
    async with asyncio.timeout(5):
        while await metric(client, name) != value:
            await asyncio.sleep(0)


async def test_beyond_the_queue_it_is_429_with_a_time_and_it_recovers(serve: Any) -> None:
    model = Held()
    client = await serve(backends=[model], max_active=1, max_waiting=1)
    first = asyncio.create_task(client.post("/v2/rerank", json=ASKED))
    await until(client, "rerank_active", 1)
    second = asyncio.create_task(client.post("/v2/rerank", json=ASKED))
    await until(client, "rerank_queue_length", 1)
    shed = await client.post("/v2/rerank", json=ASKED)
    assert shed.status_code == 429
    assert int(shed.headers["Retry-After"]) >= 1
    model.go.set()
    assert [(await task).status_code for task in (first, second)] == [200, 200]
    assert (await client.post("/v2/rerank", json=ASKED)).status_code == 200
    assert await metric(client, "rerank_active") == await metric(client, "rerank_queue_length") == 0
    page = (await client.get("/metrics")).text
    assert 'rerank_requests_total{form="cohere-v2",method="model",status="429"} 1.0' in page
    assert 'rerank_requests_total{form="cohere-v2",method="model",status="200"} 3.0' in page


async def test_waiting_counts_towards_the_deadline(serve: Any) -> None:
    model = Held()
    client = await serve(backends=[model], max_active=1, limits=Limits(deadline_s=0.05))
    answers = await asyncio.gather(*(client.post("/v2/rerank", json=ASKED) for _ in range(2)))
    assert [answer.status_code for answer in answers] == [503, 503]


async def test_many_at_once_are_not_mixed_up(serve: Any) -> None:
    def says(request: Any) -> str:
        """The document with the question's number comes first."""
        text = request.messages[-1]["content"]
        (number,) = set(re.findall(r"question (\d+)", text))
        places = re.findall(r"thing (\d+)", text)
        return f"[{places.index(number) + 1}]"

    client = await serve(backends=[FakeModel(says)], max_active=4, max_waiting=200)

    async def ask(number: int) -> tuple[int, int]:
        things = [f"thing {number + shift}" for shift in range(-(number % 3), 3)]
        asked = {"query": f"question {number}", "documents": things, "model": "model", "return_documents": True}
        reply = (await client.post("/v2/rerank", json=asked)).json()
        return number, int(reply["results"][0]["document"]["text"].removeprefix("thing "))

    for asked, found in await asyncio.gather(*map(ask, range(10, 70))):
        assert asked == found


async def test_calls_tokens_and_failures_are_counted(serve: Any) -> None:
    model = FakeModel("[2] > [1]", fails=lambda number, request: OSError() if number == 1 else None)
    client = await serve(backends=[model])
    assert [(await client.post("/v2/rerank", json=ASKED)).status_code for _ in range(3)] == [200, 503, 200]
    assert await metric(client, "rerank_model_calls_total") == 3
    assert await metric(client, "rerank_model_calls_failed_total") == 1
    assert await metric(client, "rerank_documents_total") == 6
    assert await metric(client, "rerank_request_seconds_count") == 3
    assert await metric(client, "rerank_tokens_total") > 0


async def test_what_a_request_says_is_no_label(serve: Any) -> None:
    client = await serve(any_method=True)
    for name in ("made up", "Embedding()"):
        await client.post("/v2/rerank", json=ASKED | {"model": name})
    page = (await client.get("/metrics")).text
    assert 'method="any"' in page
    assert 'method="unknown"' in page
    assert "made up" not in page
    assert "Embedding()" not in page


async def test_the_time_to_try_again_follows_what_requests_took() -> None:
    admission = Admission(max_active=1, max_waiting=0)
    assert admission.retry_after_s == 1.0
    async with admission.place():
        with pytest.raises(Refusal) as refused:
            async with admission.place():
                pass
    assert refused.value.status == 429


async def test_a_place_is_free_again_after_a_failure() -> None:
    admission = Admission(max_active=1, max_waiting=0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            async with admission.place():
                raise ZeroDivisionError
    assert (admission.active, admission.waiting) == (0, 0)


async def test_who_gives_up_waiting_leaves_the_queue() -> None:
    admission = Admission(max_active=1, max_waiting=1)
    async with admission.place():
        with pytest.raises(Refusal) as refused:
            async with admission.place(patience_s=0.01):
                pass
        assert refused.value.status == 503
        assert admission.waiting == 0


async def test_it_is_ready_between_its_start_and_its_end(serve: Any) -> None:
    import httpx

    from rerank_plugins import FirstStage
    from rerank_plugins.serving import Settings, create_app

    app = create_app(Settings(methods={"a": FirstStage()}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
        assert (await client.get("/readyz")).status_code == 503
        async with app.router.lifespan_context(app):
            assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/healthz")).status_code == 200
