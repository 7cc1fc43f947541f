"""Attention that is summed up layer by layer agrees with whole matrices, and what requests share is read once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rerank_plugins.backends.local.transformers_lm import TransformersLM
from rerank_plugins.errors import PromptTooLong, Refused
from rerank_plugins.requests import Attend, Attended, Choose, Failed
from tests.backends.local import reference

pytestmark = pytest.mark.slow

SEGMENTS = (
    "\n[1] Steam keeps the crust of a loaf soft.",
    "\n[2] The dough does rise, yes.",
    "\n[3]",
    "",
    "\n[4] Because of gas, no bread is flat. " * 3,
)
PREFIX = "Read the passages about bread."
QUESTIONS = ("\nQuestion: why does the dough rise?", "\nQuestion: N/A", "?")


def attended(backend: TransformersLM, requests: Sequence[Attend]) -> list[Attended]:
    replies = dict(backend.answer_batch(requests))
    assert all(isinstance(reply, Attended) for reply in replies.values()), replies
    return [replies[position] for position in range(len(requests))]


def agrees(backend: TransformersLM, requests: Sequence[Attend]) -> None:
    for request, reply in zip(requests, attended(backend, requests), strict=True):
        expected = reference.attention(backend, request)
        assert [len(tokens) for tokens in reply.tokens] == [len(tokens) for tokens in expected]
        for found, values in zip(reply.tokens, expected, strict=True):
            assert list(found) == pytest.approx(values, abs=1e-4, rel=1e-3)
        assert list(reply.mass) == pytest.approx([sum(tokens) for tokens in expected], abs=1e-4)


def test_it_agrees_with_whole_matrices(tiny: TransformersLM) -> None:
    agrees(tiny, [Attend(SEGMENTS, question, PREFIX) for question in QUESTIONS])


@pytest.mark.xdist_group("smollm2")
def test_it_agrees_with_whole_matrices_on_a_real_model(smollm2: TransformersLM) -> None:
    agrees(smollm2, [Attend(SEGMENTS, question, PREFIX) for question in QUESTIONS])
    agrees(smollm2, [Attend(SEGMENTS[:2], QUESTIONS[0], layers=(10, 20))])


@pytest.mark.parametrize("layers", [(0, 1), (1, 2), (0, 2), (-1, 2)])
def test_layers_are_a_slice(tiny: TransformersLM, layers: tuple[int, int]) -> None:
    agrees(tiny, [Attend(SEGMENTS, QUESTIONS[0], PREFIX, layers)])


def test_all_attention_is_accounted_for(tiny: TransformersLM) -> None:
    (reply,) = attended(tiny, [Attend(SEGMENTS, QUESTIONS[0])])
    assert 0 < sum(reply.mass) < 1
    assert reply.mass[3] == 0
    assert reply.tokens[3] == ()


def test_segments_are_cut_into_tokens_apart(tiny: TransformersLM) -> None:
    """Texts that would merge into one token at their border stay two, so that a border never blurs."""
    _, tokenizer = reference.model_of(tiny)
    assert len(tokenizer("the", add_special_tokens=False)["input_ids"]) == 1
    (reply,) = attended(tiny, [Attend(("t", "he"), "?")])
    assert [len(tokens) for tokens in reply.tokens] == [len(tokenizer.tokenize(part)) for part in ("t", "he")]


def test_documents_are_read_once_for_several_questions(tiny: TransformersLM) -> None:
    before = tiny.stats
    replies = attended(tiny, [Attend(SEGMENTS, question, PREFIX) for question in QUESTIONS[:2]])
    computed, distinct = tiny.stats.computed - before.computed, tiny.stats.distinct - before.distinct
    assert computed <= 1.05 * distinct + 12  # the questions begin alike, and are read apart
    assert computed < 0.7 * sum(reply.usage.prompt_tokens for reply in replies)


def test_an_empty_question_pays_no_attention(tiny: TransformersLM) -> None:
    (reply,) = dict(tiny.answer_batch([Attend(SEGMENTS, "")])).values()
    assert isinstance(reply, Failed)
    assert "question" in str(reply.error)


@pytest.mark.parametrize("layers", [(2, 5), (1, 1), (-9, -5)])
def test_layers_that_there_are_not_fail_alone(tiny: TransformersLM, layers: tuple[int, int]) -> None:
    replies = dict(tiny.answer_batch([Attend(SEGMENTS, "?", layers=layers), Attend(SEGMENTS, "?")]))
    assert isinstance(replies[0], Failed)
    assert f"not {layers!r}" in str(replies[0].error)
    assert isinstance(replies[1], Attended)


def test_long_segments_are_cut_and_the_reply_says_so(tiny_folder: Callable[..., Path]) -> None:
    narrow = TransformersLM(tiny_folder(context=128), device="cpu")
    long = ("\n[1] short", "\n[2] " + "why does dough rise " * 200)
    (reply,) = attended(narrow, [Attend(long, QUESTIONS[0], PREFIX)])
    (alone,) = attended(narrow, [Attend(long[:1], QUESTIONS[0], PREFIX)])
    assert [note.kind for note in reply.notes] == ["cut"]
    assert reply.usage.prompt_tokens <= 128
    assert len(reply.tokens[0]) == len(alone.tokens[0])
    for refused in (Attend(long, QUESTIONS[0], may_cut=False), Attend(("a", "b"), "why does dough rise " * 200)):
        (failed,) = dict(narrow.answer_batch([refused])).values()
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, PromptTooLong)


def test_a_recurrent_model_reads_each_row_whole(tiny_folder: Callable[..., Path], monkeypatch: Any) -> None:
    from transformers import LlamaForCausalLM

    monkeypatch.setattr(LlamaForCausalLM, "_is_stateful", True)
    agrees(TransformersLM(tiny_folder(), device="cpu"), [Attend(SEGMENTS, question, PREFIX) for question in QUESTIONS])


def test_a_model_that_hides_its_attention_is_named(tiny: TransformersLM, monkeypatch: Any) -> None:
    from rerank_plugins.backends.local import attention

    monkeypatch.setattr(attention.Watch, "add", lambda self, layer, weights: None)
    (reply,) = dict(tiny.answer_batch([Attend(SEGMENTS, "?")])).values()
    assert isinstance(reply, Failed)
    assert isinstance(reply.error, Refused)
    assert "does not show its attention" in str(reply.error)


def test_no_layer_keeps_a_whole_matrix(tiny: TransformersLM, monkeypatch: Any) -> None:
    """What one layer looks at is the question's rows, whatever the length of the documents."""
    from rerank_plugins.backends.local import attention

    shapes: list[Any] = []
    honest = attention.Watch.add

    def add(self: Any, layer: int, weights: Any) -> None:
        shapes.append(weights.shape)
        honest(self, layer, weights)

    monkeypatch.setattr(attention.Watch, "add", add)
    attended(tiny, [Attend(SEGMENTS * 5, "why?")])
    _, tokenizer = reference.model_of(tiny)
    question = len(tokenizer("why?", add_special_tokens=False)["input_ids"])
    assert {shape[-2] for shape in shapes} == {question}


def test_other_requests_see_the_usual_attention_afterwards(tiny: TransformersLM) -> None:
    model, _ = reference.model_of(tiny)
    choice = Choose([{"role": "user", "content": "why?"}], ("A", "B"))
    before, expected = model.config._attn_implementation, reference.logprobs(tiny, choice)
    replies = dict(tiny.answer_batch([Attend(SEGMENTS, "?"), choice]))
    assert model.config._attn_implementation == before
    assert list(replies[1].logprobs.values()) == pytest.approx(expected, abs=1e-4)


def test_two_threads_do_not_mix(tiny_folder: Callable[..., Path]) -> None:
    one = TransformersLM(tiny_folder(), device="cpu")
    two = TransformersLM(tiny_folder("other"), device="cpu")
    asked = [Attend(SEGMENTS[:count], question, PREFIX) for count in (1, 2, 5) for question in QUESTIONS]
    expected = attended(one, asked)
    got: dict[int, list[Attended]] = {}

    def work(number: int) -> None:
        got[number] = attended(two if number == 2 else one, asked)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for replies in got.values():
        for together, alone in zip(replies, expected, strict=True):
            assert together.mass == pytest.approx(alone.mass, abs=1e-6)
