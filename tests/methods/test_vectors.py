"""Vectors: those of the store are used again, the others are computed in one batch."""

from collections.abc import Sequence
from typing import Any

import pytest

from rerank_plugins import Candidate, Embedding, Meteora, rerank
from rerank_plugins.methods.vectors import cosine_table, query_and_vectors
from rerank_plugins.requests import Embed, Embedded, Request
from rerank_plugins.testing import FakeModel


class Plane(FakeModel):
    """An embedder of two dimensions, the same for all texts."""

    kinds: tuple[type[Request], ...] = (Embed,)

    def answer(self, request: Any, timeout: float | None) -> Embedded:
        self.requests.append(request)
        return Embedded([[1.0, 0.0] for _ in request.texts])

    @property
    def documents(self) -> list[str]:
        return [t for r in self.requests if isinstance(r, Embed) and r.role == "document" for t in r.texts]


@pytest.mark.parametrize("method", [Embedding(), Meteora(rationales=0, verify=False, expand=0)])
def test_only_what_is_missing_is_computed(method: Any) -> None:
    model = Plane()
    chunks = [Candidate("a", embedding=[0.0, 1.0]), Candidate("b"), Candidate("c", embedding=(1.0, 1.0))]
    ranking = rerank(method, "q", chunks, backends=model)
    assert model.documents == ["b"]
    assert ranking.order[0] == 1
    assert len(model.requests) == 2


def test_when_all_vectors_are_there_only_the_query_is_embedded() -> None:
    model = Plane()
    ranking = rerank(
        Embedding(), "q", [Candidate("a", embedding=[0, 1]), Candidate("b", embedding=[2, 0])], backends=model
    )
    assert ranking.order == [1, 0]
    assert [request.role for request in model.requests if isinstance(request, Embed)] == ["query"]


@pytest.mark.parametrize("odd", [[], [1.0], [1.0, 2.0, 3.0], [float("nan"), 0.0], [[1.0, 0.0]], ["x", "y"], "ab"])
def test_a_vector_of_another_model_or_none_at_all_is_computed_anew(odd: Any) -> None:
    model = Plane()
    ranking = rerank(
        Embedding(), "q", [Candidate("a", embedding=odd), Candidate("b", embedding=[0.0, 1.0])], backends=model
    )
    assert model.documents == ["a"]
    assert [item.score for item in ranking] == [1.0, 0.0]


def test_a_numpy_vector_is_a_vector() -> None:
    numpy = pytest.importorskip("numpy")
    model = Plane()
    rerank(Embedding(), "q", [Candidate("a", embedding=numpy.array([0.0, 1.0], dtype="float32"))], backends=model)
    assert model.documents == []


def test_with_a_cache_a_document_is_embedded_once_for_all_queries() -> None:
    model, cache = Plane(), dict[str, str]()
    method = Meteora(rationales=["one thing", "another"], verify=False, expand=0)
    for query in ("q1", "q2", "q3"):
        rerank(method, query, [Candidate("a"), Candidate("b")], backends=model, cache=cache)
    assert sorted(model.documents) == ["a", "b"]


def test_further_requests_travel_along() -> None:
    also = Embed(("other",))
    steps = query_and_vectors("q", [Candidate("a")], also)
    assert next(steps) == [also, Embed(("q",), "query"), Embed(("a",))]
    replies: Sequence[Any] = [Embedded([[9.0]]), Embedded([[1.0, 0.0]]), Embedded([[0.0, 1.0]])]
    with pytest.raises(StopIteration) as end:
        steps.send(replies)
    assert end.value.value == ([1.0, 0.0], [[0.0, 1.0]], [replies[0]])


def test_cosines_are_bounded_and_of_nothing_are_zero() -> None:
    assert cosine_table([[1e-30, 0.0], [0.0, 0.0]], [[1e30, 0.0], [0.0, 0.0]]) == [[1.0, 0.0], [0.0, 0.0]]
