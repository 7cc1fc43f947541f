"""Expansion: neighbours of the document, known by id or text, and what is said where there are none."""

from collections.abc import Sequence

from rerank_plugins.candidates import Candidate
from rerank_plugins.errors import CallTimeout, Unanswered
from rerank_plugins.methods.meteora.expansion import Expansion, expanded
from rerank_plugins.requests import Failed, Found, Neighbours, Reply


def run(candidates: Sequence[Candidate], chosen: Sequence[int], replies: Sequence[Reply], reach: int = 1) -> Expansion:
    steps = expanded(candidates, chosen, reach)
    assert next(steps) == [Neighbours(candidates[index], reach, reach) for index in chosen]
    try:
        steps.send(replies)
    except StopIteration as end:
        return end.value
    raise AssertionError("it asks once")


CHUNKS = [Candidate("a", id="1"), Candidate("b", id="2"), Candidate("c"), Candidate("d", id="4")]


def test_a_neighbour_that_is_a_candidate_is_known_by_its_id() -> None:
    found = run(CHUNKS, [0], [Found((Candidate("another text", id="2"),))])
    assert (found.parents, list(found.added)) == ({1: 0}, [])


def test_where_one_has_no_id_the_text_tells() -> None:
    found = run(CHUNKS, [0], [Found((Candidate("c", id="3"), Candidate("d")))])
    assert (found.parents, list(found.added)) == ({2: 0, 3: 0}, [])


def test_the_same_text_under_another_id_is_another_chunk() -> None:
    found = run(CHUNKS, [0], [Found((Candidate("b", id="9"),))])
    assert (found.parents, list(found.added)) == ({4: 0}, [Candidate("b", id="9")])


def test_a_new_chunk_between_two_chosen_ones_is_added_once_and_put_down_to_the_better() -> None:
    new = Candidate("new", id="n")
    found = run(CHUNKS, [3, 0], [Found((new,)), Found((CHUNKS[3], new, CHUNKS[0]))])
    assert (found.parents, list(found.added)) == ({4: 3}, [new])


def test_a_call_that_failed_costs_its_own_neighbours_alone() -> None:
    found = run(CHUNKS, [0, 1], [Failed(CallTimeout("late")), Found((CHUNKS[3],))])
    assert (found.parents, list(found.notes)) == ({3: 1}, [])


def test_where_nothing_answers_a_note_says_what_would() -> None:
    found = run(CHUNKS, [0], [Failed(Unanswered("It asks for neighbours."))])
    assert found.parents == {}
    assert [note.message for note in found.notes] == ["Nothing was expanded to its neighbours. It asks for neighbours."]


def test_where_no_neighbour_is_known_a_note_says_so() -> None:
    assert "no" in run(CHUNKS, [0, 1], [Found(()), Found(())]).notes[0].message.lower()
