"""Other packages' LLM rerankers as rows of a comparison, each through its own public interface, at the same endpoint.

They are given all candidates and asked for all of them, and otherwise run as they come. What they lose is counted.
RankLLM is not among them: it needs vllm and faiss to be imported, sets the endpoint for the whole process, and repeats
a failing call for ever.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from rerank_plugins.candidates import Candidate
from rerank_plugins.errors import InvalidInput, MissingExtra
from rerank_plugins.evaluation.records import Record
from rerank_plugins.evaluation.systems import Reorders, Task
from rerank_plugins.ranking import Usage

__all__ = ["Meter", "Peer", "peer", "peer_names"]

Reorder = Callable[[str, Sequence[Candidate]], Iterable[int]]


class Meter:
    """An HTTP client that adds up what the replies that pass it say about their cost.

    Args:
        timeout: Seconds that a call may take, unless the peer says otherwise.
    """

    def __init__(self, timeout: float = 60.0) -> None:
        import httpx

        self.client = httpx.Client(timeout=timeout, event_hooks={"response": [self._read]})
        self._spent = Usage()

    def take(self) -> Usage:
        """What was spent since the last time, failed tries included."""
        spent, self._spent = self._spent, Usage()
        return spent

    def _read(self, response: Any) -> None:
        response.read()
        try:
            usage = response.json().get("usage") or {}
            cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            cost = Usage(1, usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0, cached)
        except (ValueError, AttributeError):  # a page of an error, say
            cost = Usage(1)
        self._spent += cost


@dataclass(frozen=True)
class Peer(Reorders):
    """A reranker whose calls pass a meter, so that its records have calls and tokens."""

    meter: Meter = field(default_factory=Meter, repr=False)

    def records(self, tasks: Sequence[Task]) -> Iterator[Record]:
        """One after another, each timed and metered."""
        for task in tasks:
            self.meter.take()
            (record,) = super().records([task])
            spent = self.meter.take()
            yield replace(record, usage=replace(spent, seconds=record.usage.seconds), chat=spent)


def peer_names() -> tuple[str, ...]:
    """The names that `peer` takes.

    >>> peer_names()
    ('llama_index.LLMRerank', 'llama_index.RankGPTRerank', 'langchain.LLMListwiseRerank', 'rerankers.RankGPT')
    """
    return tuple(_PEERS)


def peer(name: str, model: str, base_url: str | None = None, api_key: str | None = None) -> Reorders:
    """A peer as a row of a comparison.

    Args:
        name: One of `peer_names()`.
        model: What the endpoint calls the model.
        base_url: The endpoint's address up to and with /v1; None reads OPENAI_BASE_URL, else it is OpenAI's.
        api_key: Its key; None reads OPENAI_API_KEY, and an endpoint of your own may need none.

    Raises:
        InvalidInput: There is no such peer.
        MissingExtra: Its package is not installed.
    """
    if name not in _PEERS:
        raise InvalidInput(f"There is no peer {name!r}; there are {', '.join(_PEERS)}.")
    build, packages = _PEERS[name]
    url = base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    try:
        meter = Meter()
        reorder = build(model, url, api_key or os.environ.get("OPENAI_API_KEY") or "none", meter)
    except ImportError as error:
        raise MissingExtra(f"The peer {name}", str(error.name or packages.split()[0]), "", packages) from None
    return Peer(name, reorder, f"{model} at {url}", meter)


def _llama_index_llm(model: str, base_url: str, api_key: str, meter: Meter) -> Any:
    from llama_index.core.llms import LLMMetadata
    from llama_index.llms.openai import OpenAI

    class OpenAICompatible(OpenAI):
        """`OpenAI` refuses models that it does not know the context size of."""

        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(context_window=2**17, is_chat_model=True, model_name=self.model)

    options: Any = {"api_base": base_url, "api_key": api_key, "http_client": meter.client}
    return OpenAICompatible(model=model, **options)


def _llm_rerank(*endpoint: Any) -> Reorder:
    from llama_index.core.postprocessor import LLMRerank

    llm = _llama_index_llm(*endpoint)
    return lambda query, candidates: _by_nodes(LLMRerank(llm=llm, top_n=len(candidates)), query, candidates)


def _rank_gpt_rerank(*endpoint: Any) -> Reorder:
    from llama_index.core.postprocessor.rankGPT_rerank import RankGPTRerank

    llm = _llama_index_llm(*endpoint)
    return lambda query, candidates: _by_nodes(RankGPTRerank(llm=llm, top_n=len(candidates)), query, candidates)


def _by_nodes(postprocessor: Any, query: str, candidates: Sequence[Candidate]) -> list[int]:
    from llama_index.core.schema import NodeWithScore, TextNode

    nodes = [
        NodeWithScore(node=TextNode(text=candidate.text, id_=str(place)), score=candidate.score)
        for place, candidate in enumerate(candidates)
    ]
    return [int(found.node.node_id) for found in postprocessor.postprocess_nodes(nodes, query_str=query)]


def _listwise_rerank(model: str, base_url: str, api_key: str, meter: Meter) -> Reorder:
    from langchain_classic.retrievers.document_compressors import LLMListwiseRerank
    from langchain_core.documents import Document
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    llm = ChatOpenAI(model=model, base_url=base_url, api_key=SecretStr(api_key), http_client=meter.client)

    def reorder(query: str, candidates: Sequence[Candidate]) -> list[int]:
        documents = [Document(candidate.text, metadata={"place": place}) for place, candidate in enumerate(candidates)]
        compressor = LLMListwiseRerank.from_llm(llm, top_n=len(documents))
        return [found.metadata["place"] for found in compressor.compress_documents(documents, query)]

    return reorder


def _rerankers(model: str, base_url: str, api_key: str, meter: Meter) -> Reorder:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else its import asks the network for prices
    import litellm
    from rerankers import Reranker

    endpoint = {"api_base": base_url, "client_session": meter.client, "suppress_debug_info": True}  # else it prints
    ranker = Reranker(f"openai/{model}", model_type="rankgpt", api_key=api_key, verbose=0)

    def reorder(query: str, candidates: Sequence[Candidate]) -> list[int]:
        texts = [candidate.text for candidate in candidates]
        with _set(litellm, endpoint):
            found = ranker.rank(query, texts, doc_ids=list(range(len(texts))), rank_end=len(texts))
        return [result.document.doc_id for result in found.results]

    return reorder


@contextmanager
def _set(module: Any, values: Mapping[str, Any]) -> Iterator[None]:
    """Settings of a module for the time of a call: the ranker has no argument for the endpoint."""
    before = {name: getattr(module, name) for name in values}
    try:
        for name, value in values.items():
            setattr(module, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


_PEERS: Mapping[str, tuple[Callable[..., Reorder], str]] = {
    "llama_index.LLMRerank": (_llm_rerank, "llama-index-core llama-index-llms-openai"),
    "llama_index.RankGPTRerank": (_rank_gpt_rerank, "llama-index-core llama-index-llms-openai"),
    "langchain.LLMListwiseRerank": (_listwise_rerank, "langchain-classic langchain-openai"),
    "rerankers.RankGPT": (_rerankers, "rerankers litellm"),
}
