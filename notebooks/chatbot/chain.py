"""The chain: a conversation in, and out of it, as they happen, the sources, the answer, its citations and the bill."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.retrievers import BaseRetriever

from langchain_rerank_plugins import RerankCompressor
from rerank_plugins import Ranking
from rerank_plugins.citations import cited, evidence_prompt
from rerank_plugins.errors import classify
from rerank_plugins.events import Event as RerankEvent
from rerank_plugins.events import QueryEnded

from .sources import check_citations, left_out, sources

__all__ = ["Chatbot", "Event"]

_REMEMBERED = 4  # messages before the question that the model is shown
_ANSWERING = ChatPromptTemplate(
    [
        (
            "system",
            "You answer questions from numbered documents. Use nothing but what they say, in a few sentences, and "
            "put the number of the document after each statement, such as [1]. If they do not hold the answer, say so.",
        ),
        MessagesPlaceholder("history"),
        ("human", "{evidence}\n\nQuestion: {question}"),
    ]
)
_REWRITING = ChatPromptTemplate(
    [
        (
            "system",
            "Rewrite the last question of the conversation so that it can be understood without the rest. Change "
            "nothing else, do not answer it, and write the question alone.",
        ),
        MessagesPlaceholder("history"),
        ("human", "{question}"),
    ]
)
_log = logging.getLogger(__name__)


class Event(NamedTuple):
    """Something to tell the client: plain data under a name."""

    name: str
    data: dict[str, Any]


class Chatbot:
    """Answers the last question of a conversation from documents.

    Args:
        retriever: The first stage.
        reranker: What orders what was found; its `top_n` is how many sources the model is shown.
        model: What writes the answer.
        rewrites: Whether to have the model rewrite a follow-up before it is searched for. A model that is too small
            for that is better not asked; then the question before is searched for together with the last one.
    """

    def __init__(
        self, retriever: BaseRetriever, reranker: RerankCompressor, model: BaseChatModel, *, rewrites: bool
    ) -> None:
        self._retriever = retriever
        self._reranker = reranker
        self._writer = _ANSWERING | model
        self._rewriter = _REWRITING | model | StrOutputParser() if rewrites else None

    async def answer(self, conversation: Sequence[BaseMessage]) -> AsyncGenerator[Event, None]:
        """Tell of `sources`, each `token` of the answer, its `citations`, and `done`; stop by closing the iterator.

        Raises:
            CallError: The chat model failed; the message is fit for users.
        """
        *history, question = conversation
        clock = _Clock()
        query, calls = await self._standalone(history, question.text)
        clock.lap("rewrite")
        ranking = await self._found(query)
        clock.lap("search", minus=ranking.usage.seconds)
        clock.seconds["rerank"] = ranking.usage.seconds
        yield Event("sources", _told(query, ranking))
        written = AIMessageChunk(content="")
        async with aclosing(self._written(history, question.text, ranking)) as chunks:
            async for chunk in chunks:
                if not written.content and chunk.text:
                    clock.lap("first token")
                written += chunk
                if chunk.text:
                    yield Event("token", {"text": chunk.text})
        clock.lap("answer")
        yield Event("citations", check_citations(written.text, len(ranking)))
        yield Event("done", clock.account(calls + 1, ranking, written))

    async def _standalone(self, history: Sequence[BaseMessage], question: str) -> tuple[str, int]:
        """The question to search for, and how many calls it took."""
        before = [message.text for message in history if message.type == "human"][-1:]
        if not before:
            return question, 0
        if self._rewriter:
            try:
                rewritten = await self._rewriter.ainvoke({"history": _recent(history), "question": question})
            except Exception as error:  # noqa: BLE001 # a follow-up that is not rewritten can still be searched for
                _log.warning("A follow-up was not rewritten (%s).", type(error).__name__)
                return "\n".join([*before, question]), 1
            return rewritten.strip() or question, 1
        return "\n".join([*before, question]), 0

    async def _found(self, query: str) -> Ranking:
        """What was found, reranked. Beyond what the documents say, a ranking knows what was left out, and the cost."""
        rankings = [Ranking()]

        def keep(event: RerankEvent) -> None:
            if isinstance(event, QueryEnded):
                rankings.append(event.ranking)

        reranker = self._reranker.model_copy(update={"observer": keep})
        chain = ContextualCompressionRetriever(base_compressor=reranker, base_retriever=self._retriever)
        await chain.ainvoke(query)
        return rankings[-1]

    async def _written(
        self, history: Sequence[BaseMessage], question: str, ranking: Ranking
    ) -> AsyncGenerator[AIMessageChunk, None]:
        values = {"history": _recent(history), "evidence": evidence_prompt(cited(ranking)), "question": question}
        try:
            async for chunk in self._writer.astream(values):
                assert isinstance(chunk, AIMessageChunk)
                yield chunk
        except Exception as error:
            raise classify(error, "The chat model") from error


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = time.monotonic()

    def lap(self, stage: str, minus: float = 0.0) -> None:
        """End a stage; `minus` is the part of its time that is accounted for elsewhere."""
        now = time.monotonic()
        self.seconds[stage] = now - self._began - minus
        self._began = now

    def account(self, calls: int, ranking: Ranking, written: AIMessageChunk) -> dict[str, Any]:
        spent = written.usage_metadata
        return {
            "calls": {"chat": calls, "rerank": ranking.usage.calls},
            "tokens": {
                "rerank": ranking.usage.prompt_tokens + ranking.usage.completion_tokens,
                "prompt": spent and spent["input_tokens"],
                "answer": spent and spent["output_tokens"],
            },
            "seconds": {stage: round(seconds, 3) for stage, seconds in self.seconds.items()},
        }


def _recent(history: Sequence[BaseMessage]) -> list[BaseMessage]:
    return list(history[-_REMEMBERED:])


def _told(query: str, ranking: Ranking) -> dict[str, Any]:
    return {
        "query": query,
        "method": ranking.method,
        "sources": sources(ranking),
        "left_out": left_out(ranking),
        "notes": [note.message for note in ranking.notes],
    }
