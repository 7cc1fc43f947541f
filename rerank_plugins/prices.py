"""What calls cost in money, from the price lists that the library `genai-prices` maintains."""

from __future__ import annotations

from typing import Any

from rerank_plugins.errors import MissingExtra
from rerank_plugins.ranking import Usage

__all__ = ["price"]


def price(usage: Usage, model: str, provider: str | None = None) -> float | None:
    """Price what was spent on a model, by the list of the version of genai-prices that is installed.

    Some lists charge more for long prompts. The price is that of `usage.calls` calls of average length, so that many
    short prompts do not count as a long one.

    Args:
        usage: What was spent on this model alone.
        model: The model's name at its provider.
        provider: The provider's identifier, such as "openai", or the address of its API. None finds one by the
            model's name; pass the address for an endpoint of your own, which may serve a model of a listed name.

    Returns:
        US dollars; None where the list does not have this model, or the usage is impossible.

    Raises:
        MissingExtra: genai-prices is not installed.

    >>> price(Usage(calls=1, prompt_tokens=1000), "a model of nobody's") is None
    True
    """
    prices: Any = _genai_prices()
    calls = max(1, usage.calls)
    known = {"provider_api_url" if provider is not None and "://" in provider else "provider_id": provider}
    try:
        one = prices.calc_price(
            prices.Usage(
                input_tokens=usage.prompt_tokens / calls,
                cache_read_tokens=usage.cached_tokens / calls,
                output_tokens=usage.completion_tokens / calls,
            ),
            model_ref=model,
            **known,
        )
    except (LookupError, ValueError):
        return None
    return float(one.total_price) * calls


def _genai_prices() -> Any:
    try:
        import genai_prices
    except ImportError:
        raise MissingExtra("price", "genai-prices", "prices") from None
    return genai_prices
