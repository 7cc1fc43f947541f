"""METEORA: evidence chosen by rationales, cut at the elbow, widened to its neighbours, and verified."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

from rerank_plugins.candidates import Candidate, well_formed
from rerank_plugins.errors import Unanswered
from rerank_plugins.methods.base import Options
from rerank_plugins.methods.meteora.elbow import ElbowRule
from rerank_plugins.methods.meteora.evidence import Evidence, Rules, conclude
from rerank_plugins.methods.meteora.expansion import Expansion, expanded
from rerank_plugins.methods.meteora.options import RULES, check_domain, read_examples, read_rationales
from rerank_plugins.methods.meteora.pairing import Pairing
from rerank_plugins.methods.meteora.selection import Pooling
from rerank_plugins.methods.meteora.verifier import Verified, verified
from rerank_plugins.methods.rules import Rule
from rerank_plugins.methods.vectors import Vector, query_and_vectors, vectors_of
from rerank_plugins.prompts.rationales import Example, parse_rationales, rationales_request
from rerank_plugins.ranking import Note, Verdict
from rerank_plugins.rationales import DOMAINS, Domain, Rationale, as_rationales
from rerank_plugins.requests import Chat, Embed, Embedded, Failed, Neighbours, Request, Steps

__all__ = ["Meteora"]

Asking = Generator[Sequence[Request], Sequence[Any], Any]
Generated = Callable[[str], Iterable[Rationale | str]]


@dataclass(frozen=True, kw_only=True, repr=False)
class Meteora(Options):
    """Choose evidence by what would settle the question, and check it; no fixed number is kept.

    1. Rationales: a model writes what to look for, seeing no document.
    2. Pairing: each rationale takes the chunk nearest to it, by cosine.
    3. Pooling: of the chunks nearest to the mean of the rationales, those above the elbow.
    4. Expansion: the neighbours in the document of what was chosen so far, never those in the result list.
    5. Verification: each chosen chunk is checked at once and on its own for factual errors and for what the rationales
       say to refuse; what passes is checked, at once, for contradictions. The order of the chunks plays no part.

    What is kept is ranked; everything else is in `Ranking.dropped` with the stage that left it out. A chunk's score is
    the higher of its cosines with the mean rationale and with its nearest rationale, in -1..1, higher is better,
    comparable within this list ("relative"). At least one chunk is chosen; if the verifier flags all that were chosen,
    the ranking is empty, and a note says so: flagged evidence is worse than none.

    It needs an embedder. Without a chat model the question itself is the only rationale and nothing is verified;
    without anything that knows a chunk's neighbours nothing is expanded. A note says so each time. It costs three calls
    one after another (rationales, first and second checks; one call per chunk in each of the latter, all at once), and
    two or three round trips to the embedder and to the documents.

    Source: Ranking Free RAG, arXiv 2505.16014. The paper tunes its rationale generator by preferences (DPO), and its
    weights are not public: the one here is PROMPTED, NOT TUNED, and the paper's figures are not to be expected of it.
    The prompts are this project's own, and so are: vectors of all candidates in one list, whatever their documents; the
    "knee" rule; checking all at once, where the paper checks one chunk after another.

    Args:
        rationales: How many the model writes (0: the question is the only one), or the rationales themselves, as
            `Rationale` or texts, or a function that is called with the question and returns such a list. It is called
            where the rerank runs, and holds up the other questions for as long as it takes.
        examples: Pairs of a question and its rationales, shown to the model.
        domain: The name of a field in `rerank_plugins.rationales.DOMAINS`, or a `Domain`.
        temperature: For writing rationales; None leaves it to the backend.
        pairing: "converge" lets several rationales meet on one chunk, "distinct" has each take one of its own.
        elbow: How pooling cuts. "paper" cuts at the first outstanding gap, "knee" at the bend of the whole curve. On
            random scores the first keeps a single chunk in 36 % (of 10) to 74 % (of 100) of cases, the second in 40 %
            to none.
        z: For "paper": how many standard deviations above the mean gap a gap has to be.
        epsilon: Differences of cosines up to this are rounding.
        min_pooled: The least that pooling keeps.
        max_pooled: The most that pooling keeps; None for no bound.
        expand: How many neighbours on each side; 0 for none.
        verify: Whether the evidence is verified.
        sure: A factual error counts where the verifier's confidence is above this.
        on_failed_check: "keep" (fail open) or "drop" (fail closed) a chunk whose check failed. With "drop" a chat model
            is needed.
        order: "score", or "document" for chunks as they stand in their documents (then only the order means anything).
        source_key: For "document" order: the metadata key of the document; None tries the usual ones.
        number_key: For "document" order: the metadata key of a chunk's number or offset; None tries the usual ones.

    Raises:
        InvalidInput: An argument breaks a rule.

    >>> from rerank_plugins import rerank
    >>> from rerank_plugins.testing import FakeModel
    >>> method = Meteora(rationales=["acid in rye"], verify=False, expand=0)
    >>> ranking = rerank(method, "why?", ["a song", "the acid in rye", "a film"], backends=FakeModel())
    >>> ranking.order, ranking[0].why["selected_by"]
    ([1], ['pairing', 'pooling'])
    """

    values: ClassVar[tuple[type, ...]] = (Rationale, Domain)
    rules: ClassVar[Mapping[str, Rule]] = RULES
    rationales: int | Sequence[Rationale | str] | Generated = 8
    examples: Sequence[Example] = ()
    domain: str | Domain | None = None
    temperature: float | None = 0.7
    pairing: Pairing = "converge"
    elbow: ElbowRule = "paper"
    z: float = 1.0
    epsilon: float = 1e-6
    min_pooled: int = 1
    max_pooled: int | None = None
    expand: int = 1
    verify: bool = True
    sure: float = 0.9
    on_failed_check: Literal["keep", "drop"] = "keep"
    order: Literal["score", "document"] = "score"
    source_key: str | None = None
    number_key: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._keep(rationales=read_rationales(self.rationales), examples=read_examples(self.examples))
        check_domain(self.domain)

    @classmethod
    def paper(cls) -> Self:
        """The published configuration, which the defaults are: 8 rationales at temperature 0.7, z above 1, 1 neighbour.

        >>> Meteora.paper()
        Meteora()
        """
        return cls()

    @property
    def needs(self) -> tuple[type[Request], ...]:  # what it asks for depends on its options
        return (Embed, Chat) if self.verify and self.on_failed_check == "drop" else (Embed,)

    @property
    def wants(self) -> tuple[type[Request], ...]:
        chats = (Chat,) if self._count or self.verify else ()
        return (*chats, Neighbours) if self.expand else chats

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        if not candidates:
            return Verdict(order=(), score_kind="relative")
        evidence: Evidence = yield from self._chosen(query, candidates)
        if self.expand and evidence.selection is not None:
            evidence = yield from self._widened(evidence)
        if self.verify:
            evidence = yield from self._verified(query, evidence)
        return conclude(evidence, Rules(self.on_failed_check, self.order, self.source_key, self.number_key))

    @property
    def _count(self) -> int:
        """How many rationales the model writes."""
        return self.rationales if isinstance(self.rationales, int) else 0

    @property
    def _field(self) -> Domain | None:
        return DOMAINS[self.domain] if isinstance(self.domain, str) else self.domain

    def _flags(self, rationales: Sequence[Rationale]) -> list[str]:
        standing = self._field.flags if self._field else ()
        return list(dict.fromkeys([*standing, *(rationale.flag for rationale in rationales if rationale.flag)]))

    def _chosen(self, query: str, candidates: Sequence[Candidate]) -> Asking:
        """Write rationales while the chunks are embedded, embed the rationales, and select."""
        asked, vectors, replies = yield from query_and_vectors(query, candidates, *self._requests(query))
        rationales, notes = self._given(query, replies)
        named: list[Vector | None] = [asked]
        if rationales:
            (reply,) = yield [Embed(tuple(rationale.text for rationale in rationales), "query")]
            if isinstance(reply, Embedded):
                named = list(reply.vectors)
            else:
                rationales, notes = (), [*notes, Note("info", "Without vectors of the rationales the question serves.")]
        evidence = Evidence(tuple(candidates), rationales or (_QUESTION,), notes=notes)
        comparable = _comparable([*named, *vectors])
        if not comparable:
            return evidence.noting("Without vectors nothing could be selected; all candidates are kept.")
        of_rationales, of_chunks = comparable[: len(named)], comparable[len(named) :]
        return evidence.selected(of_rationales, of_chunks, self.pairing, self._pooling)

    def _requests(self, query: str) -> list[Request]:
        if not self._count:
            return []
        examples, domain = self.examples, self._field
        asked = rationales_request(query, self._count, examples=examples, domain=domain, temperature=self.temperature)
        return [asked]

    def _given(self, query: str, replies: Sequence[Any]) -> tuple[tuple[Rationale, ...], list[Note]]:
        """The rationales, none if the question is to serve, and what a reader should know."""
        if callable(self.rationales):
            return _called(self.rationales, query)
        if not isinstance(self.rationales, int):
            return as_rationales(self.rationales), []
        return _written(replies[0], self._count) if replies else ((), [])

    @property
    def _pooling(self) -> Pooling:
        return Pooling(self.elbow, self.z, self.epsilon, self.min_pooled, self.max_pooled)

    def _widened(self, evidence: Evidence) -> Asking:
        """Add the neighbours; those that were no candidates get vectors, so that they have scores."""
        found: Expansion = yield from expanded(evidence.pool, evidence.kept, self.expand)
        vectors = yield from vectors_of([well_formed(added) for added in found.added], len(evidence.vectors[0]))
        return evidence.widened(found, vectors)

    def _verified(self, query: str, evidence: Evidence) -> Asking:
        """Check what was chosen; against positions of pieces become indices of chunks."""
        kept = evidence.kept
        texts, scores = [evidence.pool[index].text for index in kept], [evidence.score(index) for index in kept]
        flags, open_ = self._flags(evidence.rationales), self.on_failed_check == "keep"
        found: Verified = yield from verified(query, texts, scores, flags, self.sure, keep_unchecked=open_)
        opinions = {
            index: replace(opinion, against=tuple(kept[place] for place in opinion.against))
            for index, opinion in zip(kept, found.opinions, strict=True)
        }
        return replace(evidence, opinions=opinions, notes=[*evidence.notes, *found.notes])


_QUESTION = Rationale("the question")


def _comparable(vectors: Sequence[Vector | None]) -> list[Vector]:
    """The vectors, if all are there and of one dimension; else none."""
    known = [vector for vector in vectors if vector is not None]
    return known if len(known) == len(vectors) and len(set(map(len, known))) == 1 else []


def _called(generate: Generated, query: str) -> tuple[tuple[Rationale, ...], list[Note]]:
    try:
        rationales = as_rationales(generate(query))
    except Exception as error:  # noqa: BLE001 # a user's function can fail in any way, and costs the rationales alone
        said = f"The function that gives rationales failed with {type(error).__name__}; the question serves as the one."
        return (), [Note("failed", said)]
    if not rationales:
        return (), [Note("info", "The function gives no rationales for this question; the question serves as the one.")]
    return rationales, []


def _written(reply: Any, count: int) -> tuple[tuple[Rationale, ...], list[Note]]:
    if isinstance(reply, Failed) and isinstance(reply.error, Unanswered):
        return (), [Note("info", f"The question itself is the only rationale. {reply.error.need}")]
    if isinstance(reply, Failed):
        return (), [Note("info", "No rationales could be had; the question itself is the only one.")]
    written = parse_rationales(reply, count)
    notes = [Note("repaired", f"The reply with the rationales {written.fault}.")] if written.fault else []
    if not written.rationales:
        notes.append(Note("info", "The question itself is the only rationale."))
    return written.rationales, notes
