"""The HTML report: one file that needs nothing, says what was measured, and shows foreign text as text."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections import defaultdict
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from rerank_plugins.candidates import Candidate
from rerank_plugins.errors import InvalidInput
from rerank_plugins.evaluation import MEASURES, Comparison, Row
from rerank_plugins.evaluation.records import Record
from rerank_plugins.evaluation.report import write_report
from rerank_plugins.evaluation.robustness import Change, Robustness
from rerank_plugins.evaluation.sections import gallery
from rerank_plugins.evaluation.sections.html import NONE
from rerank_plugins.evaluation.statistics import Difference
from tests.made_up_comparison import made_up, row

LABELS = ["FirstStage()", "Rebel()", "Setwise()", "Oracle()"]
HOSTILE = "</style></code><script>alert(1)</script><img src=x onerror=alert(1)> & \"' \u202e \ud800"
VOID = ("meta", "br", "img", "input", "link", "hr")


class Page(HTMLParser):
    """What a parser makes of a page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = defaultdict(list)
        self.source = file.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
            self.texts[tag].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data

    @property
    def text(self) -> str:
        return self.texts["body"][0].replace("\u00a0", " ")

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def written(comparison: Comparison, folder: Path, **options: object) -> Page:
    return Page(write_report(comparison, folder / "report.html", **options))  # type: ignore[arg-type] # as they come


@pytest.fixture(scope="module")
def whole() -> Comparison:
    return made_up(LABELS)


