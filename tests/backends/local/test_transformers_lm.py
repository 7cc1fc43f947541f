from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rerank_plugins import Limits, rerank, rerank_many
from rerank_plugins.backends import loading
from rerank_plugins.backends.local.batching import MAX_WASTE, Stats
from rerank_plugins.backends.local.causal_lm import CausalLM
from rerank_plugins.backends.local.transformers_lm import TransformersLM
from rerank_plugins.errors import CallError, InvalidInput, MissingExtra, PromptTooLong, Refused
from rerank_plugins.methods import Likelihood as LikelihoodMethod
from rerank_plugins.requests import (
    Chat,
    ChatReply,
    Choose,
    Chosen,
    Failed,
    Likelihood,
    Measured,
    Message,
    Reply,
    Request,
)
from rerank_plugins.text import Document, Prompt
from tests.backends.local import reference

WORDS = "the crust of a loaf is soft with steam why does dough rise yes no because".split()


def text(words: int, seed: int = 0) -> str:
    return " ".join(random.Random(seed + words).choices(WORDS, k=words))


def question(content: str) -> list[Message]:
    return [{"role": "user", "content": content}]


def answered(backend: TransformersLM, requests: Sequence[Request]) -> list[Any]:
    replies = list(backend.answer_batch(requests))
    assert sorted(position for position, _ in replies) == list(range(len(requests)))
    return [reply for _, reply in sorted(replies, key=lambda item: item[0])]


def values(reply: Reply) -> list[float]:
    assert isinstance(reply, (Measured, Chosen)), reply
    return list(reply.logprobs if isinstance(reply, Measured) else reply.logprobs.values())


class TestArguments:
    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match=r"no file 'model\.gguf'"):
            TransformersLM(tmp_path / "model.gguf")
        with pytest.raises(InvalidInput, match=r"no file 'other\.gguf'"):
            TransformersLM(tmp_path, gguf_file="other.gguf")

    @pytest.mark.parametrize("option", ["max_length", "batch_tokens", "thinking_tokens"])
    def test_numbers_of_tokens_are_not_negative(self, option: str) -> None:
        with pytest.raises(InvalidInput, match=rf"{option}=\.\.\.\) .* not -1"):
            TransformersLM("x/y", **{option: -1})

    def test_a_missing_package_is_named_before_anything_is_loaded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loading, "find_spec", lambda name: None)
        with pytest.raises(MissingExtra, match=r"TransformersLM needs the package 'torch'.*plugins\[transformers\]"):
            TransformersLM("x/y")

    def test_a_gguf_file_needs_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loading, "find_spec", lambda name: None if name == "gguf" else name)
        with pytest.raises(MissingExtra, match="a GGUF file needs the package 'gguf'"):
            TransformersLM("x/y", gguf_file="z.gguf")

    def test_the_identity_holds_what_decides_replies_and_nothing_else(self) -> None:
        assert TransformersLM("x/y", device="cpu", batch_tokens=9).identity == "TransformersLM('x/y')"
        options: list[dict[str, Any]] = [
            {},
            {"dtype": "bfloat16"},
            {"max_length": 9},
            {"gguf_file": "z.gguf"},
            {"chat_template_kwargs": {"enable_thinking": True}},
            {"thinking_tokens": 9},
        ]
        assert len({TransformersLM("x/y", **option).identity for option in options}) == len(options)

    def test_nothing_is_computed_before_the_first_request(self) -> None:
        assert TransformersLM("x/y").stats == Stats()


def mixed_requests(*lengths: int) -> list[Request]:
    lengths = lengths or (1, 400, 2, 17, 250, 3, 90, 5, 33, 120, 1, 60)
    likelihoods = [Likelihood(text(length), " " + text(1 + length % 7, 5)) for length in lengths]
    choices = [Choose(question(text(length)), ("A", "B", "1")) for length in lengths]
    requests = [*likelihoods, *choices, Likelihood(text(3), " " + text(200, 9)), Likelihood("", "why does")]
    random.Random(1).shuffle(requests)
    return requests


