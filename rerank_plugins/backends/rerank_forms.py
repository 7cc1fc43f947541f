"""What rerank endpoints are asked and what they answer: a form for each family, as data and two small functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rerank_plugins.ranking import Usage

__all__ = ["FORMS", "Asked", "Form", "usage_of"]


@dataclass(frozen=True)
class Asked:
    """What is asked: the model's name or "", the query, the texts, and how they are to be judged, or ""."""

    model: str
    query: str
    texts: Sequence[str]
    instruction: str = ""


@dataclass(frozen=True)
class Form:
    """How a family of rerank endpoints is asked and read.

    Args:
        path: Where the request goes, below the address.
        body: The JSON of a request.
        entries: Where the scores stand in a reply.
        score: The key of a score in an entry; the key "index" says whose it is.
        host: The provider's own address, if there is one; else an address has to be given.
        key_names: Environment variables that hold the key.
        most: The most documents in a request that the provider documents.
        takes_instruction: Whether an instruction has a place in the body.
    """

    path: str
    body: Callable[[Asked], dict[str, Any]]
    entries: Callable[[Any], Any]
    score: str = "relevance_score"
    host: str = ""
    key_names: tuple[str, ...] = ()
    most: int = 1000
    takes_instruction: bool = False

    def read(self, data: Any) -> Iterable[tuple[int, float]]:
        """Position and score of each entry; raises KeyError, TypeError or ValueError if there are none."""
        return [(int(entry["index"]), float(entry[self.score])) for entry in self.entries(data)]


def usage_of(data: Any) -> Usage:
    """The tokens that a reply reports; providers that bill by searches report none.

    >>> usage_of({"usage": {"total_tokens": 7}}).prompt_tokens
    7
    """
    found = data if isinstance(data, Mapping) else {}
    meta = found.get("meta") if isinstance(found.get("meta"), Mapping) else {}
    tokens = [
        _whole(holder.get(key))
        for holder in (found.get("usage"), (meta or {}).get("tokens"), (meta or {}).get("billed_units"))
        if isinstance(holder, Mapping)
        for key in ("total_tokens", "prompt_tokens", "input_tokens")
    ]
    return Usage(1, prompt_tokens=next((count for count in tokens if count), 0))


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _listed(asked: Asked) -> dict[str, Any]:
    """The body that most families share."""
    return {
        **({"model": asked.model} if asked.model else {}),
        "query": asked.query,
        "documents": list(asked.texts),
        "top_n": len(asked.texts),
    }


def _quiet(asked: Asked) -> dict[str, Any]:
    return _listed(asked) | {"return_documents": False}


def _voyage(asked: Asked) -> dict[str, Any]:
    # It has no field for an instruction; its documentation has it put before the query.
    query = f"{asked.instruction}\nQuery: {asked.query}" if asked.instruction else asked.query
    return {"model": asked.model, "query": query, "documents": list(asked.texts), "truncation": True}


def _tei(asked: Asked) -> dict[str, Any]:
    return {"query": asked.query, "texts": list(asked.texts), "truncate": True}


def _pairs(asked: Asked) -> dict[str, Any]:
    return {"model": asked.model, "text_1": asked.query, "text_2": list(asked.texts)}


def _nvidia(asked: Asked) -> dict[str, Any]:
    passages = [{"text": text} for text in asked.texts]
    return {"model": asked.model, "query": {"text": asked.query}, "passages": passages, "truncate": "END"}


def _results(data: Any) -> Any:
    return data["results"]


def _data(data: Any) -> Any:
    return data["data"]


def _rankings(data: Any) -> Any:
    return data["rankings"]


_COHERE, _COHERE_KEYS = "https://api.cohere.com", ("CO_API_KEY", "COHERE_API_KEY")
_VOYAGE = "https://api.voyageai.com"

FORMS: Mapping[str, Form] = {
    "cohere": Form("/v2/rerank", _listed, _results, host=_COHERE, key_names=_COHERE_KEYS),
    "cohere-v1": Form("/v1/rerank", _quiet, _results, host=_COHERE, key_names=_COHERE_KEYS),
    "jina": Form("/v1/rerank", _quiet, _results, host="https://api.jina.ai", key_names=("JINA_API_KEY",)),
    "voyage": Form("/v1/rerank", _voyage, _data, host=_VOYAGE, key_names=("VOYAGE_API_KEY",), takes_instruction=True),
    "tei": Form("/rerank", _tei, lambda data: data, score="score", most=32),
    "vllm": Form("/v1/rerank", _listed, _results),
    "vllm-score": Form("/score", _pairs, _data, score="score"),
    "nvidia": Form("/v1/ranking", _nvidia, _rankings, score="logit", key_names=("NVIDIA_API_KEY",), most=512),
    "llama.cpp": Form("/v1/rerank", _listed, _results),
}
"""The forms by name. "cohere" is also that of `rerank-plugins serve`."""
