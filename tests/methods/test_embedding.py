"""Embedding: cosines."""

from collections.abc import Sequence

import pytest

from rerank_plugins import Embedding, rerank
from rerank_plugins.methods.embedding import cosines
from rerank_plugins.requests import Embed, Embedded, Reply, Request
from rerank_plugins.testing import FakeModel

VECTORS = {"q": [1.0, 0.0], "same": [3.0, 0.0], "across": [0.0, 2.0], "against": [-1.0, 0.0], "": [0.0, 0.0]}


class Table(FakeModel):
    """An embedder with known vectors."""

    def answer(self, request: Request, timeout: float | None) -> Reply:
        assert isinstance(request, Embed)
        self.requests.append(request)
        return Embedded([VECTORS[text] for text in request.texts])


def test_scores_are_cosines() -> None:
    ranking = rerank(Embedding(), "q", ["against", "across", "same", ""], backends=Table())
    assert [(item.index, item.score) for item in ranking] == [(2, 1.0), (1, 0.0), (3, 0.0), (0, -1.0)]
    assert ranking.score_kind == "absolute"
    assert ranking[0].why == {"cosine": 1.0}


def test_one_round_trip_of_two_calls() -> None:
    model = FakeModel()
    ranking = rerank(Embedding(), "q", ["a", "b", "c"], backends=model)
    assert ranking.usage.calls == 2
    assert [request.role for request in model.requests if isinstance(request, Embed)] in (
        ["query", "document"],
        ["document", "query"],
    )


def test_without_vectors_the_order_stays() -> None:
    model = FakeModel(fails=lambda number, request: ValueError())
    ranking = rerank(Embedding(), "q", ["a", "b"], backends=model)
    assert ranking.order == [0, 1]
    assert ranking.score_kind == "order" and [item.score for item in ranking] == [1.0, 0.5]
    assert not any(item.judged for item in ranking)


@pytest.mark.parametrize("others", [[[1e-30, 0.0]], [[1e30, 0.0]], [[-1.0, 0.0], [0.0, 0.0]]])
def test_cosines_stay_in_their_range(others: Sequence[Sequence[float]]) -> None:
    assert all(-1 <= value <= 1 for value in cosines([2.0, 0.0], others))
