"""The models that the chatbot asks: those that come as pip packages, or a chat model behind an endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel

from rerank_plugins.backends import Backend, SentenceEmbedder, SharedBatches, TransformersLM, embedded
from rerank_plugins.requests import Embed, Embedded

from .local_chat import LocalChat

__all__ = ["MiniLM", "Models", "behind_an_endpoint", "offline"]


@dataclass(frozen=True, kw_only=True)
class Models:
    """Who answers what.

    Args:
        chat: Writes the answer, and what a reranking method asks of a chat model where no backend answers that.
        embeddings: For the vector store.
        backends: Further models that reranking methods may ask.
        method: The reranking method that suits these models.
        rewrites: Whether `chat` is able to rewrite a follow-up as a question that stands alone.
        name: What users are told.
    """

    chat: BaseChatModel
    embeddings: Embeddings
    backends: Sequence[Backend]
    method: str
    rewrites: bool
    name: str


class MiniLM(Embeddings):
    """A local embedding model of rerank-plugins for LangChain's vector stores."""

    def __init__(self, embedder: SentenceEmbedder) -> None:
        self._embedder = embedder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._vectors(texts, "document")

    def embed_query(self, text: str) -> list[float]:
        return self._vectors([text], "query")[0]

    def _vectors(self, texts: list[str], role: str) -> list[list[float]]:
        ((_, reply),) = self._embedder.answer_batch([Embed(tuple(texts), role)])
        assert isinstance(reply, Embedded)
        return [[float(value) for value in vector] for vector in reply.vectors]


def offline(max_tokens: int = 120) -> Models:
    """Models of 22 and 135 million parameters, each loaded when it is first asked.

    The larger is there twice: one reads for the reranker, in batches, and keeps what it read of documents for the next
    questions, in at most 256 MiB; the other writes, and streams.
    """
    embedder = embedded.minilm()
    reader = TransformersLM(embedded.smollm2_file(), document_cache_bytes=2**28, document_cache_dtype="float16")
    writer = LocalChat(path=embedded.smollm2_file(), max_tokens=max_tokens)
    return Models(
        chat=writer,
        embeddings=MiniLM(embedder),
        backends=(embedder, SharedBatches(reader)),  # conversations at the same time share its batches
        method="Fuse(Embedding(), Likelihood())",
        rewrites=False,
        name="SmolLM2-135M",
    )


def behind_an_endpoint(
    model: str, base_url: str | None = None, key: str | None = None, max_tokens: int = 800
) -> Models:
    """A chat model at an OpenAI-compatible endpoint; it reranks, too. The embeddings stay local.

    Args:
        model: Its name there.
        base_url: The address up to and with /v1; None for OpenAI.
        key: The key; None for servers that ask for none, and for OpenAI's own variable.
        max_tokens: The longest answer, thinking included.
    """
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    given = SecretStr(key) if key else SecretStr("none") if base_url else None
    chat = ChatOpenAI(
        model=model, base_url=base_url, api_key=given, max_completion_tokens=max_tokens, stream_usage=True, timeout=60
    )
    embedder = embedded.minilm()
    return Models(
        chat=chat,
        embeddings=MiniLM(embedder),
        backends=(embedder,),
        method="InsertRank()",
        rewrites=True,
        name=model,
    )
