"""The options that name models, and the backends that they stand for."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from rerank_plugins.backends import (
    Backend,
    CrossEncoder,
    OpenAIChat,
    OpenAIEmbedder,
    RerankAPI,
    SentenceEmbedder,
    TransformersLM,
    embedded,
)
from rerank_plugins.backends.rerank_forms import FORMS
from rerank_plugins.errors import InvalidInput

__all__ = ["MODEL_OPTIONS", "add_endpoint_options", "add_model_options", "backends_of", "chat_of", "key_of", "quieten"]

MODEL_OPTIONS = (
    "On the command line they are --model (OpenAIChat), --lm (TransformersLM), --embedder (SentenceEmbedder), "
    "--cross-encoder (CrossEncoder) and --rerank-model (RerankAPI)."
)
"""What an error says that names backends."""


def add_endpoint_options(group: Any) -> None:
    """Add the options of a chat model behind an endpoint."""
    group.add_argument("--model", metavar="NAME", help="a chat model at an OpenAI-compatible endpoint")
    group.add_argument(
        "--base-url", metavar="URL", help="its address, up to and with /v1; else OPENAI_BASE_URL, OpenAI"
    )
    group.add_argument("--api-key-env", metavar="VAR", help="the environment variable with its key, or OPENAI_API_KEY")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of all kinds of models."""
    group = parser.add_argument_group("models (a method asks whichever can answer; several may be given)")
    add_endpoint_options(group)
    group.add_argument("--embedding-model", metavar="NAME", help="an embedding model at that endpoint")
    group.add_argument("--lm", metavar="PATH", help="a local language model: hub name, folder, .gguf file, or smollm2")
    group.add_argument("--embedder", metavar="PATH", help="a local embedding model: hub name, folder, or minilm")
    group.add_argument("--cross-encoder", metavar="PATH", help="a local cross-encoder: hub name or folder")
    group.add_argument(
        "--rerank-model", metavar="NAME", help="a reranker behind a rerank endpoint, such as rerank-v3.5"
    )
    group.add_argument("--rerank-url", metavar="URL", help="that endpoint's address, if it is not the provider's own")
    group.add_argument("--rerank-form", metavar="FORM", default="cohere", help=f"what it speaks: {', '.join(FORMS)}")
    group.add_argument("--device", metavar="NAME", help="where local models compute, such as cpu or cuda:0")


def chat_of(arguments: argparse.Namespace) -> Backend | None:
    """The chat model behind an endpoint, if one is named.

    Raises:
        InvalidInput: Its options do not fit together.
        MissingExtra: A package is not installed.
    """
    if arguments.model is None:
        if (arguments.base_url or arguments.api_key_env) and not getattr(arguments, "embedding_model", None):
            raise InvalidInput("An endpoint is asked for a model by its name: add --model NAME.")
        return None
    return OpenAIChat(arguments.model, arguments.base_url, key_of(arguments))


def backends_of(arguments: argparse.Namespace) -> list[Backend]:
    """The backends that the options name, the endpoint first."""
    chat = chat_of(arguments)
    found = [] if chat is None else [chat]
    if arguments.embedding_model is not None:
        found.append(OpenAIEmbedder(arguments.embedding_model, arguments.base_url, key_of(arguments)))
    if arguments.rerank_model is not None or arguments.rerank_url is not None:
        found.append(RerankAPI(arguments.rerank_model or "", arguments.rerank_url, form=arguments.rerank_form))
    for path, shipped, make in (
        (arguments.lm, {"smollm2": embedded.smollm2}, TransformersLM),
        (arguments.embedder, {"minilm": embedded.minilm}, SentenceEmbedder),
        (arguments.cross_encoder, {}, CrossEncoder),
    ):
        if path is not None:
            found.append(_made(path, shipped, make, arguments.device))
    return found


def quieten() -> None:
    """Keep the progress bars of other libraries off the terminal; they read this when they are imported."""
    os.environ.setdefault("TQDM_DISABLE", "1")


def _made(path: str, shipped: dict[str, Callable[[], Any]], make: Callable[..., Any], device: str | None) -> Any:
    return shipped[path]() if path in shipped else make(path, device=device)


def key_of(arguments: argparse.Namespace) -> str | None:
    """The key of the endpoint, where a variable is named that has it.

    Raises:
        InvalidInput: The variable is not set.
    """
    variable = arguments.api_key_env
    if variable is None:
        return None
    if not os.environ.get(variable):
        raise InvalidInput(f"There is no key in the environment variable {variable!r}; set it, or name another.")
    return os.environ[variable]
