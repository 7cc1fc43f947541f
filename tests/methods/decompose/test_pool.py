"""The pool: documents are merged by id, else by text, and ordered by ranks alone."""

from hypothesis import given
from hypothesis import strategies as st

from rerank_plugins import Candidate
from rerank_plugins.methods.decompose.pool import Pool


def test_what_was_given_is_never_merged() -> None:
    pool = Pool([Candidate("a", id="x"), Candidate("a", id="x"), Candidate("a")])
    assert len(pool.documents) == 3
    assert pool.ranks == [{0: 1}, {0: 2}, {0: 3}]


def test_an_id_decides_before_the_text() -> None:
    pool = Pool([Candidate("a", id="1")])
    pool.add(1, [Candidate("a, as another store has it", id="1"), Candidate("a", id="2")])
    assert [c.id for c in pool.documents] == ["1", "2"]
    assert pool.ranks == [{0: 1, 1: 1}, {1: 2}]


def test_where_one_has_no_id_the_text_decides() -> None:
    pool = Pool([Candidate("a", id="1"), Candidate("b")])
    pool.add(1, [Candidate("a"), Candidate("b", id="2"), Candidate("b", id="")])
    assert len(pool.documents) == 2
    assert pool.ranks == [{0: 1, 1: 1}, {0: 2, 1: 2}]


def test_a_document_found_twice_keeps_its_first_rank() -> None:
    pool = Pool([])
    pool.add(0, [Candidate("a"), Candidate("b"), Candidate("a")])
    assert pool.ranks == [{0: 1}, {0: 2}]


def test_each_search_brings_in_its_best_before_any_its_second() -> None:
    pool = Pool([])
    pool.add(0, map(Candidate, "abc"))
    pool.add(1, map(Candidate, "xbz"))
    assert [pool.documents[index].text for index in pool.order()] == ["a", "x", "b", "c", "z"]


def test_scores_are_never_looked_at() -> None:
    pools = []
    for scale in (1, -1000):
        pool = Pool([])
        pool.add(0, [Candidate("a", score=0.1), Candidate("b", score=0.05)])
        pool.add(1, [Candidate("c", score=900.0 * scale), Candidate("b", score=800.0 * scale)])
        pools.append(pool.order())
    assert pools[0] == pools[1]


@given(st.lists(st.lists(st.sampled_from("abcdef"))))
def test_each_document_once_and_the_first_search_in_its_order(found: list[list[str]]) -> None:
    pool = Pool([])
    for number, texts in enumerate(found):
        pool.add(number, map(Candidate, texts))
    assert sorted(pool.order()) == list(range(len({text for texts in found for text in texts})))
    for number, texts in enumerate(found):
        assert [pool.documents[index].text for index in pool.found_by(number)] == list(dict.fromkeys(texts))
