"""Document order, from metadata."""

import pytest

from rerank_plugins.candidates import Candidate
from rerank_plugins.methods.meteora.placement import document_order


def chunk(source: str, number: object, source_key: str = "source", number_key: str = "chunk_index") -> Candidate:
    return Candidate(f"{source}{number}", metadata={source_key: source, number_key: number})


def test_the_document_with_the_best_chunk_comes_first_and_chunks_as_they_stand() -> None:
    pool = [chunk("a", 3), chunk("b", 2), chunk("a", 1), chunk("b", 10)]
    assert document_order(pool, [3, 0, 1, 2], None, None) == ([1, 3, 2, 0], 0)


def test_a_chunk_without_a_place_stands_by_its_rank() -> None:
    pool = [chunk("a", 2), Candidate("?"), chunk("a", 1), Candidate("!")]
    assert document_order(pool, [1, 0, 2, 3], None, None) == ([1, 2, 0, 3], 2)


@pytest.mark.parametrize("number_key", ["chunk", "seq_num", "start_index", "span", "chunk_index"])
def test_usual_keys_are_found(number_key: str) -> None:
    numbers = [[9, 20], [0, 9]] if number_key == "span" else [9, 0]
    pool = [chunk("a", number, "file_path", number_key) for number in numbers]
    assert document_order(pool, [0, 1], None, None) == ([1, 0], 0)


def test_named_keys_count_alone() -> None:
    pool = [Candidate("x", metadata={"source": "a", "chunk": 1, "part": 2, "book": "b"}), chunk("a", 0)]
    assert document_order(pool, [0, 1], "book", "part") == ([0, 1], 1)


@pytest.mark.parametrize("odd", [None, "", "third", [], float("nan"), {}])
def test_an_odd_number_is_no_place(odd: object) -> None:
    assert document_order([chunk("a", odd), chunk("a", 1)], [0, 1], None, None) == ([0, 1], 1)
