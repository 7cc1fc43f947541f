"""The same question in other letters and words."""

import random
from difflib import SequenceMatcher

import pytest

from rerank_plugins.evaluation.rewordings import put_otherwise, with_typos

QUESTION = "how should somebody store sourdough starter overnight?"


@pytest.mark.parametrize("seed", range(20))
def test_typos_are_small_and_in_long_words(seed: int) -> None:
    question = with_typos(QUESTION, 0.5, random.Random(seed))
    assert SequenceMatcher(None, question, QUESTION).ratio() > 0.85
    words, typed = QUESTION.split(), question.split()
    assert sum(word != other for word, other in zip(words, typed, strict=True)) == 3  # half of six long words
    assert typed[0] == "how"


@pytest.mark.parametrize("question", ["", "why?", "is it so", "12345 67890"])
def test_without_a_long_word_there_is_no_typo(question: str) -> None:
    assert with_typos(question, 1, random.Random(0)) == question


def test_a_word_of_one_letter_gets_a_typo_too() -> None:
    assert with_typos("aaaa", 0.1, random.Random(0)) in ("aaa", "aaaaa")


@pytest.mark.parametrize(
    ("question", "other"),
    [
        ("What's a levain?", "explain what a levain is"),
        ("who were the Romans", "explain who the Romans were"),
        ("how can I store rye?", "the way to store rye"),
        ("how long to proof?", "I would like to know this: how long to proof?"),
        ("Rye needs acid.", "I would like to know this: Rye needs acid."),
    ],
)
def test_paraphrases_by_rule(question: str, other: str) -> None:
    assert put_otherwise(question) == other
