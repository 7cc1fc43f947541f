"""A server in this process, without a socket."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

pytest.importorskip("fastapi")

import httpx
import pytest_asyncio

from rerank_plugins import Embedding, FirstStage, InsertRank
from rerank_plugins.limits import Limits
from rerank_plugins.serving import Settings, create_app
from rerank_plugins.testing import FakeModel, prompt_of

Serve = Callable[..., Any]


def rye_first(asked: Any) -> str:
    """The order rye, stone, wheat, wherever they stand in the prompt."""
    prompt = prompt_of(asked)
    places = [re.search(rf'id="(\d+)"[^>]*>\s*{words}', prompt) for words in ("Rye needs", "A stone", "Wheat is")]
    return f'{{"ranking": [{", ".join(place[1] for place in places if place)}]}}'


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server with these settings and gives a client for it."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> httpx.AsyncClient:
            usual: dict[str, Any] = {
                "methods": {"model": InsertRank(), "vectors": Embedding(), "as-it-was": FirstStage()},
                "backends": [FakeModel(rye_first)],
                "limits": Limits(deadline_s=5, retries=0),
            }
            app = create_app(Settings(**(usual | settings)))
            await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx.ASGITransport(app)
            return await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://server"))

        yield start
