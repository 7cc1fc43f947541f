"""nDCG and others by ir_measures, against the formula written out."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_plugins.errors import InvalidInput, MissingExtra
from rerank_plugins.evaluation import measure
from tests.ndcg import ndcg

DOCUMENTS = [f"d{number:02d}" for number in range(30)]


@settings(deadline=None)  # the first measure imports the library
@given(st.permutations(DOCUMENTS), st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(0, 3), min_size=1))
def test_ndcg_is_the_formula(order: list[str], grades: dict[str, int]) -> None:
    assert measure({"q": order}, {"q": grades})["q"] == pytest.approx(ndcg(order, grades))


def test_a_perfect_order_has_1_and_the_ids_do_not_matter() -> None:
    # trec_eval sorts by id where scores are equal: none of ours may be.
    for order in (["a", "z"], ["z", "a"]):
        assert measure({"q": order}, {"q": {order[0]: 3}})["q"] == 1.0


def test_an_empty_order_counts_0_and_a_query_without_judgements_not_at_all() -> None:
    orders = {"known": ["a"], "empty": [], "unjudged": ["a"], "unknown": ["a"]}
    assert measure(orders, {"known": {"a": 1}, "empty": {"a": 1}, "unjudged": {}, "other": {"a": 1}}) == {
        "known": 1.0,
        "empty": 0.0,
    }


def test_queries_keep_their_order() -> None:
    orders = {name: ["a"] for name in "zyx"}
    assert list(measure(orders, {name: {"a": 1} for name in "xyz"})) == list("zyx")


def test_nothing_to_measure() -> None:
    assert measure({}, {"q": {"a": 1}}) == {}


def test_other_measures_go_by_their_names() -> None:
    orders, qrels = {"q": ["a", "b", "c"]}, {"q": {"b": 1, "c": 2}}
    assert measure(orders, qrels, "RR@10") == {"q": 0.5}
    assert measure(orders, qrels, "R(rel=2)@2") == {"q": 0.0}


@pytest.mark.parametrize("name", ["", "nDGC@10", "nDCG@", "the best", "__import__('os')"])
def test_an_unknown_measure_is_named(name: str) -> None:
    with pytest.raises(InvalidInput, match="such as 'nDCG@10'") as caught:
        measure({"q": ["a"]}, {"q": {"a": 1}}, name)
    assert repr(name) in str(caught.value)


def test_a_document_twice_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'q'"):
        measure({"q": ["a", "b", "a"]}, {"q": {"a": 1}})


def test_without_the_library_the_message_has_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    with pytest.raises(MissingExtra, match=r"pip install 'rerank-plugins\[evaluation\]'"):
        measure({"q": ["a"]}, {"q": {"a": 1}})
