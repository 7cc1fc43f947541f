"""Sub-questions made safe: copies, references, and what is no question at all."""

import pytest

from rerank_plugins.prompts.plain_questions import distinct, filled, references, same_subject, without_references


@pytest.mark.parametrize(
    "copy",
    [
        "Who wrote Emma?",
        "who wrote emma",
        " Who  WROTE \n 'Emma' ? ",
        "Can you tell me who wrote Emma?",
        "Emma: who was it that wrote it?",
        "**Who wrote Emma?**",
    ],
)
def test_near_copies_of_the_question_are_left_out(copy: str) -> None:
    assert distinct([copy], "Who wrote Emma?", 5) == ((), "has 1 repeated")


@pytest.mark.parametrize(
    "other",
    [
        "Who wrote Persuasion?",
        "Who edited Emma?",
        "What was the revenue of Apple in 2021?",
        "Who wrote #1?",
    ],
)
def test_what_differs_in_one_word_or_number_is_another_question(other: str) -> None:
    for query in ("Who wrote Emma?", "What was the revenue of Apple in 2020?"):
        assert distinct([other], query, 5) == ((other,), "")


def test_copies_of_each_other_count_once() -> None:
    rows = ["Where is Bath?", "Where was Jane born?", "where's Bath", "Where are the Baths?"]
    assert distinct(rows, "why?", 5) == (("Where is Bath?", "Where was Jane born?"), "has 2 repeated")


def test_other_scripts_are_told_apart() -> None:
    rows = ["全粒粉とは何ですか", "酵母とは何ですか", "全粒粉とは何ですか？"]
    assert distinct(rows, "パンの作り方", 5)[0] == tuple(rows[:2])


def test_references_follow_what_they_name() -> None:
    rows = [
        "the question",
        "Who is it?",
        "",
        "who is it",
        "Where is #2 or #4?",
        "When was #5 there, with #1, #3 and #9?",
    ]
    kept, _ = distinct(rows, "The question?", 9)
    assert kept == ("Who is it?", "Where is #1 or #1?", "When was #2 there, with #0, #0 and #0?")


@pytest.mark.parametrize("row", ["", " \n", "???", "x" * 301, "\x00\x1b", "\ud800", "#1?", "1", "1990?"])
def test_what_is_no_question_is_left_out(row: str) -> None:
    assert distinct([row], "why?", 5) == ((), "has 1 unsound")


def test_values_that_are_no_text_are_unsound() -> None:
    assert distinct([None, 3, ["x"]], "why?", 5) == ((), "has 3 unsound")  # type: ignore[list-item] # a user's function


def test_lines_become_one_line_without_control_characters() -> None:
    assert distinct(["Who\nwrote\u2028\x1b[31m Emma\ud800?"], "why?", 5)[0] == ("Who wrote [31m Emma\ufffd?",)


def test_quotation_marks_go_where_they_stand_around_the_whole() -> None:
    rows = ["'Emma' or 'Persuasion'?", '"Who wrote Emma?"', "'Emma', the novel", "'Emma' or 'Sanditon'", "'"]
    kept, _ = distinct(rows, "why?", 5)
    assert kept == ("'Emma' or 'Persuasion'?", "Who wrote Emma?", "'Emma', the novel", "'Emma' or 'Sanditon'")


def test_references_are_numbers_of_one_or_two_digits() -> None:
    assert references("Is #1 near #12, in C#, at # 3 or #1990?") == {1, 12, 3}
    assert filled("Is #1 near #12?", {1: r"\1 #2", 12: "Bath"}) == r"Is \1 #2 near Bath?"
    assert without_references("When did #1 die ?") == "When did die ?"


def test_question_words_are_no_subject() -> None:
    assert not same_subject("Who was it?", "What is that?")
    assert same_subject("Emma?", "who wrote emma")
