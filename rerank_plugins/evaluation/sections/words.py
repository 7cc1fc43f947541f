"""What the figures say in plain words, how to read them, and how they came about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rerank_plugins.evaluation.costs import spell_dollars
from rerank_plugins.evaluation.findings import Findings, Kind
from rerank_plugins.evaluation.sections.html import Html, joined, tag
from rerank_plugins.ranking import Usage

__all__ = ["facts", "how_measured", "how_to_read", "verdict"]

_KINDS: Sequence[tuple[Kind, str]] = (
    ("better", "Clearly better"),
    ("worse", "Clearly worse"),
    ("unclear", "No clear difference"),
    ("same", "No difference at all"),
    ("partial", "Not finished, and so not judged"),
)


def facts(findings: Findings) -> Html:
    """What was compared, and on what."""
    comparison = findings.comparison
    said = {
        "Collection": comparison.collection,
        "Queries": f"{len(comparison.queries):,}",
        "Candidates": f"at most {comparison.k:,} for each query, from {comparison.first_stage}",
        "Main measure": findings.measure,
        "Compared with": findings.baseline.label if findings.baseline else "nothing: there are no rows",
    }
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", text)) for name, text in said.items()), class_="facts")


def verdict(findings: Findings) -> Html:
    """The answer first, then every method under what was found of it, then what to keep in mind."""
    return joined(
        [
            tag("p", findings.headline(), class_="headline"),
            *_groups(findings),
            *(tag("p", text, class_="caution") for text in [*_ceiling(findings), *findings.cautions()]),
        ]
    )


def _groups(findings: Findings) -> Iterator[Html]:
    for kind, title in _KINDS:
        if found := findings.of_kind(kind):
            items = [tag("li", tag("code", item.row.label), f": {findings.sentence(item)}") for item in found]
            yield tag("section", tag("h3", title), tag("ul", *items), class_=f"group {kind}")


def _ceiling(findings: Findings) -> list[str]:
    oracle, base = findings.oracle, findings.baseline
    if oracle is None or base is None:
        return []
    best, now = oracle.mean(findings.measure), base.mean(findings.measure)
    return [
        f"In the order of their grades these candidates would have {best:.3f}; {base.label} has {now:.3f}. To go "
        "beyond that takes another first stage, or more candidates."
    ]


def how_to_read() -> Html:
    """What the words and figures mean."""
    said = {
        "Interval": "Had other queries of the same kind been asked, the mean would probably lie between these ends.",
        "p": "How often chance alone would give a difference at least this large, if the method changed nothing.",
        "Clear": "The interval of the difference leaves out 0, and p is below 0.05. Such a difference is printed bold. "
        "What is not clear may still be there: more queries would tell.",
        "Gains and losses": "Each bar is a query. A method with a good mean can still harm many queries.",
        "Pareto front": "The dashed line joins the methods that none beats: whatever is as good costs more. A square "
        "is the baseline, a hollow point was not run on all queries, and thin lines are intervals.",
        "Lost, repaired, failed": "Over all queries: documents that went in and did not come out; replies of models "
        "that had to be mended before they could be read; calls without an answer after all tries.",
        "Partial": "A row that was not run on all queries has means over those that it was run on. They cannot stand "
        "beside the others' means; its difference to the baseline is over the same queries, and can.",
    }
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", text)) for name, text in said.items()), class_="terms")


def how_measured(findings: Findings) -> Html:
    """How the figures came about."""
    comparison = findings.comparison
    used = sum((row.usage for row in comparison.rows), Usage())
    known = [row.dollars for row in comparison.rows if row.dollars is not None]
    money = f" and {spell_dollars(sum(known))} where prices are known" if known else ""
    lines = [
        f"Each method got the same candidates: the best of {comparison.first_stage}, at most {comparison.k} a query.",
        "Measures are those of ir_measures, over the queries that have judgements; a document that nobody judged "
        "counts as not relevant.",
        "Intervals: percentile bootstrap over queries, 10,000 resamples. p: paired randomisation test, two-sided, "
        "10,000 draws, not corrected for the number of methods.",
        "Time is the wall time of a query from its start to its ranking. Queries run beside each other and share the "
        "batches of a local model, so it is more than a lone query would take.",
        "Dollars are those of calls to chat models. What a cache answered is in no cost of its row.",
        f"In all: {used.calls:,} calls, {used.prompt_tokens:,} tokens read and {used.completion_tokens:,} "
        f"written{money}.",
    ]
    return tag("ul", *(tag("li", line) for line in lines))
