"""Robustness: what the table says of methods that mind everything, nothing, or an instruction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from rerank_plugins import Candidate, Embedding, InsertRank
from rerank_plugins.errors import InvalidInput, Transient
from rerank_plugins.evaluation import Ceiling, Collection, Reorders, compare
from rerank_plugins.evaluation.changes import Change
from rerank_plugins.evaluation.measures import measure
from rerank_plugins.evaluation.perturbations import (
    Duplicates,
    Injected,
    Irrelevant,
    Perturbation,
    Perturbed,
    Reversed,
    Shuffled,
    Typos,
    Unchanged,
)
from rerank_plugins.evaluation.robustness import kendall_tau, robustness
from rerank_plugins.evaluation.systems import Task
from rerank_plugins.limits import Limits
from rerank_plugins.testing import FakeModel

WORDS = "rye spelt wheat oats barley millet maize rice".split()
DOCUMENTS = {word: Candidate(f"all about {word}", word) for word in WORDS}
NOISE = {f"n{number}": Candidate(f"noise {number}", f"n{number}") for number in range(30)}
QUERIES = {f"q{number}": f"is {word} tasty" for number, word in enumerate(WORDS)}
QRELS = {f"q{number}": {word: 1} for number, word in enumerate(WORDS)}
GRAIN = Collection("grain", DOCUMENTS | NOISE, QUERIES, QRELS)
LISTS = {query: list(DOCUMENTS.values()) for query in QUERIES}


def by_words(question: str, candidates: Sequence[Candidate]) -> list[int]:
    """Best first by words in common; it minds no order, and no copies."""
    asked = set(question.split())
    return sorted(
        range(len(candidates)),
        key=lambda place: (-len(asked.intersection(candidates[place].text.split())), candidates[place].text),
    )


def obeys(question: str, candidates: Sequence[Candidate]) -> list[int]:
    """First whatever says so, and then as they stand."""
    return sorted(range(len(candidates)), key=lambda place: "first place" not in candidates[place].text)


def found(perturbation: Perturbation, *systems: Any, **options: Any) -> dict[str, Change]:
    changes = robustness(GRAIN, LISTS, systems, perturbations=[perturbation], **options).changes
    return {change.method: change for change in changes}


def test_a_method_that_minds_no_order_stays_and_the_first_stage_turns_round() -> None:
    rows = found(Reversed(), Reorders("by words", by_words), measure="RR@10")
    assert (rows["by words"].before, rows["by words"].after, rows["by words"].tau) == (1, 1, 1)
    first = rows["FirstStage()"]
    assert first.tau == -1
    assert first.before == pytest.approx(first.after) == pytest.approx(sum(1 / rank for rank in range(1, 9)) / 8)
    assert (first.difference.better, first.difference.worse, first.difference.queries) == (4, 4, 8)


def test_the_change_has_the_interval_of_the_differences() -> None:
    rows = found(Typos(rate=1), Reorders("by words", by_words))
    change = rows["by words"]
    assert change.after < change.before == 1
    assert change.difference.mean == pytest.approx(change.after - change.before)
    assert change.difference.low <= change.difference.mean <= change.difference.high < 0
    assert rows["FirstStage()"].difference.mean == 0


def test_added_documents_count_as_irrelevant_and_do_not_enter_the_correlation() -> None:
    last_first = Reorders("last first", lambda question, candidates: range(len(candidates))[::-1])
    change = found(Irrelevant(20), last_first)["last first"]
    assert change.tau == 1
    orders = {query: [*(f"n{number}" for number in range(20)), *WORDS[::-1]] for query in QUERIES}
    assert change.after == pytest.approx(sum(measure(orders, QRELS).values()) / 8)
    assert change.after < change.before


def test_a_copy_counts_as_its_document_where_it_comes_first() -> None:
    last_first = Reorders("last first", lambda question, candidates: range(len(candidates))[::-1])
    rows = found(Duplicates(8), Reorders("by words", by_words), last_first, measure="RR@10")
    assert rows["by words"].difference.mean == 0
    assert rows["FirstStage()"].difference.mean == 0
    assert rows["last first"].tau < 1, "the copies, in random order, come first"


def test_ranks_that_an_instruction_gains() -> None:
    obedient, careful = Reorders("obeys", obeys), Reorders("by words", by_words)
    rows = found(Injected("command"), obedient, careful)
    assert rows["obeys"].gained == 8  # from the end of nine to the first place
    assert rows["FirstStage()"].gained == 0
    rows = found(Injected("command", appended=True), obedient, careful)
    assert rows["obeys"].gained == pytest.approx((7 * 7 + 6) / 8)  # the last; for its own query the one before
    assert rows["by words"].gained == pytest.approx(0, abs=1)
    assert found(Reversed(), obedient)["obeys"].gained is None


def test_a_passage_that_a_method_leaves_out_gains_nothing() -> None:
    kept = Reorders("three", lambda question, candidates: [0, 1, 2])
    assert found(Injected("command"), kept)["three"].gained == 0


def test_methods_of_this_package_are_run_with_their_models() -> None:
    model = FakeModel("[2] > [1]")
    rows = found(Shuffled(), InsertRank(bm25=None), "Embedding()", backends=model)
    assert list(rows) == ["FirstStage()", "InsertRank(bm25=None)", "Embedding()"]
    assert rows["Embedding()"].tau > rows["InsertRank(bm25=None)"].tau
    broken = FakeModel(fails=lambda number, request: Transient("no"))
    row = found(Unchanged(), InsertRank(bm25=None), backends=broken, limits=Limits(retries=0))["InsertRank(bm25=None)"]
    assert (row.failed, row.tau) == (8, 1)


def test_documents_are_embedded_once_where_there_is_a_cache() -> None:
    model, cache = FakeModel(), dict[str, str]()
    found(Reversed(), Embedding(), backends=model, cache=cache)
    once = len(model.requests)
    found(Reversed(), Embedding(), backends=model, cache=cache)
    assert len(model.requests) == once


def test_a_folder_keeps_what_is_done(tmp_path: Path) -> None:
    model = FakeModel("[2] > [1]")
    first = found(Reversed(), InsertRank(bm25=None), backends=model, folder=tmp_path)
    assert len(model.requests) == 16
    assert found(Reversed(), InsertRank(bm25=None), backends=model, folder=tmp_path) == first
    assert len(model.requests) == 16


def test_what_a_comparison_left_in_the_folder_is_not_done_again(tmp_path: Path) -> None:
    model = FakeModel("[2] > [1]")
    compare(GRAIN, LISTS, [InsertRank(bm25=None)], backends=model, folder=tmp_path)
    found(Reversed(), InsertRank(bm25=None), backends=model, folder=tmp_path)
    assert len(model.requests) == 16


@pytest.mark.parametrize(("calls", "rows"), [(4, 0), (8, 0), (12, 0), (16, 2), (20, 2), (24, 4)])
def test_the_ceiling_holds_for_all_runs_together(calls: int, rows: int) -> None:
    model = FakeModel("[2] > [1]")
    changes: list[Perturbation] = [Reversed(), Shuffled()]
    partial = robustness(
        GRAIN, LISTS, [InsertRank(bm25=None)], backends=model, perturbations=changes, ceiling=Ceiling(calls=calls)
    )
    assert len(partial.changes) == rows
    assert bool(partial.stopped) == (rows < 4)
    assert len(model.requests) <= calls


def test_an_interruption_keeps_the_perturbations_that_were_finished() -> None:
    @dataclass(frozen=True)
    class Interrupts:
        def __call__(self, task: Task, collection: Collection) -> Perturbed:
            return Perturbed(replace(task, question="stop"))

    def reorder(question: str, candidates: Sequence[Candidate]) -> Sequence[int]:
        if question == "stop":
            raise KeyboardInterrupt
        return by_words(question, candidates)

    done = robustness(GRAIN, LISTS, [Reorders("r", reorder)], perturbations=[Reversed(), Interrupts(), Shuffled()])
    assert {change.perturbation for change in done.changes} == {"Reversed()"}
    assert "interrupted" in done.stopped
    assert "interrupted" in done.markdown()


@pytest.mark.parametrize("candidates", [[Candidate("no id")], [DOCUMENTS["rye"], DOCUMENTS["rye"]]])
def test_candidates_need_ids_of_their_own(candidates: list[Candidate]) -> None:
    with pytest.raises(InvalidInput, match="id of its own"):
        robustness(GRAIN, {"q0": candidates}, [])


@pytest.mark.slow
def test_kendalls_tau_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    orders = [WORDS, WORDS[::-1], WORDS[3:] + WORDS[:3], WORDS[::2] + WORDS[1::2]]
    for one in orders:
        for other in orders:
            ranks = [other.index(word) for word in one]
            assert kendall_tau(one, other) == pytest.approx(stats.kendalltau(range(len(one)), ranks).statistic)
