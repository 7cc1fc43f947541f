"""Who asks, how slowly, and who has gone: what a server does before and besides its answers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from rerank_plugins import InsertRank
from rerank_plugins.cli import _parser
from rerank_plugins.commands.serve import _hosts
from rerank_plugins.errors import InvalidInput
from rerank_plugins.limits import Limits
from rerank_plugins.serving import Settings, create_app
from rerank_plugins.testing import FakeModel

ASKED = {"query": "rye?", "documents": ["Wheat.", "Rye."], "model": "model"}


class Held(FakeModel):
    """A model that answers when it is told to, and knows whether it was stopped."""

    def __init__(self) -> None:
        super().__init__("[2] > [1]")
        self.asked, self.go, self.stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def aanswer(self, request: Any, timeout: float | None) -> Any:
        self.asked.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.stopped.set()
            raise
        return await super().aanswer(request, timeout)


class Line:
    """A connection without a socket: what comes in is put there, what goes out is kept."""

    def __init__(self, path: str = "/v2/rerank") -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[Any] = []
        headers = [(b"content-type", b"application/json"), (b"host", b"localhost:8000")]
        self.scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}

    def say(self, body: bytes, more: bool = False) -> None:
        self.incoming.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def hang_up(self) -> None:
        self.incoming.put_nowait({"type": "http.disconnect"})

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def through(self, app: Any) -> None:
        await app(self.scope, self.incoming.get, self.send)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])


def served(model: FakeModel, **settings: Any) -> Any:
    usual: dict[str, Any] = {"methods": {"model": InsertRank()}, "limits": Limits(deadline_s=5, retries=0)}
    return create_app(Settings(**(usual | {"backends": [model]} | settings)))


async def test_work_for_a_client_that_has_gone_is_stopped() -> None:
    model = Held()
    app = served(model, max_active=1, max_waiting=0)
    line = Line()
    line.say(json.dumps(ASKED).encode())
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        task = group.create_task(line.through(app))
        await model.asked.wait()
        line.hang_up()
        await task
        await model.stopped.wait()
    assert not line.sent
    transport = httpx.ASGITransport(app)
    model.go.set()
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        assert (await client.post("/v2/rerank", json=ASKED)).status_code == 200, "its place is free again"
        page = (await client.get("/metrics")).text
    assert 'rerank_requests_total{form="cohere-v2",method="model",status="499"} 1.0' in page


async def test_who_hangs_up_while_waiting_leaves_the_queue() -> None:
    model = Held()
    app = served(model, max_active=1, max_waiting=1)
    lines = [Line(), Line(), Line()]
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        tasks = []
        for line in lines[:2]:
            line.say(json.dumps(ASKED).encode())
            tasks.append(group.create_task(line.through(app)))
            await model.asked.wait()
        await asyncio.sleep(0.01)
        lines[1].hang_up()
        await tasks[1]
        lines[2].say(json.dumps(ASKED).encode())
        tasks.append(group.create_task(lines[2].through(app)))
        await asyncio.sleep(0.01)
        model.go.set()
    assert [line.sent[0]["status"] if line.sent else None for line in lines] == [200, None, 200]


async def test_who_goes_before_all_is_said_is_not_answered() -> None:
    line = Line()
    line.say(b'{"query"', more=True)
    line.hang_up()
    await line.through(served(FakeModel()))
    assert not line.sent


async def test_a_body_that_does_not_come_is_refused() -> None:
    line = Line()
    line.say(b'{"query"', more=True)
    async with asyncio.timeout(5):
        await line.through(served(FakeModel(), body_timeout_s=0.02))
    assert line.status == 408
    assert json.loads(line.sent[1]["body"])["message"] == "The request did not come in whole within 0.02 s."


async def test_stopping_the_server_stops_its_work() -> None:
    model = Held()
    line = Line()
    line.say(json.dumps(ASKED).encode())
    async with asyncio.timeout(5):
        task = asyncio.create_task(line.through(served(model)))
        await model.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await model.stopped.wait()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8000", 200),
        ("rebound.example", 421),
        ("localhost.rebound.example:8000", 421),
        ("", 421),
    ],
)
async def test_only_its_own_names_are_answered_to(serve: Any, host: str, status: int) -> None:
    client = await serve(hosts=("localhost", "127.0.0.1", "[::1]"))
    for path in ("/", "/v1/models"):
        answer = await client.get(path, headers={"Host": host})
        assert answer.status_code == status
    if status != 200:
        assert "--allow-host" in answer.json()["message"]


async def test_any_name_will_do_where_none_is_set(serve: Any) -> None:
    assert (await (await serve()).get("/v1/models", headers={"Host": "any.example"})).status_code == 200


@pytest.mark.parametrize(
    ("options", "hosts"),
    [
        ([], ("localhost", "127.0.0.1", "[::1]")),
        (["--host", "localhost"], ("localhost", "127.0.0.1", "[::1]")),
        (["--allow-host", "rerank.example"], ("localhost", "127.0.0.1", "[::1]", "rerank.example")),
        (["--host", "0.0.0.0"], None),
        (["--server-key-env", "KEY"], None),
        (["--server-key-env", "KEY", "--allow-host", "a.example"], ("localhost", "127.0.0.1", "[::1]", "a.example")),
    ],
)
def test_the_names_follow_from_where_it_listens(options: list[str], hosts: tuple[str, ...] | None) -> None:
    assert _hosts(_parser().parse_args(["serve", "--method", "FirstStage", *options])) == hosts


async def test_a_form_of_another_site_is_not_taken_for_json(serve: Any) -> None:
    """A page elsewhere may send text and forms to this machine unasked, but no JSON."""
    client = await serve()
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = await client.post("/v2/rerank", content=json.dumps(ASKED), headers={"Content-Type": kind})
        assert answer.status_code == 422


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_body_timeout_is_a_time(seconds: float) -> None:
    with pytest.raises(InvalidInput, match="body_timeout_s"):
        served(FakeModel(), body_timeout_s=seconds)
