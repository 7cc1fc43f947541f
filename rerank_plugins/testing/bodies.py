"""The bodies of an OpenAI-compatible endpoint's responses, made from texts and numbers."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["chat_completion", "embedding_list", "text_completion", "word_vector"]


def chat_completion(
    text: str | None,
    *,
    finish_reason: str = "stop",
    message: Mapping[str, Any] | None = None,
    logprobs: Mapping[str, float] | None = None,
    prompt_tokens: int = 0,
    usage: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Make the body of a chat response.

    Args:
        text: The answer.
        finish_reason: "stop", "length" or "content_filter".
        message: Further fields of the message, such as `{"refusal": "..."}`.
        logprobs: Token to natural log-probability at the first position.
        prompt_tokens: What the usage block says; the answer's tokens are estimated.
        usage: The whole usage block instead.

    >>> chat_completion("yes", logprobs={"yes": -0.1})["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    [{'token': 'yes', 'logprob': -0.1}]
    """
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": text} | dict(message or {}),
        "finish_reason": finish_reason,
    }
    if logprobs is not None:
        top = [{"token": token, "logprob": value} for token, value in logprobs.items()]
        choice["logprobs"] = {"content": [{"token": text, "logprob": 0.0, "top_logprobs": top}]}
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [choice],
        "usage": dict(usage) if usage is not None else _usage(prompt_tokens, len(text or "") // 4),
    }


def text_completion(prompt_logprobs: Sequence[tuple[str, float]], text: str = "") -> dict[str, Any]:
    """Make the body of a completion response with log-probabilities of its prompt, as vLLM gives them.

    Args:
        prompt_logprobs: Each token of the prompt with its natural log-probability; that of the first is not given.
        text: What was written after it.

    >>> text_completion([("rye", 0.0), (" bread", -1.5)])["choices"][0]["prompt_logprobs"]
    [None, {'1': {'logprob': -1.5, 'rank': 1, 'decoded_token': ' bread'}}]
    """
    entries = [
        {str(number): {"logprob": value, "rank": 1, "decoded_token": token}} if number else None
        for number, (token, value) in enumerate(prompt_logprobs)
    ]
    return {
        "id": "cmpl-scripted",
        "object": "text_completion",
        "created": 0,
        "model": "scripted",
        "choices": [
            {"index": 0, "text": text, "logprobs": None, "finish_reason": "length", "prompt_logprobs": entries}
        ],
        "usage": _usage(len(prompt_logprobs), 1),
    }


def embedding_list(
    vectors: Sequence[Sequence[float]], *, encoding: str = "float", prompt_tokens: int = 0
) -> dict[str, Any]:
    """Make the body of an embedding response; `encoding` is "float" or "base64" (little-endian float32).

    >>> embedding_list([[1.0, 0.5]], encoding="base64")["data"]
    [{'object': 'embedding', 'index': 0, 'embedding': 'AACAPwAAAD8='}]
    """
    data = [
        {"object": "embedding", "index": index, "embedding": _base64(row) if encoding == "base64" else list(row)}
        for index, row in enumerate(vectors)
    ]
    return {"object": "list", "model": "scripted", "data": data, "usage": _usage(prompt_tokens, 0)}


def word_vector(text: str, dimensions: int = 32) -> list[float]:
    """A unit vector that depends on the words alone, so that texts that share words are close.

    >>> word_vector("rye bread") == word_vector("Bread RYE"), word_vector("rye bread") == word_vector("wheat bread")
    (True, False)
    """
    vector = [0.0] * dimensions
    for word in text.lower().split() or [""]:
        vector[zlib.crc32(word.encode("utf-8", "replace")) % dimensions] += 1.0
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector]


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _base64(row: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode()
