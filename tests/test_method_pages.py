"""The pages on the methods say what is so: options, costs, reasons and examples are those of the code."""

from __future__ import annotations

import inspect
import json
import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

import rerank_plugins
from benchmarks import method_costs
from rerank_plugins import (
    BM25Index,
    Candidate,
    Cascade,
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
    Ranking,
    Rebel,
    Setwise,
    YesNo,
    rerank,
)
from rerank_plugins.backends.registry import BACKENDS
from rerank_plugins.methods import METHODS, Method, Options
from rerank_plugins.requests import (
    Attend,
    Attended,
    Chat,
    ChatReply,
    Choose,
    Chosen,
    Embed,
    Embedded,
    Measured,
    Reply,
    Request,
    Scored,
    ScorePairs,
)
from rerank_plugins.requests import Likelihood as LikelihoodRequest
from rerank_plugins.testing import FakeModel, Grader, Judge

PAGES = Path(__file__).resolve().parents[1] / "docs" / "methods"
SHARED = {"FirstStage": "embedding", "YesNo": "pointwise", "Graded": "pointwise"}
HEADINGS = ["When to use it", "When not", "What it costs", "Options", "What comes back", "When a call fails"]
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(PAGES.glob("*.md"))}
OWN_TESTS = {"decompose", "meteora", "rebel", "without_words"}


def page_of(method: str) -> str:
    return SHARED.get(method, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", method).lower())


def section(page: str, heading: str) -> str:
    return re.split(r"^## ", TEXTS[page].partition(f"\n## {heading}\n")[2], maxsplit=1, flags=re.M)[0]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXTS[page], re.S)