@pytest.mark.slow
class TestExactness:
    def test_batches_agree_with_one_by_one(self, tiny: TransformersLM) -> None:
        requests = mixed_requests()
        for request, reply in zip(requests, answered(tiny, requests), strict=True):
            assert values(reply) == pytest.approx(reference.logprobs(tiny, request), abs=1e-4)

    @pytest.mark.xdist_group("smollm2")
    def test_batches_agree_with_one_by_one_on_a_real_model(self, smollm2: TransformersLM) -> None:
        requests = mixed_requests(1, 200, 3, 90, 31)
        for request, reply in zip(requests, answered(smollm2, requests), strict=True):
            assert values(reply) == pytest.approx(reference.logprobs(smollm2, request), abs=1e-4)

    def test_greedy_answers_agree_with_one_by_one(self, tiny: TransformersLM) -> None:
        requests = [Chat(question(text(length)), max_tokens=12) for length in (1, 150, 7, 30, 31, 200)]
        for request, reply in zip(requests, answered(tiny, requests), strict=True):
            assert reply.text == reference.answer(tiny, request)

    @pytest.mark.xdist_group("smollm2")
    def test_greedy_answers_agree_with_one_by_one_on_a_real_model(self, smollm2: TransformersLM) -> None:
        asked = ["What is the capital of France?", "Name a grain. Answer with one word.", "Say yes."]
        requests = [Chat(question(content), max_tokens=12) for content in asked]
        for request, reply in zip(requests, answered(smollm2, requests), strict=True):
            assert reply.text == reference.answer(smollm2, request)

    def test_labels_of_a_whole_alphabet_make_a_distribution(self, tiny: TransformersLM) -> None:
        _, tokenizer = reference.model_of(tiny)
        letters = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        (reply,) = answered(tiny, [Choose(question("why?"), letters)])
        assert tuple(reply.logprobs) == letters
        assert all(value < 0 for value in values(reply))
        assert len({tokenizer.convert_tokens_to_ids(letter) for letter in letters}) == 26

    @pytest.mark.parametrize("odd", ["", " ", "\n\n", "小麦粉と水", "🥖🍞 crumb 🇫🇷", "a\ufffdb", "\x00", "x" * 900])
    def test_odd_documents_are_measured(self, tiny: TransformersLM, odd: str) -> None:
        requests = [Likelihood(odd, " why?"), Likelihood(text(30), odd)]
        for request, reply in zip(requests, answered(tiny, requests), strict=True):
            assert values(reply) == pytest.approx(reference.logprobs(tiny, request), abs=1e-4)

    def test_nothing_to_say_costs_nothing(self, tiny: TransformersLM) -> None:
        before = tiny.stats
        empty, none = answered(tiny, [Likelihood("why?", ""), Choose(question("why?"), ())])
        assert (values(empty), values(none)) == ([], [])
        assert tiny.stats == before

    def test_usage_counts_tokens_without_padding(self, tiny: TransformersLM) -> None:
        requests: list[Request] = [
            Likelihood(text(50), " why"),
            Likelihood(text(48), " why"),
            Chat(question("a"), max_tokens=3),
        ]
        before = tiny.stats
        long, short, chat = answered(tiny, requests)
        _, tokenizer = reference.model_of(tiny)
        assert long.usage.prompt_tokens == len(tokenizer(text(50) + " why")["input_ids"])
        assert short.usage.prompt_tokens < long.usage.prompt_tokens
        assert chat.usage.prompt_tokens == len(reference.prompt_ids(tokenizer, Chat(question("a"))))
        assert 0 <= chat.usage.completion_tokens <= 3
        assert tiny.stats.forwards > before.forwards


