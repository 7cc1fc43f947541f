"""A causal language model in memory: padded passes that score given tokens, and batched writing."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rerank_plugins.backends.local.batching import Stats

if TYPE_CHECKING:
    import torch

__all__ = ["CausalLM", "Draw", "Row", "load", "out_of_memory"]

_CACHE_NAMES = ("cache", "past_key_values")  # the newer first
_REMEMBERED = 4  # tokens that are remembered in the room of one that is computed, logits and all
_WORTH = 16  # tokens in common from which on they are read in a pass of their own


@dataclass(frozen=True, slots=True)
class Row:
    """Tokens to read, and those whose log-probability is wanted.

    Args:
        ids: The tokens.
        wanted: For each of the last positions of `ids`, tokens that may come next: of shape (positions, tokens).
    """

    ids: Sequence[int]
    wanted: Sequence[Sequence[int]]

    @property
    def beginning(self) -> Sequence[int]:
        """The tokens before the first position that is asked about."""
        return self.ids[: len(self.ids) - len(self.wanted)]


@dataclass(frozen=True, slots=True)
class Draw:
    """How a row's next token is drawn: at a temperature above 0, from a seed of its own or an unforeseeable one."""

    temperature: float
    seed: int | None = None


class CausalLM:
    """A model with its tokenizer on one device. Not safe across threads.

    Args:
        model: A transformers model with a language modelling head, on its device and in evaluation mode.
        tokenizer: Its tokenizer.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._takes = set(inspect.signature(model.forward).parameters)
        # The state of a recurrent model cannot be handed on row by row.
        self._cache = "" if getattr(model, "_is_stateful", False) else _first(_CACHE_NAMES, self._takes)
        self._ends = _end_tokens(model, tokenizer)
        self._pad = next((t for t in (tokenizer.pad_token_id, *self._ends) if t is not None), 0)
        self.tokenizer = tokenizer
        self.stats = Stats()
        # The model's own settings may draw at random, or punish repetition where identifiers must be repeated.
        model.generation_config = _plain_generation(tokenizer.bos_token_id, self._ends, self._pad)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        device: torch.device = self._model.device
        return device

    @property
    def context(self) -> int | None:
        """The most tokens that it was made for, or None where its configuration does not say."""
        length = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        return int(length) if length else None

    def beginning_alike(self, rows: Sequence[Row]) -> list[list[int]]:
        """Positions of rows that can share the reading of their beginning, and at first of all others."""
        alike: dict[tuple[int, ...], list[int]] = {}
        for position, row in enumerate(rows):
            alike.setdefault(tuple(row.beginning), []).append(position)
        groups = [places for places in alike.values() if self._shared([rows[place] for place in places])]
        others = sorted(set(range(len(rows))).difference(*groups))
        return [others, *groups] if others else groups

    def batch_tokens(self, rows: Sequence[Row], limit: int) -> int:
        """The most tokens in a batch of rows like these, whole as they are, where `limit` is for computed ones.

        A beginning that they share is computed once, and what is remembered of it for each row takes less room.
        """
        if not (beginning := self._shared(rows)):
            return limit
        longest = max(len(row.ids) for row in rows)
        return limit * longest // (longest - len(beginning) + len(beginning) // _REMEMBERED)

    def logprobs(self, rows: Sequence[Row]) -> list[list[list[float]]]:
        """Natural log-probabilities of the wanted tokens, for all rows in one pass.

        They come from a softmax in 32 bits over the whole vocabulary. Rows are padded on the left, so that the
        positions that are asked about stand together at the end and no others meet the vocabulary. A long beginning
        that all rows have in common is read once.

        Returns:
            For each row what its `wanted` asks, in its shape.
        """
        import torch

        keep, beginning = max(len(row.wanted) for row in rows), self._shared(rows)
        with torch.inference_mode():
            logits = self._forward([row.ids[len(beginning) :] for row in rows], keep, beginning)
            parts = [_logprobs(logits[index], row.wanted) for index, row in enumerate(rows)]
            values = torch.cat(parts).tolist()  # one copy from the device for all rows
        return _in_shape(values, rows)

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
            written = self._model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=count,
                do_sample=False,
                logits_processor=LogitsProcessorList([_Drawing(draws)]),
            )[:, ids.shape[1] :].tolist()
        answers = [self._until_end(row) for row in written]
        # The last token of each is never read, and after its end a row reads only padding.
        steps = len(written[0]) - 1
        read = sum(min(len(answer), steps) for answer in answers)
        self.stats += Stats(steps + 1, ids.numel() + steps * len(prompts), sum(map(len, prompts)) + read)
        return answers

    def _shared(self, rows: Sequence[Row]) -> Sequence[int]:
        """The beginning that all of several rows have in common, if it is worth a pass of its own."""
        beginning = rows[0].beginning
        worth = self._cache and len(rows) > 1 and len(beginning) >= _WORTH
        return beginning if worth and all(row.beginning == beginning for row in rows) else ()

    def _forward(self, rows: Sequence[Sequence[int]], keep: int, beginning: Sequence[int]) -> torch.Tensor:
        """Logits of the last `keep` positions, of shape (rows, keep, vocabulary)."""
        import torch

        ids, mask = self._padded(rows)
        options: dict[str, Any] = {"use_cache": False}
        if beginning:
            options = {"use_cache": True, self._cache: self._read(beginning, len(rows))}
            mask = torch.cat([mask.new_ones(len(rows), len(beginning)), mask], dim=1)
        options["attention_mask"] = mask
        if "position_ids" in self._takes:
            options["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)[:, len(beginning) :]
        if "logits_to_keep" in self._takes:
            options["logits_to_keep"] = keep
        logits: torch.Tensor = self._model(input_ids=ids, **options).logits
        self.stats += Stats(1, ids.numel(), sum(map(len, rows)))
        return logits[:, -keep:]

    def _read(self, ids: Sequence[int], count: int) -> Any:
        """What the model keeps of these tokens, `count` times over."""
        import torch
        from transformers import DynamicCache

        cache = DynamicCache()
        options: dict[str, Any] = {"use_cache": True, self._cache: cache}
        if "logits_to_keep" in self._takes:
            options["logits_to_keep"] = 1
        self._model(input_ids=torch.tensor([list(ids)], device=self.device), **options)
        self.stats += Stats(1, len(ids), len(ids))
        cache.batch_repeat_interleave(count)
        return cache

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        width = max(map(len, rows))
        ids = [[self._pad] * (width - len(row)) + list(row) for row in rows]
        mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
        return torch.tensor(ids, device=self.device), torch.tensor(mask, device=self.device)

    def _until_end(self, ids: list[int]) -> list[int]:
        return ids[: next((place for place, token in enumerate(ids) if token in self._ends), len(ids))]


def load(
    name: str, *, gguf_file: str | None, device: str | None, dtype: str | None, trust_remote_code: bool
) -> CausalLM:
    """Load a model and its tokenizer; see `TransformersLM` for the arguments."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = torch.device(device or _best_device())
    options: dict[str, Any] = {"trust_remote_code": True} if trust_remote_code else {}
    if gguf_file:
        options["gguf_file"] = gguf_file
    tokenizer = AutoTokenizer.from_pretrained(name, **options)
    model: Any = AutoModelForCausalLM.from_pretrained(name, **{_dtype_option(): _dtype(dtype, place)}, **options)
    return CausalLM(model.to(place).eval(), tokenizer)


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that the device has no room; each kind of device says it in its own words."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in text or "allocate memory" in text)
    )


