import json
from collections import Counter, defaultdict
from datetime import date
from importlib.resources import files
from typing import Any

import pytest

from rerank_plugins import sample
from rerank_plugins.sample import Passage, Sample

KINDS = {"textbook", "blog", "forum", "label", "leaflet", "magazine"}


@pytest.fixture(scope="module")
def data() -> Sample:
    return sample.load()


def read(name: str) -> list[str]:
    return files(sample).joinpath(name).read_text(encoding="utf-8").splitlines()


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in read(name)]


def query_kinds() -> dict[str, str]:
    return {row["_id"]: row["metadata"]["kind"] for row in rows("queries.jsonl")}


def test_counts(data: Sample) -> None:
    assert 75 <= len(data.corpus) <= 90
    assert len(data.queries) == 20
    assert Counter(query_kinds().values()) == {"single": 14, "multi": 6}


@pytest.mark.parametrize(("name", "letter"), [("corpus.jsonl", "p"), ("queries.jsonl", "q")])
def test_ids_are_unique_and_in_order(name: str, letter: str) -> None:
    ids = [row["_id"] for row in rows(name)]
    assert ids == [f"{letter}{number:02d}" for number in range(1, len(ids) + 1)]


def test_no_text_or_title_is_given_twice(data: Sample) -> None:
    assert len({passage.text for passage in data.corpus.values()}) == len(data.corpus)
    assert len({passage.title for passage in data.corpus.values()}) == len(data.corpus)
    assert len(set(data.queries.values())) == len(data.queries)


def test_passages_have_40_to_130_words(data: Sample) -> None:
    lengths = {passage.id: len(passage.text.split()) for passage in data.corpus.values()}
    assert {name: length for name, length in lengths.items() if not 40 <= length <= 130} == {}


def test_metadata_is_complete(data: Sample) -> None:
    for passage in data.corpus.values():
        assert set(passage.metadata) - {"chunk"} == {"source", "kind", "author", "date"}
        assert all(passage.metadata[key] for key in ("source", "author"))
        assert 1998 <= date.fromisoformat(str(passage.metadata["date"])).year <= 2026
    assert {passage.metadata["kind"] for passage in data.corpus.values()} == KINDS


def test_chunks_of_a_document_are_consecutive(data: Sample) -> None:
    documents: dict[Any, list[Any]] = defaultdict(list)
    numbers: dict[Any, list[int]] = defaultdict(list)
    for number, passage in enumerate(data.corpus.values()):
        documents[passage.metadata["source"]].append(passage.metadata.get("chunk"))
        numbers[passage.metadata["source"]].append(number)
    chunked = {source for source, chunks in documents.items() if chunks != [None] * len(chunks)}
    assert len(chunked) == 4
    for source in chunked:
        assert documents[source] == [0, 1, 2]
        assert numbers[source] == list(range(numbers[source][0], numbers[source][0] + 3))


def test_judgements_name_what_exists(data: Sample) -> None:
    assert list(data.qrels) == list(data.queries)
    for judged in data.qrels.values():
        assert set(judged) <= set(data.corpus)
        assert set(judged.values()) <= {0, 1, 2, 3}


def test_judgements_are_given_once(data: Sample) -> None:
    header, *lines = read("qrels.tsv")
    assert header == "query-id\tcorpus-id\tscore"
    pairs = [tuple(line.split("\t")[:2]) for line in lines]
    assert len(pairs) == len(set(pairs)) == sum(map(len, data.qrels.values()))


@pytest.mark.parametrize("query_id", [f"q{number:02d}" for number in range(1, 21)])
def test_every_query_has_answers_and_near_misses(data: Sample, query_id: str) -> None:
    grades = list(data.qrels[query_id].values())
    if query_kinds()[query_id] == "single":
        assert grades.count(3) >= 1
    else:
        assert grades.count(3) + grades.count(2) >= 2
    assert 4 <= len(grades) - grades.count(0) <= 10
    assert grades.count(0) >= 2


def test_round_trip(data: Sample) -> None:
    corpus = {
        row["_id"]: Passage(id=row["_id"], title=row["title"], text=row["text"], metadata=row["metadata"])
        for row in rows("corpus.jsonl")
    }
    qrels: dict[str, dict[str, int]] = defaultdict(dict)
    for line in read("qrels.tsv")[1:]:
        query_id, passage_id, grade = line.split("\t")
        qrels[query_id][passage_id] = int(grade)
    queries = {row["_id"]: row["text"] for row in rows("queries.jsonl")}
    assert data == Sample(corpus=corpus, queries=queries, qrels=qrels) == sample.load()
    assert all(key == passage.id for key, passage in data.corpus.items())
