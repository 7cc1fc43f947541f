"""Clients of endpoints that have synchronous methods only: called on threads, many at once."""

from __future__ import annotations

from typing import Any

from rerank_plugins.backends.base import CallBackend, Wrapper
from rerank_plugins.requests import Reply

__all__ = ["InThreads"]


class InThreads(Wrapper[CallBackend]):
    """A backend without its async method, which would block the event loop: the driver gives each call a thread."""

    def answer(self, request: Any, timeout: float | None) -> Reply:
        """Answer from the calling thread."""
        return self.backend.answer(request, timeout)
