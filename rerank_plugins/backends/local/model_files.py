"""A causal language model and its tokenizer, read from files onto the best device that there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["load"]


def load(
    name: str, *, gguf_file: str | None, device: str | None, dtype: str | None, trust_remote_code: bool
) -> tuple[Any, Any]:
    """Load a model, on its device and in evaluation mode, and its tokenizer; see `TransformersLM` for the arguments.

    Its attention is what transformers takes by itself: torch's own fused kernels where the model has them.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = torch.device(device or _best_device())
    options: dict[str, Any] = {"trust_remote_code": True} if trust_remote_code else {}
    if gguf_file:
        options["gguf_file"] = gguf_file
    tokenizer = AutoTokenizer.from_pretrained(name, **options)
    model: Any = AutoModelForCausalLM.from_pretrained(name, **{_dtype_option(): _dtype(dtype, place)}, **options)
    return model.to(place).eval(), tokenizer


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
