"""What the batched backend must agree with: one text at a time, no padding, no cache, the whole vocabulary."""

from __future__ import annotations

from itertools import accumulate, chain, pairwise
from typing import Any

from rerank_plugins.backends.local.transformers_lm import TransformersLM
from rerank_plugins.requests import Attend, Chat, Choose, Likelihood, Request


def model_of(backend: TransformersLM) -> tuple[Any, Any]:
    lm = backend._loaded()[0].lm
    return lm.model, lm.tokenizer


def next_logprobs(model: Any, ids: list[int]) -> Any:
    """Log-probabilities after each of the ids, of shape (ids, vocabulary)."""
    import torch

    with torch.inference_mode():
        return torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0].float(), dim=-1)


def prompt_ids(tokenizer: Any, request: Choose | Chat) -> list[int]:
    text = tokenizer.apply_chat_template(list(request.messages), tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def logprobs(backend: TransformersLM, request: Request) -> list[float]:
    model, tokenizer = model_of(backend)
    if isinstance(request, Likelihood):
        before = tokenizer(request.prompt)["input_ids"] or [tokenizer.bos_token_id]
        after = tokenizer(request.continuation, add_special_tokens=False)["input_ids"]
        table = next_logprobs(model, before + after)
        return [float(table[len(before) - 1 + place, token]) for place, token in enumerate(after)]
    assert isinstance(request, Choose)
    last = next_logprobs(model, prompt_ids(tokenizer, request))[-1]
    return [float(last[tokenizer(label, add_special_tokens=False)["input_ids"][-1]]) for label in request.labels]


def attention(backend: TransformersLM, request: Attend) -> list[list[float]]:
    """The value of each token of each segment, from the whole attention matrices of all layers and heads."""
    import torch

    model, tokenizer = model_of(backend)
    texts = [request.prefix, *request.segments, request.question]
    parts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    parts[0] = tokenizer(request.prefix)["input_ids"]
    before = model.config._attn_implementation
    model.config._attn_implementation = "eager"
    try:
        with torch.inference_mode():
            found = model(input_ids=torch.tensor([list(chain(*parts))]), output_attentions=True).attentions
    finally:
        model.config._attn_implementation = before
    layers = found[slice(*request.layers)] if request.layers else found
    mean = torch.stack([layer[0, :, -len(parts[-1]) :].float() for layer in layers]).mean(dim=(0, 1, 2)).tolist()
    ends = list(accumulate(map(len, parts[:-1])))
    return [mean[start:end] for start, end in pairwise(ends)]


def answer(backend: TransformersLM, request: Chat) -> str:
    """The most probable token, again and again."""
    model, tokenizer = model_of(backend)
    ids = prompt_ids(tokenizer, request)
    start = len(ids)
    while len(ids) < start + request.max_tokens:
        token = int(next_logprobs(model, ids)[-1].argmax())
        if token == tokenizer.eos_token_id:
            break
        ids.append(token)
    return str(tokenizer.decode(ids[start:], skip_special_tokens=True)).strip()
