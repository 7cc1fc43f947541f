"""The page on question decomposition says what is so: its code runs, and its tables are those of the command."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import decompose_musique as benchmark
from benchmarks._decomposers import RecordedAnswers, clauses, paraphrases, recorded
from benchmarks._first_stages import Collection
from rerank_plugins import Decompose, FirstStage, rerank
from rerank_plugins.backends import Backend, BM25Retriever
from rerank_plugins.requests import Chat, Retrieve, ScorePairs
from rerank_plugins.testing import FakeModel
from tests import collections_on_disk as collections

PAGE = benchmark.PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def run(block: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(block, "decompose.md", "exec", dont_inherit=True), names)
    return names


class Chatting(FakeModel):
    kinds = (Chat,)


class Pairing(FakeModel):
    kinds = (ScorePairs,)


def test_the_first_block_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    says = '{"subquestions": ["Who wrote Emma?", "Where was Jane Austen born?"]}'
    monkeypatch.setattr("rerank_plugins.backends.OpenAIChat", lambda name: Chatting(says), raising=False)
    monkeypatch.setattr("rerank_plugins.backends.CrossEncoder", lambda name: Pairing(), raising=False)
    shelf = BM25Retriever(["Jane Austen wrote Emma.", "Jane Austen was born in Steventon.", "Rye."])
    store = SimpleNamespace(search=lambda query, k: shelf.answer(Retrieve(query, k), None).candidates)
    names = run(BLOCKS[0], {"store": store})
    assert len(names["ranking"]) == 2
    printed = capsys.readouterr().out
    assert "searched for ['Who wrote Emma?', 'Where was Jane Austen born?']" in printed
    assert "('Who wrote Emma?', 1)" in printed


def test_the_second_block_runs() -> None:
    names = run(BLOCKS[1], {})
    assert all(isinstance(names[name], Decompose) for name in ("listwise", "merged", "careful", "own"))
    shelf = BM25Retriever(["Rye needs acid.", "Spelt needs care."])
    ranking = rerank(
        Decompose(rerank=FirstStage(), subquestions=names["own"].subquestions), "rye and spelt", [], backends=shelf
    )
    assert ranking[0].why["searched_for"] == ["rye", "spelt"]
    assert len(BLOCKS) == 2


@pytest.mark.parametrize("name", ["musique", "multihop", "small model"])
def test_the_page_has_each_table(name: str) -> None:
    table = benchmark.block(name).search(PAGE)
    assert table
    assert table[0].startswith(benchmark.HEAD)


@pytest.mark.slow
def test_the_rows_without_a_model_are_those_of_the_command() -> None:
    folder = collections.folder("musique-100")
    collection, human = Collection.read(folder), recorded(folder / "queries.jsonl")
    form = Decompose(subquestions=lambda query: [row["question"] for row in human[query]], rerank=FirstStage())
    varied = Decompose(subquestions=paraphrases(lambda query: len(human[query])), rerank=FirstStage())
    rows = {
        "the question": Decompose(subquestions=(), rerank=FirstStage()),
        "paraphrases, merged": varied,
        "sub-questions, merged": form,
        "sub-questions, 4 rounds, merged": Decompose(subquestions=form.subquestions, rerank=FirstStage(), rounds=4),
    }
    backends: list[Backend] = [BM25Retriever(collection.documents), RecordedAnswers(human)]
    for name, method in rows.items():
        assert f"| BM25 | {name} | {benchmark.evaluated(collection, method, backends)} |" in PAGE


@pytest.mark.slow
def test_good_sub_questions_find_more_than_as_many_paraphrases() -> None:
    folder = collections.folder("musique-100")
    collection, human = Collection.read(folder), recorded(folder / "queries.jsonl")
    shelf = BM25Retriever(collection.documents)

    def recall(subquestions: Any) -> float:
        method = Decompose(subquestions=subquestions, rerank=FirstStage())
        return float(benchmark.evaluated(collection, method, [shelf]).split(" | ")[2])

    asked = recall(lambda query: [row["question"] for row in human[query]])
    assert asked > recall(paraphrases(lambda query: len(human[query])))
    assert asked > recall(())


def test_paraphrases_are_as_many_as_told_and_leave_out_words() -> None:
    variants = paraphrases(lambda query: 2)("Who was the first president of the old association?")
    assert variants == ["first president association", "who president old"]


def test_clauses_are_those_with_enough_words() -> None:
    query = "Does the Verge say that phones get larger, while the Age claims that screens get smaller each year?"
    assert len(clauses(query)) == 2
    assert clauses("Who wrote Emma?") == []


def test_recorded_answers_know_both_forms() -> None:
    rows = [
        {"question": "Who wrote Emma?", "answer": "Jane Austen"},
        {"question": "Where was #1 born?", "answer": "Bath"},
    ]
    model = RecordedAnswers({"q": rows})
    asked = Chat(
        [{"role": "user", "content": "Questions:\n1. who  wrote Emma?\n2. Where was Jane Austen born?\n3. Why?"}]
    )
    assert model.answer(asked, None).text == (
        '{"answers": [{"question": 1, "answer": "Jane Austen"}, {"question": 2, "answer": "Bath"}]}'
    )
