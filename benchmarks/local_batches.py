"""Batches by length against one padded pass: the same model, precision and threads, taking turns."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from rerank_plugins.backends.embedded import smollm2, smollm2_file
from rerank_plugins.prompts.likelihood import likelihood_request
from rerank_plugins.requests import Likelihood

CANDIDATES = 64
TOKENS = (10, 400)
RUNS = 3
WORDS = "the crust dough bread oven flour water salt steam proof rise warm night loaf air wheat heat time".split()


def main() -> None:
    import torch

    requests = [likelihood_request("how long does the dough proof?", text) for text in _texts()]
    lm = smollm2()
    model, tokenizer = _plain_model()
    ours, plain = _in_turns(lambda: _batched(lm, requests), lambda: _padded(model, tokenizer, requests))
    apart = max(abs(a - b) for a, b in zip(_batched(lm, requests), _padded(model, tokenizer, requests), strict=True))
    print(
        f"{CANDIDATES} candidates of {TOKENS[0]} to {TOKENS[1]} tokens, {torch.get_num_threads()} threads, {RUNS} runs"
    )
    print(f"{'one padded pass':<20}{plain:8.2f} s")
    print(f"{'batches by length':<20}{ours:8.2f} s   padding {lm.stats.waste:.1%} of what is computed")
    print(f"{'ratio of medians':<20}{plain / ours:8.2f} x   scores differ by at most {apart:.0e} nats")


def _texts() -> list[str]:
    """Texts whose lengths are spread evenly, in random order; each word is one token."""
    draw = random.Random(64)
    low, high = TOKENS
    lengths = [low + (high - low) * index // (CANDIDATES - 1) for index in range(CANDIDATES)]
    draw.shuffle(lengths)
    return [" ".join(draw.choices(WORDS, k=length)) for length in lengths]


def _batched(lm: Any, requests: list[Likelihood]) -> list[float]:
    replies = dict(lm.answer_batch(requests))
    return [value for position in range(len(requests)) for value in replies[position].logprobs]


def _plain_model() -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from rerank_plugins.backends.gguf_files import read_once

    path = smollm2_file()
    with read_once():
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, padding_side="left")
        model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    return model.eval(), tokenizer


def _padded(model: Any, tokenizer: Any, requests: list[Likelihood]) -> list[float]:
    """What one writes first: pad everything to the longest, and be careful to project only the query's positions."""
    import torch

    query = tokenizer(requests[0].continuation)["input_ids"]
    batch = tokenizer(
        [request.prompt + request.continuation for request in requests], padding=True, return_tensors="pt"
    )
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
    return scores.flatten().tolist()


def _in_turns(*candidates: Callable[[], object]) -> list[float]:
    """Median seconds of each, after one round that does not count, so that load on the machine meets all alike."""
    seconds: list[list[float]] = [[] for _ in candidates]
    for _ in range(RUNS + 1):
        for run, taken in zip(candidates, seconds, strict=True):
            started = time.perf_counter()
            run()
            taken.append(time.perf_counter() - started)
    return [statistics.median(taken[1:]) for taken in seconds]


if __name__ == "__main__":
    main()
