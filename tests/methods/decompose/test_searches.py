"""The searches of one question: what is told about those that failed, found nothing, or could not be made."""

import pytest

from rerank_plugins import Candidate
from rerank_plugins.errors import CallTimeout, Unanswered
from rerank_plugins.methods.decompose.searches import Searches
from rerank_plugins.ranking import Note
from rerank_plugins.requests import Failed, Found, Retrieve

LATE = Failed(CallTimeout("late"))


def found(*texts: str) -> Found:
    return Found(tuple(map(Candidate, texts)))


def test_replies_belong_to_their_numbers() -> None:
    searches = Searches("why?", [], 2)
    asked = {0: "why?", 3: "where?", 1: "who?"}
    assert searches.requests(asked) == [Retrieve("why?", 2), Retrieve("where?", 2), Retrieve("who?", 2)]
    searches.take(asked, [found("a", "b", "beyond k"), found("b"), found("c")])
    assert searches.subquestions == {1: "who?", 3: "where?"}
    assert [document.text for document in searches.pool.documents] == ["a", "b", "c"]
    assert searches.served(1) == [
        {"question": "why?", "subquestion": None, "rank": 2},
        {"question": "where?", "subquestion": 3, "rank": 1},
    ]
    assert searches.all_notes() == []


def test_what_failed_or_found_nothing_is_counted() -> None:
    searches = Searches("why?", [], 10)
    searches.take({0: "why?", 1: "who?"}, [found("a"), LATE])
    searches.take({2: "where?"}, [found()])
    assert searches.subquestions == {2: "where?"}
    assert searches.asked == {0, 1, 2}
    assert [note.message for note in searches.all_notes()] == [
        "1 of 3 searches failed, and the others count without them.",
        "1 of 3 searches found nothing.",
    ]


def test_without_a_retriever_there_is_one_note_and_it_says_what_is_missing() -> None:
    searches = Searches("why?", [Candidate("given")], 10)
    searches.take({0: "why?", 1: "who?"}, [Failed(Unanswered("pass a retriever."))] * 2)
    (note,) = searches.all_notes()
    assert note.message.endswith("which is not this method's retrieval. pass a retriever.")
    assert searches.served(0) == [{"question": "why?", "subquestion": None, "rank": 1}]


@pytest.mark.parametrize("most", [1, 2, 10])
def test_the_best_documents_of_each_search_are_read_once(most: int) -> None:
    searches = Searches("why?", [], 10)
    searches.take({1: "who?", 2: "where?"}, [found("a", "b", "c"), found("b", "d")])
    expected = {1: ["a", "b"], 2: ["a", "b", "d"], 10: ["a", "b", "c", "d"]}
    assert searches.read_for([1, 2], most) == expected[most]


def test_notes_of_the_method_come_first() -> None:
    searches = Searches("why?", [], 10)
    searches.notes.append(Note("info", "mine"))
    searches.take({0: "why?"}, [LATE])
    assert searches.all_notes()[0] == Note("info", "mine")
