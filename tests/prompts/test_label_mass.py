"""Labels that hold next to nothing of the probability say nothing, whatever their ratio is."""

from __future__ import annotations

import pytest

from rerank_plugins import Eliminate, First, Graded, Rebel, Setwise, YesNo, rerank
from rerank_plugins.methods import Method
from rerank_plugins.requests import Choose, Chosen
from rerank_plugins.testing import FakeModel

TEXTS = ["one", "two", "three", "four"]


class Thinks(FakeModel):
    """A model that would begin with its mark of thinking: the labels share the rest."""

    kinds = (Choose,)

    def __init__(self, rest: float, speaks: str = "nobody") -> None:
        super().__init__()
        self._rest, self._speaks = rest, speaks

    def _reply(self, number, request):
        shift = 0.0 if self._speaks in str(request.messages) else self._rest
        return Chosen({label: -0.1 - place + shift for place, label in enumerate(request.labels)})


METHODS: list[Method] = [
    YesNo(),
    Graded(),
    Graded(scale=30),
    First(),
    Setwise(k=1),
    Eliminate(),
    Rebel(turns=1, scoring="choose"),
]


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_a_model_that_thinks_first_has_no_scores(method: Method) -> None:
    ranking = rerank(method, "q", TEXTS, backends=Thinks(-12.0))
    assert ranking.order == [0, 1, 2, 3]
    assert ranking.score_kind == "order" or all(item.score is None for item in ranking)
    assert any("less than 1% of the probability" in note.message for note in ranking.notes)


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_a_model_that_answers_has(method: Method) -> None:
    notes = rerank(method, "q", TEXTS, backends=Thinks(0.0)).notes
    assert not any("of the probability" in note.message for note in notes)


def test_only_the_documents_without_an_answer_have_no_score() -> None:
    ranking = rerank(YesNo(), "q", TEXTS, backends=Thinks(-12.0, speaks="three"))
    assert [item.index for item in ranking if item.score is not None] == [2]
    assert "3 of 4 answers" in ranking.notes[0].message
