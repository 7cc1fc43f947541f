"""What a query costs: dollars where all are known, else tokens, else calls."""

from dataclasses import replace

from rerank_plugins.evaluation import Comparison, Row
from rerank_plugins.evaluation.costs import SECONDS, cost_of
from rerank_plugins.evaluation.records import Record
from rerank_plugins.ranking import Usage
from tests.made_up_comparison import made_up, row

QUERIES = [f"q{number}" for number in range(4)]


def compared(*rows: Row) -> Comparison:
    return replace(made_up(["FirstStage()"], len(QUERIES)), rows=[row("FirstStage()", QUERIES, calls=0), *rows])


def named(comparison: Comparison) -> str | None:
    return cost.name if (cost := cost_of(comparison)) else None


def test_dollars_count_only_where_all_chat_calls_have_a_price() -> None:
    priced, unpriced = row("Rebel()", QUERIES, dollars=0.8), row("Setwise()", QUERIES)
    assert named(compared(priced)) == "dollars"
    assert named(compared(priced, unpriced)) == "tokens"


def test_without_tokens_calls_are_counted_and_without_calls_nothing() -> None:
    silent = {query: Record(query, ("d0",), usage=Usage(calls=3)) for query in QUERIES}
    assert named(compared(Row("Likelihood()", silent, {"nDCG@10": {}}))) == "calls"
    assert named(compared()) is None


def test_costs_are_per_query() -> None:
    priced = row("Rebel()", QUERIES, dollars=0.8, calls=2)
    dollars = cost_of(compared(priced))
    tokens = cost_of(compared(replace(priced, dollars=None)))
    assert dollars is not None and tokens is not None
    assert dollars.of(priced) == 0.2
    assert tokens.of(priced) == 2 * 930
    assert SECONDS.of(priced) == priced.seconds()
    assert SECONDS.of(Row("none", {}, {"nDCG@10": {}})) == 0
