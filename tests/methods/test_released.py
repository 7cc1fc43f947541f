"""A checkpoint's name is all that has to be known of it."""

import pytest

from rerank_plugins import First, Graded, Setwise, YesNo, method_for, read_method, rerank
from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods import Method
from rerank_plugins.prompts.checkpoints import LISTWISE, POINTWISE, SETWISE
from rerank_plugins.testing import FakeModel

NAMES = [*LISTWISE, *POINTWISE, *SETWISE]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("mixedbread-ai/mxbai-rerank-large-v2", YesNo),
        ("Alibaba-NLP/ERank-14B", Graded),
        ("rryisthebest/First_Model", First),
        ("ielabgroup/Rank-R1-3B-v0.1", Setwise),
    ],
)
def test_each_has_the_method_it_was_trained_for(name: str, kind: type[Method]) -> None:
    assert type(method_for(name)) is kind


@pytest.mark.parametrize("name", NAMES)
def test_each_runs_and_can_be_written_down(name: str) -> None:
    method = method_for(name)
    assert read_method(repr(method)) == method
    model = FakeModel("<think>[2]?</think><answer>[1]</answer>")
    ranking = rerank(method, "q", [f"text {number}" for number in range(5)], backends=model)
    assert sorted(ranking.order) == [0, 1, 2, 3, 4]
    assert model.requests
    assert not [note for note in ranking.notes if note.kind in ("failed", "repaired")]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="mixedbread-ai/mxbai-rerank-base-v2") as caught:
        method_for("gpt-5")
    assert "'gpt-5'" in str(caught.value)
