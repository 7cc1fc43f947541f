"""The pictures: what is drawn is what was measured, labels are apart, and the user's matplotlib stays as it is."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_plugins.errors import InvalidInput, MissingExtra
from rerank_plugins.evaluation import MEASURES, Comparison, Row
from rerank_plugins.evaluation.costs import SECONDS
from rerank_plugins.evaluation.pictures.changes import changes, extremes
from rerank_plugins.evaluation.pictures.labels import Box, apart, place, shortened
from rerank_plugins.evaluation.plots import pareto, plot_changes, plot_movement, plot_tradeoff, save_plots
from rerank_plugins.evaluation.records import Record
from rerank_plugins.ranking import Usage
from tests.made_up_comparison import made_up, row

LABELS = ["FirstStage()", "Rebel()", "Setwise()"]
SCORES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12)


@settings(max_examples=40)
@given(SCORES)
def test_the_front_is_what_no_point_beats(points: list[tuple[int, int]]) -> None:
    front = set(pareto(points))
    for index, (cost, quality) in enumerate(points):
        better = [p for p in points if p[0] <= cost and p[1] >= quality and p != (cost, quality)]
        assert (index in front) == (not better)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 300)), max_size=14), st.integers(5, 120))
def test_labels_cover_neither_each_other_nor_points(points: list[tuple[int, int]], width: int) -> None:
    room = Box(0, 0, 400, 300)
    boxes = place(points, [(width, 10)] * len(points), room)
    found = [box for box in boxes if box]
    marks = [Box(x - 5, y - 5, 10, 10) for x, y in points]
    assert not any(one.overlap(other) for one, other in combinations(found, 2))
    assert not any(box.overlap(mark) for box in found for mark in marks)
    assert all(box.overlap(room) == pytest.approx(box.area) for box in found)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 50), max_size=20))
def test_numbers_are_apart_and_keep_their_order(heights: list[int]) -> None:
    spread = apart(heights, 2)
    assert all(high - low > 1.999 for low, high in pairwise(sorted(spread)))
    assert sorted(range(len(heights)), key=lambda i: (heights[i], spread[i])) == sorted(
        range(len(heights)), key=lambda i: spread[i]
    )


def test_short_labels_stay_different_and_can_be_drawn() -> None:
    labels = ["Rebel(prompt='a very long one, part 1')", "Rebel(prompt='a very long one, part 2')", "a\x00b\nc\ud800"]
    short = shortened(labels, 20)
    assert len(set(short)) == 3
    assert short[2] == "a b c "


def test_changes_are_of_shared_queries_the_largest_gain_first() -> None:
    records = {query: Record(query, ("d0",)) for query in "abcd"}
    base = Row("FirstStage()", records, {"AP": {"a": 0.5, "b": 0.5, "c": 0.5, "d": 0.1}})
    other = Row("Rebel()", records, {"AP": {"a": 0.4, "b": 0.9, "c": 0.5}})
    assert list(changes(other, base, "AP")) == ["b", "c", "a"]
    assert extremes(other, base, "AP") == ("b", "a")
    assert extremes(base, base, "AP") == (None, None)


def test_without_matplotlib_the_message_has_the_pip_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"pip install 'rerank-plugins\[plots\]'"):
        save_plots(made_up(LABELS), tmp_path)


def drawn(figure: Any) -> list[str]:
    """All texts of a figure."""
    texts = list(figure.texts)
    for axes in figure.axes:
        texts += [*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels()]
        texts += [axes.get_title(loc="left")]
    return [text if isinstance(text, str) else text.get_text() for text in texts]


def markers(figure: Any) -> dict[tuple[float, float], Any]:
    lines = [line for line in figure.axes[0].lines if line.get_marker() in ("o", "s")]
    return {tuple(line.get_xydata()[0]): line for line in lines}


def test_points_are_at_cost_and_quality() -> None:
    comparison = made_up(LABELS)
    figure = plot_tradeoff(comparison)
    expected = [(place * 930, row.mean("nDCG@10")) for place, row in enumerate(comparison.rows)]
    assert sorted(markers(figure)) == [pytest.approx(point) for point in expected]
    assert {"FirstStage()", "Rebel()", "Setwise()", "nDCG@10", "tokens per query"} <= set(drawn(figure))


def test_a_row_that_a_cache_answered_is_hollow_and_beats_none() -> None:
    comparison = made_up(LABELS)
    kept = row("Lucky()", [f"q{number}" for number in range(20)], gain=0.2, calls=0)
    kept = replace(kept, records={name: replace(record, from_cache=1) for name, record in kept.records.items()})
    with_kept = replace(comparison, rows=[*comparison.rows, kept])
    figure = plot_tradeoff(with_kept)
    assert markers(figure)[0.0, kept.mean("nDCG@10")].get_markerfacecolor() == "none"


def test_a_partial_row_is_hollow_and_beats_none() -> None:
    whole = made_up(LABELS)
    lucky = row("Likelihood()", ["q1"], gain=0.4, calls=1)
    figure = plot_tradeoff(replace(whole, rows=[*whole.rows, lucky]))
    assert markers(figure)[930.0, lucky.mean("nDCG@10")].get_markerfacecolor() == "none"
    assert "Likelihood() (1 of 20)" in drawn(figure)
    front = figure.axes[0].lines[0].get_xydata()
    assert [930.0, lucky.mean("nDCG@10")] not in front.tolist()


def test_the_oracle_is_a_line_and_no_point() -> None:
    comparison = made_up([*LABELS, "Oracle()"])
    figure = plot_tradeoff(comparison)
    assert len(markers(figure)) == 3
    assert f"best possible order of these candidates: {comparison.rows[-1].mean('nDCG@10'):.3f}" in drawn(figure)


@pytest.mark.parametrize("seconds", [(0.00003,), (0.00003, 0.4, 12.0), (0.2, 0.3), (90.0, 600.0)])
def test_no_two_ticks_read_the_same(seconds: tuple[float, ...]) -> None:
    rows = [
        replace(row(f"Rebel(turns={s})", ["q0"]), records={"q0": Record("q0", ("d0",), usage=Usage(seconds=s))})
        for s in seconds
    ]
    axes = plot_tradeoff(replace(made_up(LABELS[:1], 1), rows=rows), SECONDS).axes[0]
    low, high = axes.get_xlim()
    ticks = [label.get_text() for label in axes.get_xticklabels() if low <= label.get_position()[0] <= high]
    assert len(ticks) == len(set(ticks)) >= 3


def test_many_close_points_get_numbers_and_a_key() -> None:
    labels = ["FirstStage()", *(f"Rebel(turns={turn}, prompt='standard')" for turn in range(14))]
    whole = made_up(labels)
    close = [replace(one, records=whole.rows[1].records) for one in whole.rows]
    texts = drawn(plot_tradeoff(replace(whole, rows=close)))
    assert "15" in texts
    assert any(text.startswith("15  ") and "turns=13" in text for text in texts)


def test_gains_and_losses_count_the_queries() -> None:
    comparison = made_up(LABELS)
    figure = plot_changes(comparison)
    found = comparison.rows[1].against(comparison.rows[0], "nDCG@10")
    said = f"nDCG@10: {found.better} better, {found.worse} worse, {20 - found.better - found.worse} equal"
    assert said in drawn(figure)
    assert len(figure.axes) == 2
    alone = plot_changes(comparison, rows=["Rebel()"])
    assert len(alone.axes) == 1
    assert alone.axes[0].get_ylim() == figure.axes[0].get_ylim()


def moved(before: str, after: str) -> Comparison:
    queries = {"q": "What?"}
    rows = [
        Row(label, {"q": Record("q", tuple(order))}, {"AP": {"q": 0.5}})
        for label, order in (("FirstStage()", before), ("Rebel()", after))
    ]
    return Comparison("letters", "BM25", ["AP"], queries, len(before), rows)


def test_movement_joins_the_ranks_and_tells_grades_apart() -> None:
    figure = plot_movement(moved("abcd", "dbac"), "Rebel()", "q", {"q": {"d": 3, "a": 1}})
    lines = {tuple(line.get_ydata()): line for line in figure.axes[0].lines}
    assert set(lines) == {(1, 3), (2, 2), (3, 4), (4, 1)}
    assert lines[4, 1].get_color() != lines[1, 3].get_color() != lines[2, 2].get_color()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["grade 3 (1)", "grade 1 (1)", "other (2)"]


def test_movement_shows_what_was_left_out_and_what_was_found() -> None:
    figure = plot_movement(moved("abc", "cax"), "Rebel()", "q", {"q": {"b": 1, "x": 1}})
    below = max(max(line.get_ydata()) for line in figure.axes[0].lines)
    ends = {tuple(line.get_ydata()) for line in figure.axes[0].lines}
    assert {(2, below), (below, 3)} <= ends
    assert "not in the list" in drawn(figure)


def test_movement_of_a_query_that_was_not_run_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'z'"):
        plot_movement(moved("ab", "ba"), "Rebel()", "z")


@pytest.mark.slow
def test_files_are_written_and_the_same_again(tmp_path: Path) -> None:
    files = save_plots(made_up(LABELS), tmp_path / "new" / "pictures", formats=["svg"])
    names = [file.stem for file in files]
    assert names == ["quality-tokens", "quality-seconds", "gains-losses", "movement-gain", "movement-loss"]
    first = [file.read_bytes() for file in files]
    assert [file.read_bytes() for file in save_plots(made_up(LABELS), tmp_path, formats=["svg"])] == first


@pytest.mark.slow
def test_png_files_are_pictures(tmp_path: Path) -> None:
    (file, *_) = save_plots(made_up(LABELS[:1]), tmp_path, formats=["png"])
    assert file.read_bytes().startswith(b"\x89PNG")


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    empty = replace(made_up(LABELS), rows=[], queries={})
    unfinished = replace(empty, rows=[Row("FirstStage()", {}, {name: {} for name in MEASURES})])
    assert save_plots(empty, tmp_path) == save_plots(unfinished, tmp_path) == []


@pytest.mark.slow
def test_labels_are_no_formulas(tmp_path: Path) -> None:
    comparison = made_up(["FirstStage()", r"Rebel(prompt='$\frac{$ $')"])
    assert r"Rebel(prompt='$\frac{$ $')" in drawn(plot_tradeoff(comparison))
    save_plots(comparison, tmp_path, formats=["svg"])


@pytest.mark.slow
def test_neither_pyplot_nor_the_users_style_is_touched(tmp_path: Path) -> None:
    code = (
        "import sys, matplotlib; matplotlib.rcParams['font.size'] = 31; before = matplotlib.rcParams.copy()\n"
        "from rerank_plugins.evaluation.plots import save_plots\n"
        "from tests.made_up_comparison import made_up\n"
        f"save_plots(made_up(['FirstStage()', 'Rebel()']), {str(tmp_path)!r}, formats=['png', 'svg'])\n"
        "assert matplotlib.rcParams.copy() == before\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
