"""Collections are read whole or refused with the line that is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rerank_plugins.errors import InvalidInput
from rerank_plugins.evaluation import read_collection, read_qrels, read_run


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return folder


def lines(*entries: object) -> str:
    return "".join(json.dumps(entry) + "\n" for entry in entries)


CORPUS = lines({"_id": "a", "title": "Rye", "text": "is dark."}, {"id": 7, "text": "Salt."}, {"_id": "e", "text": ""})
SEPARATED = '{"_id": "s", "text": "one\u2028two"}\n'
QUERIES = lines({"_id": "q", "text": "what is rye?"}, {"_id": "unjudged", "text": "?"})
QRELS = "query-id\tcorpus-id\tscore\nq\ta\t2\nq\t7\t0\n"


def test_a_folder_in_beir_layout(tmp_path: Path) -> None:
    found = read_collection(written(tmp_path, corpus_jsonl=CORPUS, queries_jsonl=QUERIES, qrels_tsv=QRELS))
    assert [(document.id, document.text) for document in found.documents.values()] == [
        ("a", "Rye is dark."),
        ("7", "Salt."),
        ("e", ""),
    ]
    assert found.documents["a"].metadata == {"title": "Rye"}
    assert found.qrels == {"q": {"a": 2, "7": 0}}
    assert found.judged == ["q"]


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    mark = "\ufeff"
    written(tmp_path, corpus_jsonl=mark + CORPUS, queries_jsonl=mark + QUERIES, qrels_tsv=mark + "q\t0\ta\t2\n")
    found = read_collection(tmp_path)
    assert list(found.documents) == ["a", "7", "e"] and found.qrels == {"q": {"a": 2}}
    written(tmp_path, run_txt=mark + "q Q0 a 1 2.0 tag\n")
    assert read_run(tmp_path / "run.txt") == {"q": [("a", 2.0)]}


def test_odd_ends_of_lines_are_text(tmp_path: Path) -> None:
    written(tmp_path, corpus_jsonl=CORPUS + SEPARATED, queries_jsonl=QUERIES, qrels_tsv=QRELS.replace("\n", "\r\n"))
    found = read_collection(tmp_path)
    assert found.documents["s"].text == "one\u2028two" and found.qrels == {"q": {"a": 2, "7": 0}}


def test_judgements_may_lie_elsewhere(tmp_path: Path) -> None:
    written(tmp_path, corpus_jsonl=CORPUS, queries_jsonl=QUERIES)
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text(QRELS)
    assert read_collection(tmp_path).judged == ["q"]
    trec = tmp_path / "mine.txt"
    trec.write_text("q 0 a 1\nq Q0 7 0\n")
    assert read_collection(tmp_path, trec).qrels == {"q": {"a": 1, "7": 0}}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("corpus.jsonl", '{"_id": "a", "text": "x"}\n{"_id": "b"', r"Line 2 of '.*corpus.jsonl' is not a JSON object"),
        ("corpus.jsonl", '{"text": "x"}', "Line 1"),
        ("corpus.jsonl", "[1]", "Line 1"),
        ("queries.jsonl", '{"_id": "q"}', "Line 1 of '.*queries.jsonl'"),
        ("qrels.tsv", "head\tof\tit\nq\ta\tmuch\n", "Line 2 of '.*qrels.tsv' is not query, document and grade"),
        ("qrels.tsv", "query-id\tcorpus-id\tscore\nother\ta\t1\n", "No query of .* has a judgement"),
        ("qrels.tsv", "query document grade\nq a 0.5\n", "Line 2 .* a whole number"),
        ("qrels.tsv", "q a 0.5\n", "Line 1 .* a whole number"),
        ("qrels.tsv", "q a inf\n", "Line 1 .* a whole number"),
        ("qrels.tsv", "q a\nq a\n", "Line 1 .* is not query, document and grade"),
        ("qrels.tsv", "q a 1\nq a 2\n", "Line 2 of .* grades document 'a' for 'q' 2, and a line before it 1"),
        ("corpus.jsonl", CORPUS + '{"_id": "7", "text": "x"}', r"Line 4 of '.*corpus.jsonl' has the id '7'"),
        ("queries.jsonl", QUERIES + QUERIES, r"Line 3 of '.*queries.jsonl' has the id 'q'"),
        ("queries.jsonl", '{"_id": "q", "text": null}', "Line 1 of '.*queries.jsonl'"),
        ("corpus.jsonl", '{"_id": null, "text": "x"}', "Line 1"),
        ("corpus.jsonl", '{"_id": "a", "text": ["x"]}', "Line 1"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, text: str, says: str) -> None:
    written(tmp_path, corpus_jsonl=CORPUS, queries_jsonl=QUERIES, qrels_tsv=QRELS)
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidInput, match=says):
        read_collection(tmp_path)


def test_a_document_without_a_text_has_its_title(tmp_path: Path) -> None:
    corpus = lines({"_id": "a", "title": "Rye", "text": None}, {"_id": "b", "title": None, "text": None})
    found = read_collection(written(tmp_path, corpus_jsonl=corpus, queries_jsonl=QUERIES, qrels_tsv=QRELS))
    assert [document.text for document in found.documents.values()] == ["Rye", ""]


@pytest.mark.parametrize("text", ["q a 2\nq 7 0\n", "q\ta\t2.0\nq\t7\t0\n", "q a 2\nq a 2\nq 7 0\n"])
def test_judgements_without_a_header(tmp_path: Path, text: str) -> None:
    (tmp_path / "qrels").write_text(text)
    assert read_qrels(tmp_path / "qrels") == {"q": {"a": 2, "7": 0}}


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="A collection is a folder"):
        read_collection(tmp_path / "none")
    with pytest.raises(InvalidInput, match=r"corpus.jsonl' cannot be read"):
        read_collection(tmp_path)
    (tmp_path / "x").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match="is not UTF-8"):
        read_qrels(tmp_path / "x")


@pytest.mark.parametrize(
    "text",
    [
        "q Q0 b 2 0.5 tag\nq Q0 a 1 0.9 tag\nr Q0 a 1 -1 tag\n",
        "query\tdocument\tscore\nq\tb\t0.5\nq\ta\t0.9\nr\ta\t-1\n",
        "q b 0.5\nq a 0.9\nr a -1\n",
    ],
)
def test_a_run_in_any_form(tmp_path: Path, text: str) -> None:
    (tmp_path / "run").write_text(text)
    assert read_run(tmp_path / "run") == {"q": [("a", 0.9), ("b", 0.5)], "r": [("a", -1.0)]}


def test_a_run_without_scores_keeps_its_order_and_gets_none(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("q b\nq a\n")
    assert read_run(tmp_path / "run") == {"q": [("b", None), ("a", None)]}


def test_documents_of_one_rank_stand_in_the_order_of_their_scores(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("q Q0 b 0 0.5 t\nq Q0 a 0 0.9 t\nq Q0 c 0 0.5 t\n")
    assert read_run(tmp_path / "run") == {"q": [("a", 0.9), ("b", 0.5), ("c", 0.5)]}


@pytest.mark.parametrize(
    ("text", "says"),
    [("q Q0 b 1 1 t\nq Q0 a 2 nan t\n", "Line 2 .* is not query, Q0"), ("q b 1\nq a\n", "some documents of 'q'")],
)
def test_a_run_whose_scores_are_missing_or_no_numbers_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "run").write_text(text)
    with pytest.raises(InvalidInput, match=says):
        read_run(tmp_path / "run")


def test_a_run_that_names_a_document_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("q Q0 a 1 2 t\nq Q0 a 2 1 t\n")
    with pytest.raises(InvalidInput, match=r"Line 2 of .* names document 'a' twice for 'q'"):
        read_run(tmp_path / "run")
