"""Refusals: what a request is answered with where it gets no ranking, as a status and one sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from rerank_plugins.errors import RerankError

__all__ = ["HUNG_UP", "Refusal"]

HUNG_UP = 499
"""The status that metrics give a request whose client went away; nobody is there to be sent it."""

_TEI_KINDS = {429: "Overloaded", 500: "Backend", 503: "Backend"}


class Refusal(RerankError):
    """A request that gets no ranking.

    Args:
        status: The HTTP status.
        sentence: What is wrong and what to do; never the text of a document or a key.
        retry_after_s: Seconds after which another try may do better.

    >>> Refusal(429, "Too much is asked.", 2.1).headers
    {'Retry-After': '3'}
    """

    def __init__(self, status: int, sentence: str, retry_after_s: float | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> Mapping[str, str]:
        """What belongs into the answer's head."""
        if self.status == 401:
            return {"WWW-Authenticate": "Bearer"}
        return {} if self.retry_after_s is None else {"Retry-After": str(math.ceil(self.retry_after_s))}

    def body(self, path: str) -> bytes:
        """The JSON that clients of this path look for: Cohere's reads `message`, Jina's `detail`, TEI's `error`.

        >>> Refusal(413, "Too long.").body("/rerank")
        b'{"error": "Too long.", "error_type": "Validation"}'
        """
        if path == "/rerank":
            named = {"error": self.sentence, "error_type": _TEI_KINDS.get(self.status, "Validation")}
        else:
            named = {"message": self.sentence, "detail": self.sentence}
        return json.dumps(named).encode()
