"""The application: which path does what."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi import FastAPI, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse

from rerank_plugins import __version__
from rerank_plugins.serving import examples, page, snippets
from rerank_plugins.serving.forms import CohereV1, CohereV2, Rank, Reply, Tei, Told, ToldTei
from rerank_plugins.serving.guard import Guard
from rerank_plugins.serving.refusals import Refusal
from rerank_plugins.serving.service import Service
from rerank_plugins.serving.settings import Settings

__all__ = ["create_app"]

_REFUSALS: dict[int, str] = {
    400: "The body is no JSON.",
    401: "The key is missing or wrong.",
    404: "There is no such model.",
    408: "The body did not come in time.",
    413: "The body is too large, or there are too many documents.",
    421: "The server does not answer to this host's name.",
    422: "A field is missing or wrong.",
    429: "The queue is full; `Retry-After` says when to try again.",
    503: "No model answered, or the deadline passed in the queue.",
}


def create_app(settings: Settings) -> FastAPI:
    """Make the application that serves these methods; any ASGI server can run it.

    >>> from rerank_plugins import FirstStage
    >>> app = create_app(Settings(methods={"as-it-was": FirstStage()}))
    >>> [path for path in app.openapi()["paths"] if path.endswith("rerank")]
    ['/v2/rerank', '/v1/rerank', '/rerank']
    """
    service = Service(settings)
    app = FastAPI(
        title="rerank-plugins",
        version=__version__,
        description="Published LLM reranking methods behind the rerank APIs that clients already speak.",
        lifespan=_lifespan,
        docs_url=None,  # it would load its scripts from another site
        redoc_url=None,
        redirect_slashes=False,  # behind a proxy with TLS it would point to http
    )
    app.state.ready = False
    app.add_middleware(
        Guard,
        key=settings.key,
        hosts=None if settings.hosts is None else {name.lower() for name in settings.hosts},
        max_body_bytes=settings.max_body_bytes,
        body_timeout_s=settings.body_timeout_s,
    )
    app.add_exception_handler(RequestValidationError, _refuse_fields)
    app.add_exception_handler(HTTPException, _refuse_path)
    _add_forms(app, service)
    _add_state(app, service)
    _add_page(app, settings)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.ready = True
    yield
    app.state.ready = False


def _add_forms(app: FastAPI, service: Service) -> None:
    options: dict[str, Any] = {
        "responses": _told(*_REFUSALS),
        "response_model_exclude_unset": True,
        "tags": ["rerank"],
    }

    @app.post("/v2/rerank", **options)
    async def cohere_v2(asked: CohereV2) -> Reply:
        """Rerank, in the form of Cohere's API of version 2."""
        return asked.reply(await service.answer("cohere-v2", asked))

    @app.post("/v1/rerank", **options)
    async def cohere_v1(asked: CohereV1) -> Reply:
        """Rerank, in the form of Jina's API and of Cohere's of version 1."""
        return asked.reply(await service.answer("cohere-v1", asked))

    @app.post("/rerank", **(options | {"responses": _told(*_REFUSALS, model=ToldTei)}))
    async def tei(asked: Tei) -> list[Rank]:
        """Rerank by the default method, in the form of text-embeddings-inference."""
        return asked.reply(await service.answer("tei", asked))


def _told(*statuses: int, model: type[BaseModel] = Told) -> dict[int | str, dict[str, Any]]:
    """Refusals as the description of the API shows them."""
    return {status: {"description": _REFUSALS[status], "model": model} for status in statuses}


def _add_state(app: FastAPI, service: Service) -> None:
    @app.get("/v1/models", responses=_told(401, 421))
    async def models() -> dict[str, Any]:
        """List the methods under the names that `model` may have."""
        return {"object": "list", "data": _models(service.settings)}

    @app.get("/healthz", responses=_told(421))
    async def healthz() -> dict[str, str]:
        """Say that the process is alive."""
        return {"status": "alive"}

    @app.get("/readyz", responses=_told(421) | {503: {"description": "It is starting or stopping.", "model": Told}})
    async def readyz() -> dict[str, str]:
        """Say whether requests are taken."""
        if not app.state.ready:
            raise Refusal(503, "The server is starting or stopping.")
        return {"status": "ready"}

    @app.get("/metrics", response_class=PlainTextResponse, responses=_told(401, 421))
    async def metrics() -> Response:
        """Give what is counted, for Prometheus."""
        return Response(service.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_page(app: FastAPI, settings: Settings) -> None:
    document, policy = page.document(), page.policy()

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def index() -> HTMLResponse:
        return HTMLResponse(document, headers={"Content-Security-Policy": policy})

    @app.get("/examples", include_in_schema=False)
    async def given() -> list[dict[str, Any]]:
        return examples.examples()


def _models(settings: Settings) -> list[dict[str, Any]]:
    return [
        {
            "id": name,
            "object": "model",
            "owned_by": "rerank-plugins",
            "method": repr(method),
            "code": {"LlamaIndex": snippets.llama_index(method), "LangChain": snippets.langchain(method)},
        }
        for name, method in settings.methods.items()
    ]


async def _refuse_fields(_: Any, error: Any) -> Response:
    """One sentence on the first field that is wrong; what was sent is not repeated."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        raise Refusal(400, f"The body is no JSON ({first.get('ctx', {}).get('error', 'it cannot be read')}).")
    raise Refusal(422, f"The field {_place(first['loc'])} is wrong: {first['msg']}.")


def _place(location: Sequence[Any]) -> str:
    return ".".join(str(part) for part in location[1:]) or "body"


async def _refuse_path(_: Any, error: Any) -> Response:
    sentence = {
        404: "There is no such path; /openapi.json lists those that there are.",
        405: "This path does not take this method; /openapi.json says which it takes.",
    }.get(error.status_code, "The request cannot be read.")
    raise Refusal(error.status_code, sentence)
