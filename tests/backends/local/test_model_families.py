"""Models of several makes, tiny and random: shared beginnings and attention agree with whole passes."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rerank_plugins.backends.local.causal_lm import CausalLM, Row
from rerank_plugins.backends.local.reading import Reading
from rerank_plugins.errors import Refused
from tests.backends.local import reference

pytestmark = pytest.mark.slow

GROUPED = {"num_key_value_heads": 2}
FAMILIES: dict[str, dict[str, Any]] = {
    "Bloom": {"n_layer": 2, "n_head": 4},
    "GPTNeoX": {},
    "Gemma2": GROUPED | {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 24},
    "GptOss": GROUPED | {"head_dim": 16, "num_local_experts": 4, "num_experts_per_tok": 2},
    "Mistral": GROUPED | {"sliding_window": 24},
    "Phi3": GROUPED,
    "Qwen2": GROUPED,
    "Qwen3": GROUPED | {"head_dim": 16},
}
HIDDEN = {"Bloom"}


@pytest.fixture(params=FAMILIES)
def lm(request: pytest.FixtureRequest, tiny_folder: Callable[..., Path]) -> CausalLM:
    import torch
    import transformers

    if not hasattr(transformers, f"{request.param}Config"):
        pytest.skip(f"this transformers has no {request.param}")
    torch.manual_seed(1)
    config = getattr(transformers, f"{request.param}Config")(
        vocab_size=400,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=3,
        pad_token_id=0,
        **FAMILIES[request.param],
    )
    model: Any = getattr(transformers, f"{request.param}ForCausalLM")(config)
    return CausalLM(model.eval(), transformers.AutoTokenizer.from_pretrained(tiny_folder()))


def rows() -> list[Row]:
    draw = random.Random(1)
    shared = draw.choices(range(10, 300), k=30)
    return [Row([*shared, *draw.choices(range(10, 300), k=count)], [[5, 6]] * 2) for count in (5, 9, 9, 20)]


def test_shared_beginnings_agree_with_whole_rows(lm: CausalLM) -> None:
    asked, parts = rows(), 0
    for batch in Reading(lm, asked, 64, lambda compute: compute()).batches():
        for (position, row), found in zip(batch, lm.logprobs([row for _, row in batch]), strict=True):
            parts += row.past is not None
            table = reference.next_logprobs(lm.model, list(asked[position].ids))[-2:]
            assert found[0] == pytest.approx(table[0, [5, 6]].tolist(), abs=1e-4)
            assert found[1] == pytest.approx(table[1, [5, 6]].tolist(), abs=1e-4)
    windowed = getattr(lm.model.config, "sliding_window", None) == 24
    assert parts == (0 if windowed else len(asked))


def test_attention_agrees_with_whole_matrices_or_is_refused(lm: CausalLM) -> None:
    import torch

    row = Row(rows()[0].ids, [[]] * 4)
    if type(lm.model).__name__.removesuffix("ForCausalLM") in HIDDEN:
        with pytest.raises(Refused, match="does not show its attention"):
            lm.attention(row, None)
        return
    found = lm.attention(row, None)
    lm.model.config._attn_implementation = "eager"
    with torch.inference_mode():
        whole = lm.model(input_ids=torch.tensor([row.ids]), output_attentions=True).attentions
    expected = torch.stack([layer[0, :, -4:, : len(row.ids)].float() for layer in whole]).mean(dim=(0, 1, 2))
    assert found == pytest.approx(expected.tolist(), abs=1e-4)