@pytest.mark.slow
class TestBatches:
    def test_padding_is_at_most_a_tenth_of_64_candidates(self, tiny: TransformersLM) -> None:
        lengths = [10 + 390 * index // 63 for index in range(64)]
        random.Random(3).shuffle(lengths)
        before = tiny.stats
        answered(tiny, [Likelihood(text(length), " why?") for length in lengths])
        computed, needed = tiny.stats.computed - before.computed, tiny.stats.needed - before.needed
        assert sum(lengths) <= needed <= computed
        assert computed - needed <= MAX_WASTE * computed
        assert tiny.stats.forwards - before.forwards < 64

    def test_replies_come_batch_by_batch_the_shortest_first(self, tiny: TransformersLM) -> None:
        lengths = [400, 10, 300, 20, 200, 30]
        replies = tiny.answer_batch([Likelihood(text(length), " why?") for length in lengths])
        first, _ = next(replies)
        assert lengths[first] <= 30
        computed = tiny.stats.computed
        assert [lengths[position] for position, _ in replies][-1] == 400
        assert tiny.stats.computed > computed

    def test_one_bad_request_leaves_the_others_alone(self, tiny: TransformersLM) -> None:
        requests = [
            Choose(question("a"), ("A", "B")),
            Choose(question("b"), ("A", "rye or", "the one")),
            Likelihood("a", "b"),
        ]
        good, bad, other = answered(tiny, requests)
        assert isinstance(good, Chosen)
        assert isinstance(other, Measured)
        assert isinstance(bad, Failed)
        assert "these branch" in str(bad.error)
        assert not bad.error.retryable

    def test_too_little_memory_halves_batches(self, tiny: TransformersLM, monkeypatch: pytest.MonkeyPatch) -> None:
        sizes: list[int] = []
        honest = CausalLM.logprobs

        def tight(self: CausalLM, rows: Any) -> Any:
            sizes.append(len(rows))
            if len(rows) > 2 or len(rows[0].ids) > 40:
                raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
            return honest(self, rows)

        monkeypatch.setattr(CausalLM, "logprobs", tight)
        requests = [Likelihood(text(length), " why?") for length in (8, 8, 8, 8, 8, 60)]
        *fit, large = answered(tiny, requests)
        for reply in fit:
            assert values(reply) == pytest.approx(values(fit[0]), abs=1e-5)
        assert isinstance(large, Failed)
        assert "Memory does not suffice" in str(large.error)
        assert max(sizes) >= 5

    def test_other_errors_are_not_taken_for_too_little_memory(
        self, tiny: TransformersLM, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(self: CausalLM, rows: Any) -> Any:
            raise RuntimeError("shape mismatch")

        monkeypatch.setattr(CausalLM, "logprobs", broken)
        with pytest.raises(RuntimeError, match="shape mismatch"):
            answered(tiny, [Likelihood("a", "b")])

    def test_two_threads_get_what_one_gets(self, tiny_folder: Callable[..., Path]) -> None:
        backend = TransformersLM(tiny_folder(), device="cpu", batch_tokens=256)
        halves = [mixed_requests()[:12], [*mixed_requests()[12:], Chat(question("why?"), max_tokens=8)]]
        got: dict[int, list[Any]] = {}

        def work(number: int) -> None:
            got[number] = answered(backend, halves[number])

        threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number, requests in enumerate(halves):
            for together, alone in zip(got[number], answered(backend, requests), strict=True):
                if isinstance(together, ChatReply):
                    assert together == alone
                else:
                    assert values(together) == pytest.approx(values(alone), abs=1e-5)

    def test_a_loop_that_is_left_between_replies_holds_no_lock(self, tiny: TransformersLM) -> None:
        replies = tiny.answer_batch([Likelihood(text(length), " why?") for length in (400, 10)])
        next(replies)
        assert len(answered(tiny, [Likelihood("a", "b")])) == 1
        replies.close()


@pytest.mark.slow
class TestChat:
    def test_what_is_sampled_depends_on_the_seed_and_not_on_the_neighbours(self, tiny: TransformersLM) -> None:
        def ask(seed: int | None, temperature: float | None = 5.0) -> Chat:
            return Chat(question("why?"), max_tokens=20, temperature=temperature, seed=seed)

        alone, other = (answered(tiny, [ask(seed)])[0].text for seed in (1, 2))
        together = answered(tiny, [ask(2), Chat(question(text(9)), max_tokens=20), ask(1), ask(None, None)])
        assert alone != other
        assert [together[2].text, together[0].text] == [alone, other]
        assert together[3].text == answered(tiny, [ask(None, 0)])[0].text

    def test_an_answer_that_is_stopped_is_marked(self, tiny: TransformersLM, monkeypatch: pytest.MonkeyPatch) -> None:
        (reply,) = answered(tiny, [Chat(question("why?"), max_tokens=1)])
        assert (reply.truncated, reply.usage.completion_tokens) == (True, 1)
        monkeypatch.setattr(CausalLM, "write", lambda self, prompts, count, draws: [[5]])
        (reply,) = answered(tiny, [Chat(question("why?"), max_tokens=2)])
        assert not reply.truncated

    @pytest.mark.parametrize(
        ("written", "schema", "read", "parsed"),
        [
            ('<think>{"a": 1}</think>{"a": 2}', {"type": "object"}, '{"a": 2}', {"a": 2}),
            ('{"a": 2}', None, '{"a": 2}', None),
            ("no data", {"type": "object"}, "no data", None),
            ("<think>never ends", {"type": "object"}, "", None),
        ],
    )
    def test_thinking_is_removed_and_json_is_read(
        self, tiny: TransformersLM, monkeypatch: pytest.MonkeyPatch, written: str, schema: Any, read: str, parsed: Any
    ) -> None:
        _, tokenizer = reference.model_of(tiny)
        ids = tokenizer(written, add_special_tokens=False)["input_ids"]
        monkeypatch.setattr(CausalLM, "write", lambda self, prompts, count, draws: [ids])
        (reply,) = answered(tiny, [Chat(question("why?"), schema=schema)])
        assert (reply.text, reply.parsed) == (read, parsed)

    def test_thinking_that_the_template_opened_is_removed(
        self, tiny_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backend = TransformersLM(tiny_folder(template="{{ messages[0]['content'] }}\n<think>\n"), device="cpu")
        monkeypatch.setattr(CausalLM, "write", lambda self, prompts, count, draws: [[70, 71]])
        (reply,) = answered(backend, [Chat(question("why?"), max_tokens=2)])
        assert (reply.text, reply.truncated) == ("", True)

    def test_thinking_tokens_come_on_top(self, tiny_folder: Callable[..., Path]) -> None:
        backend = TransformersLM(tiny_folder(), device="cpu", thinking_tokens=5)
        (reply,) = answered(backend, [Chat(question("why?"), max_tokens=2)])
        assert reply.usage.completion_tokens > 2


def with_document(words: int) -> Prompt:
    return Prompt.of("Passage: ", Document(text(words)), "\n\nQuestion:")


@pytest.fixture(scope="module")
def narrow(tiny_folder: Callable[..., Path]) -> TransformersLM:
    return TransformersLM(tiny_folder(context=128), device="cpu")


@pytest.mark.slow
class TestLongPrompts:
    @pytest.mark.parametrize(
        "request_",
        [
            Likelihood(with_document(500), " why?"),
            Choose(question(with_document(500)), ("A", "B")),
            Chat(question(with_document(500)), max_tokens=10),
        ],
        ids=lambda request: type(request).__name__,
    )
    def test_documents_are_cut_and_the_reply_says_so(self, narrow: TransformersLM, request_: Request) -> None:
        before = narrow.stats
        (reply,) = answered(narrow, [request_])
        assert not isinstance(reply, Failed)
        assert [note.kind for note in reply.notes] == ["cut"]
        assert narrow.stats.computed - before.computed <= 128
        assert reply.usage.prompt_tokens > 64

    def test_what_fits_is_not_cut(self, narrow: TransformersLM) -> None:
        (reply,) = answered(narrow, [Likelihood(with_document(20), " why?")])
        assert reply.notes == ()

    def test_what_may_not_be_cut_fails_alone(self, narrow: TransformersLM) -> None:
        requests = [Chat(question(with_document(500)), max_tokens=5, may_cut=False), Chat(question("a"), max_tokens=5)]
        long, short = answered(narrow, requests)
        assert isinstance(long, Failed)
        assert isinstance(long.error, PromptTooLong)
        assert isinstance(short, ChatReply)

    def test_a_prompt_without_documents_fails_alone(self, narrow: TransformersLM) -> None:
        (reply,) = answered(narrow, [Likelihood(text(500), " why?")])
        assert isinstance(reply, Failed)
        assert isinstance(reply.error, PromptTooLong)

    def test_max_length_bounds_the_context(self, tiny_folder: Callable[..., Path]) -> None:
        backend = TransformersLM(tiny_folder(), device="cpu", max_length=64)
        (reply,) = answered(backend, [Likelihood(with_document(500), " why?")])
        assert reply.usage.prompt_tokens <= 65

    def test_a_long_answer_leaves_room_for_the_question(self, narrow: TransformersLM) -> None:
        (reply,) = answered(narrow, [Chat(question("why?"), max_tokens=4000)])
        assert isinstance(reply, ChatReply)
        assert reply.usage.completion_tokens <= 64


@pytest.mark.slow
class TestInARerank:
    def test_a_deadline_leaves_the_scores_known_by_then(
        self, tiny: TransformersLM, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answered(tiny, [Likelihood("a", "b")])  # loaded before the clock starts
        honest = CausalLM.logprobs

        def slow(self: CausalLM, rows: Any) -> Any:
            time.sleep(0.2)
            return honest(self, rows)

        monkeypatch.setattr(CausalLM, "logprobs", slow)
        lengths = [300, 5, 200, 6, 400, 250]
        documents = [text(length) for length in lengths]
        ranking = rerank(LikelihoodMethod(), "why?", documents, backends=tiny, limits=Limits(deadline_s=0.5))
        scored = [lengths[item.index] for item in ranking if item.score is not None]
        assert sorted(scored) == sorted(lengths)[: len(scored)]
        assert 0 < len(scored) < len(lengths)
        assert sorted(ranking.order) == list(range(len(lengths)))
        assert "limit" in {note.kind for note in ranking.notes}

    def test_queries_share_batches(self, tiny: TransformersLM) -> None:
        before = tiny.stats
        tasks = [("why?", [text(8, seed), text(9, seed)]) for seed in range(10)]
        rankings = rerank_many(LikelihoodMethod(), tasks, backends=tiny)
        assert tiny.stats.forwards - before.forwards < len(tasks)
        for (query, documents), ranking in zip(tasks, rankings, strict=True):
            alone = rerank(LikelihoodMethod(), query, documents, backends=tiny)
            assert [item.score for item in ranking] == pytest.approx([item.score for item in alone], abs=1e-5)

    def test_surrogates_and_blanks_are_ranked(self, tiny: TransformersLM) -> None:
        ranking = rerank(LikelihoodMethod(), "why \ud800?", ["a\udfffb", "", "   ", "🥖", "パン"], backends=tiny)
        assert sorted(ranking.order) == [0, 1, 2, 3, 4]
        assert all(item.score is not None for item in ranking)
        assert ranking.notes == ()

    def test_a_model_that_cannot_be_loaded_is_noted_once(self, tmp_path: Path) -> None:
        backend = TransformersLM(tmp_path)
        ranking = rerank(LikelihoodMethod(), "why?", ["a", "b"], backends=backend)
        assert ranking.order == [0, 1]
        assert [note.kind for note in ranking.notes if "could not load" in note.message] == ["failed"]
        with pytest.raises(CallError, match="could not load") as caught:
            rerank(LikelihoodMethod(), "why?", ["a", "b"], backends=backend, on_error="raise")
        assert isinstance(caught.value, Refused)

    @pytest.mark.xdist_group("smollm2")
    def test_a_real_model_prefers_what_answers(self, smollm2: TransformersLM) -> None:
        documents = [
            "The stadium was renovated in 2011 and seats 40,000 people.",
            "Steam keeps the crust of bread soft while it rises in the oven.",
            "Shares of the bank fell by two percent on Monday.",
        ]
        ranking = rerank(LikelihoodMethod(), "why does bread need steam?", documents, backends=smollm2)
        assert ranking.order[0] == 1
