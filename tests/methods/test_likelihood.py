"""Likelihood: the mean log-probability of the query."""

from rerank_plugins import Candidate, Likelihood, rerank
from rerank_plugins.requests import Likelihood as LikelihoodRequest
from rerank_plugins.requests import Measured, Reply, Request
from rerank_plugins.testing import FakeModel
from rerank_plugins.text import Prompt


class Shared(FakeModel):
    """Finds a query more probable the more of its words the document has."""

    def answer(self, request: Request, timeout: float | None) -> Reply:
        assert isinstance(request, LikelihoodRequest)
        self.requests.append(request)
        return Measured(tuple(-1.0 if word in request.prompt else -5.0 for word in request.continuation.split()))


def test_the_document_that_makes_the_query_probable_is_first() -> None:
    ranking = rerank(Likelihood(), "rye crust", ["wheat", "rye and a crust", "rye"], backends=Shared())
    assert [(item.index, item.score) for item in ranking] == [(1, -1.0), (2, -3.0), (0, -5.0)]
    assert ranking.score_kind == "relative"


def test_the_same_query_follows_every_document() -> None:
    model = Shared()
    rerank(Likelihood(), "why?", ["a", "b"], backends=model)
    continuations = {request.continuation for request in model.requests if isinstance(request, LikelihoodRequest)}
    assert len(continuations) == 1


def test_only_the_document_may_be_cut() -> None:
    (request,) = next(Likelihood().steps("why?", [Candidate("text " * 50)]))
    assert isinstance(request, LikelihoodRequest)
    assert isinstance(request.prompt, Prompt)
    assert request.prompt.documents == [("text " * 50).strip()]


def test_a_query_without_tokens_scores_nothing() -> None:
    ranking = rerank(Likelihood(), "", ["a", "b"], backends=Shared())
    assert ranking.order == [0, 1]
