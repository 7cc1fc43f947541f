"""Evidence on its way through the stages, and the verdict that tells for each chunk what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from rerank_plugins.candidates import Candidate, well_formed
from rerank_plugins.methods.meteora.expansion import Expansion
from rerank_plugins.methods.meteora.pairing import Pairing
from rerank_plugins.methods.meteora.placement import document_order
from rerank_plugins.methods.meteora.selection import Fit, Pooling, Selection, fits, select
from rerank_plugins.methods.meteora.verifier import Opinion
from rerank_plugins.methods.vectors import Vector
from rerank_plugins.ranking import Note, Verdict
from rerank_plugins.rationales import Rationale

__all__ = ["Evidence", "Rules", "conclude"]


@dataclass(frozen=True)
class Evidence:
    """What is known so far.

    Args:
        pool: All chunks: the candidates, then those that the neighbourhood added.
        rationales: At least one.
        vectors: Of the rationales; none where nothing could be compared.
        fits: Index to how near a chunk is to the rationales, where that is known.
        selection: What was chosen among the candidates; None where nothing could be compared.
        parents: Chunk that the neighbourhood added, to the one that it stands beside.
        opinions: Index to what the verifier thinks, of those that it was asked about.
        added: The chunks that were no candidates, as they came.
        notes: What a reader should know.
    """

    pool: tuple[Candidate, ...]
    rationales: Sequence[Rationale]
    vectors: Sequence[Vector] = ()
    fits: Mapping[int, Fit] = field(default_factory=dict)
    selection: Selection | None = None
    parents: Mapping[int, int] = field(default_factory=dict)
    opinions: Mapping[int, Opinion] = field(default_factory=dict)
    added: Sequence[Candidate] = ()
    notes: Sequence[Note] = ()

    @property
    def kept(self) -> list[int]:
        """What was chosen by any stage, the best first; everything, in its order, where nothing could be compared."""
        if self.selection is None:
            return list(range(len(self.pool)))
        return sorted({*self.selection.chosen, *self.parents}, key=lambda index: (-self.score(index), index))

    def score(self, index: int) -> float:
        """The score of a chunk, the least there is where it is not known."""
        return self.fits[index].score if index in self.fits else -1.0

    def noting(self, *messages: str) -> Evidence:
        """The same, with something more to know."""
        return replace(self, notes=[*self.notes, *(Note("info", message) for message in messages)])

    def selected(
        self, vectors: Sequence[Vector], of_chunks: Sequence[Vector], pairing: Pairing, pooling: Pooling
    ) -> Evidence:
        """After pairing and pooling."""
        found = fits(vectors, of_chunks)
        return replace(self, vectors=vectors, fits=dict(enumerate(found)), selection=select(found, pairing, pooling))

    def widened(self, expansion: Expansion, of_added: Sequence[Vector | None]) -> Evidence:
        """After expansion; a chunk whose vector is missing or of another dimension has no fit."""
        own = {place: v for place, v in enumerate(of_added) if v is not None and len(v) == len(self.vectors[0])}
        found = fits(self.vectors, list(own.values())) if own else []
        new = {len(self.pool) + place: fit for place, fit in zip(own, found, strict=True)}
        return replace(
            self,
            pool=(*self.pool, *map(well_formed, expansion.added)),
            fits={**self.fits, **new},
            parents=expansion.parents,
            added=expansion.added,
            notes=[*self.notes, *expansion.notes],
        )


@dataclass(frozen=True)
class Rules:
    """What is made of the evidence; `Meteora` explains the fields."""

    on_failed_check: Literal["keep", "drop"] = "keep"
    order: Literal["score", "document"] = "score"
    source_key: str | None = None
    number_key: str | None = None


def conclude(evidence: Evidence, rules: Rules) -> Verdict:
    """Rank what is left, and say of everything else which stage left it out.

    >>> chunks = tuple(Candidate(text) for text in "abc")
    >>> found = Evidence(chunks, [Rationale("r")]).selected([[1, 0]], [[0, 1], [1, 0], [1, 1]], "converge", Pooling())
    >>> verdict = conclude(found, Rules())
    >>> verdict.order, verdict.dropped[2]
    ([1], 'not chosen: no rationale is nearest to it, and by pooled cosine (0.7071) it is 2nd, where 1 is kept')
    """
    refused = {index: reason for index in evidence.kept if (reason := _refusal(evidence.opinions.get(index), rules))}
    order = [index for index in evidence.kept if index not in refused]
    chosen = set(evidence.kept)
    passed_over = [index for index in sorted(evidence.fits, key=_by_mean(evidence)) if index not in chosen]
    left_out_by = {**dict.fromkeys(refused, "verification"), **dict.fromkeys(passed_over, "selection")}
    evidence = evidence.noting(*_outcome(evidence, refused, order, rules))
    if rules.order == "document":
        order, lost = document_order(evidence.pool, order, rules.source_key, rules.number_key)
        evidence = evidence.noting(*([f"{lost} chunks have no place in a document that is known."] if lost else []))
    return Verdict(
        order=order,
        scores={index: fit.score for index, fit in evidence.fits.items()},
        why={
            index: _why(evidence, index) | {"left_out_by": left_out_by.get(index)}
            for index in range(len(evidence.pool))
        },
        dropped={**refused, **{index: _passed_over(evidence, index) for index in passed_over}},
        notes=evidence.notes,
        score_kind="relative" if rules.order == "score" else "order",
        added=evidence.added,
    )


def _by_mean(evidence: Evidence) -> Any:
    return lambda index: (-evidence.fits[index].mean, index)


def _refusal(opinion: Opinion | None, rules: Rules) -> str:
    """Why the verifier leaves a chunk out; "" if it does not."""
    if opinion is None:
        return ""
    if opinion.kind is not None:
        sure = "" if opinion.confidence is None else f" (confidence {opinion.confidence:.2g})"
        return f"flagged by the verifier: {_KINDS[opinion.kind]}{sure}"
    return "not verified: its check failed" if not opinion.checked and rules.on_failed_check == "drop" else ""


_KINDS = {
    "factual": "factual error",
    "instruction": "against the instructions",
    "contradiction": "contradicts accepted evidence",
}


def _outcome(evidence: Evidence, refused: Mapping[int, str], order: Sequence[int], rules: Rules) -> list[str]:
    """What a reader should know of the verification as a whole."""
    unchecked = sum(not opinion.checked for opinion in evidence.opinions.values())
    notes = []
    if unchecked:
        did = "kept" if rules.on_failed_check == "keep" else "left out"
        notes.append(f"{unchecked} of {len(evidence.opinions)} chunks could not be checked and were {did}.")
    if refused and not order:
        notes.append(f"The verifier let none of the {len(refused)} chosen chunks pass; there is no evidence left.")
    return notes


def _passed_over(evidence: Evidence, index: int) -> str:
    assert evidence.selection is not None
    rank, kept = evidence.selection.ranks[index], evidence.selection.cut.kept
    return (
        f"not chosen: no rationale is nearest to it, and by pooled cosine ({evidence.fits[index].mean:.4g}) "
        f"it is {_ordinal(rank)}, where {kept} {'is' if kept == 1 else 'are'} kept"
    )


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number}{ending}"


def _why(evidence: Evidence, index: int) -> dict[str, Any]:
    """All that is known of a chunk, as plain data."""
    why: dict[str, Any] = {}
    fit, selection = evidence.fits.get(index), evidence.selection
    if fit is not None:
        chose = selection.paired.get(index, ()) if selection is not None else ()
        why |= {
            "rationales": [_told(evidence, fit, place) for place in chose],
            "best_rationale": _told(evidence, fit, fit.nearest),
            "pooled_cosine": fit.mean,
        }
    if selection is not None:
        given = index < len(selection.ranks)
        stages = selection.stages_of(index) if given else []
        why |= {
            "selected_by": [*stages, "expansion"] if index in evidence.parents else stages,
            "pooled_rank": selection.ranks[index] if given else None,
            "elbow": {"kept": selection.cut.kept, "found_by": selection.cut.found_by},
            "expanded_from": evidence.parents.get(index),
        }
    opinion = evidence.opinions.get(index)
    return why | {"verdict": None if opinion is None else _opinion(opinion)}


def _told(evidence: Evidence, fit: Fit, place: int) -> dict[str, Any]:
    rationale = evidence.rationales[place]
    return {"label": rationale.label, "strategy": rationale.strategy, "cosine": fit.each[place]}


def _opinion(opinion: Opinion) -> dict[str, Any]:
    return {
        "flagged": opinion.kind is not None,
        "kind": opinion.kind,
        "confidence": opinion.confidence,
        "reason": opinion.reason,
        "contradicts": list(opinion.against),
        "checked": opinion.checked,
    }
