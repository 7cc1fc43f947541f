"""A comparison: what is measured, what is kept, what stops it, and how much of its own time it takes."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from uuid import uuid4

import pytest

from rerank_plugins import Candidate, Embedding, FirstStage, InsertRank, rerank_many
from rerank_plugins.errors import InvalidInput, Refused, UnmetNeed
from rerank_plugins.evaluation import Ceiling, Collection, Reorders, compare
from rerank_plugins.evaluation.first_stages import Lists
from rerank_plugins.evaluation.records import Record
from rerank_plugins.evaluation.systems import Task
from rerank_plugins.evaluation.tables import as_markdown
from rerank_plugins.ranking import Usage
from rerank_plugins.testing import FakeModel

REVERSED = "[4] > [3] > [2] > [1]"


def bread(queries: int = 6, candidates: int = 4) -> tuple[Collection, Lists]:
    """The relevant document stands last in every list."""
    documents = {f"d{n}": Candidate(f"text {n}", f"d{n}") for n in range(candidates)}
    names = [f"q{n}" for n in range(queries)]
    qrels = {name: {f"d{candidates - 1}": 1} for name in names}
    collection = Collection("bread", documents, {name: f"question {name}" for name in names}, qrels)
    return collection, {name: list(documents.values()) for name in names}


def test_rows_and_what_they_hold() -> None:
    collection, lists = bread()
    found = compare(
        collection, lists, ["InsertRank(bm25=None)"], backends=FakeModel(REVERSED), measures=["RR@10", "nDCG@10"]
    )
    assert [row.label for row in found.rows] == ["FirstStage()", "InsertRank(bm25=None)", "Oracle()"]
    assert [row.mean("RR@10") for row in found.rows] == [0.25, 1.0, 1.0]
    row = found.row("InsertRank(bm25=None)")
    assert row.usage.calls == 6 and row.usage.prompt_tokens > 0
    gain = row.against(found.rows[0], "RR@10")
    assert (gain.mean, gain.better, gain.worse) == (0.75, 6, 0) and gain.p < 0.05
    assert row.records["q0"].order == ("d3", "d2", "d1", "d0")
    assert not found.stopped and (found.k, len(found.queries)) == (4, 6)


def test_what_a_cache_answered_is_counted_and_said() -> None:
    collection, lists = bread()
    cache: dict[str, str] = {}
    methods = [InsertRank(bm25=None), "Cascade(InsertRank(bm25=None), FirstStage(), keep=4)"]
    found = compare(collection, lists, methods, backends=FakeModel(REVERSED), cache=cache, measures=["RR@10"])
    first, again = found.rows[1], found.rows[2]
    assert (first.usage.calls, first.total("from_cache")) == (6, 0)
    assert (again.usage.calls, again.total("from_cache")) == (0, 6)
    assert "| from cache |" in as_markdown(found)
    assert f"A cache gave replies to {again.label}: each would have been a call more" in as_markdown(found)


def test_failures_and_repairs_are_counted() -> None:
    collection, lists = bread()

    def every_second(number: int, request: object) -> BaseException | None:
        return Refused("no", status=400) if number % 2 else None

    model = FakeModel("[4]", fails=every_second)
    row = compare(collection, lists, [InsertRank(bm25=None)], backends=model).rows[1]
    assert (row.total("failed"), row.total("repaired"), row.total("lost")) == (3, 3, 0)


def test_a_peer_that_loses_documents_shows_it() -> None:
    collection, lists = bread()

    def odd(question: str, candidates: Sequence[Candidate]) -> list[int]:
        if question.endswith("q1"):
            raise ValueError(question)
        return [3, 3, -1, 99, 0]

    row = compare(collection, lists, [Reorders("theirs", odd)], measures=["RR@10"]).row("theirs")
    assert row.records["q0"].order == ("d3", "d0") and row.records["q1"].order == ()
    assert (row.total("lost"), row.total("failed"), row.mean("RR@10")) == (5 * 2 + 4, 1, pytest.approx(5 / 6))


def test_only_judged_queries_with_candidates_are_run() -> None:
    collection, lists = bread(3)
    some = Collection("bread", collection.documents, {**collection.queries, "q9": "?"}, collection.qrels)
    found = compare(some, {**lists, "q1": [], "q9": lists["q0"]}, [])
    assert list(found.queries) == ["q0", "q2"]


def test_what_is_wrong_is_said_before_anything_is_paid_for() -> None:
    collection, lists = bread()
    model = FakeModel(REVERSED)
    with pytest.raises(InvalidInput, match="nDCG at ten"):
        compare(collection, lists, [InsertRank()], backends=model, measures=["nDCG at ten"])
    with pytest.raises(InvalidInput, match="There is no method 'Wonder'"):
        compare(collection, lists, [InsertRank(), "Wonder()"], backends=model)
    with pytest.raises(InvalidInput, match="needs a known price"):
        compare(collection, lists, [InsertRank()], backends=model, ceiling=Ceiling(dollars=1))
    with pytest.raises(InvalidInput, match=r"Ceiling\(calls=\.\.\.\) is a number above 0"):
        Ceiling(calls=0)
    with pytest.raises(UnmetNeed, match="Embedding"):
        compare(collection, lists, [InsertRank(), Embedding()], backends=chat_only(model))
    assert model.requests == []


def chat_only(model: FakeModel) -> FakeModel:
    model.kinds = model.kinds[:1]
    return model


class TestGoingOn:
    def test_what_is_finished_is_not_done_again(self, tmp_path: Path) -> None:
        collection, lists = bread()
        for calls in (6, 0):
            model = FakeModel(REVERSED)
            row = compare(collection, lists, [InsertRank()], backends=model, folder=tmp_path).rows[1]
            assert len(model.requests) == calls
            assert row.mean("RR@10") == 1.0 and row.usage.calls == 6

    def test_another_model_or_another_list_is_another_thing(self, tmp_path: Path) -> None:
        collection, lists = bread()
        compare(collection, lists, [InsertRank()], backends=FakeModel(REVERSED), folder=tmp_path)
        other = FakeModel(REVERSED, identity="other")
        compare(collection, lists, [InsertRank()], backends=other, folder=tmp_path)
        assert len(other.requests) == 6
        same = FakeModel(REVERSED)
        compare(collection, {**lists, "q2": lists["q2"][:3]}, [InsertRank()], backends=same, folder=tmp_path)
        assert len(same.requests) == 1

    def test_an_interruption_keeps_what_is_done(self, tmp_path: Path) -> None:
        collection, lists = bread()
        model = FakeModel(REVERSED)

        def interrupt(label: str, done: int, queries: int) -> None:
            if done == 2 and label == "InsertRank()":
                raise KeyboardInterrupt

        found = compare(collection, lists, [InsertRank()], backends=model, folder=tmp_path, told=interrupt)
        assert found.stopped == "It was interrupted."
        assert [(row.label, len(row.records)) for row in found.rows] == [
            ("FirstStage()", 6),
            ("InsertRank()", 2),
            ("Oracle()", 6),
        ]
        assert found.rows[1].stopped and not found.rows[0].stopped
        again = FakeModel(REVERSED)
        whole = compare(collection, lists, [InsertRank()], backends=again, folder=tmp_path)
        assert not whole.stopped and len(again.requests) == 4

    def test_a_line_that_was_cut_off_and_a_failure_are_done_again(self, tmp_path: Path) -> None:
        collection, lists = bread()

        def first(number: int, request: object) -> BaseException | None:
            return Refused("no", status=400) if number == 0 else None

        compare(collection, lists, [InsertRank()], backends=FakeModel(REVERSED, fails=first), folder=tmp_path)
        (file,) = (tmp_path / "records").glob("InsertRank*")
        file.write_text(file.read_text()[:-30])
        model = FakeModel(REVERSED)
        row = compare(collection, lists, [InsertRank()], backends=model, folder=tmp_path).rows[1]
        assert len(model.requests) == 2 and len(row.records) == 6 and row.total("failed") == 0


class TestCeiling:
    @pytest.mark.parametrize("calls", [1, 3, 5])
    def test_calls_are_not_passed(self, calls: int) -> None:
        collection, lists = bread()
        model = FakeModel(REVERSED)
        found = compare(collection, lists, [InsertRank()], backends=model, ceiling=Ceiling(calls=calls))
        assert len(model.requests) == calls == len(found.row("InsertRank()").records)
        assert "The ceiling would have been passed" in found.stopped and f"{calls} of 6" in found.stopped

    def test_tokens_are_not_passed(self) -> None:
        collection, lists = bread()
        one = compare(collection, lists, [InsertRank()], backends=FakeModel(REVERSED)).rows[1].records["q0"].usage
        tokens = one.prompt_tokens + one.completion_tokens
        model = FakeModel(REVERSED)
        # The budget of a call is reserved from its longest answer, so that some is left over.
        found = compare(collection, lists, [InsertRank()], backends=model, ceiling=Ceiling(tokens=600))
        assert 0 < tokens * len(model.requests) <= 600 and found.stopped
        assert all(not record.limited for row in found.rows for record in row.records.values())

    def test_dollars_are_not_passed_and_methods_share_them(self) -> None:
        collection, lists = bread()
        model = FakeModel(REVERSED)
        found = compare(
            collection,
            lists,
            [InsertRank(), InsertRank(bm25=None)],
            backends=model,
            ceiling=Ceiling(dollars=0.8),
            price=lambda spent: 0.1 * spent.calls,
        )
        assert [(row.label, len(row.records)) for row in found.rows[1:]] == [
            ("InsertRank()", 6),
            ("InsertRank(bm25=None)", 2),
            ("Oracle()", 6),  # it costs nothing
        ]
        assert found.rows[1].dollars == pytest.approx(0.6)
        gain = found.rows[2].against(found.rows[0], "nDCG@10")
        assert gain.queries == 2  # on what both have

    def test_enough_is_enough(self) -> None:
        collection, lists = bread()
        found = compare(collection, lists, [InsertRank()], backends=FakeModel(REVERSED), ceiling=Ceiling(calls=6))
        assert not found.stopped and len(found.rows) == 3


class Counted:
    """A system that gives records one by one, and says how many are there."""

    label, key = "counted", ""

    def records(self, tasks: Sequence[Task]) -> Iterator[Record]:
        for task in tasks:
            yield Record(task.query, tuple(str(item.id) for item in task.candidates), usage=Usage(calls=1))


def test_any_system_can_be_a_row() -> None:
    collection, lists = bread()
    assert compare(collection, lists, [Counted()]).row("counted").usage.calls == 6


@pytest.mark.slow
def test_the_harness_costs_less_than_a_millisecond_per_query(tmp_path: Path) -> None:
    collection, lists = bread(200, 50)
    says = " > ".join(f"[{n}]" for n in range(50, 0, -1))

    method, pairs = InsertRank(bm25=None), [(collection.queries[query], found) for query, found in lists.items()]

    def harness() -> None:
        compare(
            collection, lists, [method], backends=FakeModel(says), measures=["nDCG@10"], folder=tmp_path / uuid4().hex
        )

    def bare() -> None:
        for each in (FirstStage(), method):
            rerank_many(each, pairs, backends=FakeModel(says))

    harness(), bare()
    taken = {work: min(_seconds(work) for _ in range(7)) for work in (harness, bare)}
    # Three rows, the oracle being one.
    assert (taken[harness] - taken[bare]) / 3 / 200 < 0.001


def _seconds(work: object) -> float:
    began = perf_counter()
    work()  # type: ignore[operator]
    return perf_counter() - began


@pytest.mark.slow
def test_memory_is_flat_in_the_number_of_queries() -> None:
    def peak(queries: int) -> int:
        collection, lists = bread(queries, 30)
        gc.collect()
        tracemalloc.start()
        compare(collection, lists, [Counted()], measures=["RR@10"], oracle=False)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(50)
    # What is kept of a query is its record: an order of ids and numbers, and no text.
    assert (peak(1200) - peak(200)) / 1000 < 8_000
