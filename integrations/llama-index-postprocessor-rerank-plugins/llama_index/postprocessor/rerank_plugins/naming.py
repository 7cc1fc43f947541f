"""What a model is called, and what tells it from another one in a cache."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms.llm import LLM

__all__ = ["identity_of", "name_of"]

# What must not be kept, not even in a digest, and what cannot change a reply.
_LEFT_OUT = re.compile(r"key|secret|passw|credential|auth|header|token$|cache|limiter|timeout|retries|callback", re.I)


def name_of(model: LLM | BaseEmbedding) -> str:
    """The name of the model as its provider knows it, or "" where there is none.

    >>> from llama_index.core.llms import MockLLM
    >>> name_of(MockLLM())
    ''
    """
    fields = (getattr(model, field, None) for field in ("model", "model_name", "model_id"))
    name = next((value for value in fields if isinstance(value, str) and value), None)
    if name is None and isinstance(model, LLM):  # last, since some ask a server for their metadata
        name = model.metadata.model_name
    return "" if name in (None, "unknown") else str(name)


def identity_of(model: LLM | BaseEmbedding, **options: object) -> str:
    """Class, name and a digest of the settings, without keys; "" for a model that has no name.

    A model without a name may be any model, so that its replies are not safe to keep.
    """
    if not (name := name_of(model)):
        return ""
    settings = json.dumps([_settings(model.model_dump()), options], sort_keys=True, default=repr)
    return f"{type(model).__name__}({name})#{hashlib.sha256(settings.encode()).hexdigest()[:12]}"


def _settings(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _settings(entry) for key, entry in value.items() if not _LEFT_OUT.search(str(key))}
    return [_settings(entry) for entry in value] if isinstance(value, (list, tuple)) else value
