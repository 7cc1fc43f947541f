"""Graded and YesNo: how a score is read, and what becomes of replies that say less."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_plugins import Candidate, Graded, YesNo, rerank
from rerank_plugins.errors import CallTimeout, InvalidInput
from rerank_plugins.methods import Method
from rerank_plugins.ranking import Verdict
from rerank_plugins.requests import Chat, ChatReply, Choose, Chosen, Failed, Reply
from rerank_plugins.testing import FakeModel

MXBAI, ERANK = "mixedbread-ai/mxbai-rerank-base-v2", "Alibaba-NLP/ERank-4B"
LATE = Failed(CallTimeout("late"))


def concluded(method: Method, replies: Sequence[Reply], count: int | None = None) -> Verdict:
    steps = method.steps("q", [Candidate(f"text {number}") for number in range(count or len(replies))])
    assert len(next(steps)) == len(replies)
    with pytest.raises(StopIteration) as end:
        steps.send(replies)
    verdict: Verdict = end.value.value
    return verdict


def chosen(**probabilities: float) -> Chosen:
    return Chosen({label.removeprefix("_"): math.log(value) for label, value in probabilities.items()})


class TestGraded:
    REPLIES = (chosen(_8=0.5, _7=0.3, _0=0.2), chosen(_9=0.9, _10=0.1), LATE, chosen(_3=0.04, _4=0.01))

    def test_the_papers_score_is_that_of_the_most_probable_times_its_probability(self) -> None:
        verdict = concluded(Graded(), self.REPLIES)
        assert verdict.scores == pytest.approx({0: 4.0, 1: 8.1, 3: 2.4})
        assert verdict.order == [1, 0, 3]
        assert verdict.why[0] == pytest.approx({"score": 8, "probability": 0.5})
        assert verdict.score_kind == "absolute"

    def test_the_mean_is_over_the_scale(self) -> None:
        verdict = concluded(Graded(reading="mean"), self.REPLIES)
        assert verdict.scores == pytest.approx({0: 6.1, 1: 9.1, 3: 3.2})

    def test_a_tie_between_scores_promises_less(self) -> None:
        assert concluded(Graded(), [chosen(_2=0.5, _8=0.5)]).scores == pytest.approx({0: 1.0})

    @given(st.lists(st.floats(-60, 0), min_size=10, max_size=10))
    def test_every_reading_stays_on_the_scale(self, logprobs: list[float]) -> None:
        reply = Chosen({str(score): value for score, value in enumerate([*logprobs, -2.0])})
        product, mean = (concluded(Graded(reading=reading), [reply]).scores[0] for reading in ("product", "mean"))
        assert product is not None
        assert mean is not None
        assert 0 <= product <= 10
        assert -1e-9 <= mean <= 10 + 1e-9

    def test_a_long_scale_is_asked_in_parts_and_read_as_one(self) -> None:
        method = Graded(reading="mean", scale=30)
        replies = [chosen(_4=0.1, _12=0.1), chosen(_2=0.1, _20=0.1), chosen(_30=0.4)]
        (reply,) = (next(method.steps("q", [Candidate("a")])),)
        assert len(reply) == 3
        assert concluded(method, replies, 1).scores == pytest.approx({0: (4 + 12 + 2 + 20 + 4 * 30) / 8})

    def test_labels_that_are_missing_are_noted(self) -> None:
        notes = concluded(Graded(), [*self.REPLIES, Chosen({str(score): -2.0 for score in range(11)})]).notes
        assert [note.message for note in notes] == [
            "The model gave no probability for some of the 11 labels of 3 documents."
        ]

    def test_written_scores_are_read_and_the_others_noted(self) -> None:
        method = Graded(reading="text")
        (request,) = next(method.steps("q", [Candidate("a")]))
        assert isinstance(request, Chat)
        assert method.needs == (Chat,)
        verdict = concluded(method, [ChatReply('{"score": 3}'), ChatReply("no idea"), LATE, ChatReply("8.5")])
        assert verdict.scores == {0: 3.0, 3: 8.5}
        assert [note.message for note in verdict.notes] == ["1 replies have no score from 0 to 10."]

    def test_documents_with_the_same_score_keep_first_stage_order(self) -> None:
        ranking = rerank(Graded(reading="text"), "q", ["a", "b", "c"], backends=FakeModel("7"))
        assert ranking.order == [0, 1, 2]

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"scale": 0}, "not 0"),
            ({"scale": 101}, "not 101"),
            ({"scale": 2.5}, "not 2.5"),
            ({"reading": "max"}, "'max'"),
            ({"prompt": "x/y"}, "'x/y'"),
            ({"prompt": MXBAI}, "take YesNo"),
            ({"prompt": ERANK, "scale": 5}, "another scale"),
        ],
    )
    def test_a_wrong_option_gets_a_sentence(self, options: dict[str, Any], words: str) -> None:
        with pytest.raises(InvalidInput, match=words):
            Graded(**options)


class TestYesNo:
    def test_the_score_is_the_difference_of_the_logits(self) -> None:
        replies = [chosen(Yes=0.2, No=0.1), LATE, chosen(Yes=0.1, No=0.3), chosen(Yes=0.9, No=0.9 / 500)]
        verdict = concluded(YesNo(), replies)
        assert verdict.scores == pytest.approx({0: math.log(2), 2: math.log(1 / 3), 3: math.log(500)})
        assert verdict.order == [3, 0, 2]
        assert verdict.score_kind == "absolute"
        assert verdict.why[0]["probabilities"] == pytest.approx({"Yes": 2 / 3, "No": 1 / 3})

    def test_what_is_near_certain_is_no_tie(self) -> None:
        replies = [Chosen({"Yes": -1e-12, "No": no}) for no in (-27.0, -28.0, -29.0)]
        assert concluded(YesNo(), replies).order == [2, 1, 0]

    def test_of_a_label_that_is_missing_the_most_is_believed(self) -> None:
        verdict = concluded(YesNo(), [chosen(No=0.9), chosen(Yes=0.9), Chosen({"Yes": 0.0}), Chosen({})])
        assert verdict.scores[0] == pytest.approx(math.log(0.1 / 0.9))
        assert verdict.scores[1] == pytest.approx(math.log(0.9 / 0.1))
        assert verdict.order == [2, 1, 0]
        assert "In 1 of 4 answers" in verdict.notes[0].message
        assert "3 documents" in verdict.notes[1].message

    def test_labels_are_ours_yours_or_the_checkpoints(self) -> None:
        for method, labels in (
            (YesNo(), ("Yes", "No")),
            (YesNo(labels=("true", "false")), ("true", "false")),
            (YesNo(prompt=MXBAI), ("1", "0")),
        ):
            (request,) = next(method.steps("q", [Candidate("a")]))
            assert isinstance(request, Choose)
            assert request.labels == labels

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"labels": ("a", "a")}, "two different words"),
            ({"labels": ("a",)}, "two different words"),
            ({"labels": ("a", "")}, "two different words"),
            ({"prompt": ERANK}, "two different words"),
            ({"prompt": "x/y"}, "'x/y'"),
        ],
    )
    def test_a_wrong_option_gets_a_sentence(self, options: dict[str, Any], words: str) -> None:
        with pytest.raises(InvalidInput, match=words):
            YesNo(**options)
