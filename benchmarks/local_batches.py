"""Batches by length against one padded pass: the same model, precision and threads, taking turns.

The model has the shape of SmolLM2-135M, random weights, on which speed does not depend, and a fifth of its layers, so
that this takes about two minutes.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from typing import Any

from benchmarks._timing import medians
from rerank_plugins.backends.embedded import smollm2_file
from rerank_plugins.backends.local.gguf_files import read_once
from rerank_plugins.backends.local.transformers_lm import TransformersLM
from rerank_plugins.prompts.likelihood import likelihood_request
from rerank_plugins.requests import Likelihood

LAYERS = 6
CANDIDATES = 64
TOKENS = (10, 400)
RUNS = 3
WORDS = "the crust dough bread oven flour water salt steam proof rise warm night loaf air wheat heat time".split()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _save_model(folder)
        _compare(folder)


def _compare(folder: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    requests = [likelihood_request("how long does the dough proof?", text) for text in _texts()]
    lm = TransformersLM(folder, device="cpu")
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model: Any = AutoModelForCausalLM.from_pretrained(folder).eval()
    scores: dict[str, list[float]] = {}
    sides: dict[str, Callable[[], object]] = {
        "one padded pass": lambda: scores.update(plain=_padded(model, tokenizer, requests)),
        "batches by length": lambda: scores.update(ours=_batched(lm, requests)),
    }
    _batched(lm, requests[:2])  # loaded and warm
    _padded(model, tokenizer, requests[:2])
    before = lm.stats
    taken = medians(sides, RUNS)
    padding = 1 - (lm.stats.needed - before.needed) / (lm.stats.computed - before.computed)
    apart = max(abs(a - b) for a, b in zip(scores["ours"], scores["plain"], strict=True))
    print(f"{CANDIDATES} candidates, {TOKENS[0]} to {TOKENS[1]} tokens; {torch.get_num_threads()} threads; {RUNS} runs")
    for name, seconds in taken.items():
        print(f"{name:<20}{seconds:8.2f} s")
    print(f"{'ratio of medians':<20}{taken['one padded pass'] / taken['batches by length']:8.2f} x")
    print(f"{'padding':<20}{padding:8.1%}   of what is computed in batches by length")
    print(f"{'difference':<20}{apart:8.0e}   nats per token at most, between the two")


def _texts() -> list[str]:
    """Texts whose lengths are spread evenly, in random order; each word is one token."""
    draw = random.Random(64)
    low, high = TOKENS
    lengths = [low + (high - low) * index // (CANDIDATES - 1) for index in range(CANDIDATES)]
    draw.shuffle(lengths)
    return [" ".join(draw.choices(WORDS, k=length)) for length in lengths]


def _save_model(folder: str) -> None:
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    path = smollm2_file()
    with read_once():
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    tokenizer.save_pretrained(folder)
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=LAYERS,
        num_attention_heads=9,
        num_key_value_heads=3,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(shape).save_pretrained(folder)


def _batched(lm: TransformersLM, requests: list[Likelihood]) -> list[float]:
    replies: dict[int, Any] = dict(lm.answer_batch(requests))
    return [value for position in range(len(requests)) for value in replies[position].logprobs]


def _padded(model: Any, tokenizer: Any, requests: list[Likelihood]) -> list[float]:
    """What one writes first: pad everything to the longest, and be careful to project only the query's positions."""
    import torch

    query = tokenizer(requests[0].continuation)["input_ids"]
    texts = [request.prompt + request.continuation for request in requests]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    mask = batch["attention_mask"]
    with torch.inference_mode():
        logits = model(
            input_ids=batch["input_ids"],
            attention_mask=mask,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            use_cache=False,
            logits_to_keep=len(query) + 1,
        ).logits
        wanted = torch.tensor(query).view(1, -1, 1).expand(len(requests), -1, -1)
        scores = torch.log_softmax(logits[:, :-1], dim=-1).gather(-1, wanted)
    values: list[float] = scores.flatten().tolist()
    return values


if __name__ == "__main__":
    main()
