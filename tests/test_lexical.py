"""BM25: words, scores, and an index that is built once."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from rerank_plugins import BM25Index, Candidate
from rerank_plugins.errors import InvalidInput
from rerank_plugins.lexical import candidate_scores, tokenize

CORPUS = [Candidate("rye bread rye", id="a"), Candidate("wheat bread", id="b"), Candidate("a wooden spoon", id="c")]


def by_hand(query: list[str], texts: list[list[str]], k1: float = 0.9, b: float = 0.4) -> list[float]:
    """BM25 as Lucene has it, from the formula."""
    mean = sum(map(len, texts)) / len(texts)

    def weight(word: str, text: list[str]) -> float:
        found = sum(word in other for other in texts)
        idf = math.log(1 + (len(texts) - found + 0.5) / (found + 0.5))
        count = text.count(word)
        return idf * count / (count + k1 * (1 - b + b * len(text) / mean))

    return [sum(weight(word, text) for word in query) for text in texts]


@pytest.mark.parametrize("query", ["rye", "bread spoon", "rye bread rye", "nothing", "", "the of"])
def test_scores_follow_the_formula(query: str) -> None:
    expected = by_hand(tokenize(query), [tokenize(document.text) for document in CORPUS])
    assert candidate_scores(query, CORPUS) == pytest.approx(expected, abs=1e-6)
    assert BM25Index(CORPUS).scores(query, CORPUS) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Crust's 2 layers", ["crust", "s", "2", "layers"]),
        ("全粒粉パン", ["全粒", "粒粉", "粉パ", "パン"]),
        ("pH値 4", ["ph", "値", "4"]),
        ("한국어", ["한국", "국어"]),
        ("Ärger_über", ["ärger", "über"]),
        ("🍞 !?", []),
        ("خبز الجاودار", ["خبز", "الجاودار"]),
        ("हिन्दी में रोटी", ["हिन्दी", "में", "रोटी"]),
        ("كِتَابٌ جديد", ["كِتَابٌ", "جديد"]),
        ("שָׁלוֹם", ["שָׁלוֹם"]),
        ("தமிழ் மொழி", ["தமிழ்", "மொழி"]),
        ("می‌خواهم", ["می‌خواهم"]),
        ("ขนมปัง", ["ขน", "นม", "มป", "ปั", "ัง"]),
        ("Cafe\u0301 na\u00efve", ["caf\u00e9", "na\u00efve"]),
        ("ｆｕｌｌ ﬁne Ⅳ ﾊﾟﾝ", ["full", "fine", "iv", "パン"]),
        ("m² H₂O", ["m2", "h2o"]),
        ("x\u0331y", ["x\u0331y"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert tokenize(text) == words


def test_a_letter_is_the_same_however_it_was_typed() -> None:
    composed, decomposed = Candidate("Br\u00f6tchen"), Candidate("Bro\u0308tchen")
    assert candidate_scores("br\u00f6tchen", [decomposed, Candidate("rye")])[0] > 0
    assert tokenize(composed.text) == tokenize(decomposed.text)


@pytest.mark.parametrize("texts", [[], [""], ["", "!"], ["x", ""]])
def test_lists_without_words_score_nothing(texts: list[str]) -> None:
    assert candidate_scores("rye", [Candidate(text) for text in texts]) == [0.0] * len(texts)
    assert BM25Index(texts).scores("rye", texts) == [0.0] * len(texts)


def test_documents_are_found_by_id_then_by_text() -> None:
    index = BM25Index(CORPUS)
    by_id, by_text, unknown = index.scores("rye", [Candidate("changed", id="a"), "rye bread rye", "never seen"])
    assert by_id == by_text
    assert by_id is not None
    assert by_id > 0
    assert unknown is None


def test_an_index_can_be_kept(tmp_path: Path) -> None:
    index = BM25Index(CORPUS)
    index.save(tmp_path / "index")
    again = BM25Index.load(tmp_path / "index")
    assert again.scores("rye bread", CORPUS) == index.scores("rye bread", CORPUS)
    assert len(again) == 3
    assert repr(again) == "<BM25Index of 3 documents>"


def test_a_missing_index_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no BM25 index"):
        BM25Index.load(tmp_path)
