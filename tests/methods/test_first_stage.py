"""FirstStage: the order as it came."""

from rerank_plugins import Candidate, FirstStage, rerank


def test_it_keeps_the_order_whatever_the_scores() -> None:
    ranking = rerank(FirstStage(), "q", [Candidate("a", score=0.1), Candidate("b", score=0.9), Candidate("c")])
    assert ranking.order == [0, 1, 2]
    assert [item.why for item in ranking] == [{"first_stage_score": score} for score in (0.1, 0.9, None)]
    assert ranking.score_kind == "order"
    assert ranking.usage.calls == 0
