"""From a reranked pool to a verdict: places become indices again, and what is not kept has its reason."""

import pytest

from rerank_plugins import Candidate
from rerank_plugins.methods.decompose.reranked import Reranked
from rerank_plugins.methods.decompose.searches import Searches
from rerank_plugins.ranking import Verdict, settle
from rerank_plugins.requests import Found

GIVEN = [Candidate("given", id="0")]
MERGED = [2, 0, 1]  # the reranker was shown the third document of the pool first


def searched() -> Searches:
    searches = Searches("why?", GIVEN, 10)
    searches.take({0: "why?", 1: "who?"}, [Found((Candidate("a"),)), Found((Candidate("b"),))])
    return searches


def concluded(keep: int | None, *, covers: bool = False) -> Verdict:
    searches = searched()
    views = [searches.pool.documents[index] for index in MERGED]
    found = Verdict(order=[1, 2, 0], scores={0: 1.0, 1: 3.0, 2: 2.0}, dropped={0: "bad"}, score_kind="absolute")
    ranking = settle(found, views)
    return Reranked("Some()", ranking, MERGED, ranking.order, covers).verdict(searches, keep, given=len(GIVEN))


def test_places_become_indices() -> None:
    verdict = concluded(None)
    assert list(verdict.order) == [0, 1]
    assert verdict.scores == {0: 3.0, 1: 2.0, 2: 1.0}
    assert verdict.dropped == {2: "bad"}
    assert [candidate.text for candidate in verdict.added] == ["a", "b"]
    assert verdict.why[2]["serves"] == [{"question": "who?", "subquestion": 1, "rank": 1}]
    assert verdict.why[0]["rerank"] == {"method": "Some()", "score": 3.0, "why": {}}


@pytest.mark.parametrize("keep", [0, 1])
def test_what_is_not_kept_is_dropped_like_what_the_reranker_drops(keep: int) -> None:
    verdict = concluded(keep)
    assert len(verdict.order) == keep
    assert sorted([*verdict.order, *verdict.dropped]) == [0, 1, 2]
    assert verdict.dropped[1] == f"ranked below the {keep} that are kept"
    assert verdict.dropped[2] == "bad"


def test_where_the_order_is_by_coverage_scores_would_mislead() -> None:
    verdict = concluded(None, covers=True)
    assert verdict.score_kind == "order"
    assert not verdict.scores
