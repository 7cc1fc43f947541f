"""Recorded sliding-window runs of real models, answered again reply by reply, end where their own tool ended."""

import json
from typing import Any

import ir_measures
import pytest
from ir_measures import nDCG

from rerank_plugins import InsertRank, rerank
from rerank_plugins.testing import FakeModel
from tests import collections_on_disk as collections

RUNS = {  # a recording, and the nDCG@10 that its own tool reached with it
    "output_v2_aug_vicuna_7b_4096_100_RANK_GPT_dl19_2023-09-13T16-36-10": 0.6682,
    "output_v2_aug_vicuna_7b_4096_100_RANK_GPT_dl19_2023-09-12T18-36-14": 0.6665,
    "output_v2_vicuna_7b": 0.6675,
    "vicuna-7b-checkpoint-800": 0.6675,
}


def recording(prefix: str) -> dict[str, Any]:
    (path,) = (collections.folder("recorded") / "replay").glob(f"{prefix}*.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("prefix", RUNS)
def test_a_recorded_run_ends_where_it_ended(prefix: str) -> None:
    documents = collections.texts("trec-dl19-pool")
    first_stage = collections.run("trec-dl19-pool", "run.bm25.trec")
    method = InsertRank(bm25=None, window=20, stride=10)
    run = {}
    for query in recording(prefix)["queries"]:
        ids = [document for document, _ in first_stage[query["query_id"]][:100]]
        model = FakeModel(query["responses"])
        ranking = rerank(method, query["query"], [documents[document] for document in ids], backends=model)
        assert len(model.requests) == 9
        run[query["query_id"]] = {ids[item.index]: -item.rank for item in ranking}
    reached = ir_measures.calc_aggregate([nDCG @ 10], collections.qrels("trec-dl19-pool"), run)[nDCG @ 10]
    assert reached == pytest.approx(RUNS[prefix], abs=5e-5)
