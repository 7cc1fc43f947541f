"""First stages: our BM25 is the published one; runs and embeddings give what they hold."""

from __future__ import annotations

import pytest

from rerank_plugins import Candidate
from rerank_plugins.errors import InvalidInput
from rerank_plugins.evaluation import Collection, by_bm25, by_embedding, from_run, measure, read_collection, read_run
from rerank_plugins.evaluation.first_stages import Lists
from rerank_plugins.requests import Embed
from rerank_plugins.testing import FakeModel
from tests import collections_on_disk

DOCUMENTS = {name: Candidate(text, name) for name, text in {"a": "rye loaves", "b": "a loaf", "c": "salt"}.items()}
BREAD = Collection("bread", DOCUMENTS, {"q": "the loaf of ryes", "none": "?"}, {"q": {"a": 1}})


def shown(lists: Lists) -> dict[str, list[tuple[str | None, float]]]:
    return {query: [(item.id, round(item.score or 0.0, 3)) for item in found] for query, found in lists.items()}


def test_bm25_over_stems() -> None:
    ((_, found),) = by_bm25(BREAD, 2).items()
    assert [item.id for item in found] == ["b", "a"]  # "loaf" is nearer to "a loaf" than "loaves" is
    assert found[0].score is not None and found[0].score > 0
    assert found[0].text == "a loaf"


def test_bm25_inside_a_pool() -> None:
    pools = {"q": [("c", None), ("a", None)]}
    over_all = {document.id: document.score for document in by_bm25(BREAD)["q"]}
    ((first, last),) = by_bm25(BREAD, pools=pools).values()
    assert (first.id, first.score) == ("a", over_all["a"])  # how rare a word is, the corpus says
    assert (last.id, last.score) == ("c", 0.0)
    assert [document.id for document in by_bm25(BREAD, 1, pools)["q"]] == ["a"]


def test_an_embedding_model_reads_each_document_once() -> None:
    model = FakeModel()
    two = Collection("bread", DOCUMENTS, {"q": "rye loaves", "r": "salt"}, {"q": {"a": 1}, "r": {"c": 1}})
    lists = by_embedding(two, model, 2)
    assert shown(lists)["q"][0] == ("a", 1.0) and shown(lists)["r"][0] == ("c", 1.0)
    assert [(request.texts, request.role) for request in model.requests if isinstance(request, Embed)] == [
        (("rye loaves", "salt"), "query"),
        (("rye loaves", "a loaf", "salt"), "document"),
    ]


def test_a_run_gives_its_order_and_scores() -> None:
    assert shown(from_run(BREAD, {"q": [("c", 3.0), ("a", 2.0), ("b", 1.0)]}, 2)) == {"q": [("c", 3.0), ("a", 2.0)]}


@pytest.mark.parametrize(("run", "says"), [({"q": [("z", 1.0)]}, "names document 'z'"), ({"x": []}, "has no query of")])
def test_a_run_of_something_else_is_refused(run: dict[str, list[tuple[str, float]]], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        from_run(BREAD, run)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "ndcg", "rr", "recall"),
    [
        ("scifact", 0.6713, 0.6364, 0.9187),
        ("noveleval", 0.6815, 0.7624, 0.984),
        ("musique-100", 0.5330, 0.7195, 0.832),
        ("multihoprag-evidence", 0.7664, 0.8719, 0.961),
        ("legalbenchrag-privacyqa", 0.1954, 0.2154, 0.799),
    ],
)
def test_bm25_is_the_published_baseline(name: str, ndcg: float, rr: float, recall: float) -> None:
    collection = read_collection(collections_on_disk.folder(name))
    orders = {query: [str(item.id) for item in found] for query, found in by_bm25(collection, 100).items()}
    for measured, published in (("nDCG@10", ndcg), ("RR@10", rr), ("R@100", recall)):
        values = measure(orders, collection.qrels, measured).values()
        assert sum(values) / len(values) == pytest.approx(published, abs=6e-4), measured


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file", "ndcg"),
    [
        ("trec-dl19-pool", "run.bm25.trec", 0.5058),
        ("trec-dl19-pool", "run.splade.trec", 0.7308),
        ("trec-dl19-pool", "run.ada2.trec", 0.7035),
        ("trec-dl19-pool", "run.tasb.trec", 0.7210),
        ("birco-wtb", "run.bm25-pool.trec", 0.2836),
    ],
)
def test_a_run_file_gives_the_published_figure(name: str, file: str, ndcg: float) -> None:
    folder = collections_on_disk.folder(name)
    collection = read_collection(folder)
    orders = {q: [str(item.id) for item in found] for q, found in from_run(collection, read_run(folder / file)).items()}
    values = measure(orders, collection.qrels).values()
    assert sum(values) / len(values) == pytest.approx(ndcg, abs=5e-4)
