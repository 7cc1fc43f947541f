"""A causal language model in memory: padded passes that score given tokens, and batched writing."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rerank_plugins.backends.local.attention import watching
from rerank_plugins.backends.local.batching import Stats, tokens_that_fit
from rerank_plugins.backends.local.drawing import Draw, Drawing
from rerank_plugins.backends.local.states import Past, States

if TYPE_CHECKING:
    import torch

__all__ = ["CausalLM", "Row", "out_of_memory"]

_CACHE_NAMES = ("cache", "past_key_values")  # the newer first
_ATTENTION = {"full_attention", "sliding_attention"}


@dataclass(frozen=True, slots=True)
class Row:
    """Tokens to read, and what is wanted at the last of them.

    Args:
        ids: The tokens.
        wanted: For each of the last positions of `ids`, tokens that may come next: of shape (positions, tokens).
        stop: Tokens after which reading has to halt, so that what the model keeps of them is at hand; 0 for nowhere.
        kept: Whether that is worth keeping for later batches.
        past: What the model keeps of the first tokens, where they have been read.
    """

    ids: Sequence[int]
    wanted: Sequence[Sequence[int]]
    stop: int = 0
    kept: bool = False
    past: States | None = None

    @property
    def beginning(self) -> Sequence[int]:
        """The tokens before the first position that is asked about."""
        return self.ids[: len(self.ids) - len(self.wanted)]

    @property
    def rest(self) -> Sequence[int]:
        """The tokens that have not been read."""
        return self.ids[self.past.tokens :] if self.past else self.ids


class CausalLM:
    """A model with its tokenizer on one device. Not safe across threads.

    Args:
        model: A transformers model with a language modelling head, on its device and in evaluation mode.
        tokenizer: Its tokenizer.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model = model
        self._takes = set(inspect.signature(model.forward).parameters)
        self._cache = "" if _is_recurrent(model) else next((n for n in _CACHE_NAMES if n in self._takes), "")
        self._ends = _end_tokens(model, tokenizer)
        self._pad = next((t for t in (tokenizer.pad_token_id, *self._ends) if t is not None), 0)
        self.tokenizer = tokenizer
        self.stats = Stats()
        # The model's own settings may draw at random, or punish repetition where identifiers must be repeated.
        model.generation_config = _plain_generation(tokenizer.bos_token_id, self._ends, self._pad)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        device: torch.device = self.model.device
        return device

    @property
    def context(self) -> int | None:
        """The most tokens that it was made for, or None where its configuration does not say."""
        length = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return int(length) if length else None

    def batch_tokens(self) -> int | None:
        """The most tokens in a pass by the memory that is free now, or None where memory is not the bound."""
        import torch

        if self.device.type != "cuda":
            return None
        reserved = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        free = torch.cuda.mem_get_info(self.device)[0] + reserved
        return tokens_that_fit(free, self.model.config.get_text_config(), self.model.dtype.itemsize)

    def can_resume(self, longest: int) -> bool:
        """Whether rows of so many tokens can be read in parts.

        A recurrent model's state cannot be handed on row by row. A window of attention is counted in positions, so that
        the padding between two parts would push tokens out of it.
        """
        window = getattr(self.model.config.get_text_config(), "sliding_window", None)
        return bool(self._cache) and (not window or 2 * longest <= window)

    def logprobs(self, rows: Sequence[Row]) -> list[list[list[float]]]:
        """Natural log-probabilities of the wanted tokens, for all rows in one pass.

        They come from a softmax in 32 bits over the whole vocabulary. Rows are padded on the left, so that the
        positions that are asked about stand together at the end and no others meet the vocabulary.

        Returns:
            For each row what its `wanted` asks, in its shape.
        """
        import torch

        keep = max(len(row.wanted) for row in rows)
        with torch.inference_mode():
            logits = self._forward([row.rest for row in rows], keep, Past([row.past for row in rows], False))
            parts = [_logprobs(logits[index], row.wanted) for index, row in enumerate(rows)]
            values = torch.cat(parts).tolist()  # one copy from the device for all rows
        return _in_shape(values, rows)

    def read(self, rows: Sequence[Sequence[int]], before: Sequence[States | None]) -> list[States]:
        """Read tokens in one pass, each row after what has been read before it, and give what the model keeps."""
        import torch

        with torch.inference_mode():
            past = Past(before, True)
            self._forward(rows, 1, past)
            return past.recorded(list(map(len, rows)))

    def attention(self, row: Row, layers: tuple[int, int] | None) -> list[float]:
        """How much attention each token of a row gets from those that are asked about.

        Returns:
            For each token of `row.ids` the mean over these, over all heads and over a slice of the layers.
        """
        import torch

        with torch.inference_mode(), watching(self.model, len(row.wanted), layers) as watch:
            self._forward([row.rest], 1, Past([row.past], False))
            return watch.mean()

    def write(self, prompts: Sequence[Sequence[int]], count: int, draws: Sequence[Draw | None]) -> list[list[int]]:
        """Write at most `count` tokens after each prompt, with one cache for all.

        Args:
            prompts: Token ids.
            count: The most new tokens.
            draws: For each prompt how its tokens are drawn; None takes the most probable.

        Returns:
            The new tokens of each, without the one that ends an answer where it came: shorter than `count` then.
        """
        import torch
        from transformers import LogitsProcessorList

        with torch.inference_mode():
            ids, mask = self._padded(prompts)
            written = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=count,
                do_sample=False,
                logits_processor=LogitsProcessorList([Drawing(draws)]),
            )[:, ids.shape[1] :].tolist()
        answers = [self._until_end(row) for row in written]
        # The last token of each is never read, and after its end a row reads only padding.
        steps = len(written[0]) - 1
        read = sum(min(len(answer), steps) for answer in answers)
        computed = ids.numel() + steps * len(prompts)
        self.stats += Stats(steps + 1, computed, sum(map(len, prompts)) + read, read)
        return answers

    def _forward(self, rows: Sequence[Sequence[int]], keep: int, past: Past) -> torch.Tensor:
        """Logits of the last `keep` positions, of shape (rows, keep, vocabulary)."""
        import torch

        ids, mask = self._padded(rows)
        if past.width:
            read = [[0] * (past.width - length) + [1] * length for length in past.lengths]
            mask = torch.cat([torch.tensor(read, device=self.device), mask], dim=1)
        options: dict[str, Any] = {"attention_mask": mask, "use_cache": past.used}
        if past.used:
            options[self._cache] = past.as_cache()
        if "position_ids" in self._takes:
            options["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)[:, past.width :]
        if "logits_to_keep" in self._takes:
            options["logits_to_keep"] = keep
        logits: torch.Tensor = self.model(input_ids=ids, **options).logits
        self.stats += Stats(1, ids.numel(), sum(map(len, rows)))
        return logits[:, -keep:]

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        width = max(map(len, rows))
        ids = [[self._pad] * (width - len(row)) + list(row) for row in rows]
        mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
        return torch.tensor(ids, device=self.device), torch.tensor(mask, device=self.device)

    def _until_end(self, ids: list[int]) -> list[int]:
        return ids[: next((place for place, token in enumerate(ids) if token in self._ends), len(ids))]


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that the device has no room; each kind of device says it in its own words."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in text or "allocate memory" in text)
    )


def _is_recurrent(model: Any) -> bool:
    """Whether a layer keeps something else than keys and values."""
    types = getattr(model.config.get_text_config(), "layer_types", None) or ()
    return bool(getattr(model, "_is_stateful", False)) or not _ATTENTION.issuperset(types)


def _logprobs(logits: torch.Tensor, wanted: Sequence[Sequence[int]]) -> torch.Tensor:
    import torch

    places = torch.tensor(wanted, device=logits.device)
    return torch.log_softmax(logits[-len(wanted) :].float(), dim=-1).gather(-1, places).flatten()


def _in_shape(values: Sequence[float], rows: Sequence[Row]) -> list[list[list[float]]]:
    rest = iter(values)
    return [[[next(rest) for _ in tokens] for tokens in row.wanted] for row in rows]


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    ends = model.generation_config.eos_token_id
    known = ends if isinstance(ends, list) else [ends]
    return [token for token in dict.fromkeys([*known, tokenizer.eos_token_id]) if token is not None]


def _plain_generation(bos: int | None, ends: list[int], pad: int) -> Any:
    from transformers import GenerationConfig

    make: Any = GenerationConfig  # it has no types
    return make(bos_token_id=bos, eos_token_id=ends or None, pad_token_id=pad)
