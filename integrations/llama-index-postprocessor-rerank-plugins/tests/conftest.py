"""LLMs that reply as they are told, and what else several test files need."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, LLMMetadata
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.schema import NodeWithScore, TextNode

Said = str | Exception | dict[str, Any]
Says = Said | Sequence[Said] | Callable[[str], Said]


class HTTPError(Exception):
    """What an SDK raises for a response that is an error."""

    def __init__(self, status_code: int, message: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(message or f"Error code: {status_code}")
        self.status_code = status_code
        self.headers = headers or {}


class Script:
    """What is said, call by call (the last one repeats), and a record of what was asked."""

    def __init__(self, says: Says, delay_s: float = 0.0) -> None:
        self.says, self.delay_s = says, delay_s
        self.prompts: list[str] = []
        self.most_at_once = self._at_once = 0
        self._lock = threading.Lock()

    @contextmanager
    def under_way(self, messages: Sequence[ChatMessage]) -> Iterator[Said]:
        prompt = "\n".join(f"{message.role.value}: {message.content}" for message in messages)
        with self._lock:
            self.prompts.append(prompt)
            number = len(self.prompts) - 1
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield self._said(number, prompt)
        finally:
            with self._lock:
                self._at_once -= 1

    def _said(self, number: int, prompt: str) -> Said:
        if callable(self.says):
            return self.says(prompt)
        if isinstance(self.says, (str, dict, Exception)):
            return self.says
        return self.says[min(number, len(self.says) - 1)]


def respond(said: Said) -> ChatResponse:
    if isinstance(said, Exception):
        raise said
    calls = [said] if isinstance(said, dict) else []
    return ChatResponse(
        message=ChatMessage(
            role="assistant", content="" if calls else str(said), additional_kwargs={"tool_calls": calls}
        ),
        raw={"usage": {"prompt_tokens": 100, "completion_tokens": 10}},
    )


class ScriptedLLM(FunctionCallingLLM):
    """An LLM as an API's: concurrent, with async methods of its own. What it says is text, a tool call or an error."""

    model: str = "scripted"
    temperature: float = 0.0
    api_key: str = "sk-secret"
    context_window: int = 100_000
    calls_functions: bool = False
    _script: Script = PrivateAttr()

    def __init__(self, says: Says = "", *, delay_s: float = 0.0, **fields: Any) -> None:
        super().__init__(**fields)
        self._script = Script(says, delay_s)

    @property
    def script(self) -> Script:
        return self._script

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(
            model_name=self.model,
            context_window=self.context_window,
            is_chat_model=True,
            is_function_calling_model=self.calls_functions,
        )

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        with self._script.under_way(messages) as said:
            time.sleep(self._script.delay_s)
            return respond(said)

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        with self._script.under_way(messages) as said:
            await asyncio.sleep(self._script.delay_s)
            return respond(said)

    def _prepare_chat_with_tools(self, tools: Any, chat_history: Any = None, **kwargs: Any) -> dict[str, Any]:
        return {"messages": chat_history, "tools": [tool.metadata.to_openai_tool() for tool in tools]}

    def get_tool_calls_from_response(self, response: ChatResponse, **kwargs: Any) -> list[ToolSelection]:
        calls = response.message.additional_kwargs.get("tool_calls", [])
        return [ToolSelection(tool_id="1", tool_name="answer", tool_kwargs=call) for call in calls]

    def _unused(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("Only chat and achat are to be called.")

    complete = acomplete = stream_complete = astream_complete = stream_chat = astream_chat = _unused


class ClientLLM(CustomLLM):
    """An LLM as users write them around an endpoint: all it has is `complete`."""

    model_name: str = "client"
    context_window: int = 100_000
    _script: Script = PrivateAttr()

    def __init__(self, says: Says = "", *, delay_s: float = 0.0, **fields: Any) -> None:
        super().__init__(**fields)
        self._script = Script(says, delay_s)

    @property
    def script(self) -> Script:
        return self._script

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name=self.model_name, context_window=self.context_window, is_chat_model=False)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        with self._script.under_way([ChatMessage(content=prompt)]) as said:
            time.sleep(self._script.delay_s)
            return CompletionResponse(text=respond(said).message.content or "")

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        raise AssertionError("Nothing is streamed.")


LOCAL_MODEL = type("Llama", (), {"__module__": "llama_cpp.llama"})()


class LocalLLM(ClientLLM):
    """An LLM that computes in this process: it holds an object of a library that runs models."""

    model_name: str = "local"
    _model: Any = PrivateAttr(default=LOCAL_MODEL)


def shown_in(prompt: str) -> list[str]:
    """The documents that a listwise prompt shows, in its order."""
    return [text.strip() for text in re.findall(r'<document id="\d+"[^>]*>\n(.*?)\n</document>', prompt, re.S)]


def make_nodes(count: int = 5, **fields: Any) -> list[NodeWithScore]:
    """Nodes n0, n1, ... with falling scores; no word of a query is in them."""
    return [
        NodeWithScore(node=TextNode(id_=f"n{i}", text=f"text {i}", **fields), score=1 - i / 100) for i in range(count)
    ]


@pytest.fixture
def scripted_llm() -> type[ScriptedLLM]:
    return ScriptedLLM


@pytest.fixture
def local_llm() -> type[LocalLLM]:
    return LocalLLM


@pytest.fixture
def client_llm() -> type[ClientLLM]:
    return ClientLLM


@pytest.fixture
def local_model() -> object:
    return LOCAL_MODEL


@pytest.fixture
def http_error() -> type[HTTPError]:
    return HTTPError


@pytest.fixture
def shown() -> Callable[[str], list[str]]:
    return shown_in


@pytest.fixture
def make() -> Callable[..., list[NodeWithScore]]:
    return make_nodes
