"""The page at `/`: one document that loads nothing, and the policy that lets nothing else run in it."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

__all__ = ["document", "policy"]

_SCRIPTS = ("basics", "server", "reasons", "columns", "code", "lines", "keys", "main")


def document() -> str:
    """The page, with its style and its script inside."""
    return _asset("page.html").replace("/*style*/", _asset("page.css")).replace("/*script*/", _script())


def policy() -> str:
    """Its Content-Security-Policy: its own style and script by their hashes, requests to this server, and no more.

    >>> policy().split(";")[0]
    "default-src 'none'"
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(_script())}'",
            f"style-src '{_hash(_asset('page.css'))}'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _script() -> str:
    """The parts as one script: they share their names, and one hash lets all of them run."""
    return "\n".join(_asset(f"{name}.js") for name in _SCRIPTS)


def _asset(name: str) -> str:
    return files("rerank_plugins.serving").joinpath("assets", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
