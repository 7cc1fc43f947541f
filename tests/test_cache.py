"""The reply cache, through the driver: what is kept, under which key, and what a bad cache costs."""

from __future__ import annotations

from typing import Any

import pytest

from rerank_plugins import Embedding, InsertRank, rerank
from rerank_plugins.errors import Refused
from rerank_plugins.requests import Chat, ChatReply, Embed, Reply, Request
from rerank_plugins.testing import FakeModel
from tests.grading import TEXTS, WAYS, Grade, Way, grader, last_number


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


def test_the_second_time_costs_nothing(way: Way) -> None:
    cache: dict[str, str] = {}
    model = grader()
    first = way(Grade(), "q", TEXTS, backends=model, cache=cache)
    second = way(Grade(), "q", TEXTS, backends=model, cache=cache)
    assert second.order == first.order
    assert len(model.requests) == 8
    assert second.usage.calls == 0


@pytest.mark.parametrize(
    "other",
    [
        {"query": "another"},
        {"model": FakeModel(last_number, identity="another")},
    ],
)
def test_the_key_covers_model_and_prompt(other: dict[str, Any]) -> None:
    cache: dict[str, str] = {}
    rerank(Grade(), "q", TEXTS, backends=grader(), cache=cache)
    model = other.get("model", grader())
    rerank(Grade(), other.get("query", "q"), TEXTS, backends=model, cache=cache)
    assert len(model.requests) == 8


def test_the_key_covers_parameters() -> None:
    messages = [{"role": "user", "content": "hi"}]
    payloads = [Chat(messages), Chat(messages, max_tokens=3), Chat(messages, seed=1), Chat(messages, {"type": "a"})]  # type: ignore[list-item] # plain dicts are messages
    assert len({str(request.payload()) for request in payloads}) == 4


def test_failures_are_not_kept(way: Way) -> None:
    cache: dict[str, str] = {}
    way(Grade(), "q", TEXTS, backends=grader(fails=lambda n, r: Refused("no", status=400)), cache=cache)
    assert not cache


def test_empty_and_truncated_answers_are_not_kept() -> None:
    cache: dict[str, str] = {}

    class Cut(FakeModel):
        def answer(self, request: Request, timeout: float | None) -> Reply:
            return ChatReply("[1", truncated=True)

    rerank(InsertRank(), "q", TEXTS, backends=FakeModel(" "), cache=cache)
    rerank(InsertRank(), "q", TEXTS, backends=Cut(), cache=cache)
    assert not cache


def test_a_document_is_embedded_once_for_all_queries() -> None:
    cache: dict[str, str] = {}
    model = FakeModel()
    rerank(Embedding(), "one", TEXTS, backends=model, cache=cache)
    again = rerank(Embedding(), "two", [*TEXTS, "a new one"], backends=model, cache=cache)
    fresh = rerank(Embedding(), "two", [*TEXTS, "a new one"], backends=FakeModel())
    embedded = [request.texts for request in model.requests if isinstance(request, Embed)]
    assert embedded == [("one",), tuple(TEXTS), ("two",), ("a new one",)]
    assert [(item.index, item.score) for item in again] == [(item.index, item.score) for item in fresh]


def test_a_broken_cache_breaks_nothing(way: Way) -> None:
    class Broken(dict[str, str]):
        def get(self, *args: Any) -> Any:
            raise OSError("disk")

        def __setitem__(self, key: str, value: str) -> None:
            raise OSError("disk")

    assert way(Grade(), "q", TEXTS, backends=grader(), cache=Broken()).order[0] == 7


def test_nonsense_in_the_cache_is_a_miss() -> None:
    cache: dict[str, str] = {}
    rerank(Grade(), "q", TEXTS, backends=grader(), cache=cache)
    for key in cache:
        cache[key] = '{"not": "a reply"'
    assert rerank(Grade(), "q", TEXTS, backends=grader(), cache=cache).order[0] == 7


def test_a_model_without_identity_is_not_cached() -> None:
    cache: dict[str, str] = {}
    rerank(Grade(), "q", TEXTS, backends=grader(identity=""), cache=cache)
    assert not cache
