"""What a LangChain model tells about itself: a name for the cache key, what it takes, whether it retries."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.runnables.retry import RunnableRetry
from pydantic import BaseModel

from rerank_plugins.requests import Chat

__all__ = ["accepted_settings", "identity_of", "is_synchronous", "retries_itself"]

_log = logging.getLogger(__name__)

_NAMES = ("model_name", "model", "model_id", "deployment_name", "repo_id")
_SECRET = re.compile(r"key|token$|secret|passw|credential|auth|header", re.I)


def identity_of(model: Any, *more: Any) -> str:
    """Class, model and a digest of all that decides the replies; empty for a model that does not tell that.

    >>> from langchain_core.language_models import FakeListChatModel
    >>> identity_of(FakeListChatModel(responses=["yes"]))
    'FakeListChatModel(fake-list-chat-model, ...)'
    """
    try:
        settings = _settings_of(model)
    except Exception as error:  # noqa: BLE001 # a model that cannot be written down is used all the same, uncached
        _log.debug("The settings of a %s cannot be read (%s).", type(model).__name__, type(error).__name__)
        return ""
    if not settings:
        return ""
    digest = hashlib.sha256(json.dumps([settings, more], sort_keys=True, default=str).encode()).hexdigest()
    name = _name_of(model) or getattr(model, "_llm_type", "")
    return f"{type(model).__name__}({name}, {digest[:12]})"


def accepted_settings(model: Any, request: Chat) -> dict[str, Any]:
    """The request's settings that the model is known to take: one that it refuses would cost the whole call."""
    profile = getattr(model, "profile", None) or {}
    fields = type(model).model_fields if isinstance(model, BaseChatModel) else {}
    settings: dict[str, Any] = {}
    if "max_tokens" in fields and profile.get("reasoning_output") is False:  # others would spend it on thinking
        own = getattr(model, "max_tokens", None)
        settings["max_tokens"] = min(own, request.max_tokens) if own else request.max_tokens
    if request.temperature is not None and "temperature" in fields and profile.get("temperature") is True:
        settings["temperature"] = request.temperature
    return settings


def retries_itself(model: Any) -> bool:
    """Whether the model's client tries again on its own; in LangChain's packages a `max_retries` of None does."""
    if isinstance(model, RunnableRetry):
        return True
    inner = getattr(model, "bound", None) or getattr(model, "runnable", None)
    return retries_itself(inner) if inner is not None else getattr(model, "max_retries", 0) != 0


def is_synchronous(embeddings: Embeddings) -> bool:
    """Whether it has no async method of its own for documents."""
    return type(embeddings).aembed_documents is Embeddings.aembed_documents


def _settings_of(model: Any) -> Any:
    if isinstance(model, BaseChatModel) and model.is_lc_serializable():
        return model._get_llm_string()
    if isinstance(model, (BaseChatModel, BaseLLM)):
        return model._identifying_params and [model._llm_type, sorted(model._identifying_params.items())]
    if isinstance(model, Embeddings) and isinstance(model, BaseModel) and _name_of(model):
        fields = {name: getattr(model, name, None) for name in type(model).model_fields if not _SECRET.search(name)}
        return {name: value for name, value in fields.items() if _is_plain(value)}
    return None


def _name_of(model: Any) -> str:
    names = (getattr(model, name, None) for name in _NAMES)
    return next((name for name in names if isinstance(name, str)), "")


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (str, int, float))
