"""Documents that have been read once cost only the query, and nothing else changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rerank_plugins import Likelihood as LikelihoodMethod
from rerank_plugins import rerank
from rerank_plugins.backends.local.document_cache import DocumentCache
from rerank_plugins.backends.local.states import States
from rerank_plugins.backends.local.transformers_lm import TransformersLM
from rerank_plugins.errors import InvalidInput
from rerank_plugins.prompts.likelihood import likelihood_request
from rerank_plugins.requests import Choose, Request
from rerank_plugins.text import Document, Prompt
from tests.backends.local import reference

pytestmark = pytest.mark.slow

DOCUMENTS = ["Steam keeps the crust of a loaf soft. " * 3, "Dough does rise because of gas. " * 5, "Yes and no. " * 9]
QUERIES = ["why does the dough rise?", "the crust", "is a loaf soft with steam, yes or no?"]
INSTRUCTION = "Say whether the passage answers the question, with A for yes and B for no, as the dough does rise. " * 2


def likelihoods(query: str) -> list[Request]:
    return [likelihood_request(query, document) for document in DOCUMENTS]


def choices(query: str) -> list[Request]:
    return [
        Choose(
            [
                {"role": "system", "content": INSTRUCTION},
                {"role": "user", "content": Prompt.of("Passage: ", Document(document), f"\nQuestion: {query}")},
            ],
            ("A", "B"),
        )
        for document in DOCUMENTS
    ]


def values(backend: TransformersLM, requests: Sequence[Request]) -> list[list[float]]:
    replies: dict[int, Any] = dict(backend.answer_batch(requests))
    found = [replies[position].logprobs for position in range(len(requests))]
    return [list(logprobs.values() if isinstance(logprobs, dict) else logprobs) for logprobs in found]


def computed(backend: TransformersLM, requests: Sequence[Request]) -> int:
    before = backend.stats.computed
    values(backend, requests)
    return backend.stats.computed - before


@pytest.fixture
def caching(tiny_folder: Callable[..., Path]) -> TransformersLM:
    return TransformersLM(tiny_folder(), device="cpu", document_cache_bytes=2**24)


@pytest.mark.parametrize("ask", [likelihoods, choices])
def test_scores_are_those_of_whole_prompts(caching: TransformersLM, ask: Callable[[str], list[Request]]) -> None:
    for query in [*QUERIES, QUERIES[0]]:
        requests = ask(query)
        for request, found in zip(requests, values(caching, requests), strict=True):
            assert found == pytest.approx(reference.logprobs(caching, request), abs=1e-4)


@pytest.mark.xdist_group("smollm2")
@pytest.mark.parametrize(("dtype", "apart"), [(None, 1e-4), ("int8", 0.2)])
def test_scores_are_those_of_whole_prompts_on_a_real_model(dtype: str | None, apart: float) -> None:
    from rerank_plugins.backends.embedded import smollm2_file

    caching = TransformersLM(smollm2_file(), document_cache_bytes=2**28, document_cache_dtype=dtype)
    for query in QUERIES[:2]:
        requests = [*likelihoods(query), *choices(query)]
        for request, found in zip(requests, values(caching, requests), strict=True):
            assert found == pytest.approx(reference.logprobs(caching, request), abs=apart)


@pytest.mark.parametrize("ask", [likelihoods, choices])
def test_a_second_query_costs_only_its_own_tokens(caching: TransformersLM, ask: Callable[[str], list[Request]]) -> None:
    first = computed(caching, ask(QUERIES[0]))
    again = computed(caching, ask(QUERIES[0]))
    other = computed(caching, ask(QUERIES[1]))
    assert again < first / 3
    assert other <= again


def test_without_a_cache_each_query_costs_the_same(tiny: TransformersLM) -> None:
    first, again = computed(tiny, likelihoods(QUERIES[0])), computed(tiny, likelihoods(QUERIES[0]))
    assert first == again


def test_a_new_document_is_read_and_the_others_are_not(caching: TransformersLM) -> None:
    values(caching, likelihoods(QUERIES[0])[:2])
    alone = computed(caching, likelihoods(QUERIES[0])[:2])
    more = computed(caching, likelihoods(QUERIES[0]))
    _, tokenizer = reference.model_of(caching)
    new = len(tokenizer(likelihoods(QUERIES[0])[2].prompt)["input_ids"])
    assert new <= more - alone <= new + 40


def test_a_small_cache_keeps_to_its_bound_and_still_gives_the_scores(tiny_folder: Callable[..., Path]) -> None:
    per_token = 2 * 2 * 2 * 8 * 4  # layers, keys and values, heads, size, bytes of a number
    caching = TransformersLM(tiny_folder(), device="cpu", document_cache_bytes=150 * per_token)
    _, cache = caching._loaded()
    for query in QUERIES:
        requests = likelihoods(query)
        for request, found in zip(requests, values(caching, requests), strict=True):
            assert found == pytest.approx(reference.logprobs(caching, request), abs=1e-4)
        assert cache is not None
        assert 0 < cache.bytes <= 150 * per_token


@pytest.mark.parametrize(
    ("dtype", "share", "apart"), [("float16", 0.5, 0.01), ("bfloat16", 0.5, 0.05), ("int8", 0.375, 0.05)]
)
def test_lower_precision_takes_less_room(
    tiny_folder: Callable[..., Path], dtype: str, share: float, apart: float
) -> None:
    """With heads of 8 numbers, 8 bits and a scale of 32 take 12 bytes instead of 32; with heads of 64, 68 of 256."""
    folder = tiny_folder()
    full = TransformersLM(folder, device="cpu", document_cache_bytes=2**24)
    packed = TransformersLM(folder, device="cpu", document_cache_bytes=2**24, document_cache_dtype=dtype)
    for query in QUERIES:
        expected = values(full, likelihoods(query))
        for one, other in zip(values(packed, likelihoods(query)), expected, strict=True):
            assert one == pytest.approx(other, abs=apart)
    kept, all_ = (backend._loaded()[1] for backend in (packed, full))
    assert kept is not None
    assert all_ is not None
    assert kept.bytes == pytest.approx(share * all_.bytes)


def test_two_threads_do_not_mix(caching: TransformersLM) -> None:
    expected = {query: values(caching, likelihoods(query)) for query in QUERIES}
    got: dict[str, list[list[float]]] = {}

    def work(query: str) -> None:
        for _ in range(5):
            got[query] = values(caching, likelihoods(query))

    threads = [threading.Thread(target=work, args=(query,)) for query in QUERIES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for query in QUERIES:
        for one, other in zip(got[query], expected[query], strict=True):
            assert one == pytest.approx(other, abs=1e-5)


def test_rankings_are_the_same(tiny: TransformersLM, caching: TransformersLM) -> None:
    for query in [*QUERIES, *QUERIES]:
        with_cache = rerank(LikelihoodMethod(), query, DOCUMENTS, backends=caching)
        without = rerank(LikelihoodMethod(), query, DOCUMENTS, backends=tiny)
        assert with_cache.order == without.order


def test_bytes_and_precision_are_checked() -> None:
    with pytest.raises(InvalidInput, match=r"document_cache_bytes=\.\.\.\) .* not -1"):
        TransformersLM("x/y", document_cache_bytes=-1)
    with pytest.raises(InvalidInput, match="not 'int3'"):
        TransformersLM("x/y", document_cache_dtype="int3")


class TestForgetting:
    """Tokens of 8 bytes: one layer, one head, one number of 4 bytes, in keys and in values."""

    @staticmethod
    def states(tokens: int, before: States | None = None) -> States:
        import torch

        return States([(torch.zeros(1, tokens, 1), torch.zeros(1, tokens, 1))], before)

    def test_the_least_recently_used_goes_first(self) -> None:
        cache = DocumentCache(8 * 10)
        cache.put([1] * 4, self.states(4))
        cache.put([2] * 4, self.states(4))
        assert cache.get([1] * 4) is not None
        cache.put([3] * 4, self.states(4))
        assert [cache.get([token] * 4) is not None for token in (1, 2, 3)] == [True, False, True]
        assert cache.bytes == 64

    def test_what_others_build_on_is_kept_once_and_goes_last(self) -> None:
        cache = DocumentCache(8 * 12)
        instruction = self.states(4)
        for token in (1, 2, 3):
            cache.put([0] * 4 + [token] * 3, self.states(3, instruction))
        assert cache.get([0] * 4) is not None
        assert [cache.get([0] * 4 + [token] * 3) is not None for token in (1, 2, 3)] == [False, True, True]
        assert (len(cache), cache.bytes) == (3, 80)

    def test_what_never_fits_drives_out_nothing(self) -> None:
        cache = DocumentCache(8 * 5)
        cache.put([1] * 4, self.states(4))
        cache.put([2] * 6, self.states(6))
        assert cache.get([1] * 4) is not None
        assert cache.get([2] * 6) is None
