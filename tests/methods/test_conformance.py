"""Every shipped method, in the forms that differ in what they do, passes the shipped suite."""

import pytest

from rerank_plugins import (
    Cascade,
    Criterion,
    CrossEncode,
    Decompose,
    Eliminate,
    Embedding,
    First,
    FirstStage,
    Fuse,
    Graded,
    InContext,
    InsertRank,
    Likelihood,
    Meteora,
    Rationale,
    Rebel,
    Setwise,
    UpTo,
    YesNo,
    rerank,
)
from rerank_plugins.methods import METHODS, Method, Options
from rerank_plugins.testing import FakeModel, MethodConformance
from rerank_plugins.testing.conformance import DOCUMENTS, DRIVERS, FOUND

FORMS = [
    FirstStage(),
    FirstStage(scores=True),
    Embedding(),
    CrossEncode(),
    Likelihood(),
    InsertRank(),
    InsertRank(bm25=None, window=5, stride=2),
    InsertRank(bm25="first-stage", shown="0-100", window=4),
    InsertRank(window=5, schedule="blocks"),
    InsertRank(bm25=None, window=6, schedule="pivot"),
    InsertRank(bm25="metadata:bm25", shown="0-1", reasoning=True),
    Fuse(Embedding(), Likelihood(), FirstStage(), weights=(1, 0.5, 2)),
    Fuse(InsertRank(), CrossEncode(), norm="rrf"),
    Cascade(Embedding(), InsertRank(), keep=5),
    Cascade(FirstStage(), CrossEncode(), InsertRank(window=2), keep=(10, 3)),
    Rebel(),
    Rebel.paper(1),
    Rebel.paper(2),
    Rebel(turns=1, effort="full", samples=2, batch=4, anchors=1, reasons=True),
    Rebel(criteria=[Criterion("age", "It is new.", weight=1, scale=10)], turns=2, effort="brief", weight=0.3),
    Rebel(criteria="news", scoring="choose", floor=None, metadata=["date", "tags"]),
    Rebel(scoring="choose", below_floor="drop", keep=2),
    Fuse(Rebel(criteria=()), CrossEncode(), norm="rrf"),
    Meteora(),
    Meteora(rationales=3, pairing="distinct", elbow="knee", on_failed_check="drop", order="document", domain="legal"),
    Meteora(rationales=["acid", Rationale("oven", "How hot it is.", "Refuse cold ovens.")], expand=2, max_pooled=3),
    Meteora(rationales=0, verify=False, expand=0, min_pooled=4, examples=[("why?", ["because"])]),
    Cascade(Meteora(rationales=0), InsertRank(), keep=5),
    Decompose(),
    Decompose(rerank=FirstStage(), keep=None, coverage=True, rounds=3, subquestions=["Who is it?", "Where is #1?"]),
    Decompose(rerank=InsertRank(), keep=5, coverage=True, coverage_by="scores", rounds=2, max_subquestions=2, k=2),
    Fuse(Decompose(rerank=Embedding()), FirstStage()),
    First(),
    First(window=6, schedule="blocks"),
    First(window=5, stride=2, prompt="castorini/first_mistral"),
    YesNo(),
    YesNo(labels=("yes", "no"), goal="It names a flour.", document_first=True),
    YesNo(prompt="mixedbread-ai/mxbai-rerank-base-v2"),
    Graded(),
    Graded(reading="mean", scale=30, document_first=True),
    Graded(reading="text", scale=5),
    Graded(prompt="Alibaba-NLP/ERank-4B", goal="Find flours."),
    InContext(),
    InContext(window=6, stride=2, layers=(1, 3), reverse=False, abnormal=None),
    Setwise(k=3),
    Setwise(k=4, set_size=4, sort="tournament"),
    Setwise(k=2, set_size=7, by="chat", reasoning=True),
    Setwise(k=2, by="chat", prompt="ielabgroup/Rank-R1-7B-v0.1"),
    Eliminate(k=18),
    Eliminate(set_size=5, at_once=3),
    Eliminate(k=20, by="chat", reasoning=True),
    UpTo(YesNo(), k=5, threshold=0),
    UpTo(InContext(), elbow="knee"),
    UpTo(Graded(reading="text"), k=None, elbow="paper"),
]


def _params() -> list[object]:
    """The first form of each method runs in `make check`, the others with the slow tests."""
    seen: set[type] = set()
    params = []
    for form in FORMS:
        marks = [pytest.mark.slow] if type(form) in seen else []
        params.append(pytest.param(form, id=repr(form), marks=marks))
        seen.add(type(form))
    return params


@pytest.mark.parametrize("form", _params(), scope="class")
class TestConformance(MethodConformance):
    @pytest.fixture(autouse=True)
    def _method(self, form: Method) -> None:
        type(self).method = form


PARITY = [
    Fuse(InsertRank(), Rebel(turns=2), CrossEncode(), Embedding(), norm="rrf"),
    Meteora(),
    Decompose(rounds=2, subquestions=["Who is it?", "Where is #1?"]),
    Setwise(k=3),
]


@pytest.mark.parametrize("form", PARITY, ids=repr, scope="class")
class TestParity(MethodConformance):
    """The ways to rerank agree: once, over methods of all kinds of request and many round trips."""

    drivers = DRIVERS

    @pytest.fixture(autouse=True)
    def _method(self, form: Method) -> None:
        type(self).method = form


def test_every_shipped_method_is_here() -> None:
    assert {type(form).__name__ for form in FORMS} == set(METHODS)


@pytest.mark.parametrize("form", [form for form in FORMS if getattr(form, "score_kind", None)], ids=repr)
def test_what_its_scores_mean_is_said_beforehand(form: Options) -> None:
    ranking = rerank(form, "which?", DOCUMENTS["many"], backends=FakeModel("[2] > [1]", found=FOUND))
    # Where a list goes to windows, only its order is left.
    assert ranking.score_kind in (form.score_kind, "order")
