"""How much a method minds what should not matter: another order, a typo, copies, noise, a passage that gives orders."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from rerank_plugins.backends.base import Backend
from rerank_plugins.cache import Cache
from rerank_plugins.errors import InvalidInput
from rerank_plugins.evaluation.changes import Change, Robustness
from rerank_plugins.evaluation.collection import Collection
from rerank_plugins.evaluation.compare import Ceiling, Comparison, Price, Row, Told, compare
from rerank_plugins.evaluation.first_stages import Lists
from rerank_plugins.evaluation.measures import Qrels, measure
from rerank_plugins.evaluation.perturbations import PERTURBATIONS, Perturbation, Perturbed
from rerank_plugins.evaluation.records import slug
from rerank_plugins.evaluation.statistics import difference
from rerank_plugins.evaluation.systems import System, Task
from rerank_plugins.events import Observer
from rerank_plugins.limits import Limits
from rerank_plugins.methods import Method

__all__ = ["Change", "Robustness", "kendall_tau", "robustness"]


def robustness(
    collection: Collection,
    lists: Lists,
    methods: Iterable[Method | str | System],
    *,
    backends: Backend | Sequence[Backend] = (),
    perturbations: Sequence[Perturbation] = PERTURBATIONS,
    measure: str = "nDCG@10",
    limits: Limits | None = None,
    cache: Cache | None = None,
    ceiling: Ceiling | None = None,
    price: Price = lambda spent: None,
    folder: str | Path | None = None,
    observer: Observer | None = None,
    told: Told = lambda label, done, queries: None,
) -> Robustness:
    """Rerank everything once as it is and once for each perturbation, and say what changes.

    The first stage is the first method, so that what a change of the order alone does can be seen. An interruption or
    the ceiling ends it with the perturbations that were finished for every method.

    Args:
        collection: As in `compare`.
        lists: As in `compare`; each candidate needs an id of its own.
        methods: As in `compare`.
        backends: As in `compare`.
        perturbations: What is changed. Each costs as much as the run without it, or more where it adds documents.
        measure: The measure, as ir_measures has it.
        limits: As in `compare`.
        cache: As in `compare`. What does not change, such as the embeddings of documents, is then computed once.
        ceiling: What all runs together may cost.
        price: As in `compare`.
        folder: As in `compare`; what a comparison left in it is not done again.
        observer: As in `compare`.
        told: As in `compare`; labels are those of the method and the perturbation.

    Raises:
        InvalidInput: A candidate has no id, two of a list have the same, or as `compare` does.

    >>> from rerank_plugins import Candidate
    >>> from rerank_plugins.evaluation.perturbations import Reversed
    >>> documents = {name: Candidate(name, name) for name in ("rye", "salt")}
    >>> bread = Collection("bread", documents, {"q": "what is rye?"}, {"q": {"rye": 1}})
    >>> found = robustness(bread, {"q": list(documents.values())}, [], perturbations=[Reversed()], measure="RR@10")
    >>> [(change.before, change.after, change.tau) for change in found.changes]
    [(1.0, 0.5, -1.0)]
    """
    _check(lists)
    methods, purse = list(methods), _Purse(ceiling or Ceiling())
    place = None if folder is None else Path(folder)

    def run(changed: Collection, candidates: Lists, name: str, folder: Path | None) -> Comparison:
        done = compare(
            changed,
            candidates,
            methods,
            backends=backends,
            measures=[measure],
            oracle=False,
            limits=limits,
            cache=cache,
            ceiling=purse.left,
            price=price,
            folder=folder,
            observer=observer,
            told=lambda label, count, queries: told(f"{label}, {name}", count, queries),
        )
        purse.pay(done)
        return done

    before = run(collection, lists, "unperturbed", place)
    changes: list[Change] = []
    stopped = before.stopped
    for perturbation in perturbations:
        if stopped or (stopped := purse.empty):
            break
        name, made = repr(perturbation), _perturbed(perturbation, collection, lists)
        questions = {query: one.task.question for query, one in made.items()}
        candidates = {query: one.task.candidates for query, one in made.items()}
        changed = replace(collection, queries={**collection.queries, **questions})
        after = run(changed, candidates, name, place and place / "perturbed" / slug(name))
        if not (stopped := after.stopped):
            changes += [
                _change(name, old, new, made, collection.qrels, measure)
                for old, new in zip(before.rows, after.rows, strict=True)
            ]
    return Robustness(collection.name, measure, changes, stopped)


def kendall_tau(before: Sequence[str], after: Sequence[str]) -> float:
    """Kendall's tau of two orders over what both have: the share of pairs in the same order less that of the others.

    >>> kendall_tau(["a", "b", "c"], ["a", "c", "x", "b"])
    0.3333333333333333
    """
    import numpy as np

    ranks = {name: rank for rank, name in enumerate(after)}
    places = np.asarray([ranks[name] for name in before if name in ranks])
    if len(places) < 2:
        return math.nan
    signs = np.sign(places[None, :] - places[:, None])
    return float(signs[np.triu_indices(len(places), 1)].mean())


class _Purse:
    """What is left of a ceiling that several comparisons share."""

    def __init__(self, ceiling: Ceiling) -> None:
        self._ceiling = ceiling
        self._spent: dict[str, float] = {"calls": 0, "tokens": 0, "dollars": 0.0}

    @property
    def _rooms(self) -> dict[str, float | None]:
        limits = {name: getattr(self._ceiling, name) for name in self._spent}
        return {name: None if limit is None else limit - self._spent[name] for name, limit in limits.items()}

    @property
    def left(self) -> Ceiling:
        """What the next comparison may cost."""
        return Ceiling(**self._rooms)  # type: ignore[arg-type] # whole numbers stay whole

    @property
    def empty(self) -> str:
        """Why nothing more may be spent, or nothing."""
        over = any(room is not None and room <= 0 for room in self._rooms.values())
        return "The ceiling was reached." if over else ""

    def pay(self, done: Comparison) -> None:
        """Take what a comparison cost."""
        self._spent = {name: self._spent[name] + cost for name, cost in done.spent.items()}


def _check(lists: Lists) -> None:
    for query, candidates in lists.items():
        names = [candidate.id for candidate in candidates]
        if None in names or len(set(names)) < len(names):
            raise InvalidInput(
                f"Each candidate needs an id of its own, so that it is known again, and those of query {query!r} do "
                "not have that; give each an id."
            )


def _perturbed(perturbation: Perturbation, collection: Collection, lists: Lists) -> dict[str, Perturbed]:
    return {
        query: perturbation(Task(query, collection.queries[query], lists.get(query, ())), collection)
        for query in collection.judged
    }


def _change(name: str, old: Row, new: Row, made: Mapping[str, Perturbed], qrels: Qrels, measured: str) -> Change:
    shared = [query for query in old.records if query in new.records]
    before = {query: old.records[query].order for query in shared}
    after = {query: _without_copies(new.records[query].order, made[query].copies) for query in shared}
    values, changed = measure(before, qrels, measured), measure(after, qrels, measured)
    taus = [tau for query in shared if not math.isnan(tau := kendall_tau(before[query], after[query]))]
    gains = [_gained(made[query], before[query], new.records[query].order) for query in shared]
    known = [gain for gain in gains if gain is not None]
    return Change(
        old.label,
        name,
        fmean(values.values()) if values else math.nan,
        fmean(changed.values()) if changed else math.nan,
        difference(changed, values),
        fmean(taus) if taus else math.nan,
        fmean(known) if known else None,
        new.total("failed"),
    )


def _without_copies(order: Sequence[str], copies: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(copies.get(name, name) for name in order))


def _gained(made: Perturbed, before: Sequence[str], after: Sequence[str]) -> int | None:
    """Ranks gained; a passage that the method leaves out has the last rank."""
    if made.injected is None:
        return None
    last = len(made.task.candidates)
    return (made.gains_from or _rank(made.injected, before, last)) - _rank(made.injected, after, last)


def _rank(name: str, order: Sequence[str], last: int) -> int:
    return order.index(name) + 1 if name in order else last
