"""InsertRank: what is shown beside which document, windows, and what becomes of replies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import bm25s
import pytest

from rerank_plugins import BM25Index, Candidate, InsertRank, Limits, rerank
from rerank_plugins.errors import InvalidInput, PromptTooLong
from rerank_plugins.lexical import tokenize
from rerank_plugins.requests import Chat, Request
from rerank_plugins.testing import FakeModel, prompt_of

WORDS = ["rye", "wheat", "oven", "steam", "crust", "salt", "water"]


def documents(count: int) -> list[Candidate]:
    """Documents that differ, in an order that is not BM25's."""
    texts = [" ".join(WORDS[(number * step) % 7] for step in range(1, 12)) + f" nr{number}" for number in range(count)]
    return [
        Candidate(text, score=1.0 - number / 1000, metadata={"bm25": number * 2}) for number, text in enumerate(texts)
    ]


def shown_in(request: Request) -> list[tuple[int, str | None]]:
    """The (document, printed score) pairs of a prompt, in the order of the prompt."""
    assert isinstance(request, Chat)
    found = re.findall(
        r'<document id="(\d+)"(?: [\w-]+="([^"]*)")?>\n.*?nr(\d+)\n</document>', prompt_of(request), re.S
    )
    assert [int(identifier) for identifier, _, _ in found] == list(range(1, len(found) + 1))
    return [(int(number), score or None) for _, score, number in found]


def prompts(
    method: InsertRank, candidates: Sequence[Candidate], says: Any = "[1] > [2]"
) -> list[list[tuple[int, str | None]]]:
    model = FakeModel(says)
    rerank(method, "rye crust", candidates, backends=model)
    return [shown_in(request) for request in model.requests]


class TestScores:
    def test_bm25_is_the_librarys_and_decreasing(self) -> None:
        candidates = documents(12)
        model = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
        model.index([tokenize(candidate.text) for candidate in candidates], show_progress=False)
        expected = model.get_scores(["rye", "crust"])
        (shown,) = prompts(InsertRank(), candidates)
        assert shown == [
            (index, f"{expected[index]:.3f}")
            for index in sorted(range(12), key=lambda index: (-expected[index], index))
        ]

    def test_a_corpus_index_has_the_corpus_statistics(self) -> None:
        corpus = [*documents(12), *[Candidate("rye rye rye") for _ in range(200)]]
        index = BM25Index(corpus)
        (shown,) = prompts(InsertRank(bm25=index), documents(12))
        alone = prompts(InsertRank(), documents(12))[0]
        expected = index.scores("rye crust", documents(12))
        assert dict(shown) == {number: f"{expected[number]:.3f}" for number in range(12)}
        assert dict(shown) != dict(alone)

    def test_metadata_and_first_stage_scores_as_told(self) -> None:
        (by_metadata,) = prompts(InsertRank(bm25="metadata:bm25"), documents(8))
        assert by_metadata == [(number, f"{number * 2:.1f}") for number in range(7, -1, -1)]
        (by_first_stage,) = prompts(InsertRank(bm25="first-stage"), documents(3))
        assert by_first_stage == [(0, "1.000"), (1, "0.999"), (2, "0.998")]

    def test_a_score_that_is_not_bm25_is_not_called_so(self) -> None:
        model = FakeModel("[1]")
        rerank(InsertRank(bm25="first-stage"), "q", documents(3), backends=model)
        assert "bm25" not in prompt_of(model.requests[0]).lower()  # type: ignore[arg-type] # only Chat is asked for

    def test_none_is_the_plain_listwise_baseline(self) -> None:
        (shown,) = prompts(InsertRank(bm25=None), documents(9))
        assert shown == [(number, None) for number in range(9)]

    @pytest.mark.parametrize(
        ("shown", "expected"),
        [
            ("raw", ["14.0", "12.0", "10.0", "8.0", "6.0", "4.0", "2.0", "0.0"]),
            ("0-1", ["1.00", "0.86", "0.71", "0.57", "0.43", "0.29", "0.14", "0.00"]),
            ("0-100", ["100", "86", "71", "57", "43", "29", "14", "0"]),
        ],
    )
    def test_the_scale_is_as_told(self, shown: Any, expected: list[str]) -> None:
        (seen,) = prompts(InsertRank(bm25="metadata:bm25", shown=shown), documents(8))
        assert [score for _, score in seen] == expected

    def test_missing_scores_are_shown_as_none_and_noted(self) -> None:
        candidates = [
            Candidate("a nr0", metadata={"bm25": 3}),
            Candidate("b nr1"),
            Candidate("c nr2", metadata={"bm25": "x"}),
        ]
        model = FakeModel("[1] > [2] > [3]")
        ranking = rerank(InsertRank(bm25="metadata:bm25"), "q", candidates, backends=model)
        assert shown_in(model.requests[0]) == [(0, "3.000"), (1, None), (2, None)]
        assert [note.message for note in ranking.notes] == ["2 of 3 documents have no BM25 score and show none."]

    def test_why_tells_the_score_and_its_source(self) -> None:
        ranking = rerank(InsertRank(), "rye", documents(4), backends=FakeModel("[2] > [1]"))
        assert all(item.why["bm25_source"] == "candidates" for item in ranking)
        assert [item.why["ranked_by_model"] for item in ranking] == [True, True, False, False]


