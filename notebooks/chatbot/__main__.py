"""The command: `python -m notebooks.chatbot`, or `python -m` and the name that the folder has with you."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import uvicorn
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage

from langchain_rerank_plugins import RerankCompressor
from rerank_plugins import Limits, RerankError, sample
from rerank_plugins.errors import InvalidInput

from .app import create_app
from .chain import Chatbot
from .index import documents_in, hybrid_retriever, sample_documents
from .models import Models, behind_an_endpoint, offline


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(prog="chatbot", description="A chatbot over documents, with a reranker.")
    options.add_argument("--model", metavar="NAME", help="a chat model at an OpenAI-compatible endpoint, else offline")
    options.add_argument("--base-url", metavar="URL", help="the endpoint's address, up to and with /v1; else OpenAI")
    options.add_argument("--key-env", metavar="VAR", help="the environment variable with its key, or OPENAI_API_KEY")
    options.add_argument("--method", metavar="METHOD", help="the reranking method, such as 'Rebel(reasons=True)'")
    options.add_argument("--docs", metavar="FOLDER", help="Markdown and text files; else the sample collection")
    options.add_argument("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    options.add_argument("--port", type=int, default=8000, metavar="N", help="the port (%(default)s)")
    options.add_argument("--max-tokens", type=int, metavar="N", help="the longest answer")
    return options


def models_of(arguments: argparse.Namespace) -> Models:
    """The models that the options name.

    Raises:
        InvalidInput: The options do not fit together, or the key is missing.
    """
    longest = {"max_tokens": arguments.max_tokens} if arguments.max_tokens else {}
    if arguments.model is None:
        if arguments.base_url or arguments.key_env:
            raise InvalidInput("An endpoint is asked for a model by its name: add --model NAME.")
        return offline(**longest)
    key = os.environ.get(arguments.key_env, "") if arguments.key_env else None
    if key == "":
        raise InvalidInput(f"There is no key in the environment variable {arguments.key_env!r}; set it.")
    return behind_an_endpoint(arguments.model, arguments.base_url, key, **longest)


def chatbot_of(models: Models, documents: Sequence[Document]) -> Chatbot:
    """The chain of these models over these documents."""
    reranker = RerankCompressor(
        models.method,
        llm=models.chat,
        backends=models.backends,
        top_n=4,
        limits=Limits(deadline_s=30, max_calls=100),
    )
    return Chatbot(hybrid_retriever(documents, models.embeddings), reranker, models.chat, rewrites=models.rewrites)


def about(models: Models, documents: Sequence[Document], is_sample: bool) -> dict[str, Any]:
    """What the page tells."""
    questions = list(sample.load().queries.values()) if is_sample else []
    return {
        "model": models.name,
        "method": models.method,
        "documents": len(documents),
        "is_toy": not models.rewrites,
        "examples": questions[:4],
    }


async def warm(bot: Chatbot) -> None:
    """Ask once, so that models in this process are loaded before anybody waits for them."""
    async for _ in bot.answer([HumanMessage("Are you there?")]):
        pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Index, load, and serve until Ctrl-C."""
    asked = parser().parse_args(arguments)
    os.environ.setdefault("TQDM_DISABLE", "1")
    try:
        documents = documents_in(asked.docs) if asked.docs else sample_documents()
        models = models_of(asked)
        models = replace(models, method=asked.method or models.method)
        bot = chatbot_of(models, documents)
        if asked.model is None:
            print("Loading the models.", file=sys.stderr)
            asyncio.run(warm(bot))
    except RerankError as error:
        print(error, file=sys.stderr)
        return 2
    app = create_app(bot, about(models, documents, not asked.docs))
    uvicorn.run(app, host=asked.host, port=asked.port, timeout_graceful_shutdown=5)
    return 0


if __name__ == "__main__":
    sys.exit(main())
