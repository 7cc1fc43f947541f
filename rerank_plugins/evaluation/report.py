"""A comparison as one HTML file that a person likes to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from importlib.resources import files
from pathlib import Path

from rerank_plugins.candidates import Candidate
from rerank_plugins.evaluation.compare import Comparison
from rerank_plugins.evaluation.findings import Findings
from rerank_plugins.evaluation.measures import Qrels
from rerank_plugins.evaluation.robustness import Robustness
from rerank_plugins.evaluation.sections.figures import figures
from rerank_plugins.evaluation.sections.gallery import gains_and_losses, movements, tradeoffs
from rerank_plugins.evaluation.sections.html import Html, joined, tag
from rerank_plugins.evaluation.sections.queries import extreme_queries
from rerank_plugins.evaluation.sections.robust import robust
from rerank_plugins.evaluation.sections.words import facts, how_measured, how_to_read, verdict

__all__ = ["write_report"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # nothing is loaded and nothing runs, whatever a text holds


def write_report(
    comparison: Comparison,
    path: str | Path,
    *,
    qrels: Qrels | None = None,
    baseline: str | None = None,
    documents: Mapping[str, Candidate] | None = None,
    robustness: Robustness | None = None,
) -> Path:
    """Write a comparison as one HTML file: the answer in words, the table, pictures, and the queries that moved most.

    The file needs nothing else: no script, no font, no network. It is for a screen of any width, light or dark, and
    for paper.

    Args:
        comparison: The comparison.
        path: The file; its folder is made.
        qrels: The judgements, so that relevant documents can be followed.
        baseline: The label of the row to compare with; None is the first.
        documents: Document id to document, to show how the relevant ones begin.
        robustness: What changes that should not matter did to the methods.

    Returns:
        The file.

    Raises:
        InvalidInput: There is no row with the baseline's label.
        MissingExtra: matplotlib is not installed.
    """
    page = _page(Findings(comparison, baseline), qrels, documents or {}, robustness)
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page, encoding="utf-8", errors="replace")  # JSON can hold halves of characters
    return file


def _page(
    findings: Findings, qrels: Qrels | None, documents: Mapping[str, Candidate], robustness: Robustness | None
) -> str:
    title = f"Rerankers on {findings.comparison.collection}"
    sections = list(_sections(findings, qrels, documents, robustness))
    links = [tag("li", tag("a", name, href=f"#{key}")) for key, name, _ in sections]
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", title),
        tag("style", Html(files(__package__).joinpath("sections/report.css").read_text(encoding="utf-8"))),
    ]
    body = [
        tag("a", "Skip to the verdict", href="#verdict", class_="skip"),
        tag("header", tag("h1", title), facts(findings), *_partial(findings.comparison)),
        tag("nav", tag("ul", *links), aria_label="Contents"),
        tag("main", *(tag("section", tag("h2", name), part, id=key) for key, name, part in sections)),
        tag("footer", tag("p", f"Written by rerank-plugins {_version()} on {date.today().isoformat()}.")),
    ]
    html = tag("html", tag("head", *head), tag("body", *body), lang="en")
    return f"<!doctype html>\n{html}\n"


def _sections(
    findings: Findings, qrels: Qrels | None, documents: Mapping[str, Candidate], robustness: Robustness | None
) -> Iterator[tuple[str, str, Html]]:
    """Id, title and content of each part that has something to show."""
    yield "verdict", "Verdict", verdict(findings)
    if findings.comparison.rows:
        yield "figures", "Figures", figures(findings)
    if any(row.records for row in findings.comparison.rows):
        yield "cost", "Quality and cost", tradeoffs(findings)
    if findings.all:
        yield "changes", "Gains and losses by query", gains_and_losses(findings)
        parts = [movements(findings, qrels), extreme_queries(findings, qrels, documents)]
        yield "queries", "The queries that change most", joined(parts)
    if robustness is not None:
        yield "robustness", "Robustness", robust(robustness)
    yield "reading", "How to read this", how_to_read()
    yield "measured", "How it was measured", how_measured(findings)


def _partial(comparison: Comparison) -> list[Html]:
    if not comparison.stopped:
        return []
    words = "This comparison is partial. Rows that were not finished are marked, and not judged. "
    return [tag("p", tag("strong", words), comparison.stopped, class_="partial", role="note")]


def _version() -> str:
    from rerank_plugins import __version__

    return __version__
