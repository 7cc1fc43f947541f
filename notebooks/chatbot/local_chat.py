"""A chat model in this process that streams: small enough to need neither a key nor a network."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from rerank_plugins.backends.local.gguf_files import read_once

__all__ = ["LocalChat"]


class LocalChat(BaseChatModel):
    """A GGUF file, read by transformers, as a LangChain chat model.

    It is loaded once, at the first question or by `load`. It writes the most probable token each time. Answers to
    several conversations take turns token by token, and one that nobody waits for any more ends with its token.

    Args:
        path: The GGUF file.
        max_tokens: The longest answer.
        repetition_penalty: By how much the score of a token that the answer already has is divided; small models
            repeat themselves without it.
    """

    path: Path
    max_tokens: int = 120
    repetition_penalty: float = 1.1

    _loaded: tuple[Any, Any] | None = PrivateAttr(None)
    _computing: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    def load(self) -> tuple[Any, Any]:
        """The model and its tokenizer."""
        with self._computing:
            if self._loaded is None:
                from transformers import AutoModelForCausalLM, AutoTokenizer

                folder, file = self.path.parent, self.path.name
                with read_once():
                    tokenizer: Any = AutoTokenizer.from_pretrained(folder, gguf_file=file)
                    model: Any = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file)
                self._loaded = model.eval(), tokenizer
            return self._loaded

    @property
    def _llm_type(self) -> str:
        return "local-gguf"

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        _, tokenizer = self.load()
        turns = convert_to_openai_messages(messages)
        prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        written: list[int] = []
        said = ""
        for token in self._tokens(ids):
            written.append(token)
            text = tokenizer.decode(written, skip_special_tokens=True)
            if len(text) > len(said) and not text.endswith("\ufffd"):  # the rest of that character is still to come
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=text[len(said) :]))
                if run_manager:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
                said = text
        spent = UsageMetadata(input_tokens=len(ids), output_tokens=len(written), total_tokens=len(ids) + len(written))
        yield ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=spent))

    def _tokens(self, ids: Sequence[int]) -> Iterator[int]:
        """The answer, token by token; each is computed under the lock, and nothing is between them."""
        import torch
        from transformers import DynamicCache

        model, tokenizer = self.load()
        name = "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
        written: list[int] = []
        options, unread = {name: DynamicCache(), "use_cache": True, "logits_to_keep": 1}, list(ids)
        while len(written) < self.max_tokens:
            with self._computing, torch.inference_mode():
                logits = model(torch.tensor([unread]), **options).logits[0, -1]
                token = self._most_probable(logits, written)
            if token == tokenizer.eos_token_id:
                return
            yield token
            written.append(token)
            unread = [token]  # what was read before is in the cache

    def _most_probable(self, logits: Any, written: Sequence[int]) -> int:
        seen = list(set(written))
        scores = logits[seen]
        logits[seen] = scores / self.repetition_penalty ** scores.sign()
        return int(logits.argmax())

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))
