"""Chunks beside a chunk, from documents in memory and from a function."""

from typing import Any

import pytest

from rerank_plugins import Candidate, Meteora, arerank, rerank
from rerank_plugins.backends import ChunkNeighbours
from rerank_plugins.errors import InvalidInput
from rerank_plugins.requests import Neighbours
from rerank_plugins.testing import FakeModel

DOCUMENTS = [[Candidate(f"{name}{n}", id=f"{name}-{n}") for n in range(5)] for name in "ab"]


@pytest.mark.parametrize(
    ("at", "before", "after", "found"),
    [
        (2, 1, 1, ["a1", "a3"]),
        (0, 2, 2, ["a1", "a2"]),
        (4, 2, 1, ["a2", "a3"]),
        (2, 0, 1, ["a3"]),
        (2, 9, 9, ["a0", "a1", "a3", "a4"]),
    ],
)
def test_neighbours_end_where_the_document_does(at: int, before: int, after: int, found: list[str]) -> None:
    reply = ChunkNeighbours(DOCUMENTS).answer(Neighbours(Candidate("?", id=f"a-{at}"), before, after), None)
    assert [chunk.text for chunk in reply.candidates] == found


def test_a_chunk_that_is_not_known_has_none() -> None:
    backend = ChunkNeighbours(DOCUMENTS)
    assert backend.answer(Neighbours(Candidate("a1")), None).candidates == ()  # it has no id, and those there have


def test_a_function_is_asked() -> None:
    asked = []

    def around(candidate: Candidate, before: int, after: int) -> list[str]:
        asked.append((candidate.id, before, after))
        return ["x"]

    reply = ChunkNeighbours(around).answer(Neighbours(Candidate("t", id="i"), 2, 3), None)
    assert [chunk.text for chunk in reply.candidates] == ["x"]
    assert asked == [("i", 2, 3)]


@pytest.mark.parametrize("odd", [["text"], "text", 3])
def test_what_is_no_list_of_documents_is_refused(odd: Any) -> None:
    with pytest.raises(InvalidInput, match="list"):
        ChunkNeighbours(odd)


async def test_a_method_is_given_them_sync_and_async() -> None:
    method, backends = Meteora(rationales=["a2"], verify=False), [FakeModel(), ChunkNeighbours(DOCUMENTS)]
    backends[0].kinds = tuple(kind for kind in FakeModel.kinds if kind is not Neighbours)
    task = (method, "q", DOCUMENTS[0][2:3])
    for found in (rerank(*task, backends=backends), await arerank(*task, backends=backends)):
        assert sorted(item.candidate.id or "" for item in found) == ["a-1", "a-2", "a-3"]
