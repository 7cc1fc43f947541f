"""The demo: figures that are what was measured, and words that follow from the figures."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from rerank_plugins import (
    Candidate,
    Embedding,
    FirstStage,
    Fuse,
    InsertRank,
    Likelihood,
    Ranking,
    Usage,
    rerank,
    rerank_many,
    sample,
)
from rerank_plugins.cli import main
from rerank_plugins.demo import chain, page, run_demo
from rerank_plugins.demo.figures import Bench, Row, compared
from rerank_plugins.errors import MissingExtra, RerankError
from rerank_plugins.evaluation import measure
from rerank_plugins.requests import Embed, Reply
from rerank_plugins.testing import FakeModel, Fault, ScriptedEndpoint
from tests.ndcg import ndcg

STORE, KEYWORDS = "vector store", "keyword search"


# Figures


def test_a_difference_is_clear_when_it_is_more_than_twice_its_error() -> None:
    same = compared({"a": 0.5, "b": 0.5}, {"a": 0.5, "b": 0.5})
    assert (same.gain, same.better, same.worse, same.clear) == (0.0, 0, 0, False)
    steady = compared({"a": 0.6, "b": 0.7, "c": 0.8}, {"a": 0.5, "b": 0.6, "c": 0.6})
    assert (steady.better, steady.worse, steady.clear) == (3, 0, True)
    shaky = compared({"a": 0.9, "b": 0.1, "c": 0.7}, {"a": 0.1, "b": 0.5, "c": 0.6})
    assert (shaky.better, shaky.worse, shaky.clear) == (2, 1, False)
    assert not compared({"a": 0.9}, {"a": 0.1}).clear, "one question shows nothing"


def lists(k: int = 8) -> dict[str, dict[str, list[Candidate]]]:
    """Two first stages that overlap: what BM25 finds, and its lower half with what comes after it."""
    data = sample.load()
    found = chain.by_bm25(data.corpus, data.queries, 2 * k)
    return {
        KEYWORDS: {name: candidates[:k] for name, candidates in found.items()},
        STORE: {name: candidates[k // 2 : k // 2 + k] for name, candidates in found.items()},
    }


def bench(model: FakeModel) -> Bench:
    data = sample.load()
    return Bench(data.queries, data.qrels, lists(), [model])


def recomputed(rankings: Sequence[Ranking]) -> float:
    data = sample.load()
    values = [
        ndcg([str(item.candidate.id) for item in ranking], data.qrels[name])
        for name, ranking in zip(data.queries, rankings, strict=False)
    ]
    return sum(values) / len(values)


def test_keyword_search_finds_what_bm25_scores_highest() -> None:
    data = sample.load()
    found = chain.by_bm25(data.corpus, data.queries, 89)
    for candidates in found.values():
        scores = [candidate.score for candidate in candidates]
        assert len(scores) == 89 and scores == sorted(scores, reverse=True)  # type: ignore[type-var] # BM25 gives floats
    assert 0.25 < sum(measure({n: [str(c.id) for c in f] for n, f in found.items()}, data.qrels).values()) / 20 < 0.4


@pytest.mark.parametrize("method", [FirstStage(), Embedding(), Likelihood(), Fuse(Embedding(), Likelihood())])
def test_each_list_is_ranked_as_if_alone_and_its_figure_is_that_of_the_ranking(method: Any) -> None:
    row = bench(FakeModel()).pointwise(method)
    for stage, found in lists().items():
        alone = [
            rerank(method, sample.load().queries[name], candidates, backends=FakeModel())
            for name, candidates in found.items()
        ]
        assert [r.order for r in row.rankings[stage]] == [r.order for r in alone]
        assert row.mean(stage) == pytest.approx(recomputed(alone))


def test_what_both_first_stages_found_is_asked_about_once() -> None:
    model = FakeModel()
    ours = bench(model)
    row = ours.pointwise(Likelihood())
    pooled = 20 * (8 + 4)
    assert row.usage.calls == len(model.requests) == pooled
    embedded = ours.pointwise(Embedding())
    fused = ours.pointwise(Fuse(Embedding(), Likelihood()), [embedded, row])
    assert len(model.requests) == pooled + embedded.usage.calls, "the fusion finds its replies in the cache"
    assert fused.usage.calls == row.usage.calls + embedded.usage.calls
    assert fused.usage.seconds > row.usage.seconds + embedded.usage.seconds


def test_a_list_can_be_measured_on_a_few_questions() -> None:
    row = bench(FakeModel("[2] > [1]")).listwise(InsertRank(bm25=None), None, questions=3, k=4)
    assert row.usage.calls == 3
    assert {stage: len(values) for stage, values in row.values.items()} == {KEYWORDS: 3}
    assert row.mean(KEYWORDS) == pytest.approx(recomputed(row.rankings[KEYWORDS]))
    assert row.mean(STORE) is None
    figures = row.as_json([KEYWORDS, STORE], 20)
    assert figures["questions"] == 3 and "On 3 of 20 questions" in figures["note"]
    assert "note" not in row.as_json([KEYWORDS, STORE], 3)


def test_a_chat_model_that_never_answers_is_no_row() -> None:
    down = bench(FakeModel(fails=lambda number, request: ValueError("a bug")))
    with pytest.raises(RerankError, match=r"No call to the chat model succeeded\. 1 call failed"):
        down.listwise(InsertRank(), None, k=4)


# Words


def row(method: str, store: Mapping[str, float], keywords: Mapping[str, float] | None = None, **more: Any) -> Row:
    values = {STORE: store} | ({} if keywords is None else {KEYWORDS: keywords})
    usage = Usage(calls=1234, seconds=56.78)
    return Row(method, values, usage, more.pop("rankings", {STORE: []}), **more)


def spread(mean: float, noise: float) -> dict[str, float]:
    return {f"q{n}": mean + noise * (-1) ** n for n in range(20)}


FIRST = row("FirstStage()", spread(0.5, 0.2), spread(0.3, 0.1))


def said(*rows: Row) -> str:
    return " ".join(" ".join(page.verdict([FIRST, *rows], [STORE, KEYWORDS], 80)).split())


def test_the_verdict_follows_from_the_figures() -> None:
    up = row("Up()", spread(0.5, 0.2), {query: value + 0.2 for query, value in FIRST.values[KEYWORDS].items()})
    down = row("Down()", spread(0.2, 0.2), spread(0.31, -0.1))
    text = said(up, down)
    assert "Over the vector store: clearly worse: Down() (-0.300; 0 questions better, 20 worse)" in text
    assert "the very same order: Up()" in text
    assert "Over the keyword search: clearly better: Up() (+0.200; 20 questions better, 0 worse)" in text
    assert "no clear difference: Down() (+0.010; 10 questions better, 10 worse)" in text


def test_an_answer_of_a_small_model_is_no_figure_of_quality() -> None:
    candidates = [Candidate(text) for text in "abc"]
    silent = rerank(InsertRank(), "q", candidates, backends=FakeModel("I cannot."))
    partly = rerank(InsertRank(), "q", candidates, backends=FakeModel("[2]"))
    few = {"q0": 0.9}
    text = said(row("InsertRank()", few, rankings={STORE: [silent]}))
    assert "it named none of the 3 passages: they stay in the first stage's order" in text
    assert "0.9" not in text
    text = said(row("InsertRank()", few, rankings={STORE: [partly]}))
    assert "it named 1 of the 3 passages; the others follow" in text
    (line,) = [line for line in page.table([FIRST, row("InsertRank()", few)], [STORE]) if "InsertRank" in line]
    assert "1 question" in line and "0.9" not in line


def test_the_table_is_aligned_and_fits_80_columns() -> None:
    rows = [FIRST, row("Fuse(Embedding(), Likelihood())", spread(0.61, 0.1), spread(0.4, 0.1))]
    header, *lines = page.table(rows, [STORE, KEYWORDS])
    assert len({len(line) for line in (header, *lines)}) == 1
    assert len(header) <= 80
    assert "0.610 (+0.110)" in lines[1] and "0.400 (+0.100)" in lines[1] and "1,234" in lines[1]
    assert lines[0].index("0.500") == lines[1].index("0.610")


def test_money_is_shown_where_it_is_known() -> None:
    rows = [FIRST, row("InsertRank()", spread(0.6, 0.1), dollars=0.0123)]
    header, _, last = page.table(rows, [STORE, KEYWORDS])
    assert header.endswith("$") and last.endswith("0.0123") and len(header) == len(last)


@pytest.mark.parametrize(
    ("why", "phrase"),
    [
        ({"cosine": 0.512}, "cosine 0.51"),
        ({"query_log_likelihood": -2.5}, "question log-likelihood -2.50"),
        ({"bm25": 1.0, "shown": "1.000", "ranked_by_model": False}, "BM25 1.000 was shown; not named by the model"),
        ({"ranked_by_model": True, "reasoning": "It answers."}, "placed by the model; It answers."),
        ({}, "no reason was given"),
    ],
)
def test_reasons_are_words(why: dict[str, Any], phrase: str) -> None:
    assert page.words(why) == phrase


# Refusals


def test_a_missing_package_is_named_with_its_pip_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "find_spec", lambda name: None if name == "langchain_chroma" else name)
    assert main(["demo"]) == 2
    out, said = capsys.readouterr()
    assert out == "" and "'langchain-chroma'" in said and "pip install 'rerank-plugins[demo]'" in said


def test_the_embedded_models_are_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rerank_plugins.backends.embedded.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="pip install"):
        run_demo()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--question", "q21"], "q01 to q20"),
        (["--base-url", "http://localhost:1/v1"], "--model NAME"),
        (["--model", "m", "--base-url", "nowhere"], "http://"),
        (["--model", "m", "--api-key-env", "NO_SUCH"], "'NO_SUCH'"),
    ],
)
def test_bad_input_gets_a_sentence(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", *arguments]) == 2
    assert sentence in capsys.readouterr().err


# The whole demo, first with models that cost nothing


class FakeEmbedder(FakeModel):
    """Computes in this process, as the embedded one does."""

    kinds = (Embed,)
    answer = aanswer = None  # type: ignore[assignment] # a batch backend has neither

    def answer_batch(self, requests: Sequence[Any]) -> Iterator[tuple[int, Reply]]:
        yield from ((position, self._reply(position, request)) for position, request in enumerate(requests))


@pytest.fixture
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("langchain_chroma", "langchain_classic", "langchain_rerank_plugins"):
        pytest.importorskip(module, reason="the extra `demo` is not installed")
    monkeypatch.setattr("rerank_plugins.backends.embedded.minilm", FakeEmbedder)
    monkeypatch.setattr("rerank_plugins.backends.embedded.smollm2", lambda: FakeModel("I cannot rank."))


@pytest.mark.slow
@pytest.mark.usefixtures("no_models")
@pytest.mark.parametrize("columns", [80, 120])
def test_the_page_fits_the_terminal(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["demo", "--question", "q07"]) == 0
    out, said = capsys.readouterr()
    assert max(map(len, out.splitlines())) <= columns
    assert "what does the 550 on a bag of german flour stand for" in out
    assert "RerankCompressor(Fuse(Embedding(), Likelihood()), top_n=5)" in out
    assert out.count("why: cosine ") == 5
    assert said == ""
    assert "{" not in out, "reasons are words and no dicts"


@pytest.mark.slow
@pytest.mark.usefixtures("no_models")
def test_a_chat_model_is_asked_for_each_question_and_its_rows_are_added(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedEndpoint(["[2] > [1] > [3]"]) as server:
        assert main(["demo", "--json", "--model", "scripted", "--base-url", server.base_url]) == 0
        assert len(server.requests) == 40
        assert sum('bm25="' in str(request.body["messages"]) for request in server.requests) == 20
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [found["method"] for found in rows] == [
        "FirstStage()",
        "Embedding()",
        "Likelihood()",
        "Fuse(Embedding(), Likelihood())",
        "InsertRank()",
        "InsertRank(bm25=None)",
    ]
    assert [found["calls"] for found in rows[4:]] == [20, 20]
    assert all(found["prompt_tokens"] > 1000 for found in rows[4:])


@pytest.mark.slow
@pytest.mark.usefixtures("no_models")
@pytest.mark.parametrize("fault", [Fault("status", 401), Fault("reset")])
def test_a_chat_model_out_of_reach_is_said_before_anything_else(
    fault: Fault, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedEndpoint(lambda asked: fault) as server:
        assert main(["demo", "--json", "--model", "scripted", "--base-url", server.base_url]) == 2
    out, said = capsys.readouterr()
    assert out == "" and "No call to the chat model succeeded" in said


# And once for real


@pytest.mark.slow
@pytest.mark.xdist_group("smollm2")
def test_the_figures_are_those_of_the_rankings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("langchain_chroma", reason="the extra `demo` is not installed")
    from rerank_plugins.backends import embedded

    try:
        embedded.smollm2()
        minilm = embedded.minilm()
    except MissingExtra as error:
        pytest.skip(str(error))
    k = 3  # fewer questions and shorter lists than the demo's own take less time
    monkeypatch.setattr("rerank_plugins.demo.run._RETRIEVED", k)
    whole_sample = sample.load()
    few = {name: whole_sample.queries[name] for name in list(whole_sample.queries)[-8:]}
    monkeypatch.setattr(sample, "load", lambda: replace(whole_sample, queries=few))
    rows = run_demo(as_json=True)
    printed = json.loads(capsys.readouterr().out)["rows"]
    assert [found["method"] for found in printed] == [
        "FirstStage()",
        "Embedding()",
        "Likelihood()",
        "Fuse(Embedding(), Likelihood())",
        "InsertRank()",
    ]
    for found, measured in zip(printed, rows, strict=True):
        assert found["ndcg@10"] == pytest.approx(recomputed(measured.rankings[STORE]), abs=1e-9)
        assert isinstance(found["calls"], int) and found["seconds"] >= 0
        if measured.method != "InsertRank()":
            figure = found[f"ndcg@10 over {KEYWORDS}"]
            assert figure == pytest.approx(recomputed(measured.rankings[KEYWORDS]), abs=1e-9)
    first, embedding, likelihood, fusion, small = printed
    assert first["calls"] == 0
    assert fusion["calls"] == embedding["calls"] + likelihood["calls"] > 30
    assert small["questions"] < first["questions"] == len(few)

    # The first stage, found without Chroma: the cosines themselves.
    data = sample.load()
    whole = [Candidate(passage.text, id=name) for name, passage in data.corpus.items()]
    tasks = [(query, whole) for query in data.queries.values()]
    by_cosine = rerank_many(Embedding(), tasks, backends=minilm, top_n=k)
    assert first["ndcg@10"] == pytest.approx(recomputed(by_cosine), abs=0.01)
    assert embedding["ndcg@10"] == pytest.approx(first["ndcg@10"], abs=0.01), "the store sorted by the same cosines"
    # A likelihood is never positive, and a document's score does not depend on the others in its list.
    texts = [{item.candidate.text: item.score for item in r} for r in rows[2].rankings[STORE]]
    others = [{item.candidate.text: item.score for item in r} for r in rows[2].rankings[KEYWORDS]]
    shared = [
        (one[text], other[text]) for one, other in zip(texts, others, strict=True) for text in one if text in other
    ]
    assert len(shared) > 3 and all(one == other <= 0 for one, other in shared)  # type: ignore[operator] # scores
    assert "torch" in sys.modules, "a real model was asked"
