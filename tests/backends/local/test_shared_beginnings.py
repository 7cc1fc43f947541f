"""Several queries about one document: what their prompts have in common is read once, and nothing else changes."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rerank_plugins import Candidate, Likelihood, rerank, rerank_many
from rerank_plugins.backends.local.causal_lm import CausalLM, Row
from rerank_plugins.backends.local.reading import Reading
from rerank_plugins.backends.local.transformers_lm import TransformersLM
from rerank_plugins.requests import Attend, Choose, Measured, Message
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


INSTRUCTION = "Say yes where the passage about the dough answers, and no where it does not, because of the crust. " * 3


def pointwise(count: int) -> list[Choose]:
    """An instruction, a question and, last, documents of mixed lengths."""
    draw = random.Random(count)
    words = [f"{first}{second}" for first in "abcdefghijk" for second in "lmnopqrstuv"]
    texts = [" ".join(draw.choices(words, k=draw.randint(20, 60))) for _ in range(count)]
    system: Message = {"role": "system", "content": INSTRUCTION}
    return [Choose([system, {"role": "user", "content": f"{QUERIES[0]}\n{text}"}], ("A", "B")) for text in texts]


def labelled(backend: TransformersLM, requests: Sequence[Choose]) -> list[list[float]]:
    replies: dict[int, Any] = dict(backend.answer_batch(requests))
    return [list(replies[position].logprobs.values()) for position in range(len(requests))]


def test_an_instruction_is_read_once_and_little_is_computed_besides(tiny: TransformersLM) -> None:
    requests, before = pointwise(50), tiny.stats
    for request, logprobs in zip(requests, labelled(tiny, requests), strict=True):
        assert logprobs == pytest.approx(reference.logprobs(tiny, request), abs=1e-4)
    computed, distinct = tiny.stats.computed - before.computed, tiny.stats.distinct - before.distinct
    whole = sum(len(reference.prompt_ids(reference.model_of(tiny)[1], request)) for request in requests)
    assert distinct < whole / 2
    assert computed <= 1.05 * distinct


@pytest.mark.xdist_group("smollm2")
def test_an_instruction_is_read_once_on_a_real_model(smollm2: TransformersLM) -> None:
    requests, before = pointwise(8), smollm2.stats
    for request, logprobs in zip(requests, labelled(smollm2, requests), strict=True):
        assert logprobs == pytest.approx(reference.logprobs(smollm2, request), abs=1e-4)
    computed, distinct = smollm2.stats.computed - before.computed, smollm2.stats.distinct - before.distinct
    assert computed <= 1.05 * distinct


def test_every_split_of_a_prompt_gives_the_same(tiny: TransformersLM) -> None:
    """Two rows that part after any number of tokens, in whatever order."""
    lm = tiny._loaded()[0].lm
    ids = list(range(10, 60))
    (whole,) = lm.logprobs([Row(ids, [[3, 4]])])
    for at in range(1, len(ids)):
        other = [*ids[:at], 5, *ids[at:]]
        rows = [Row(other, [[3, 4]]), Row(ids, [[3, 4]], stop=at)]
        found = {
            position: lm.logprobs([row])[0]
            for batch in Reading(lm, rows, 64, lambda compute: compute()).batches()
            for position, row in batch
        }
        assert found[1][0] == pytest.approx(whole[0], abs=1e-4)


def test_rows_with_pasts_of_mixed_lengths_share_a_pass(tiny: TransformersLM) -> None:
    lm = tiny._loaded()[0].lm
    rows = [Row(list(range(10, 10 + length)), [[3, 4], [5, 6]]) for length in (3, 40, 12, 25)]
    alone = [lm.logprobs([row])[0] for row in rows]
    pasts = lm.read([row.ids[:cut] for row, cut in zip(rows[1:], (30, 1, 23), strict=True)], [None] * 3)
    together = lm.logprobs([rows[0], *(replace(row, past=past) for row, past in zip(rows[1:], pasts, strict=True))])
    for one, other in zip(together, alone, strict=True):
        for found, expected in zip(one, other, strict=True):
            assert found == pytest.approx(expected, abs=1e-4)


def test_three_levels_are_read_one_after_the_other(tiny: TransformersLM) -> None:
    """Instruction, document, query: many queries about many documents under one instruction."""
    asked = [
        Request(f"{INSTRUCTION}\n{document}\nQuestion:", f" {query}") for query in QUERIES for document in DOCUMENTS
    ]
    before = tiny.stats
    for request, logprobs in zip(asked, answered(tiny, asked), strict=True):
        assert list(logprobs) == pytest.approx(reference.logprobs(tiny, request), abs=1e-4)
    assert tiny.stats.computed - before.computed <= 1.05 * (tiny.stats.distinct - before.distinct)


def test_too_little_memory_to_read_ahead_reads_less_or_nothing(tiny: TransformersLM, monkeypatch: Any) -> None:
    honest, tried = CausalLM.read, []

    def tight(self: CausalLM, rows: Any, before: Any) -> Any:
        tried.append(len(rows))
        if len(rows) > 1 or len(rows[0]) > 40:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return honest(self, rows, before)

    monkeypatch.setattr(CausalLM, "read", tight)
    for request, logprobs in zip(ASKED, answered(tiny, ASKED), strict=True):
        assert list(logprobs) == pytest.approx(reference.logprobs(tiny, request), abs=1e-4)
    assert max(tried) > 1


def test_a_window_of_attention_is_never_padded_within(tiny_folder: Callable[..., Path], monkeypatch: Any) -> None:
    backend = TransformersLM(tiny_folder(), device="cpu")
    lm = backend._loaded()[0].lm
    monkeypatch.setattr(lm.model.config, "sliding_window", 100, raising=False)
    assert lm.can_resume(50)
    assert not lm.can_resume(51)


def test_memory_is_flat_over_a_thousand_queries(tiny_folder: Callable[..., Path]) -> None:
    backend = TransformersLM(tiny_folder(), device="cpu", document_cache_bytes=2**20)

    def ask(number: int) -> None:
        requests = [Request(f"Passage: {document}\n\nQuestion:", f" why {number}?") for document in DOCUMENTS]
        segments = Attend(tuple(DOCUMENTS), f" why {number}?")
        answered(backend, requests)
        assert len(dict(backend.answer_batch([segments]))) == 1

    for number in range(100):
        ask(number)
    gc.collect()
    before = _resident()
    for number in range(900):
        ask(number)
    gc.collect()
    assert _resident() - before < 30 * 2**20


def _resident() -> int:
    """Bytes of memory that this process holds."""
    pages = Path("/proc/self/statm")
    if not pages.exists():
        pytest.skip("this system does not say how much memory a process holds")
    return int(pages.read_text().split()[1]) * 4096


def test_queries_together_rank_as_each_alone(tiny: TransformersLM) -> None:
    tasks = [(query, [Candidate(document) for document in DOCUMENTS]) for query in QUERIES]
    together = rerank_many(Likelihood(), tasks, backends=tiny)
    alone = [rerank(Likelihood(), query, candidates, backends=tiny) for query, candidates in tasks]
    assert [ranking.order for ranking in together] == [ranking.order for ranking in alone]
