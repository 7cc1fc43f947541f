"""What the tests share: a chat model that says what it is told to, documents, a handler that notes the trace."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr


class ScriptedChat(BaseChatModel):
    """Says each thing in turn, the last one for ever; an exception among them is raised, a function is asked."""

    says: Any = ""
    delay_s: float = 0.0
    max_tokens: int | None = None
    temperature: float | None = None
    _prompts: list[str] = PrivateAttr(default_factory=list)
    _settings: list[dict[str, Any]] = PrivateAttr(default_factory=list)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)
    _at_once: int = PrivateAttr(default=0)
    _peak: int = PrivateAttr(default=0)

    @property
    def prompts(self) -> list[str]:
        return self._prompts

    @property
    def settings(self) -> list[dict[str, Any]]:
        return self._settings

    @property
    def peak(self) -> int:
        return self._peak

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], stop=None, run_manager=None, **kwargs: Any) -> ChatResult:
        with self._counted(messages, kwargs) as number:
            time.sleep(self.delay_s)
            return self._result(number)

    async def _agenerate(self, messages: list[BaseMessage], stop=None, run_manager=None, **kwargs: Any) -> ChatResult:
        with self._counted(messages, kwargs) as number:
            await asyncio.sleep(self.delay_s)
            return self._result(number)

    def _counted(self, messages: list[BaseMessage], settings: dict[str, Any]) -> "_Visit":
        return _Visit(self, "\n".join(str(message.content) for message in messages), settings)

    def _result(self, number: int) -> ChatResult:
        script = self.says if isinstance(self.says, list) else [self.says]
        said = script[min(number, len(script) - 1)]
        said = said(self._prompts[number]) if callable(said) and not isinstance(said, BaseMessage) else said
        if isinstance(said, Exception):
            raise said
        message = said if isinstance(said, BaseMessage) else AIMessage(said)
        return ChatResult(generations=[ChatGeneration(message=message)])


class _Visit:
    """One call under way."""

    def __init__(self, model: ScriptedChat, prompt: str, settings: dict[str, Any]) -> None:
        self._model, self._prompt, self._said = model, prompt, settings

    def __enter__(self) -> int:
        with self._model._lock:
            self._model._prompts.append(self._prompt)
            self._model._settings.append(self._said)
            self._model._at_once += 1
            self._model._peak = max(self._model._peak, self._model._at_once)
            return len(self._model._prompts) - 1

    def __exit__(self, *_: object) -> None:
        with self._model._lock:
            self._model._at_once -= 1


class Trace(BaseCallbackHandler):
    """Writes down each start and end, with the parent's name."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.names: dict[Any, str] = {}
        self.parents: dict[str, str | None] = {}
        self.inputs: dict[str, Any] = {}
        self.outputs: dict[str, Any] = {}
        self.errors: dict[str, BaseException] = {}
        self.tags: dict[str, list[str]] = {}

    def _start(self, run_id: Any, parent_run_id: Any, name: str, inputs: Any, tags: Any) -> None:
        self.names[run_id] = name
        self.parents[name] = self.names.get(parent_run_id)
        self.inputs[name] = inputs
        self.tags[name] = list(tags or [])
        self.events.append(("start", name))

    def _end(self, run_id: Any, outputs: Any) -> None:
        self.outputs[self.names[run_id]] = outputs
        self.events.append(("end", self.names[run_id]))

    def _error(self, run_id: Any, error: BaseException) -> None:
        self.errors[self.names[run_id]] = error
        self.events.append(("error", self.names[run_id]))

    def on_chain_start(self, serialized, inputs, *, run_id, parent_run_id=None, tags=None, **kwargs):
        self._start(run_id, parent_run_id, kwargs.get("name") or "", inputs, tags)

    def on_chain_end(self, outputs, *, run_id, **kwargs):
        self._end(run_id, outputs)

    def on_chain_error(self, error, *, run_id, **kwargs):
        self._error(run_id, error)

    def on_retriever_start(self, serialized, query, *, run_id, parent_run_id=None, tags=None, **kwargs):
        self._start(run_id, parent_run_id, kwargs.get("name") or "", query, tags)

    def on_retriever_end(self, documents, *, run_id, **kwargs):
        self._end(run_id, documents)

    def on_retriever_error(self, error, *, run_id, **kwargs):
        self._error(run_id, error)

    def on_chat_model_start(self, serialized, messages, *, run_id, parent_run_id=None, tags=None, **kwargs):
        self._start(run_id, parent_run_id, "model", messages, tags)

    def on_llm_end(self, response, *, run_id, **kwargs):
        self._end(run_id, response)

    def on_llm_error(self, error, *, run_id, **kwargs):
        self._error(run_id, error)


@pytest.fixture
def scripted() -> type[ScriptedChat]:
    return ScriptedChat


@pytest.fixture
def local_model() -> object:
    """What a model in this process holds: an object of a library that runs models."""
    return type("Llama", (), {"__module__": "llama_cpp.llama"})()


@pytest.fixture
def trace() -> Trace:
    return Trace()


@pytest.fixture
def documents() -> Callable[[int], list[Document]]:
    """Makes documents that tell each other apart."""

    def make(count: int) -> list[Document]:
        return [
            Document(f"passage number {i}", id=f"d{i}", metadata={"source": f"s{i}", "score": 1 / (i + 1)})
            for i in range(count)
        ]

    return make


@pytest.fixture(params=["sync", "async"])
def compress(request: pytest.FixtureRequest) -> Callable[..., list[Document]]:
    """Both ways of calling a compressor, as one function."""

    def run(compressor: Any, found: list[Document], query: str = "which?", **options: Any) -> list[Document]:
        if request.param == "sync":
            return list(compressor.compress_documents(found, query, **options))
        return list(asyncio.run(compressor.acompress_documents(found, query, **options)))

    return run
