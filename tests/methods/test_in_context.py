"""In-context attention: what is asked together, what is subtracted, and what does not count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from rerank_plugins import Candidate, InContext, rerank
from rerank_plugins.errors import CallTimeout, InvalidInput, PromptTooLong
from rerank_plugins.methods.in_context import calibrated
from rerank_plugins.ranking import Verdict
from rerank_plugins.requests import Attend, Attended, Failed, Reply, Request
from rerank_plugins.testing import FakeModel

LATE = Failed(CallTimeout("late"))


def documents(count: int) -> list[Candidate]:
    return [Candidate(f"text nr{number}") for number in range(count)]


def attended(*documents: Sequence[float]) -> Attended:
    """A reply with these tokens, and something that draws attention between them."""
    tokens = [segment for document in documents for segment in ((0.9,), tuple(document))]
    return Attended(tuple(map(sum, (*tokens, (0.9,)))), (*tokens, (0.9,)))


def concluded(method: InContext, replies: Sequence[Reply], count: int) -> Verdict:
    steps = method.steps("q", documents(count))
    assert len(next(steps)) == len(replies) == 2
    with pytest.raises(StopIteration) as end:
        steps.send(replies)
    verdict: Verdict = end.value.value
    return verdict


def test_both_questions_go_out_at_once_over_the_same_documents() -> None:
    asked, free = next(InContext(layers=(2, 5)).steps("why?", documents(3)))
    assert isinstance(asked, Attend)
    assert isinstance(free, Attend)
    assert (asked.question, free.question) == (" why?", " N/A")
    assert asked.segments == free.segments
    assert asked.layers == free.layers == (2, 5)


@pytest.mark.parametrize(("reverse", "shown"), [(True, ("nr2", "nr1", "nr0")), (False, ("nr0", "nr1", "nr2"))])
def test_the_first_stages_best_stands_where_it_is_told(reverse: bool, shown: tuple[str, ...]) -> None:
    asked, _ = next(InContext(reverse=reverse).steps("why?", documents(3)))
    assert isinstance(asked, Attend)
    assert tuple(segment.split()[1] for segment in asked.segments[1::2]) == shown


def test_what_an_empty_question_draws_is_subtracted() -> None:
    replies = [attended([0.5], [0.3], [0.2]), attended([0.5], [0.1], [0.1])]
    verdict = concluded(InContext(), replies, 3)
    assert verdict.scores == pytest.approx({2: 0.0, 1: 0.2, 0: 0.1})
    assert verdict.order == [1, 0, 2]
    assert verdict.score_kind == "relative"
    assert not verdict.notes


def test_tokens_that_are_abnormally_low_do_not_count() -> None:
    asked, free = attended([0.1] * 19 + [-0.9], [0.05] * 20), attended([0.0] * 20, [0.0] * 20)
    assert calibrated(asked, free, 2.0) == pytest.approx([1.9, 1.0])
    assert calibrated(asked, free, None) == pytest.approx([1.0, 1.0])


def test_without_calibration_a_note_says_so() -> None:
    verdict = concluded(InContext(), [attended([0.1], [0.3]), LATE], 2)
    assert verdict.scores == pytest.approx({1: 0.1, 0: 0.3})
    assert [note.message for note in verdict.notes] == [
        "The query without content was not answered: attention is not calibrated."
    ]


def test_sums_alone_are_taken_and_noted() -> None:
    replies = [Attended((0.9, 0.1, 0.9, 0.3, 0.9)), Attended((0.9, 0.0, 0.9, 0.0, 0.9))]
    verdict = concluded(InContext(), replies, 2)
    assert verdict.order == [0, 1]
    assert "abnormal tokens could not be left out" in verdict.notes[0].message
    assert not concluded(InContext(abnormal=None), replies, 2).notes


def test_where_the_question_fails_the_first_stage_stands() -> None:
    assert list(concluded(InContext(), [LATE, attended([0.1], [0.3])], 2).order) == []


def test_windows_run_from_the_end_and_only_the_order_counts() -> None:
    model = FakeModel()
    ranking = rerank(InContext(window=4, stride=2, reverse=False), "q", documents(8), backends=model)
    sizes = [len(request.segments) // 2 for request in model.requests if isinstance(request, Attend)]
    assert sizes == [4] * 6
    assert ranking.score_kind == "order"
    assert sorted(ranking.order) == list(range(8))


def test_a_list_that_does_not_fit_goes_to_windows_by_itself() -> None:
    def fails(number: int, request: Request) -> BaseException | None:
        assert isinstance(request, Attend)
        assert not request.may_cut
        count = len(request.segments) // 2
        return None if count <= 8 else PromptTooLong(limit=800, needed=count * 100)

    ranking = rerank(InContext(), "q", documents(30), backends=FakeModel(fails=fails))
    assert [note.message for note in ranking.notes if note.kind == "limit"] == [
        "The list did not fit the model: it was ranked in windows of 7."
    ]
    assert not [note for note in ranking.notes if note.kind == "failed"]
    assert sorted(ranking.order) == list(range(30))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"window": 1}, "not 1"),
        ({"window": 4, "stride": 5}, "skip documents"),
        ({"layers": (3, 3)}, r"not \(3, 3\)"),
        ({"layers": (-1, 3)}, r"not \(-1, 3\)"),
        ({"abnormal": 0}, "not 0"),
    ],
)
def test_a_wrong_option_gets_a_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        InContext(**options)