class TestWindows:
    def test_one_call_by_default(self) -> None:
        assert len(prompts(InsertRank(), documents(70))) == 1

    def test_windows_run_from_the_end_to_the_beginning(self) -> None:
        calls = prompts(InsertRank(bm25=None, window=4, stride=2), documents(9), says="no answer")
        assert [[number for number, _ in call] for call in calls] == [
            [5, 6, 7, 8],
            [3, 4, 5, 6],
            [1, 2, 3, 4],
            [0, 1, 2],
        ]

    def test_the_best_travel_to_the_front(self) -> None:
        def says(request: Chat) -> str:
            numbers = [number for number, _ in shown_in(request)]
            best_first = sorted(range(len(numbers)), key=lambda position: -numbers[position])
            return " > ".join(f"[{position + 1}]" for position in best_first)

        ranking = rerank(InsertRank(bm25=None, window=6, stride=3), "q", documents(20), backends=FakeModel(says))
        assert ranking.order[:3] == [19, 18, 17]

    @pytest.mark.parametrize("window", [3, 4, 7])
    def test_a_document_keeps_its_own_score_in_every_window(self, window: int) -> None:
        said = iter(["[3] > [1]", "[2] > [3] > [1]", "[3]"] * 99)
        calls = prompts(InsertRank(window=window), documents(23), says=lambda request: next(said))
        (alone,) = prompts(InsertRank(), documents(23))
        assert len(calls) > 3
        for call in calls:
            assert all(score == dict(alone)[number] for number, score in call)

    def test_a_list_that_does_not_fit_goes_to_windows_by_itself(self) -> None:
        def fails(number: int, request: Request) -> BaseException | None:
            assert isinstance(request, Chat)
            count = len(shown_in(request))
            return None if count <= 8 else PromptTooLong(limit=800, needed=count * 100)

        model = FakeModel("[2] > [1]", fails=fails)
        ranking = rerank(InsertRank(bm25=None), "q", documents(30), backends=model)
        assert [note.message for note in ranking.notes if note.kind == "limit"] == [
            "The list did not fit the model: it was ranked in windows of 7."
        ]
        assert not [note for note in ranking.notes if note.kind == "failed"]
        assert sorted(ranking.order) == list(range(30))

    def test_without_numbers_the_window_is_halved(self) -> None:
        def fails(number: int, request: Request) -> BaseException | None:
            return PromptTooLong() if len(shown_in(request)) > 8 else None

        model = FakeModel("[1]", fails=fails)
        rerank(InsertRank(bm25=None), "q", documents(30), backends=model)
        assert [len(shown_in(request)) for request in model.requests][:3] == [30, 15, 7]

    def test_where_nothing_fits_it_ends(self) -> None:
        model = FakeModel("[1]", fails=lambda number, request: PromptTooLong(limit=10, needed=10_000))
        ranking = rerank(InsertRank(), "q", documents(30), backends=model)
        assert ranking.order == list(range(30))
        assert len(model.requests) < 40

    def test_what_no_reply_named_keeps_first_stage_order(self) -> None:
        ranking = rerank(
            InsertRank(bm25="metadata:bm25", window=4), "q", documents(12), backends=FakeModel("I cannot do that.")
        )
        assert ranking.order == list(range(12))

    def test_a_budget_in_the_middle_leaves_the_rest_in_first_stage_order(self) -> None:
        model = FakeModel("[4] > [3] > [2] > [1]")
        ranking = rerank(
            InsertRank(bm25="metadata:bm25", window=4), "q", documents(12), backends=model, limits=Limits(max_calls=1)
        )
        # BM25 shows 11..0, so that the only call sees 3, 2, 1, 0 and turns them round.
        assert ranking.order == [4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3]


class TestReasoning:
    def test_it_is_asked_for_and_kept(self) -> None:
        model = FakeModel('{"problem": "acid", "reasoning": "because", "ranking": [2, 1]}')
        ranking = rerank(InsertRank(reasoning=True), "q", documents(2), backends=model)
        assert isinstance(model.requests[0], Chat)
        assert "essential problem" in prompt_of(model.requests[0])
        assert ranking[0].why["reasoning"] == "acid because"

    def test_it_is_not_asked_for_by_default(self) -> None:
        model = FakeModel("[1]")
        rerank(InsertRank(), "q", documents(2), backends=model)
        assert "essential problem" not in prompt_of(model.requests[0])  # type: ignore[arg-type] # only Chat is asked for


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bm25": "corpus"}, "'corpus'"),
        ({"bm25": "metadata:"}, "'metadata:'"),
        ({"shown": "percent"}, "'percent'"),
        ({"window": 1}, "not 1"),
        ({"window": 5, "stride": 6}, "skip documents"),
        ({"stride": 0}, "not 0"),
    ],
)
def test_a_wrong_option_gets_a_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        InsertRank(**options)


def test_a_list_of_one_asks_nobody() -> None:
    model = FakeModel("[1]")
    assert rerank(InsertRank(), "q", ["one"], backends=model).order == [0]
    assert not model.requests
