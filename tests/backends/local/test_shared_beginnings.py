"""Several queries about one document: what their prompts have in common is read once, and nothing else changes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rerank_plugins import Candidate, Likelihood, rerank, rerank_many
from rerank_plugins.backends.local.transformers_lm import TransformersLM
from rerank_plugins.requests import Choose, Measured
from rerank_plugins.requests import Likelihood as Request
from tests.backends.local import reference

pytestmark = pytest.mark.slow

QUERIES = ["why does the dough rise?", "the crust", "is a loaf soft with steam, yes or no, and why because?"]
DOCUMENTS = [
    "Steam keeps the crust of a loaf soft. " * 3,
    "Dough does rise because of gas in it. " * 2,
    "Yes and no. " * 9,
]
ASKED = [Request(f"Passage: {document}\n\nQuestion:", f" {query}") for query in QUERIES for document in DOCUMENTS]


def answered(backend: TransformersLM, requests: list[Request]) -> list[tuple[float, ...]]:
    replies = dict(backend.answer_batch(requests))
    values = [replies[position] for position in range(len(requests))]
    assert all(isinstance(reply, Measured) for reply in values)
    return [reply.logprobs for reply in values]


def tokens_computed(backend: TransformersLM, requests: list[Request]) -> int:
    before = backend.stats.computed
    answered(backend, requests)
    return backend.stats.computed - before


def test_it_agrees_with_one_by_one(tiny: TransformersLM) -> None:
    for request, logprobs in zip(ASKED, answered(tiny, ASKED), strict=True):
        assert list(logprobs) == pytest.approx(reference.logprobs(tiny, request), abs=1e-4)


@pytest.mark.xdist_group("smollm2")
def test_it_agrees_with_one_by_one_on_a_real_model(smollm2: TransformersLM) -> None:
    for request, logprobs in zip(ASKED, answered(smollm2, ASKED), strict=True):
        assert list(logprobs) == pytest.approx(reference.logprobs(smollm2, request), abs=1e-3)


def test_each_document_is_read_once(tiny: TransformersLM) -> None:
    requests = [Request(ASKED[0].prompt, f" why {word}?") for word in "the crust dough rise soft steam yes no".split()]
    alone = sum(tokens_computed(tiny, [request]) for request in requests)
    assert tokens_computed(tiny, requests) < alone / 2


def test_the_same_request_twice(tiny: TransformersLM) -> None:
    first, second = answered(tiny, [ASKED[0], ASKED[0]])
    assert first == pytest.approx(second, abs=1e-6)
    assert list(first) == pytest.approx(reference.logprobs(tiny, ASKED[0]), abs=1e-4)


def test_shared_and_others_in_one_batch(tiny: TransformersLM) -> None:
    choice = Choose([{"role": "user", "content": DOCUMENTS[0]}], ("A", "B"))
    short = Request("why", " does the dough rise")
    replies = dict(tiny.answer_batch([ASKED[0], choice, ASKED[3], short, ASKED[6]]))
    assert list(replies[1].logprobs.values()) == pytest.approx(reference.logprobs(tiny, choice), abs=1e-4)
    for position, request in ((0, ASKED[0]), (2, ASKED[3]), (3, short), (4, ASKED[6])):
        assert list(replies[position].logprobs) == pytest.approx(reference.logprobs(tiny, request), abs=1e-4)


def test_a_group_larger_than_a_batch(tiny_folder: Callable[..., Path]) -> None:
    narrow = TransformersLM(tiny_folder(), device="cpu", batch_tokens=120)
    for request, logprobs in zip(ASKED, answered(narrow, ASKED), strict=True):
        assert list(logprobs) == pytest.approx(reference.logprobs(narrow, request), abs=1e-4)


def test_a_recurrent_model_reads_each_row_whole(tiny_folder: Callable[..., Path], monkeypatch) -> None:
    from transformers import LlamaForCausalLM

    monkeypatch.setattr(LlamaForCausalLM, "_is_stateful", True)
    stateful = TransformersLM(tiny_folder(), device="cpu")
    assert answered(stateful, ASKED)
    assert stateful.stats.needed == sum(len(stateful._loaded()[0].prepare(request).row.ids) for request in ASKED)


def test_queries_together_rank_as_each_alone(tiny: TransformersLM) -> None:
    tasks = [(query, [Candidate(document) for document in DOCUMENTS]) for query in QUERIES]
    together = rerank_many(Likelihood(), tasks, backends=tiny)
    alone = [rerank(Likelihood(), query, candidates, backends=tiny) for query, candidates in tasks]
    assert [ranking.order for ranking in together] == [ranking.order for ranking in alone]