@pytest.fixture(scope="module")
def page(whole: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return written(
        whole, tmp_path_factory.mktemp("report"), qrels={query: {"d1": 2, "d2": 1} for query in whole.queries}
    )


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pictures, which take most of the time."""
    monkeypatch.setattr(gallery, "inline_svg", lambda figure, name, said: "<svg aria-label='none'></svg>")
    for name in ("plot_tradeoff", "plot_changes", "plot_movement"):
        monkeypatch.setattr(gallery, name, lambda *given, **options: None)


def figures(page: Page) -> dict[str, list[str]]:
    """Method to the texts of its cells in the table of figures."""
    table = page.source.split('class="figures"')[1].split("</table>")[0]
    rows = {}
    for line in table.split("<tr")[2:]:
        cells = [re.sub(r"<[^>]+>", " ", cell) for cell in re.findall(r"<t[dh]\b.*?>(.*?)</t[dh]>", line)]
        rows[html.unescape(cells[0]).split()[0]] = [" ".join(html.unescape(cell).split()) for cell in cells[1:]]
    return rows


def test_it_needs_nothing_from_outside_and_runs_nothing(page: Page) -> None:
    assert "://" not in page.source
    assert not page.all("script") and not page.all("link") and not page.all("img")
    links = [attributes["href"] for _, attributes in page.elements if "href" in attributes]
    assert links and all(link.startswith("#") for link in links)
    assert not re.search(r"url\((?!#)|@import", page.source)
    (policy,) = [one["content"] for one in page.all("meta") if "http-equiv" in one]
    assert policy.startswith("default-src 'none'")


def test_ids_are_unique_and_links_lead_somewhere(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [attributes["href"][1:] for _, attributes in page.elements if "href" in attributes]
    assert set(targets + re.findall(r"url\(#(.+?)\)", page.source)) <= set(ids)


def test_headings_go_down_one_by_one(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(low - high <= 1 for high, low in pairwise(levels))


def test_it_can_be_read_aloud(page: Page) -> None:
    assert page.all("html") == [{"lang": "en"}]
    assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in page.all("svg"))
    assert all("scope" in head for head in page.all("th"))
    assert page.texts["caption"] and all(page.texts["caption"])
    assert len(page.all("main")) == len(page.all("nav")) == 1


def test_figures_are_those_of_the_comparison(page: Page, whole: Comparison) -> None:
    rows = figures(page)
    assert list(rows) == LABELS
    base = whole.rows[0]
    for one in whole.rows:
        measured, difference, second, _, _, _, calls, *_ = rows[one.label]
        low, high = one.interval("nDCG@10")
        assert measured == f"{one.mean('nDCG@10'):.3f} {low:.3f} to {high:.3f}"
        assert second == f"{one.mean('RR@10'):.3f}"
        assert calls == (str(one.usage.calls // 20) if one.usage.calls else NONE)
        if one is base or one.label == "Oracle()":
            assert difference == NONE
        else:
            found = one.against(base, "nDCG@10")
            assert difference.startswith(f"{found.mean:+.3f} {found.low:+.3f} to {found.high:+.3f} p ")


def test_what_was_compared_stands_at_the_top(page: Page, whole: Comparison) -> None:
    said = dict(zip(page.texts["dt"], page.texts["dd"], strict=True))
    assert said["Collection"] == whole.collection
    assert said["Queries"] == "20"
    assert said["Compared with"] == "FirstStage()"
    assert "partial" not in page.source.split("<nav")[0].split("</style>")[1]


def test_each_method_has_its_verdict_and_its_extreme_queries(page: Page, whole: Comparison) -> None:
    verdict = page.text.split("Verdict")[2].split("Figures")[0]
    for one in whole.rows[1:3]:
        assert f"{one.label}: nDCG@10 {one.against(whole.rows[0], 'nDCG@10').mean:+.3f}" in verdict
    assert len(page.all("details")) == 2
    assert [("open" in details) for details in page.all("details")].count(True) == 1
    assert "(grade 2)" in page.text and "→" in page.text


@pytest.mark.usefixtures("bare")
def test_another_baseline(whole: Comparison, tmp_path: Path) -> None:
    found = figures(written(whole, tmp_path, baseline="Rebel()"))
    assert found["Rebel()"][1] == NONE
    mean = whole.rows[0].against(whole.rows[1], "nDCG@10").mean
    assert found["FirstStage()"][1].startswith(f"{mean:+.3f}")
    with pytest.raises(InvalidInput):
        write_report(whole, tmp_path / "r.html", baseline="Nothing()")


def test_foreign_text_is_text(tmp_path: Path) -> None:
    made = made_up(["FirstStage()", HOSTILE], 3)
    records = {query: replace(one, order=(HOSTILE, *one.order)) for query, one in made.rows[1].records.items()}
    comparison = replace(
        made,
        collection=HOSTILE,
        first_stage=HOSTILE,
        queries=dict.fromkeys(made.queries, HOSTILE),
        rows=[made.rows[0], replace(made.rows[1], records=records)],
        stopped=HOSTILE,
    )
    documents, qrels = {HOSTILE: Candidate(HOSTILE)}, {query: {HOSTILE: 1} for query in made.queries}
    change = Change(HOSTILE, HOSTILE, 0.5, 0.4, Difference(-0.1, -0.2, 0.0, 0.1, 0, 1, 1), 0.5)
    robust = Robustness(HOSTILE, "nDCG@10", [change], HOSTILE)
    page = written(comparison, tmp_path, qrels=qrels, documents=documents, robustness=robust)
    plain = written(made_up(["FirstStage()", "Rebel()"], 3), tmp_path, qrels=qrels)
    assert not page.all("script") and not page.all("img")
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in plain.elements} | {"q", "strong"}
    assert not any(key.startswith("on") for _, attributes in page.elements for key in attributes)
    assert "<script>alert(1)</script>" in page.text
    assert all("?" in one or "script" in one for one in page.texts["bdi"])


@pytest.mark.usefixtures("bare")
def test_a_partial_row_is_marked_in_words(whole: Comparison, tmp_path: Path) -> None:
    short = row("Likelihood()", ["q0", "q1"], stopped="The ceiling.")
    page = written(replace(whole, rows=[*whole.rows, short], stopped="The ceiling would have been passed."), tmp_path)
    assert "This comparison is partial." in page.text
    assert "The ceiling would have been passed." in page.text
    assert "partial: 2 of 20 queries" in page.text
    assert "Not finished, and so not judged" in page.text


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("rows", [0, 1])
def test_next_to_nothing_is_a_report_too(whole: Comparison, tmp_path: Path, rows: int) -> None:
    page = written(replace(whole, rows=whole.rows[:rows]), tmp_path)
    assert "nothing can be said" in page.text
    assert len(page.all("details")) == 0


def test_rows_without_queries_have_no_figures(whole: Comparison, tmp_path: Path) -> None:
    nothing = [Row(label, {}, {name: {} for name in MEASURES}, stopped="It was interrupted.") for label in LABELS[:2]]
    page = written(replace(whole, rows=nothing, queries={}, stopped="It was interrupted."), tmp_path)
    assert "nan" not in page.text
    assert not page.all("figure")


@pytest.mark.usefixtures("bare")
def test_one_query_has_an_interval_of_no_width(tmp_path: Path) -> None:
    page = written(made_up(LABELS, 1), tmp_path)
    assert "1 query is few" in page.text
    assert "nan" not in page.text


@pytest.mark.usefixtures("bare")
def test_losses_repairs_and_failures_are_counted(whole: Comparison, tmp_path: Path) -> None:
    record = Record("q0", ("d0",), lost=2, repaired=3, failed=4)
    broken = replace(whole.rows[1], records={**whole.rows[1].records, "q0": record})
    found = figures(written(replace(whole, rows=[whole.rows[0], broken]), tmp_path))
    assert found["FirstStage()"][-1] == "none"
    assert found["Rebel()"][-1] == "2, 3, 4"


@pytest.mark.usefixtures("bare")
def test_robustness_has_its_own_section(whole: Comparison, tmp_path: Path) -> None:
    nan = float("nan")
    changes = [
        Change("Rebel()", "Reversed()", 0.5, 0.41, Difference(-0.09, -0.12, -0.06, 0.001, 1, 19, 20), 0.25),
        Change("Rebel()", "Injected()", 0.5, 0.5, Difference(0.0, 0.0, 0.0, 1.0, 0, 0, 20), nan, gained=4.5),
        Change("Setwise()", "Reversed()", nan, nan, Difference(nan, nan, nan, nan, 0, 0, 0), nan),
    ]
    page = written(whole, tmp_path, robustness=Robustness("made up", "nDCG@10", changes, "The ceiling."))
    said = page.text.split("Robustness")[2]
    assert "clearly worse under 1 of 2" in said
    assert "-0.090" in said and "+4.5" in said and "Partial: The ceiling." in said
    assert "nan" not in said


@pytest.mark.slow
def test_200_queries_are_no_burden(tmp_path: Path) -> None:
    labels = ["FirstStage()", *(f"Rebel(turns={turn})" for turn in range(1, 10))]
    file = write_report(made_up(labels, 200, documents=50), tmp_path / "r.html")
    assert file.stat().st_size < 700_000
    Page(file)


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LOOK = """<!doctype html><title>look</title><iframe width="{width}" height="900" srcdoc="{page}"></iframe>
<script>onload = () => {{
  const seen = document.querySelector("iframe").contentDocument;
  const pictures = [...seen.querySelectorAll("figure svg")].map((svg) => svg.getBoundingClientRect());
  document.title = JSON.stringify({{
    width: seen.documentElement.scrollWidth,
    small: pictures.filter((box) => box.width < 300 || box.height < 60).length,
    pictures: pictures.length,
    cut: [...seen.querySelectorAll(".scroll")].filter((box) => box.scrollWidth > box.clientWidth + 1).length,
    background: getComputedStyle(seen.body).backgroundColor,
  }});
}}</script>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: chromium or google-chrome on the path")
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_whole_and_complains_of_nothing(page: Page, tmp_path: Path, width: int) -> None:
    frame = tmp_path / "look.html"
    frame.write_text(LOOK.format(width=width, page=html.escape(page.source)), encoding="utf-8")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000", "--enable-logging=stderr"]
    command = [str(CHROMIUM), *options, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", frame.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    seen = json.loads(html.unescape(re.findall("<title>(.*?)</title>", done.stdout)[0]))
    assert "CONSOLE" not in done.stderr
    assert seen["width"] <= width
    assert seen["cut"] == 0
    assert seen["pictures"] >= 4 and seen["small"] == 0
    assert seen["background"] == "rgb(255, 255, 255)"
