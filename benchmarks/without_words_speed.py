"""Scores without words on a local model: each fast way beside the plain one, the same model and threads, in one run.

The model is SmolLM2-135M-Instruct. Plain ways use transformers as its documentation shows it: every prompt whole, eight
to a batch, only the last position meeting the vocabulary. This takes about four minutes on two cores.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks._timing import seconds
from rerank_plugins.backends.embedded import smollm2_file
from rerank_plugins.backends.local.batching import Stats
from rerank_plugins.backends.local.transformers_lm import TransformersLM
from rerank_plugins.candidates import Candidate
from rerank_plugins.methods.first import First
from rerank_plugins.methods.in_context import InContext
from rerank_plugins.prompts.likelihood import likelihood_request
from rerank_plugins.requests import Attend, Chat, Choose, Failed, Message, Request

CANDIDATES = 50
LISTED = 20
PLAIN_BATCH = 8
QUERY = "how long does the dough proof?"
WORDS = "the crust dough bread oven flour water salt steam proof rise warm night loaf air wheat heat time".split()


def main() -> None:
    import torch

    lm = TransformersLM(smollm2_file(), device="cpu")
    _answer(lm, [Choose([{"role": "user", "content": "warm up"}], ("A", "B"))])
    print(f"SmolLM2-135M-Instruct, {torch.get_num_threads()} threads")
    print(f"{'':<62}{'seconds':>8}{'computed / needed':>19}")
    _pointwise(lm)
    _first(lm)
    _in_context(lm)
    _documents(lm)


def _pointwise(lm: TransformersLM) -> None:
    """An instruction of 300 tokens before each of 50 documents of 100."""
    instruction = _text(300, 0)
    requests = [
        Choose(
            [{"role": "system", "content": instruction}, {"role": "user", "content": f"{_text(100, seed)}\n{QUERY}"}],
            ("A", "B"),
        )
        for seed in range(1, CANDIDATES + 1)
    ]
    prompts = [_ids(lm, request.messages) for request in requests]
    before = lm.stats
    taken = _fastest({"plain": lambda: _forward(lm, prompts), "ours": lambda: _answer(lm, requests)}, 2)
    _show(f"pointwise, {CANDIDATES} candidates, each a full prompt", taken["plain"])
    faster = f"{taken['plain'] / taken['ours']:.1f} x as fast (at least 2.5)"
    _show("  the instruction read once", taken["ours"], _surplus(before, lm), faster)


def _first(lm: TransformersLM) -> None:
    (request,) = next(First().steps(QUERY, _listed()))
    prompt = _ids(lm, request.messages)
    taken = _fastest({"plain": lambda: _forward(lm, [prompt]), "ours": lambda: _answer(lm, [request])}, 3)
    written = seconds(lambda: _answer(lm, [Chat(request.messages, max_tokens=3 * LISTED)]))
    _show(f"FIRST, {LISTED} documents: one plain forward of {len(prompt)} tokens", taken["plain"])
    _show("  the order from the first letter", taken["ours"], None, f"{_ratio(taken)} x the time (at most 1.1)")
    _show("  the list written", written, None, f"{written / taken['ours']:.1f} x the time")


def _in_context(lm: TransformersLM) -> None:
    requests: Sequence[Attend] = next(InContext().steps(QUERY, _listed()))
    _, tokenizer = _model(lm)
    asked = requests[0]
    prompt = [token for text in (asked.prefix, *asked.segments, asked.question) for token in tokenizer(text).input_ids]
    before = lm.stats
    taken = _fastest({"plain": lambda: _forward(lm, [prompt]), "ours": lambda: _answer(lm, requests)}, 3)
    _show(f"in-context, {LISTED} documents: one plain forward of {len(prompt)} tokens", taken["plain"])
    _show("  the attention of two queries", taken["ours"], _surplus(before, lm), f"{_ratio(taken)} x (at most 1.3)")


def _documents(lm: TransformersLM) -> None:
    """Likelihood of a query after each of 50 documents of 200 tokens, which an earlier query has read."""
    caching = TransformersLM(smollm2_file(), device="cpu", document_cache_bytes=2**30)
    texts = [_text(200, seed) for seed in range(CANDIDATES)]
    _answer(caching, [likelihood_request("why does bread need steam?", text) for text in texts])
    requests = [likelihood_request(QUERY, text) for text in texts]
    uncached, surplus = _measured(lm, lambda: _answer(lm, requests))
    cached, saved = _measured(caching, lambda: _answer(caching, requests))
    _show(f"likelihood, {CANDIDATES} documents of 200 tokens", uncached, surplus)
    _show("  documents read for an earlier query", cached, saved, f"{uncached / cached:.1f} x as fast (at least 4)")


def _forward(lm: TransformersLM, prompts: Sequence[Sequence[int]]) -> None:
    """What one writes first: whole prompts, padded to the longest of a batch."""
    import torch

    model, _ = _model(lm)
    for start in range(0, len(prompts), PLAIN_BATCH):
        batch = prompts[start : start + PLAIN_BATCH]
        width = max(map(len, batch))
        ids = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in batch])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in batch])
        with torch.inference_mode():
            model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=1)


def _fastest(actions: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """The least seconds of each action; they take turns, since whatever else the machine does makes one slower."""
    taken = [{name: seconds(action) for name, action in actions.items()} for _ in range(rounds)]
    return {name: min(times[name] for times in taken) for name in actions}


def _answer(lm: TransformersLM, requests: Sequence[Request]) -> None:
    replies = dict(lm.answer_batch(requests))
    assert not any(isinstance(reply, Failed) for reply in replies.values()), replies


def _measured(lm: TransformersLM, action: Callable[[], None]) -> tuple[float, float]:
    """Seconds, and tokens computed divided by tokens needed."""
    before = lm.stats
    return seconds(action), _surplus(before, lm)


def _surplus(before: Stats, lm: TransformersLM) -> float:
    return (lm.stats.computed - before.computed) / (lm.stats.distinct - before.distinct)


def _model(lm: TransformersLM) -> tuple[Any, Any]:
    found = lm._loaded()[0].lm
    return found.model, found.tokenizer


def _ids(lm: TransformersLM, messages: Sequence[Message]) -> list[int]:
    _, tokenizer = _model(lm)
    text = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
    ids: list[int] = tokenizer(text, add_special_tokens=False).input_ids
    return ids


def _listed() -> list[Candidate]:
    return [Candidate(_text(50, seed)) for seed in range(LISTED)]


def _text(tokens: int, seed: int) -> str:
    """Each word is one token."""
    return " ".join(random.Random(seed).choices(WORDS, k=tokens))


def _ratio(taken: dict[str, float]) -> str:
    return f"{taken['ours'] / taken['plain']:.2f}"


def _show(name: str, taken: float, surplus: float | None = None, says: str = "") -> None:
    share = "" if surplus is None else f"{surplus:.3f}"
    print(f"{name:<62}{taken:8.2f}{share:>19}   {says}", flush=True)


if __name__ == "__main__":
    main()
