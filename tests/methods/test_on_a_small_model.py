"""Scores without words on a real model of 135M parameters: the mechanics, since it is too small to be judged."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from rerank_plugins import (
    Candidate,
    Eliminate,
    First,
    Graded,
    InContext,
    Ranking,
    Setwise,
    UpTo,
    YesNo,
    method_for,
    rerank,
)
from rerank_plugins.backends import embedded
from rerank_plugins.backends.local.transformers_lm import TransformersLM
from rerank_plugins.errors import MissingExtra
from rerank_plugins.methods import Method
from rerank_plugins.testing.conformance import check_accounted

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("smollm2")]

QUERY = "why is rye bread sticky inside?"
DOCUMENTS = [
    Candidate(text) for text in ("Salt slows yeast.", "Cut too early, rye bread is sticky.", "", "Wheat rises.")
]


@pytest.fixture(scope="module")
def model() -> TransformersLM:
    try:
        return embedded.smollm2()
    except MissingExtra as error:
        pytest.skip(str(error))


def ranked(method: Method, model: TransformersLM, documents: Sequence[Candidate] = DOCUMENTS) -> Ranking:
    ranking = rerank(method, QUERY, documents, backends=model)
    check_accounted(ranking, documents)
    assert not [note for note in ranking.notes if note.kind in ("failed", "repaired", "cut")], ranking.notes
    return ranking


@pytest.mark.parametrize(
    ("method", "calls"),
    [
        (First(), 1),
        (YesNo(), 4),
        (YesNo(document_first=True), 4),
        (Graded(), 4),
        (Graded(reading="mean", scale=30), 12),
        (InContext(), 2),
        (InContext(layers=(5, 20), reverse=False, abnormal=None), 2),
        (Setwise(k=2, set_size=3), 3),
        (Eliminate(k=2), 2),
        (UpTo(InContext(), elbow="knee"), 2),
        (method_for("castorini/first_mistral"), 1),
        (method_for("mixedbread-ai/mxbai-rerank-base-v2"), 4),
    ],
    ids=repr,
)
def test_the_mechanics(method: Method, calls: int, model: TransformersLM) -> None:
    ranking = ranked(method, model)
    assert ranking.usage.calls == calls
    assert ranking.usage.completion_tokens == 0
    scores = [item.score for item in (*ranking, *ranking.dropped)]
    assert all(score is not None and math.isfinite(score) for score in scores)


def test_a_wording_that_the_model_was_not_trained_on_is_found_out(model: TransformersLM) -> None:
    ranking = rerank(method_for("Alibaba-NLP/ERank-4B"), QUERY, DOCUMENTS, backends=model)
    check_accounted(ranking, DOCUMENTS)
    assert "In 4 of 4 answers the labels hold less than 1% of the probability" in ranking.notes[0].message


def test_the_readings_of_a_grade_are_of_one_distribution(model: TransformersLM) -> None:
    product, mean = (ranked(Graded(reading=reading), model) for reading in ("product", "mean"))
    for item in product:
        assert item.score == pytest.approx(item.why["score"] * item.why["probability"])
        assert 0 < item.why["probability"] <= 1
    assert all(0 <= (item.score or 0.0) <= 10 for item in mean)
    assert {item.score for item in product} != {item.score for item in mean}


def test_pointwise_scores_do_not_depend_on_the_other_documents(model: TransformersLM) -> None:
    together = {item.index: item.score for item in ranked(YesNo(), model)}
    alone = [ranked(YesNo(), model, [document])[0].score for document in DOCUMENTS]
    assert [together[index] for index in range(4)] == pytest.approx(alone, abs=1e-3)


def test_first_reads_the_letters_that_the_model_would_write(model: TransformersLM) -> None:
    ranking = ranked(First(), model)
    logprobs = [item.why["log_probability"] for item in ranking]
    assert logprobs == sorted(logprobs, reverse=True)
    assert sum(math.exp(value) for value in logprobs) < 1


def test_the_words_of_the_question_draw_attention(model: TransformersLM) -> None:
    documents = [Candidate(f"Trains to town {number} leave at noon.") for number in range(5)]
    documents.insert(2, Candidate("Rye bread is sticky inside when it is cut too early."))
    assert ranked(InContext(), model, documents).order[0] == 2


def test_a_written_grade_is_read_where_there_is_one(model: TransformersLM) -> None:
    ranking = rerank(Graded(reading="text"), QUERY, DOCUMENTS[:2], backends=model)
    check_accounted(ranking, DOCUMENTS[:2])
    assert ranking.usage.completion_tokens > 0
