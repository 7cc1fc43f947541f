"""Whether a prompt was too long, and by how much, in the words of each provider."""

from __future__ import annotations

import re

from rerank_plugins.provider_errors.carried import text_of

__all__ = ["context_numbers", "says_too_long"]

_TOO_LONG = re.compile(
    r"context.?length|context.?window|context.?size|model.?length|max(?:imum)? context|too many tokens|"
    r"prompt.{0,20}too long|input.{0,20}too long|input tokens? (?:count )?.{0,20}exceed|"
    r"`inputs` (?:tokens|must have)|too large for model with|max \d+ tokens per request",
    re.I,
)
# Of the rate limits, the only one that no waiting mends.
_TOO_LARGE = re.compile(r"request too large", re.I)

_LIMIT = [
    re.compile(pattern, re.I)
    for pattern in (
        r"max(?:imum)? (?:context|model) (?:length|size)(?: of| is| \()?\s*(?:only )?(\d+)",  # OpenAI, vLLM
        r"available context size \((\d+)",  # llama.cpp
        r"n_ctx\W{1,4}(\d+)",  # llama.cpp
        r"exceeds? context window of (\d+)",  # llama-cpp-python
        r"context length (?:of only |\()(\d+)",  # LM Studio, SGLang
        r"must (?:be <=|have less than) (\d+)",  # TGI
        r"limit of (\d+)",  # OpenAI
        r"tokens allowed \((\d+)\)",  # Gemini
        r"> (\d+) maximum",  # Anthropic
        r"with (\d+) maximum context",  # Mistral
        r"limit:? (\d+), requested",  # Groq, OpenAI: tokens per minute
        r"max (\d+) tokens per request",  # OpenAI, embeddings
    )
]
_NEEDED = [
    re.compile(pattern, re.I)
    for pattern in (
        r"requested (?:a total of )?(\d+) tokens",  # OpenAI, vLLM, llama-cpp-python, SGLang
        r"resulted in (?:over )?(\d+) tokens",  # OpenAI
        r"too large: (\d+)\..*?(?:request|prompt) has (?:at least )?(\d+) input tokens",  # vLLM: answer and prompt
        r"request \((\d+) tokens\) exceeds",  # llama.cpp
        r"n_prompt_tokens\W{1,4}(\d+)",  # llama.cpp
        r"requested tokens \((\d+)\)",  # llama-cpp-python
        r"given: (\d+) `inputs` tokens and (\d+)",  # TGI: prompt and answer
        r"given: (\d+)",  # TGI
        r"(?:length|count|input|prompt) \((?:length )?(\d+)",  # vLLM, Gemini, SGLang
        r"too long: (\d+) tokens",  # Anthropic
        r"(?:contains|first) (\d+) tokens",  # Mistral, LM Studio
        r"requested (\d+)",  # Groq
    )
]


def says_too_long(error: BaseException, status: int) -> bool:
    """Whether an error is about a prompt that does not fit; llama.cpp servers have said so with a 500."""
    if status in (400, 422, 500):
        return _TOO_LONG.search(text_of(error)) is not None
    return status == 413 or (status == 429 and _TOO_LARGE.search(text_of(error)) is not None)


def context_numbers(text: str) -> tuple[int | None, int | None]:
    """Read the model's limit and what was needed, in tokens; None for what is not said.

    What was needed counts the answer as well where the provider counts it.

    >>> context_numbers("maximum context length is 2048 tokens. However, you requested 3,071 tokens (3031 in the ...")
    (2048, 3071)
    >>> context_numbers("Your input exceeds the context window of this model.")
    (None, None)
    """
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    return _first(_LIMIT, plain), _first(_NEEDED, plain)


def _first(patterns: list[re.Pattern[str]], text: str) -> int | None:
    found = next((match for pattern in patterns if (match := pattern.search(text))), None)
    return None if found is None else sum(map(int, found.groups()))
