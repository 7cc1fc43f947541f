"""Money: what the installed price list says, and None where it says nothing."""

import sys

import pytest

from rerank_plugins import Usage
from rerank_plugins.errors import MissingExtra
from rerank_plugins.prices import price

genai_prices = pytest.importorskip("genai_prices", reason="the extra `prices` is not installed")

SPENT = Usage(calls=4, prompt_tokens=8000, completion_tokens=400)


def per_million(model: str) -> tuple[float, float]:
    """The list's own prices of a million tokens, read and written."""

    def ask(**tokens: int) -> float:
        return float(genai_prices.calc_price(genai_prices.Usage(**tokens), model, provider_id="openai").total_price)

    return ask(input_tokens=100_000) * 10, ask(input_tokens=0, output_tokens=100_000) * 10


def test_tokens_read_and_written_are_priced_apart() -> None:
    read, written = per_million("gpt-4o")
    assert 0 < read < written
    assert price(SPENT, "gpt-4o", "openai") == pytest.approx((8000 * read + 400 * written) / 1e6)


def test_cached_tokens_are_cheaper() -> None:
    cached = Usage(calls=4, prompt_tokens=8000, cached_tokens=8000, completion_tokens=400)
    full, less = price(SPENT, "gpt-4o"), price(cached, "gpt-4o")
    assert full is not None and less is not None and less < full


def test_nothing_spent_costs_nothing() -> None:
    assert price(Usage(), "gpt-4o") == 0.0


@pytest.mark.parametrize("provider", ["openai", "https://api.openai.com/v1", None])
def test_a_provider_is_named_or_addressed_or_found(provider: str | None) -> None:
    assert price(SPENT, "gpt-4o", provider) == pytest.approx(price(SPENT, "gpt-4o", "openai"))


@pytest.mark.parametrize(
    ("model", "provider"),
    [("gpt-4o", "http://localhost:8000/v1"), ("gpt-4o", "nobody"), ("a model of nobody's", None), ("", None)],
)
def test_what_is_not_listed_has_no_price(model: str, provider: str | None) -> None:
    assert price(SPENT, model, provider) is None


def test_an_impossible_usage_has_no_price() -> None:
    assert price(Usage(calls=1, prompt_tokens=1, cached_tokens=2), "gpt-4o") is None


def test_many_short_prompts_are_not_priced_as_a_long_one() -> None:
    one, many = Usage(1, 10_000, 100), Usage(100, 1_000_000, 10_000)
    of_one, of_many = price(one, "gemini-2.5-pro", "google"), price(many, "gemini-2.5-pro", "google")
    assert of_one is not None and of_many == pytest.approx(100 * of_one)


def test_without_the_library_the_message_has_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    with pytest.raises(MissingExtra, match=r"pip install 'rerank-plugins\[prices\]'"):
        price(SPENT, "gpt-4o")
