import copy
import json
import threading
from decimal import Decimal

import numpy as np
import pytest
from langchain_core.documents import Document

from langchain_rerank_plugins.documents import candidates_of, documents_of
from rerank_plugins import FirstStage
from rerank_plugins.ranking import Verdict, settle


def ranked(documents, verdict, **options):
    return documents_of(settle(verdict, candidates_of(documents), **options))


@pytest.mark.parametrize(
    ("metadata", "score"),
    [
        ({}, None),
        ({"score": 0.25}, 0.25),
        ({"_score": 3}, 3.0),
        ({"relevance_score": 0.9, "score": 0.1}, 0.9),
        ({"relevance_score": None, "score": 0.1}, 0.1),
        ({"relevance_score": float("nan"), "_score": 0.5}, 0.5),
        ({"score": "0.9"}, None),
        ({"score": True}, None),
        ({"score": np.float32(0.5)}, 0.5),
        ({"score": np.array([1.0, 2.0])}, None),
        ({"score": Decimal("0.5")}, 0.5),
        ({"score": 10**400}, None),
        ({"distance": 0.3}, None),
    ],
)
def test_the_first_stage_score_is_read_from_the_usual_keys(metadata, score):
    (candidate,) = candidates_of([Document("a", metadata=metadata)])
    assert candidate.score == score
    assert candidate.score is None or type(candidate.score) is float


def test_a_score_key_of_the_users_own_is_the_only_one_read():
    found = [Document("a", metadata={"distance": 0.3, "score": 0.9}), Document("b", metadata={"score": 0.9})]
    assert [candidate.score for candidate in candidates_of(found, "distance")] == [0.3, None]


def test_the_new_score_takes_the_usual_place_and_the_old_one_stays_beside_it():
    found = [
        Document("a", id="x", metadata={"relevance_score": 0.9, "page": 4}),
        Document("b", id="y", metadata={"relevance_score": 0.8, "page": 5}),
    ]
    best, other = ranked(found, Verdict(order=[1, 0], scores={0: 0.1, 1: 0.7}, score_kind="absolute"), method="Some()")
    assert (best.page_content, best.id, best.metadata["page"]) == ("b", "y", 5)
    assert best.metadata["relevance_score"] == 0.7
    assert "ranking" not in other.metadata["rerank_plugins"]
    assert best.metadata["rerank_plugins"].pop("ranking")["score_kind"] == "absolute"
    assert best.metadata["rerank_plugins"] == {
        "method": "Some()",
        "rank": 1,
        "score": 0.7,
        "score_kind": "absolute",
        "judged": True,
        "first_stage_rank": 2,
        "first_stage_score": 0.8,
        "why": {},
    }


def test_a_document_without_a_new_score_does_not_keep_the_old_one_as_if_it_were_new():
    found = [Document("a", metadata={"relevance_score": 0.9}), Document("b")]
    _, unscored = ranked(found, Verdict(order=[1], scores={1: 0.5}, score_kind="absolute"))
    assert "relevance_score" not in unscored.metadata
    said = unscored.metadata["rerank_plugins"]
    assert (said["score"], said["judged"], said["first_stage_score"]) == (None, False, 0.9)


def test_where_nothing_was_scored_a_threshold_still_finds_an_order():
    found = [Document(text, metadata={"relevance_score": 0.1}) for text in "abc"]
    scores = [
        document.metadata["relevance_score"] for document in ranked(found, Verdict(order=[], score_kind="absolute"))
    ]
    assert scores == [1.0, 0.5, pytest.approx(1 / 3)]


def test_flat_metadata_holds_nothing_nested():
    best, other = documents_of(
        settle(
            Verdict(order=[1, 0], why={1: {"a": [1]}}),
            candidates_of([Document("a"), Document("b", metadata={"page": 4})]),
        ),
        flat=True,
    )
    for document in (best, other):
        assert all(isinstance(value, (str, int, float, bool)) for value in document.metadata.values())
    assert best.metadata["rerank_plugins_rank"] == 1
    assert json.loads(best.metadata["rerank_plugins_why"]) == {"a": [1]}
    assert json.loads(best.metadata["rerank_plugins_ranking"])["score_kind"] == "order"
    assert "rerank_plugins_first_stage_score" not in best.metadata


def test_nothing_of_the_callers_is_shared_or_changed():
    found = [Document("a", metadata={"tags": ["x", {"deep": [1]}]})]
    before = copy.deepcopy(found)
    (only,) = ranked(found, Verdict(order=[0]))
    only.metadata["tags"][1]["deep"].append(2)
    assert found == before


def test_what_cannot_be_copied_travels_as_it_is():
    lock = threading.Lock()
    (only,) = ranked([Document("a", metadata={"lock": lock, "tags": ["x"]})], Verdict(order=[0]))
    assert only.metadata["lock"] is lock


def test_a_document_keeps_its_class():
    class Page(Document):
        number: int = 7

    (only,) = ranked([Page(page_content="a", number=9)], Verdict(order=[0]))
    assert isinstance(only, Page)
    assert only.number == 9


def test_what_is_added_survives_json():
    found = [Document("a", metadata={"score": np.float64(0.5)})]
    (only,) = ranked(found, Verdict(order=[0]), method=repr(FirstStage()))
    added = {key: only.metadata[key] for key in ("relevance_score", "rerank_plugins")}
    assert json.loads(json.dumps(added, allow_nan=False)) == added
