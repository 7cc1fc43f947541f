"""The reply cache: any `MutableMapping` from string to string, so that a dict, a shelf or a disk cache will do.

The key is a digest of the backend's model and parameters and of the whole request. Only replies are kept, never
failures, and never a chat answer that is empty or was cut off: the next try may do better.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import MutableMapping
from dataclasses import fields
from typing import Any

from rerank_plugins._numbers import checked
from rerank_plugins.ranking import Note
from rerank_plugins.requests import ChatReply, Failed, Found, Reply, Request

__all__ = ["Cache", "ReplyCache", "decoded", "encoded", "key_of"]

Cache = MutableMapping[str, str]
"""What keeps replies: a digest to a reply as JSON."""

_log = logging.getLogger(__name__)


class ReplyCache:
    """A mapping seen as a cache of replies. A mapping that fails or holds nonsense counts as a miss, and is logged."""

    def __init__(self, mapping: Cache | None) -> None:
        self._mapping = mapping

    def keys_of(self, units: list[Request], identity: str) -> list[str] | None:
        """A key per unit, or None where nothing is to be cached."""
        if self._mapping is None or not identity or units[0].reply is Found:
            return None
        return [key_of(identity, unit) for unit in units]

    def get(self, key: str, request: Request) -> Reply | None:
        """The reply kept under `key`, or None."""
        assert self._mapping is not None
        try:
            text = self._mapping.get(key)
            reply = None if text is None else checked(request, decoded(text, request.reply))
            return None if isinstance(reply, Failed) else reply
        except Exception as error:  # noqa: BLE001 # a foreign mapping raises what it likes, and must not break a chain
            _log.warning("The cache could not be read (%s); the call is made instead.", type(error).__name__)
            return None

    def put(self, key: str, reply: Reply) -> None:
        """Keep a reply, if it is one worth keeping."""
        assert self._mapping is not None
        if isinstance(reply, Failed) or (isinstance(reply, ChatReply) and (reply.truncated or not reply.text.strip())):
            return
        try:
            self._mapping[key] = encoded(reply)
        except Exception as error:  # noqa: BLE001 # as above: the reply itself is good
            _log.warning("The cache could not be written (%s).", type(error).__name__)


def key_of(identity: str, request: Request) -> str:
    """A digest of all that decides a reply."""
    text = json.dumps([identity, request.payload()], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def encoded(reply: Reply) -> str:
    """A reply as JSON, without what it cost."""
    kept = {item.name: getattr(reply, item.name) for item in fields(reply) if item.name != "usage"}
    kept["notes"] = [[note.kind, note.message] for note in reply.notes]
    return json.dumps(kept, default=_as_list)


def _as_list(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy arrays and scalars, without importing numpy
        return value.tolist()
    raise TypeError(f"a reply holds plain data, not {type(value).__name__}")


def decoded(text: str, kind: type[Reply]) -> Reply:
    """The reply that `encoded` wrote."""
    kept: dict[str, Any] = json.loads(text)
    return kind(**kept | {"notes": tuple(Note(*note) for note in kept["notes"])})
