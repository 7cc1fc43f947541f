"""A causal language model and its tokenizer, read from files onto the best device that there is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rerank_plugins.errors import InvalidInput

if TYPE_CHECKING:
    import torch

__all__ = ["load", "located"]


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


def located(model: str, gguf_file: str | None) -> tuple[str, str | None]:
    """The folder or hub name, and the GGUF file in it.

    Raises:
        InvalidInput: There is no such file.
    """
    if gguf_file is None and model.lower().endswith(".gguf"):
        path = Path(model).expanduser()
        model, gguf_file = str(path.parent), path.name
        found = path.is_file()
    else:
        found = gguf_file is None or not Path(model).is_dir() or (Path(model) / gguf_file).is_file()
    if not found:
        raise InvalidInput(
            f"The model is a hub name, a folder or a GGUF file, and there is no file {gguf_file!r} in {model!r}."
        )
    return model, gguf_file


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
