"""Question decomposition: search for every part of a question, and rerank what all searches found."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from rerank_plugins.candidates import Candidate, well_formed
from rerank_plugins.errors import InvalidInput, Unanswered
from rerank_plugins.methods.base import Method, Options, needs_of, wants_of
from rerank_plugins.methods.compose import checked_methods, pooled, together
from rerank_plugins.methods.cross_encode import CrossEncode
from rerank_plugins.methods.decompose.coverage import covering
from rerank_plugins.methods.decompose.reranked import Reranked
from rerank_plugins.methods.decompose.searches import Searches
from rerank_plugins.methods.rules import Rule, flag, number, one_of, whole
from rerank_plugins.prompts.bridges import answers_request, parse_answers
from rerank_plugins.prompts.plain_questions import distinct, filled, references, without_references
from rerank_plugins.prompts.subquestions import Plan, parse_subquestions, subquestions_request
from rerank_plugins.ranking import Note, Ranking, ScoreKind, settle
from rerank_plugins.requests import Chat, Failed, Reply, Request, Retrieve, Steps

__all__ = ["Decompose"]

Subquestions = Sequence[str] | Callable[[str], Sequence[str]]
Asking = Generator[Sequence[Request], Sequence[Any], Any]

_READ = 5  # passages per sub-question that are read for its answer


@dataclass(frozen=True, kw_only=True, repr=False)
class Decompose(Options):
    """Retrieve for the question and for its sub-questions, and rerank all that was found against the question.

    A chat model names the sub-questions while the question itself is already searched for; then all of them are
    searched for at once, what was found is merged, and a method of your choice reranks it: one call, one parallel
    retrieval, one rerank. It takes as many sub-questions as the question needs, and a simple one gets none. What was
    found for different questions is merged by ranks; their scores are never compared.

    Documents that are handed in count as found by the question itself, and join what is retrieved. All that is not
    kept is listed as dropped. Scores are those of the reranker, except with coverage, where only the order means
    anything ("order").

    It works with less. Without a chat model, or where its reply is of no use, it searches for the question alone.
    Without a retriever it can only reorder the documents handed in, which is not the published method. Each of these
    is noted.

    Source: Question Decomposition for Retrieval-Augmented Generation, arXiv 2507.00355. The paper publishes neither its
    prompt nor how it merges. Prompts, merging by best rank, coverage and further rounds are this project's own.

    Args:
        rerank: How the pool is ranked against the question; the paper's way is a cross-encoder. `FirstStage()` keeps
            the merged order: each search brings in its best before any brings in its second.
        max_subquestions: The most sub-questions.
        k: Documents retrieved for each of the questions.
        keep: How many documents are kept; None for all.
        coverage: Whether the documents kept are chosen so that they serve all sub-questions, instead of the best for
            the question as a whole (the xQuAD rule). It needs no further call unless `coverage_by` is "scores".
        coverage_by: How well a document serves a sub-question: "ranks" goes by its rank in the search for it, "scores"
            by its rank when the pool is reranked for each sub-question, which costs as many rerankings more (at once).
        coverage_weight: How much that counts against the relevance for the question itself, 0 to 1.
        rounds: How often is retrieved, 1 to 4. From 2 on a sub-question may wait for the answer of another: answers
            are looked up by the chat model in the passages found so far, one call a round, and have to stand there.
        subquestions: Sub-questions to use instead of a model's: a fixed list, or a function of the question. "#1" in
            one stands for the answer of the first.
        temperature: For the sub-questions; None leaves it to the backend. The paper's is 0.8.

    Raises:
        InvalidInput: An argument breaks a rule.

    >>> from rerank_plugins import FirstStage, rerank
    >>> from rerank_plugins.backends import BM25Retriever
    >>> shelf = BM25Retriever(["Emma was written by Jane Austen.", "Jane Austen was born in Steventon.", "A spoon."])
    >>> method = Decompose(rerank=FirstStage(), subquestions=["Who wrote Emma?", "Where was Jane Austen born?"])
    >>> ranking = rerank(method, "the birthplace of Emma's author", [], backends=shelf)
    >>> [(item.candidate.text, [found["question"] for found in item.why["serves"]]) for item in ranking]
    [('Emma was written by Jane Austen.', ...), ('Jane Austen was born in Steventon.', ...)]
    """

    rerank: Method = CrossEncode()
    max_subquestions: int = 5
    k: int = 10
    keep: int | None = 10
    coverage: bool = False
    coverage_by: Literal["ranks", "scores"] = "ranks"
    coverage_weight: float = 0.7
    rounds: int = 1
    subquestions: Subquestions | None = None
    temperature: float | None = None

    rules: ClassVar[Mapping[str, Rule]] = {
        "max_subquestions": whole(1, 20),
        "k": whole(1, 1000),
        "keep": whole(0, 10**6, none="for all"),
        "coverage": flag(),
        "coverage_by": one_of("ranks", "scores"),
        "coverage_weight": number(0, 1),
        "rounds": whole(1, 4),
        "temperature": number(0, none="for the backend's own"),
    }

    def __post_init__(self) -> None:
        if self.subquestions is not None and not callable(self.subquestions):
            given = (self.subquestions,) if isinstance(self.subquestions, str) else tuple(self.subquestions)
            self._keep(subquestions=given)
        checked_methods("Decompose(rerank=...)", [self.rerank])
        super().__post_init__()
        if not callable(self.subquestions) and not all(isinstance(text, str) for text in self.subquestions or ()):
            raise InvalidInput(
                "Decompose(subquestions=...) is a list of strings, a function that gives one, or None, "
                f"not {self.subquestions!r}."
            )

    @property
    def needs(self) -> tuple[type[Request], ...]:  # what it asks for depends on its reranker
        return needs_of(self.rerank)

    @property
    def wants(self) -> tuple[type[Request], ...]:
        own = (Chat, Retrieve) if self.subquestions is None or self.rounds > 1 else (Retrieve,)
        return tuple(dict.fromkeys((*own, *wants_of(self.rerank))))

    @property
    def score_kind(self) -> ScoreKind | None:  # type: ignore[override] # as above
        return None if self.coverage else getattr(self.rerank, "score_kind", None)

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        searches = Searches(query, candidates, self.k)
        plan: Plan = yield from self._begin(query, searches)
        parts = {number: without_references(text) for number, text in plan.numbered.items()}
        if searches.unanswered is None:
            yield from self._go_on(plan, searches)
            parts = searches.subquestions
        reranked: Reranked = yield from self._reranked(query, parts, searches)
        return reranked.verdict(searches, self.keep, given=len(candidates))

    def _begin(self, query: str, searches: Searches) -> Asking:
        """Search for the question, and for what is known to be asked beside it, while the model names the rest."""
        given = self._given(query)
        request = subquestions_request(
            query, self.max_subquestions, bridges=self.rounds > 1, temperature=self.temperature
        )
        asked = [request] if given is None else []
        first = {0: query} | ({} if given is None else given.ready)
        replies = yield [*asked, *searches.requests(first)]
        searches.take(first, replies[len(asked) :])
        plan = given or parse_subquestions(replies[0], query, self.max_subquestions)
        searches.notes += _notes_on(plan, replies[0] if asked else None)
        return plan

    def _given(self, query: str) -> Plan | None:
        if self.subquestions is None:
            return None
        try:
            rows = self.subquestions(query) if callable(self.subquestions) else self.subquestions
            return Plan(*distinct([rows] if isinstance(rows, str) else rows, query, self.max_subquestions))
        except Exception as error:  # noqa: BLE001 # a function of the user's is as free to fail as a model
            return Plan(fault=f"could not be had: the function that gives them failed with {type(error).__name__}")

    def _go_on(self, plan: Plan, searches: Searches) -> Asking:
        """Search for each sub-question once: when its answers are known, or in the last round without them."""
        waiting = {number: text for number, text in plan.numbered.items() if number not in searches.asked}
        looked_up: set[int] = set()
        for left in reversed(range(self.rounds)):
            now = {
                number: without_references(text) for number, text in waiting.items() if not (left and references(text))
            }
            if now:
                searches.take(now, (yield searches.requests(now)))
            waiting = {number: text for number, text in waiting.items() if number not in now}
            awaited = set[int]().union(*map(references, waiting.values())) & searches.subquestions.keys() - looked_up
            if awaited:
                looked_up |= awaited
                answers = yield from self._look_up(sorted(awaited), searches)
                waiting = {number: filled(text, answers) for number, text in waiting.items()}

    def _look_up(self, numbers: Sequence[int], searches: Searches) -> Asking:
        """Ask for the answers of sub-questions; they come from documents, so they serve to search and nothing else."""
        questions = {number: searches.texts[number] for number in numbers}
        texts = searches.read_for(numbers, _READ)
        if not texts:
            return {}
        (reply,) = yield [answers_request(questions, texts)]
        answers, refused = parse_answers(reply, questions, texts)
        if refused:
            searches.notes.append(Note("repaired", f"{refused} answers stand in no passage found, and were not used."))
        if missing := len(questions) - len(answers):
            searches.notes.append(Note("info", f"{missing} sub-questions that others wait for found no answer."))
        return answers

    def _reranked(self, query: str, parts: Mapping[int, str], searches: Searches) -> Asking:
        """Rank the pool against the question; for coverage by scores against its parts, too, all at once."""
        merged = searches.pool.order()
        views = [well_formed(searches.pool.documents[index]) for index in merged]
        by_scores = self.coverage and (self.coverage_by == "scores" or searches.unanswered is not None)
        asked = [query, *(parts.values() if by_scores else ())]
        verdicts = yield from together([self.rerank.steps(question, views) for question in asked])
        verdicts, added = pooled(verdicts, len(views))
        merged += searches.pool.extend(added)
        ranking, *others = (settle(verdict, views) for verdict in verdicts)
        if not (self.coverage and parts):
            return Reranked(repr(self.rerank), ranking, merged, ranking.order)
        ranks = [_ranks(other, len(merged)) for other in others] or [
            [searches.pool.ranks[index].get(number) for index in merged] for number in parts
        ]
        order = covering(ranking, ranks, self.coverage_weight)
        return Reranked(repr(self.rerank), ranking, merged, order, covers=True)


def _ranks(ranking: Ranking, count: int) -> list[int | None]:
    ranks = {item.index: item.rank for item in ranking}
    return [ranks.get(place) for place in range(count)]


def _notes_on(plan: Plan, reply: Reply | None) -> list[Note]:
    """What a reader should know about the sub-questions."""
    if isinstance(reply, Failed):
        missing = f" {reply.error.need}" if isinstance(reply.error, Unanswered) else ""
        return [Note("info", f"No sub-questions were named, so the question stands alone.{missing}")]
    notes = [Note("repaired", f"The list of sub-questions {plan.fault}.")] if plan.fault else []
    told = f"Sub-questions: {'; '.join(plan.questions)}" if plan.questions else "There are no sub-questions."
    return [*notes, Note("info", told)]
