"""Query likelihood: how probable the question is after reading the document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rerank_plugins.candidates import Candidate
from rerank_plugins.methods.base import Options
from rerank_plugins.prompts.likelihood import likelihood_request
from rerank_plugins.ranking import ScoreKind, order_by
from rerank_plugins.requests import Likelihood as LikelihoodRequest
from rerank_plugins.requests import Measured, Reply, Request, Steps

__all__ = ["Likelihood"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Likelihood(Options):
    """Score each document by the mean log-probability of the query's tokens after it.

    Nothing is generated and nothing is parsed, so that a model too small to answer can still rank. It costs one
    request per document, all in one batch. Scores are in nats per token, at most 0, higher is better, comparable
    within one query alone ("relative"): a rare word makes every document's score low.

    Source: Sachan et al., Improving Passage Retrieval with Zero-Shot Question Generation, arXiv 2204.07496, section 2;
    the prompt is this project's own.

    >>> len(next(Likelihood().steps("q", [Candidate("a"), Candidate("b")])))
    2
    """

    needs: ClassVar[tuple[type[Request], ...]] = (LikelihoodRequest,)
    score_kind: ClassVar[ScoreKind | None] = "relative"

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        replies = yield [likelihood_request(query, candidate.text) for candidate in candidates]
        scores = [_mean(reply) for reply in replies]
        why = {index: {"query_log_likelihood": score} for index, score in enumerate(scores) if score is not None}
        return order_by(scores, why=why)


def _mean(reply: Reply) -> float | None:
    if not isinstance(reply, Measured):
        return None
    return sum(reply.logprobs) / len(reply.logprobs) if reply.logprobs else None
