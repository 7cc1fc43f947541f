"""Killed, started again, and told to stop, all under load: an answer is whole and right, or there is none."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from benchmarks._checking_clients import Client, Load, Question
from benchmarks._scripted_server import Server

pytestmark = pytest.mark.slow

CLIENTS = 30


@asynccontextmanager
async def under_load(port: int, numbers: Iterator[int]) -> AsyncIterator[Load]:
    """Clients that ask on and on, whatever happens, until the block is left."""
    load, go_on = Load(), True

    async def ask_on() -> None:
        client = Client(port)
        while go_on:
            failed = len(load.unanswered)
            await load.ask(client, Question(next(numbers)))
            if len(load.unanswered) > failed:
                await asyncio.sleep(0.1)  # a client that comes back at once would starve the server that starts
        client.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(ask_on())
        try:
            yield load
        finally:
            go_on = False


async def answers(load: Load, further: int) -> None:
    """Wait until so many more questions were answered."""
    wanted = load.statuses[200] + further
    async with asyncio.timeout(30):
        while load.statuses[200] < wanted:
            await asyncio.sleep(0.01)


async def test_killed_and_started_again_under_load() -> None:
    numbers: Iterator[int] = count()
    first = await asyncio.to_thread(Server, delay_s=0.02)
    try:
        async with under_load(first.port, numbers) as load:
            await answers(load, 100)
            first.signal(signal.SIGKILL)
            code, said = await asyncio.to_thread(first.ended)
            with await asyncio.to_thread(Server, delay_s=0.02, port=first.port):
                await answers(load, 100)
                lost = len(load.unanswered)
                await answers(load, 200)
                assert len(load.unanswered) == lost, "after the restart all succeed"
                assert not load.wrong + load.broken_off
                assert set(load.statuses) == {200}
                assert lost >= CLIENTS, "each client met the server that was gone"
                assert (code, said) == (-signal.SIGKILL, "")
    finally:
        first.process.kill()


async def test_told_to_stop_it_answers_all_that_wait_and_refuses_new_connections() -> None:
    with await asyncio.to_thread(Server, "--deadline", "10", delay_s=0.3) as server:
        async with asyncio.TaskGroup() as group:
            clients = [Client(server.port) for _ in range(40)]
            load = Load()
            for number, client in enumerate(clients):
                question = Question(6 * number)  # each of them asks the chat model
                group.create_task(load.ask(client, question))
            await begun(server, len(clients))
            began = time.monotonic()
            server.signal(signal.SIGTERM)
            await asyncio.sleep(0.2)
            with pytest.raises(ConnectionRefusedError):
                await Client(server.port).ask(Question(0))
        assert load.statuses == {200: 40}
        assert not load.wrong + load.broken_off + load.unanswered
        code, said = await asyncio.to_thread(server.ended)
        assert (code, said) == (0, "Stopped.\n")
        assert time.monotonic() - began < 10


async def begun(server: Server, requests: int) -> None:
    """Wait until so many requests are under way or wait."""
    async with asyncio.timeout(30):
        while True:
            now: dict[str, Any] = await asyncio.to_thread(server.metrics)
            if now["rerank_active"] + now["rerank_queue_length"] == requests:
                return


async def test_told_to_stop_while_clients_ask_on_each_gets_a_whole_answer_or_none() -> None:
    with await asyncio.to_thread(Server, delay_s=0.02) as server:
        async with under_load(server.port, count()) as load:
            await answers(load, 100)
            server.signal(signal.SIGTERM)
            code, said = await asyncio.to_thread(server.ended)
        assert not load.wrong + load.broken_off
        assert set(load.statuses) == {200}
        assert load.unanswered
        assert (code, said) == (0, "Stopped.\n")