class _Drawing:
    """Draws by adding Gumbel noise to scaled logits and taking the largest: exactly a sample of their softmax.

    So each row keeps its own temperature and seed, whatever shares its batch, and nothing touches the global state.
    """

    def __init__(self, draws: Sequence[Draw | None]) -> None:
        import torch

        self._draws = draws
        self._sources = [torch.Generator() for _ in draws]
        for draw, source in zip(draws, self._sources, strict=True):
            if draw is None or draw.seed is None:
                source.seed()
            else:
                source.manual_seed(draw.seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        import torch

        drawn = scores.clone()
        for row, (draw, source) in enumerate(zip(self._draws, self._sources, strict=True)):
            if draw is not None:
                noise = -torch.empty(scores.shape[-1]).exponential_(generator=source).log()
                drawn[row] = scores[row] / draw.temperature + noise.to(scores.device)
        return drawn


def _first(names: Sequence[str], known: set[str]) -> str:
    return next((name for name in names if name in known), "")


def _logprobs(logits: torch.Tensor, wanted: Sequence[Sequence[int]]) -> torch.Tensor:
    import torch

    places = torch.tensor(wanted, device=logits.device)
    return torch.log_softmax(logits[-len(wanted) :].float(), dim=-1).gather(-1, places).flatten()


def _in_shape(values: Sequence[float], rows: Sequence[Row]) -> list[list[list[float]]]:
    rest = iter(values)
    return [[[next(rest) for _ in tokens] for tokens in row.wanted] for row in rows]


def _best_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _dtype(name: str | None, device: torch.device) -> torch.dtype:
    import torch

    if name is not None:
        dtype: torch.dtype = getattr(torch, name)
        return dtype
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32


def _dtype_option() -> str:
    import transformers

    version = tuple(int(part) for part in transformers.__version__.split(".")[:2])
    return "dtype" if version >= (4, 56) else "torch_dtype"


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    ends = model.generation_config.eos_token_id
    known = ends if isinstance(ends, list) else [ends]
    return [token for token in dict.fromkeys([*known, tokenizer.eos_token_id]) if token is not None]


def _plain_generation(bos: int | None, ends: list[int], pad: int) -> Any:
    from transformers import GenerationConfig

    make: Any = GenerationConfig  # it has no types
    return make(bos_token_id=bos, eos_token_id=ends or None, pad_token_id=pad)
