"""As many documents as deserve it: a cut through another method's scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from rerank_plugins.candidates import Candidate, finite
from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods.base import Method, Options, needs_of, wants_of
from rerank_plugins.methods.compose import checked_methods
from rerank_plugins.methods.meteora.elbow import ElbowRule, elbow
from rerank_plugins.methods.rules import Rule, checked, number, one_of, whole
from rerank_plugins.ranking import Note, Ranked, Ranking, ScoreKind, Verdict, settle
from rerank_plugins.requests import Request, Steps

__all__ = ["UpTo"]

_EPSILON = 1e-9  # differences up to this, as a share of the range of the scores, are rounding


@dataclass(frozen=True, repr=False, init=False)
class UpTo(Options):
    """Keep as many documents as deserve it by another method's scores, up to `k`; the others are listed as dropped.

    A question that one document answers gets one, and a broad one gets `k`. It costs nothing beside the method. One
    rule says what deserves it. A `threshold` keeps what scores at least that: it takes scores that mean the same for
    each question ("absolute"). An `elbow` keeps what stands before the drop in this list's own scores, takes "absolute"
    or "relative" ones, and keeps at least one document. Where only the order means anything there is nothing to cut
    through, and both are refused.

    Documents without a score, as where a call failed, do not deserve it; if none has one, the first `k` are kept as
    they stand, and a note says so.

    Source: the idea of an adaptive number of documents is that of arXiv 2501.04695, which calibrates a threshold on
    judged questions: do that on yours. The elbow is METEORA's, arXiv 2505.16014 ("paper"), or the knee of the whole
    curve ("knee").

    Args:
        method: Whose scores are cut, such as CrossEncode() or Graded().
        k: The most to keep; None for no bound.
        threshold: The least score that is kept, in the method's own unit.
        elbow: "knee" or "paper".

    Raises:
        InvalidInput: An argument breaks a rule, or the method's scores do not bear the cut. Where that is not known
            beforehand it is raised when they are there.

    >>> from rerank_plugins.methods.pointwise import Graded
    >>> UpTo(Graded(reading="mean"), k=5, threshold=6)
    UpTo(Graded(reading='mean'), k=5, threshold=6)
    """

    method: Method
    k: int | None = 10
    threshold: float | None = None
    elbow: ElbowRule | None = None

    rules: ClassVar[Mapping[str, Rule]] = {
        "k": whole(1, none="for no bound"),
        "threshold": number(none="to cut at an elbow"),
        "elbow": one_of("knee", "paper", None),
    }

    def __init__(
        self,
        method: Method,
        *,
        k: int | None = 10,
        threshold: float | None = None,
        elbow: ElbowRule | None = None,
    ) -> None:
        checked_methods("UpTo", [method])
        options = {"k": k, "threshold": threshold, "elbow": elbow}
        self._keep(method=method, **checked("UpTo", options, self.rules))
        if (self.threshold is None) == (self.elbow is None):
            raise InvalidInput("UpTo takes one rule, such as threshold=6 or elbow='knee'.")
        known = getattr(method, "score_kind", None)
        if known is not None and (sentence := self._refusal(known)):
            raise InvalidInput(sentence)

    def __repr__(self) -> str:
        options = super().__repr__().partition("(")[2].removesuffix(")").removeprefix(f"method={self.method!r}")
        return f"UpTo({self.method!r}{options})"

    @property
    def needs(self) -> tuple[type[Request], ...]:  # what it asks for depends on its part
        return needs_of(self.method)

    @property
    def wants(self) -> tuple[type[Request], ...]:
        return wants_of(self.method)

    @property
    def score_kind(self) -> ScoreKind | None:  # type: ignore[override] # as above
        return getattr(self.method, "score_kind", None)

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        verdict = yield from self.method.steps(query, candidates)
        ranking = settle(verdict, candidates)
        scored = [item for item in ranking if finite(verdict.scores.get(item.index)) is not None]
        if not scored or verdict.score_kind == "order":
            return self._uncut(verdict, ranking)
        if sentence := self._refusal(verdict.score_kind):
            raise InvalidInput(sentence)
        deserving = self._deserving([float(item.score or 0.0) for item in scored])
        kept = min(deserving, self.k if self.k is not None else deserving)
        dropped = {item.index: self._reason(item, place, deserving) for place, item in enumerate(scored[kept:], kept)}
        dropped |= {item.index: "it has no score" for item in ranking if item not in scored}
        return replace(verdict, order=ranking.order, dropped={**verdict.dropped, **dropped})

    def _deserving(self, scores: Sequence[float]) -> int:
        if self.threshold is not None:
            return sum(score >= self.threshold for score in scores)
        assert self.elbow is not None
        rounding = _EPSILON * (scores[0] - scores[-1])
        cut = elbow(scores, self.elbow, 1.0, rounding)
        return cut.kept if cut.found_by is not None else len(scores)

    def _reason(self, item: Ranked, place: int, deserving: int) -> str:
        if place < deserving:
            return f"ranked below the {self.k} that are kept at most"
        if self.threshold is not None:
            return f"its score of {item.score:.4g} is below {self.threshold:g}"
        return f"its score stands behind the elbow, after place {deserving}"

    def _uncut(self, verdict: Verdict, ranking: Ranking) -> Verdict:
        """The first `k` as they stand, where there is nothing to cut through."""
        if not ranking:
            return verdict
        if verdict.score_kind == "order" and verdict.order and self.threshold is not None:
            raise InvalidInput(str(self._refusal("order")))
        note = Note("info", "There are no scores to cut through: the first documents are kept as they stand.")
        below = {} if self.k is None else {item.index: self._at_most for item in ranking[self.k :]}
        dropped = {**verdict.dropped, **below}
        return replace(verdict, order=ranking.order, dropped=dropped, notes=[*verdict.notes, note])

    @property
    def _at_most(self) -> str:
        return f"ranked below the {self.k} that are kept at most"

    def _refusal(self, kind: ScoreKind) -> str | None:
        """Why scores of this kind do not bear the cut, or None where they do."""
        if kind == "order":
            return (
                f"UpTo cuts through scores, and of {self.method!r} only the order means anything; take top_n, or a "
                "method with scores, such as CrossEncode() or Graded()."
            )
        if kind == "relative" and self.threshold is not None:
            return (
                f"UpTo(threshold=...) takes scores that mean the same for each question, and those of {self.method!r} "
                "can be compared within one list alone ('relative'): the same threshold would keep everything for one "
                "question and nothing for another. Take elbow='knee', or a method with absolute scores, such as "
                "CrossEncode() or Graded()."
            )
        return None
