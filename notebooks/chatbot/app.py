"""The HTTP side: a conversation in, server-sent events out, and the page that shows them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from langchain_core.messages import BaseMessage, convert_to_messages
from pydantic import BaseModel, Field, field_validator

from rerank_plugins.errors import classify

from .chain import Chatbot, Event

__all__ = ["Bounds", "create_app"]

_PAGE = Path(__file__).parent / "page"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much the server takes on.

    Args:
        conversations: Answers under way at once; further questions get 429.
        deadline_s: Seconds for one answer.
        body_bytes: The largest request.
    """

    conversations: int = 4
    deadline_s: float = 120.0
    body_bytes: int = 2**18


class Message(BaseModel):
    """One turn."""

    role: Literal["user", "assistant"]
    content: Annotated[str, Field(min_length=1, max_length=8000)]


class Conversation(BaseModel):
    """All turns so far, the question last: the client holds the conversation, and the server forgets it."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=100)]

    @field_validator("messages")
    @classmethod
    def _ends_with_a_question(cls, messages: list[Message]) -> list[Message]:
        if messages[-1].role != "user":
            raise ValueError("the last message is the user's question")
        return messages

    def turns(self) -> list[BaseMessage]:
        """The same as LangChain's messages."""
        return convert_to_messages([(message.role, message.content) for message in self.messages])


def create_app(bot: Chatbot, about: dict[str, Any], bounds: Bounds | None = None) -> FastAPI:
    """Make the application; `about` is what the page tells of the models and the documents."""
    bounds = bounds or Bounds()
    app = FastAPI(title="Chatbot", docs_url=None, redoc_url=None, max_body_size=bounds.body_bytes)
    app.add_exception_handler(RequestValidationError, _refuse)
    under_way = 0

    async def place() -> AsyncIterator[None]:
        """Hold a place until the answer was sent, or its reader went away."""
        nonlocal under_way
        if under_way >= bounds.conversations:
            raise HTTPException(429, "As many answers as the server takes on are under way.", {"Retry-After": "5"})
        under_way += 1
        try:
            yield
        finally:
            under_way -= 1

    @app.post("/chat", response_class=EventSourceResponse, dependencies=[Depends(place)])
    async def chat(conversation: Conversation) -> AsyncIterator[ServerSentEvent]:
        """Answer the last question, as events: sources, token ..., citations, done; or error at any point."""
        number = 0
        async with aclosing(_within(bot.answer(conversation.turns()), bounds.deadline_s)) as events:
            async for name, data in events:
                number += 1
                yield ServerSentEvent(event=name, id=str(number), data=data)

    @app.get("/about")
    async def tell() -> dict[str, Any]:
        return about

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(_PAGE / "index.html", headers=_HEADERS)

    @app.get("/chat.css", include_in_schema=False)
    async def style() -> Response:
        return FileResponse(_PAGE / "chat.css", headers=_HEADERS)

    @app.get("/chat.js", include_in_schema=False)
    async def script() -> Response:
        return FileResponse(_PAGE / "chat.js", headers=_HEADERS)

    return app


async def _within(events: AsyncGenerator[Event, None], deadline_s: float) -> AsyncGenerator[Event, None]:
    """The events up to the deadline; what goes wrong is told as one more event, in a sentence fit for users."""
    until = asyncio.get_running_loop().time() + deadline_s
    async with aclosing(events):
        try:
            while True:
                async with asyncio.timeout_at(until):  # around each step: a timeout must not span a yield
                    event = await anext(events)
                yield event
        except StopAsyncIteration:
            return
        except TimeoutError:
            yield Event("error", {"message": f"The answer was not complete within {deadline_s:g} s."})
        except Exception as error:  # noqa: BLE001 # its message may hold a document or a key: a new sentence is told
            _log.warning("An answer failed with %s.", type(error.__cause__ or error).__name__)
            yield Event("error", {"message": str(classify(error, "The search"))})


async def _refuse(_: Request, error: Exception) -> Response:
    """One sentence on the first field that is wrong; what was sent is not repeated."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:]) or "body"
    return JSONResponse({"detail": f"The field {place} is wrong: {first['msg']}."}, 422)
