"""CrossEncode: one call, the model's own scores."""

from rerank_plugins import CrossEncode, rerank
from rerank_plugins.requests import Reply, Request, Scored, ScorePairs
from rerank_plugins.testing import FakeModel


class Lengths(FakeModel):
    """Scores a text by its length."""

    def answer(self, request: Request, timeout: float | None) -> Reply:
        assert isinstance(request, ScorePairs)
        self.requests.append(request)
        return Scored(tuple(float(len(text)) for text in request.texts))


def test_one_call_for_the_whole_list() -> None:
    model = Lengths()
    ranking = rerank(CrossEncode(), "q", ["a", "ccc", "bb"], backends=model)
    assert ranking.order == [1, 2, 0]
    assert len(model.requests) == 1
    assert (ranking.score_kind, ranking[0].why) == ("absolute", {"cross_encoder": 3.0})


def test_scores_that_are_not_numbers_come_last() -> None:
    class Odd(FakeModel):
        def answer(self, request: Request, timeout: float | None) -> Reply:
            return Scored((float("nan"), -1.0, float("inf")))

    ranking = rerank(CrossEncode(), "q", ["a", "b", "c"], backends=Odd())
    assert ranking.order == [1, 0, 2]
    assert [item.score for item in ranking] == [-1.0, None, None]