def tables(text: str, head: str) -> list[list[list[str]]]:
    """The cells of each table whose first column is called so."""
    found = re.findall(rf"^\| {head} \|.*\n\|[-:|]+\|\n((?:\|.*\n)+)", text, re.M)
    return [[[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines()] for table in found]


@pytest.mark.parametrize("method", METHODS)
def test_each_method_has_a_page_with_the_usual_sections(method: str) -> None:
    text = TEXTS[page_of(method)]
    assert re.match(rf"# .*\b{method}\b", text, re.I)
    assert re.search(r"^Source: ", text, re.M)
    places = [text.find(f"\n## {heading}\n") for heading in HEADINGS]
    assert places == sorted(places)
    assert places[0] > 0


def options_of(method: str) -> list[tuple[str, str]]:
    cls = getattr(rerank_plugins, method)
    given = inspect.signature(cls).parameters
    return [
        (
            f"`{item.name}`",
            "required" if (value := given[item.name].default) is inspect.Parameter.empty else repr(value),
        )
        for item in fields(cls)
    ]


@pytest.mark.parametrize("page", sorted({page_of(method) for method in METHODS}))
def test_the_options_are_those_of_the_dataclass(page: str) -> None:
    methods = sorted((m for m in METHODS if page_of(m) == page and options_of(m)), key=TEXTS[page].index)
    listed = tables(section(page, "Options"), "option")
    assert [[(row[0], row[1].strip("`")) for row in table] for table in listed] == [options_of(m) for m in methods]
    assert all(len(row) == 4 and all(row) for table in listed for row in table), "what it does, and whose choice it is"


@pytest.mark.parametrize("page", sorted(method_costs.FORMS))
def test_the_costs_are_what_the_methods_ask_for(page: str) -> None:
    assert method_costs.table(page) in section(page, "What it costs"), "run python -m benchmarks.method_costs --write"


def test_the_overview_is_that_of_the_command_and_has_every_method() -> None:
    assert method_costs.overview() in TEXTS["index"], "run python -m benchmarks.method_costs --write"
    assert {page_of(type(method).__name__) for method in method_costs.ALL} >= set(method_costs.FORMS) - {
        *("fuse", "cascade", "up_to")
    }
    listed = [row[0] for table in tables(TEXTS["index"], "method") for row in table]
    assert {f"[`{method}`]({page_of(method)}.md)" for method in METHODS} <= set(listed)


@pytest.mark.parametrize("form", method_costs.ALL, ids=repr)
def test_a_rerank_makes_the_calls_that_the_table_counts(form: Method) -> None:
    counted = method_costs.cost(form, 20)
    model = FakeModel(method_costs.says(form), found=[Candidate(f"found {n}") for n in range(10)])
    ranking = rerank(form, method_costs.QUERY, [f"Passage {n}." for n in range(20)], backends=model)
    assert ranking.usage.calls == len(model.requests) == counted.calls


@pytest.mark.parametrize(
    ("method", "bounds"), [(Setwise(), (19, 25, 15, 21)), (Setwise(sort="tournament"), (24, 24, 20, 20))]
)
def test_setwise_takes_as_many_calls_as_its_page_says(method: Setwise, bounds: tuple[int, ...]) -> None:
    costs = [method_costs.cost(method, 100, order) for order in (tuple(range(100)), tuple(range(99, -1, -1)))]
    found = [cost.calls for cost in costs], [cost.round_trips for cost in costs]
    assert (min(found[0]), max(found[0]), min(found[1]), max(found[1])) == bounds
    if method.sort == "heap":
        shuffles = [tuple(random.Random(seed).sample(range(100), 100)) for seed in range(10)]
        assert fmean(method_costs.cost(method, 100, order).calls for order in shuffles) == pytest.approx(23, abs=0.9)


WORTH = {"Rye": 3.0, "Wheat": 2.0, "A stone": 1.0}
COSINES = {"Rye": 0.8, "Wheat": 0.6, "A stone": 0.28}
LOGITS = {"Rye": 4.5, "Wheat": -1.5, "A stone": -2.0}
MASSES = {
    "Rye": {"Yes": 0.9, "No": 0.1, "8": 0.75, "9": 0.25},
    "Wheat": {"Yes": 0.4, "No": 0.6, "1": 0.6, "0": 0.4},
    "A stone": {"Yes": 0.1, "No": 0.9, "0": 0.9, "1": 0.1},
}


def of(text: str, known: Mapping[str, Any]) -> Any:
    """What is known of the document that a text is, or holds last."""
    return known[max(known, key=text.rfind)]


class Scripted:
    """Answers what one backend of the package can answer, as if it knew about bread."""

    def __init__(self, name: str) -> None:
        self.identity, self.kinds = name, BACKENDS[name].kinds

    def answer(self, request: Request, timeout: float | None) -> Reply:
        if isinstance(request, Embed):
            if request.role == "query":
                return Embedded([[1.0, 0.0]])
            known = [of(text, COSINES) for text in request.texts]
            return Embedded([[cosine, math.sqrt(1 - cosine**2)] for cosine in known])
        if isinstance(request, ScorePairs):
            return Scored(tuple(of(text, LOGITS) for text in request.texts))
        if isinstance(request, LikelihoodRequest):
            return Measured((of(request.prompt, WORTH) - 4, of(request.prompt, WORTH) - 5))
        if isinstance(request, Attend):
            return self._attended(request)
        return self._judged(request)

    async def aanswer(self, request: Request, timeout: float | None) -> Reply:
        return self.answer(request, timeout)

    def _attended(self, request: Attend) -> Reply:
        asked = "N/A" not in request.question
        tokens = [(0.05 + 0.15 * asked * ("Rye" in text), 0.15 * asked * ("Rye" in text)) for text in request.segments]
        return Attended(tuple(map(sum, tokens)), tuple(tokens))

    def _judged(self, request: Request) -> Reply:
        assert isinstance(request, (Chat, Choose))
        prompt = request.messages[-1]["content"]
        shown = [of(text, WORTH) for text in re.findall(r"<document id=.*?>\n(.*?)\n</document>", prompt, re.S)]
        best_first = sorted(range(len(shown)), key=lambda place: -shown[place])
        if isinstance(request, Chat):
            return ChatReply(json.dumps({"ranking": [place + 1 for place in best_first]}))
        if request.labels[0] == "A":
            order = best_first[::-1] if "helps least" in prompt else best_first
            return Chosen({request.labels[place]: -0.1 - 2.0 * rank for rank, place in enumerate(order)})
        masses = of(re.findall(r"<document>\n(.*?)\n</document>", prompt, re.S)[0], MASSES)
        return Chosen({label: math.log(masses[label]) for label in request.labels if label in masses})


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BACKENDS:
        monkeypatch.setattr(f"rerank_plugins.backends.{name}", lambda *_, _name=name: Scripted(_name), raising=False)


def run(page: str) -> dict[str, Any]:
    """All Python of a page, one block after another."""
    names: dict[str, Any] = {}
    for block in blocks(page, "python"):
        exec(compile(block, f"{page}.md", "exec", dont_inherit=True), names)
    return names


SHOWN = {"pointwise": ("ranking[0].why", "graded[0].why"), "eliminate": ("ranking[-1].why",)}


@pytest.mark.parametrize("page", sorted(TEXTS.keys() - OWN_TESTS - {"index"}))
def test_the_example_runs_and_gives_what_the_page_shows(page: str, scripted: None) -> None:
    names = run(page)
    ranking = names["ranking"]
    assert isinstance(ranking, Ranking)
    assert ranking[0].candidate.text.startswith("Rye")
    assert not [note for note in ranking.notes if note.kind != "info"]
    shown = [json.loads(block) for block in blocks(page, "json")]
    expressions = SHOWN.get(page, ("ranking[0].why",))
    assert len(shown) == len(expressions)
    for expected, expression in zip(shown, expressions, strict=True):
        assert_alike(dict(eval(expression, names)), expected)


def test_the_overviews_code_runs(scripted: None) -> None:
    names = run("index")
    assert names["same"] == names["best_first"]


def test_upto_says_why_it_leaves_documents_out(scripted: None, capsys: pytest.CaptureFixture[str]) -> None:
    ranking = run("up_to")["ranking"]
    assert [item.reason for item in ranking.dropped] == ["its score of -1.5 is below 0", "its score of -2 is below 0"]
    assert "its score of -1.5 is below 0" in TEXTS["up_to"]
    assert "left out: A stone holds heat. because" in capsys.readouterr().out


def assert_alike(found: Any, expected: Any) -> None:
    """Equal, where numbers may differ by what a page leaves off."""
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_alike(found[key], expected[key])
    elif isinstance(expected, list):
        for one, other in zip(found, expected, strict=True):
            assert_alike(one, other)
    else:
        assert found == (pytest.approx(expected, rel=1e-3) if isinstance(expected, float) else expected)


DOCUMENTS = [Candidate(f"Rye {n} has acid.", score=1.0 - n, metadata={"bm25": n}) for n in range(4)]
FORMS: Mapping[str, Sequence[tuple[Method, Any]]] = {
    "insert_rank": [
        (InsertRank(reasoning=True), '{"problem": "p", "reasoning": "r", "ranking": [1]}'),
        (InsertRank(bm25="first-stage"), "[1]"),
        (InsertRank(bm25=BM25Index(["Rye"])), "[1]"),
    ],
    "likelihood": [(Likelihood(), "")],
    "cross_encode": [(CrossEncode(), "")],
    "embedding": [(Embedding(), ""), (FirstStage(), "")],
    "fuse": [(Fuse(Embedding(), FirstStage()), "")],
    "cascade": [(Cascade(Embedding(), FirstStage()), "")],
    "first": [(First(), "")],
    "in_context": [(InContext(), "")],
    "pointwise": [(YesNo(), ""), (Graded(), ""), (Graded(reading="text"), "7")],
    "setwise": [(Setwise(), ""), (Setwise(by="chat", reasoning=True), '{"reasoning": "r", "document": "B"}')],
    "eliminate": [(Eliminate(), ""), (Eliminate(by="chat", reasoning=True), '{"reasoning": "r", "document": "B"}')],
    "rebel": [(Rebel(reasons=True), Grader(lambda shown, text, name: 4.0))],
    "meteora": [(Meteora(), Judge(rationales=["acid in rye"]))],
    "decompose": [(Decompose(), '{"subquestions": ["Which acid?"]}')],
}


@pytest.mark.parametrize("page", sorted(FORMS))
def test_the_reasons_listed_are_those_that_come_back(page: str) -> None:
    listed = [key for table in tables(section(page, "What comes back"), "key") for row in table for key in keys(row[0])]
    rankings = [rerank(form, "which acid?", DOCUMENTS, backends=FakeModel(says)) for form, says in FORMS[page]]
    whys = [item.why for ranking in rankings for item in (*ranking, *ranking.dropped)]
    assert len(listed) == len(set(listed))
    assert set(listed) == {key for why in whys for key in why}


@pytest.mark.parametrize("page", ["rebel", "meteora", "decompose"])
def test_the_example_of_reasons_has_the_keys_of_real_ones(page: str) -> None:
    ((form, says),) = FORMS[page]
    ranking = rerank(form, "which acid?", DOCUMENTS, backends=FakeModel(says))
    (block,) = blocks(page, "json")
    assert_same_keys(json.loads(block), dict(ranking[0].why))


def assert_same_keys(one: Any, other: Any) -> None:
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same_keys(one[key], other[key])
    elif isinstance(one, list):
        for pair in zip(one, other, strict=False):
            assert_same_keys(*pair)


def keys(cell: str) -> Iterator[str]:
    yield from re.findall(r"`(\w+)`", cell)


def test_links_between_the_pages_lead_somewhere() -> None:
    for page, text in TEXTS.items():
        for link in re.findall(r"\]\((?!https?://)([^)\s]+)\)", text):
            path, _, anchor = link.partition("#")
            target = (PAGES / path).resolve() if path else PAGES / f"{page}.md"
            assert target.exists(), f"{page}.md: {link}"
            assert not anchor or anchor in set(anchors(target.read_text(encoding="utf-8"))), f"{page}.md: {link}"


def anchors(text: str) -> Iterable[str]:
    """The anchors of its headings, as GitHub and mkdocs make them of plain words."""
    for heading in re.findall(r"^#+ (.*)$", text, re.M):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def test_what_a_fusion_of_pages_says_of_score_kinds_is_so() -> None:
    rows = {keys_[0]: row[2] for row in tables(TEXTS["index"], "method")[0] if (keys_ := list(keys(row[0])))}
    for method in METHODS:
        kind = getattr(getattr(rerank_plugins, method), "score_kind", None)
        if isinstance(kind, str):
            assert rows[method] == kind, method
    assert Options.score_kind is None
