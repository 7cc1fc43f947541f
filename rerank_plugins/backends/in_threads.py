"""Clients of endpoints that have synchronous methods only: called on threads, many at once."""

from __future__ import annotations

from typing import Any

from rerank_plugins.backends.base import CallBackend
from rerank_plugins.requests import Reply, Request

__all__ = ["InThreads"]


class InThreads:
    """A backend without its async method, which would block the event loop: the driver gives each call a thread."""

    def __init__(self, backend: CallBackend) -> None:
        self.backend = backend
        self.retries_itself = bool(getattr(backend, "retries_itself", False))

    @property
    def kinds(self) -> tuple[type[Request], ...]:
        """Those of the backend."""
        return self.backend.kinds

    @property
    def identity(self) -> str:
        """That of the backend."""
        return self.backend.identity

    def answer(self, request: Any, timeout: float | None) -> Reply:
        """Answer from the calling thread."""
        return self.backend.answer(request, timeout)
