"""What a model is called, and what tells it from another one in a cache."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms.llm import LLM

__all__ = ["identity_of", "name_of"]

_log = logging.getLogger("rerank_plugins")

# What must not be kept, not even in a digest, and what cannot change a reply.
_LEFT_OUT = re.compile(r"key|secret|passw|credential|auth|header|token$|cache|limiter|timeout|retries|callback", re.I)


def name_of(model: LLM | BaseEmbedding) -> str:
    """The name of the model as its provider knows it, or "" where there is none.

    >>> from llama_index.core.llms import MockLLM
    >>> name_of(MockLLM())
    ''
    """
    fields = (getattr(model, field, None) for field in ("model", "model_name", "model_id"))
    name = next((value for value in fields if isinstance(value, str) and value), None) or _name_in_metadata(model)
    return "" if name == "unknown" else name


def _name_in_metadata(model: LLM | BaseEmbedding) -> str:
    """Asked last, since some models ask a server for their metadata, which may be down."""
    try:
        return model.metadata.model_name if isinstance(model, LLM) else ""
    except Exception as error:  # noqa: BLE001 # the call itself will fail too, and is accounted for
        _log.debug("The metadata of a %s could not be read (%s).", type(model).__name__, type(error).__name__)
        return ""


def identity_of(model: LLM | BaseEmbedding, **options: object) -> str:
    """Class, name and a digest of the settings, without keys; "" for a model that has no name.

    A model without a name may be any model, so that its replies are not safe to keep.
    """
    if not (name := name_of(model)):
        return ""
    try:
        fields = model.model_dump(warnings=False)
    except Exception as error:  # noqa: BLE001 # a field that cannot be written down, of a model that works all the same
        _log.debug("The settings of a %s are not known (%s).", type(model).__name__, type(error).__name__)
        return ""
    settings = json.dumps([_settings(fields), options], sort_keys=True, default=repr)
    return f"{type(model).__name__}({name})#{hashlib.sha256(settings.encode()).hexdigest()[:12]}"


def _settings(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _settings(entry) for key, entry in value.items() if not _LEFT_OUT.search(str(key))}
    return [_settings(entry) for entry in value] if isinstance(value, (list, tuple)) else value
