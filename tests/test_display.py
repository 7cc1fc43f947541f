"""How a ranking looks: it fits a screen, and nothing in a document can pass for markup."""

from __future__ import annotations

from html.parser import HTMLParser

from rerank_plugins import Candidate, Embedding, FirstStage, InsertRank, rerank
from rerank_plugins.ranking import Ranking, Verdict, settle
from rerank_plugins.testing import FakeModel
from rerank_plugins.testing.conformance import DOCUMENTS


class Tags(HTMLParser):
    """What stands in a page: its tags with their attributes, and its texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_long_ranking_fits_a_screen() -> None:
    texts = [f"Passage {number}: " + "many words " * 200 for number in range(100)]
    shown = repr(rerank(FirstStage(), "q", texts, top_n=60))
    lines = shown.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 100
    assert lines[0] == "Ranking by FirstStage(): 60 ranked, 40 dropped, scores are an order, 0 calls"
    assert lines[1].startswith("  1. (was 1) 1.000  Passage 0: many words")
    assert lines[-1] == "  ... and 50 more"


def test_notes_and_tokens_are_told() -> None:
    shown = repr(rerank(InsertRank(bm25=None), "q", ["a", "b", "c"], backends=FakeModel("[2] > [2]")))
    assert "1 call, " in shown and "tokens" in shown
    assert "  1. (was 2) 1.000  b" in shown
    assert "  repaired: " in shown


def test_the_table_says_before_after_and_why() -> None:
    ranking = settle(
        Verdict(
            order=[2, 0],
            scores={2: 0.9, 0: 0.5},
            why={2: {"cosine": 0.91234567, "words": ["a"]}},
            dropped={3: "its score is too low"},
            score_kind="absolute",
        ),
        [Candidate(text) for text in ("one", "two", "three", "four")],
        method="Some()",
    )
    page = Tags(ranking._repr_html_())
    assert page.open == []
    said = " ".join(page.texts)
    for words in ("3 ▲2", "1 ▼1", "0.900", "not judged", "cosine", ": 0.9123", "4: its score is too low (four)"):
        assert words in said, words


def test_no_document_passes_for_markup() -> None:
    harmful = [
        "<script>alert(1)</script>",
        "</td></table><img src=x onerror=alert(1)>",
        "\"'><svg onload=alert(1)>",
        *(candidate.text for candidates in DOCUMENTS.values() for candidate in candidates),
    ]
    ranking = settle(
        Verdict(
            order=range(len(harmful) - 1),
            why={0: {harmful[0]: harmful[1], "nested": [{harmful[2]: harmful}]}},
            dropped={len(harmful) - 1: harmful[1]},
        ),
        [Candidate(text) for text in harmful],
        method=harmful[0],
    )
    page = Tags(ranking._repr_html_())
    assert set(page.tags) <= {*"div p b table thead tr th tbody td br details summary ul li".split()}
    assert page.attributes <= {"class", "style"}
    assert page.open == []


def test_an_empty_ranking_is_one_as_well() -> None:
    assert repr(Ranking()).startswith("Ranking by a method: 0 ranked")
    assert Tags(Ranking()._repr_html_()).open == []


def test_what_a_method_found_itself_is_told_apart() -> None:
    ranking = settle(Verdict(order=[1, 0], added=[Candidate("new")]), [Candidate("old")])
    assert "(found)" in repr(ranking)
    assert "found" in ranking._repr_html_()


def test_scores_that_are_missing_are_no_numbers() -> None:
    ranking = settle(Verdict(order=[0], scores={0: 0.5}, score_kind="relative"), [Candidate("a"), Candidate("b")])
    assert "no score  b" in repr(ranking)
    assert repr(rerank(Embedding(), "q", ["a"], backends=FakeModel())).startswith("Ranking by Embedding()")
