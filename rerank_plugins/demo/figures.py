"""What each method reaches and costs, measured over all questions in this run."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev
from typing import Any

from rerank_plugins.backends import Backend
from rerank_plugins.cache import Cache
from rerank_plugins.candidates import Candidate
from rerank_plugins.drive import rerank_many
from rerank_plugins.errors import RerankError
from rerank_plugins.evaluation import measure
from rerank_plugins.evaluation.measures import Qrels
from rerank_plugins.events import Observer
from rerank_plugins.limits import Limits
from rerank_plugins.methods import Method
from rerank_plugins.ranking import Ranking, Usage

__all__ = ["Bench", "Comparison", "Row", "compared"]

Lists = Mapping[str, Sequence[Candidate]]
"""Query id to candidates."""

_LIMITS = Limits(timeout_s=300.0, max_concurrency=8)  # a model at home, on slow hardware, is welcome too


@dataclass(frozen=True)
class Row:
    """One method.

    Args:
        method: Its repr.
        values: For each first stage nDCG@10 of each question.
        usage: What was spent on all first stages together.
        rankings: For each first stage the rankings of the questions.
        dollars: What it cost in money, where that is known.
    """

    method: str
    values: Mapping[str, Mapping[str, float]]
    usage: Usage
    rankings: Mapping[str, Sequence[Ranking]] = field(repr=False)
    dollars: float | None = None

    def mean(self, stage: str) -> float | None:
        """Mean nDCG@10 over the questions, or None where it was not measured."""
        return fmean(self.values[stage].values()) if self.values.get(stage) else None

    def as_json(self, stages: Sequence[str], questions: int) -> dict[str, Any]:
        """The figures, those of the first stage named first under the plain name; `questions` is how many there are."""
        usage, measured = self.usage, len(self.values[stages[0]])
        figures = {
            "method": self.method,
            "ndcg@10": self.mean(stages[0]),
            "seconds": round(usage.seconds, 3),
            "calls": usage.calls,
            "questions": measured,
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
        }
        figures |= {f"ndcg@10 over {stage}": self.mean(stage) for stage in stages[1:] if stage in self.values}
        if measured < questions:
            figures["note"] = f"On {measured} of {questions} questions: it cannot be compared with the other rows."
        return figures if self.dollars is None else figures | {"dollars": self.dollars}


@dataclass(frozen=True)
class Comparison:
    """A method against the first stage on the same questions.

    Args:
        gain: Mean difference in nDCG@10.
        better: Questions on which it is better.
        worse: Questions on which it is worse.
        clear: Whether the difference is more than twice its standard error.
    """

    gain: float
    better: int
    worse: int
    clear: bool


def compared(values: Mapping[str, float], baseline: Mapping[str, float]) -> Comparison:
    """Compare question by question.

    >>> compared({"a": 0.5, "b": 0.7, "c": 0.4}, {"a": 0.1, "b": 0.3, "c": 0.1})
    Comparison(gain=0.36..., better=3, worse=0, clear=True)
    """
    differences = [value - baseline[query] for query, value in values.items()]
    gain = fmean(differences)
    error = stdev(differences) / math.sqrt(len(differences)) if len(differences) > 1 else math.inf
    better = sum(difference > 1e-9 for difference in differences)
    worse = sum(difference < -1e-9 for difference in differences)
    return Comparison(gain, better, worse, abs(gain) > max(2 * error, 1e-9))


class Bench:
    """Runs methods over the lists of one or more first stages.

    Args:
        queries: Query id to question.
        qrels: The judgements.
        stages: For each first stage what it found.
        backends: The models.
    """

    def __init__(
        self, queries: Mapping[str, str], qrels: Qrels, stages: Mapping[str, Lists], backends: Sequence[Backend]
    ) -> None:
        self._queries = queries
        self._qrels = qrels
        self._stages = stages
        self._backends = backends
        self.cache: Cache = {}

    def pointwise(self, method: Method, parts: Sequence[Row] = (), observer: Observer | None = None) -> Row:
        """Measure a method that asks about each passage by itself.

        The models read what all first stages found together, once; from the cache come the rankings of each list.

        Args:
            method: The method.
            parts: The rows of the methods that it is made of, if they were measured before: the cache has their
                replies, so that its own cost is theirs.
            observer: Called with the driver's events.
        """
        began = time.monotonic()
        rankings = self._run(method, _pooled(self._stages.values()), observer)
        own = replace(_spent(rankings), seconds=time.monotonic() - began)
        by_stage = {stage: self._run(method, lists, None) for stage, lists in self._stages.items()}
        values = {stage: self._values(stage, found) for stage, found in by_stage.items()}
        return Row(repr(method), values, sum((row.usage for row in parts), own), by_stage)

    def listwise(self, method: Method, observer: Observer | None, *, questions: int | None = None, k: int) -> Row:
        """Measure a method that asks about a list as a whole, over the first of the first stages alone.

        Args:
            method: The method.
            observer: Called with the driver's events.
            questions: On how many questions; None for all.
            k: How many passages of each list.

        Raises:
            RerankError: No call succeeded.
        """
        stage, lists = next(iter(self._stages.items()))
        some = {query: found[:k] for query, found in list(lists.items())[:questions]}
        began = time.monotonic()
        rankings = self._run(method, some, observer)
        usage = replace(_spent(rankings), seconds=time.monotonic() - began)
        _check_answered(rankings)
        return Row(repr(method), {stage: self._values(stage, rankings)}, usage, {stage: rankings})

    def _run(self, method: Method, lists: Lists, observer: Observer | None) -> list[Ranking]:
        tasks = [(self._queries[query], found) for query, found in lists.items()]
        return rerank_many(method, tasks, backends=self._backends, limits=_LIMITS, cache=self.cache, observer=observer)

    def _values(self, stage: str, rankings: Sequence[Ranking]) -> dict[str, float]:
        queries = list(self._stages[stage])[: len(rankings)]
        orders = {
            query: [str(item.candidate.id) for item in ranking]
            for query, ranking in zip(queries, rankings, strict=True)
        }
        return measure(orders, self._qrels)


def _pooled(stages: Sequence[Lists] | Any) -> dict[str, list[Candidate]]:
    """What all first stages found for each query, each passage once."""
    pools: dict[str, dict[str, Candidate]] = {}
    for lists in stages:
        for query, found in lists.items():
            for candidate in found:
                pools.setdefault(query, {}).setdefault(candidate.text, candidate)
    return {query: list(found.values()) for query, found in pools.items()}


def _spent(rankings: Sequence[Ranking]) -> Usage:
    return sum((ranking.usage for ranking in rankings), Usage())


def _check_answered(rankings: Sequence[Ranking]) -> None:
    failed = [note.message for ranking in rankings for note in ranking.notes if note.kind == "failed"]
    answered = any(
        item.why.get("ranked_by_model") or ranking.usage.prompt_tokens for ranking in rankings for item in ranking
    )
    if failed and not answered:
        raise RerankError(f"No call to the chat model succeeded. {failed[0]}")
