"""The fake model stands in for what it is told to, and for nothing else."""

from __future__ import annotations

import pytest

from rerank_plugins import Cascade, Embedding, InsertRank, rerank
from rerank_plugins.errors import UnmetNeed
from rerank_plugins.requests import Chat, Embed
from rerank_plugins.testing import FakeModel

BOTH = Cascade(Embedding(), InsertRank(), keep=2)


def test_of_several_each_answers_its_kinds() -> None:
    chat, embedder = FakeModel("[2] > [1]", kinds=[Chat]), FakeModel(kinds=[Embed])
    rerank(BOTH, "why?", ["a", "b"], backends=[chat, embedder])
    assert {type(request) for request in chat.requests} == {Chat}
    assert {type(request) for request in embedder.requests} == {Embed}


def test_what_it_does_not_answer_is_not_asked() -> None:
    with pytest.raises(UnmetNeed, match="Embed"):
        rerank(BOTH, "why?", ["a", "b"], backends=FakeModel(kinds=[Chat]))


def test_it_answers_everything_unless_told_otherwise() -> None:
    assert set(FakeModel().kinds) > {Chat, Embed}
