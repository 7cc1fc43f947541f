"""The method that a released checkpoint was trained for, by its name."""

from __future__ import annotations

from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods.base import Method
from rerank_plugins.methods.first import First
from rerank_plugins.methods.pointwise import Graded, YesNo
from rerank_plugins.methods.setwise import Setwise
from rerank_plugins.prompts.checkpoints import LISTWISE, POINTWISE, SETWISE

__all__ = ["method_for"]


def method_for(checkpoint: str) -> Method:
    """The method, with the labels, the scoring rule and the wording that a released reranker was trained on.

    Give the model itself to a backend by the same name. Where each wording is known from stands beside it in
    `prompts/checkpoints.py`; none of these checkpoints was run by this project's tests.

    - mixedbread-ai/mxbai-rerank-base-v2, -large-v2: the logit of "1" minus that of "0".
    - Alibaba-NLP/ERank-4B, -14B, -32B: a score from 0 to 10 times its probability. They think before they answer; here
      they answer at once, and `Graded(prompt=..., reading="text")` lets them think.
    - castorini/first_mistral, rryisthebest/First_Model: the order of the first letter's logits.
    - ielabgroup/Rank-R1-3B-v0.1, -7B-v0.1, -14B-v0.1: the best of 20, after reasoning.

    Args:
        checkpoint: Its name on the Hugging Face hub.

    Raises:
        InvalidInput: No method is known for that name.

    >>> method_for("mixedbread-ai/mxbai-rerank-base-v2")
    YesNo(prompt='mixedbread-ai/mxbai-rerank-base-v2')
    >>> method_for("castorini/first_mistral")
    First(prompt='castorini/first_mistral')
    """
    if checkpoint in LISTWISE:
        return First(prompt=checkpoint)
    if checkpoint in SETWISE:
        return Setwise(by="chat", reasoning=True, prompt=checkpoint)
    if checkpoint in POINTWISE:
        return YesNo(prompt=checkpoint) if len(POINTWISE[checkpoint].labels) == 2 else Graded(prompt=checkpoint)
    raise InvalidInput(
        f"No method is known for the checkpoint {checkpoint!r}; there are "
        f"{', '.join([*POINTWISE, *LISTWISE, *SETWISE])}."
    )
