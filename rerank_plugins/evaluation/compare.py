"""Run methods over a collection, and say what each gains over the first stage, at what cost, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

from rerank_plugins.backends.base import Backend
from rerank_plugins.cache import Cache
from rerank_plugins.errors import InvalidInput
from rerank_plugins.evaluation.collection import Collection
from rerank_plugins.evaluation.first_stages import Lists
from rerank_plugins.evaluation.measures import measure
from rerank_plugins.evaluation.records import Record, RecordFile, Records, slug
from rerank_plugins.evaluation.statistics import Difference, difference, interval
from rerank_plugins.evaluation.systems import MethodSystem, Oracle, System, Task
from rerank_plugins.events import Observer
from rerank_plugins.limits import Limits
from rerank_plugins.methods import FirstStage, Method, read_method
from rerank_plugins.ranking import Usage

__all__ = ["MEASURES", "Ceiling", "Comparison", "Row", "compare"]

MEASURES = ("nDCG@10", "RR@10", "R@10", "AP", "Judged@10")
"""What is measured unless something else is named: names of ir_measures."""

Price = Callable[[Usage], float | None]
"""What the use of chat models costs in US dollars; None where that is not known."""

Told = Callable[[str, int, int], object]
"""Called with the label of a row, how many of its queries are done and how many there are."""


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """What a comparison may cost in all, earlier runs that it goes on from included; None for no limit.

    Calls and tokens are never passed: a query that would is not finished and does not count. A row stops before the
    next queries could pass the dollars, each taken to cost as much as the row's dearest so far; what its first query
    will cost nobody knows.

    Args:
        calls: Calls to models.
        tokens: Prompt and completion tokens.
        dollars: US dollars, where the price is known.
    """

    calls: int | None = None
    tokens: int | None = None
    dollars: float | None = None

    def __post_init__(self) -> None:
        for name in ("calls", "tokens", "dollars"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise InvalidInput(f"Ceiling({name}=...) is a number above 0, or None for no limit, not {value!r}.")


@dataclass(frozen=True)
class Row:
    """One method over all queries that it was run on.

    Args:
        label: Its repr, or its name.
        records: What came of each query.
        values: Measure to query id to value; higher is better.
        dollars: What its calls to chat models cost, where that is known.
        stopped: Why it was not run on all queries; empty where it was.
    """

    label: str
    records: Records = field(repr=False)
    values: Mapping[str, Mapping[str, float]] = field(repr=False)
    dollars: float | None = None
    stopped: str = ""

    def mean(self, name: str) -> float | None:
        """Mean of a measure over the queries it was run on; None where there are none."""
        return fmean(self.values[name].values()) if self.values[name] else None

    def interval(self, name: str) -> tuple[float, float]:
        """95 % bootstrap interval of that mean."""
        return interval(list(self.values[name].values()))

    def against(self, other: Row, name: str) -> Difference:
        """The difference to another row, on the queries that both were run on."""
        return difference(self.values[name], other.values[name])

    @property
    def usage(self) -> Usage:
        """What it cost, all queries together."""
        return sum((record.usage for record in self.records.values()), Usage())

    def seconds(self, share: float = 0.5) -> float:
        """Seconds per query: the median, or another quantile; 0 where no query was run."""
        times = sorted(record.usage.seconds for record in self.records.values())
        return times[min(len(times) - 1, int(share * len(times)))] if times else 0.0

    def total(self, name: str) -> int:
        """The sum of a count of the records: "lost", "repaired", "failed", "limited" or "from_cache"."""
        return sum(int(getattr(record, name)) for record in self.records.values())


@dataclass(frozen=True)
class Comparison:
    """A table of rows, the first stage first.

    Args:
        collection: The collection's name.
        first_stage: What the candidates come from.
        measures: The measures, the main one first.
        queries: Query id to question, of those that were to be run.
        k: Candidates per query at most.
        rows: The rows.
        stopped: Why it is partial; empty where all is done.
    """

    collection: str
    first_stage: str
    measures: Sequence[str]
    queries: Mapping[str, str]
    k: int
    rows: Sequence[Row]
    stopped: str = ""

    @property
    def spent(self) -> dict[str, float]:
        """What all rows cost, under the names that a `Ceiling` has for it."""
        usage = sum((row.usage for row in self.rows), Usage())
        tokens, dollars = usage.prompt_tokens + usage.completion_tokens, sum(row.dollars or 0.0 for row in self.rows)
        return {"calls": usage.calls, "tokens": tokens, "dollars": dollars}

    def row(self, label: str) -> Row:
        """The row of that label.

        Raises:
            InvalidInput: There is none.
        """
        for row in self.rows:
            if row.label == label:
                return row
        raise InvalidInput(f"There is no row {label!r}; there are {', '.join(row.label for row in self.rows)}.")


def compare(
    collection: Collection,
    lists: Lists,
    methods: Iterable[Method | str | System],
    *,
    backends: Backend | Sequence[Backend] = (),
    measures: Sequence[str] = MEASURES,
    first_stage: str = "first stage",
    oracle: bool = True,
    limits: Limits | None = None,
    cache: Cache | None = None,
    ceiling: Ceiling = Ceiling(),
    price: Price = lambda spent: None,
    folder: str | Path | None = None,
    observer: Observer | None = None,
    told: Told = lambda label, done, queries: None,
) -> Comparison:
    """Rerank every list with every method, and measure.

    An interruption (Ctrl-C) ends it with what was finished; so does the ceiling. Both are said in `stopped`.

    Args:
        collection: Questions and judgements.
        lists: The candidates of each query, as `rerank_plugins.evaluation.first_stages` makes them.
        methods: Methods, their reprs, or other systems, such as a peer. The first stage is always the first row.
        backends: The models that answer what the methods ask.
        measures: Names of measures as ir_measures has them; the first is the one that counts.
        first_stage: What the lists come from, for the tables.
        oracle: Whether the last row is the best order that the lists allow.
        limits: Bounds on the calls; its deadline and budgets are for each row.
        cache: As in `rerank`.
        ceiling: What all may cost.
        price: What the use of chat models costs.
        folder: Where records are kept as they come. A second call with the same folder does only what is missing.
        observer: As in `rerank`.
        told: Called after each query.

    Raises:
        InvalidInput: A method or measure is unknown, or the ceiling is in dollars and there is no price.
        UnmetNeed: No model answers what a method asks for.

    >>> from rerank_plugins import Candidate
    >>> documents = {name: Candidate(name, name) for name in ("rye", "salt")}
    >>> bread = Collection("bread", documents, {"q": "what is rye?"}, {"q": {"rye": 1}})
    >>> lists = {"q": [documents["salt"], documents["rye"]]}
    >>> [(row.label, row.mean("RR@10")) for row in compare(bread, lists, [], measures=["RR@10"]).rows]
    [('FirstStage()', 0.5), ('Oracle()', 1.0)]
    """
    models = backends if isinstance(backends, Sequence) else [backends]
    tasks = [Task(query, collection.queries[query], lists[query]) for query in collection.judged if lists.get(query)]
    ours = [_system(method, models, limits, cache, observer) for method in (FirstStage(), *methods)]
    systems = [*ours, Oracle(collection.qrels)] if oracle else ours
    for name in measures:
        measure({}, collection.qrels, name)  # an unknown one is refused before anything is paid for
    for system in ours:
        if isinstance(system, MethodSystem):
            system.check()
    purse, rows, stopped = _Purse(ceiling, price), list[Row](), ""
    for system in {system.label: system for system in systems}.values():
        if stopped and not getattr(system, "free", False):
            continue
        path = folder and Path(folder) / "records" / f"{slug(system.label, system.key)}.jsonl"
        records: Records = {}
        try:
            stopped = _run(system, tasks, RecordFile(path or None), records, purse, told) or stopped
        except KeyboardInterrupt:
            stopped = "It was interrupted."
        partial = stopped if len(records) < len(tasks) else ""
        rows.append(_row(system.label, records, collection, measures, price, partial))
    return Comparison(
        collection.name,
        first_stage,
        tuple(measures),
        {task.query: task.question for task in tasks},
        max((len(task.candidates) for task in tasks), default=0),
        rows,
        stopped,
    )


def _system(
    method: Method | str | System,
    backends: Sequence[Backend],
    limits: Limits | None,
    cache: Cache | None,
    observer: Observer | None,
) -> System:
    method = read_method(method) if isinstance(method, str) else method
    return MethodSystem(method, backends, limits, cache, observer) if isinstance(method, Method) else method


class _Purse:
    """What was spent so far, and how many further queries the ceiling allows."""

    def __init__(self, ceiling: Ceiling, price: Price) -> None:
        if ceiling.dollars is not None and price(Usage(1, 1000, 1000)) is None:
            raise InvalidInput(
                f"A ceiling of {ceiling.dollars!r} dollars needs a known price, and there is none for this model; "
                "set a ceiling of calls or tokens instead."
            )
        self._limits = (ceiling.calls, ceiling.tokens, ceiling.dollars)
        self._price = price
        self._spent = [0.0, 0.0, 0.0]
        self._dearest = [0.0, 0.0, 0.0]

    def begin(self) -> None:
        """A new row: what a query of it costs is not known yet."""
        self._dearest = [0.0, 0.0, 0.0]

    def pay(self, record: Record) -> None:
        """Take a query's cost."""
        tokens = record.usage.prompt_tokens + record.usage.completion_tokens
        costs = (record.usage.calls, tokens, self._price(record.chat) or 0.0)
        self._spent = [spent + cost for spent, cost in zip(self._spent, costs, strict=True)]
        self._dearest = [max(most, cost) for most, cost in zip(self._dearest, costs, strict=True)]

    def bound(self, system: System) -> System:
        """The system with what is left of calls and tokens as its own limits."""
        if not isinstance(system, MethodSystem) or self._limits[:2] == (None, None):
            return system
        own = system.limits or Limits()
        calls, tokens = (
            None if limit is None else max(0, int(limit - spent))
            for limit, spent in zip(self._limits[:2], self._spent[:2], strict=True)
        )
        return replace(
            system,
            limits=replace(own, max_calls=_least(own.max_calls, calls), max_tokens=_least(own.max_tokens, tokens)),
        )

    @property
    def bounded(self) -> bool:
        """Whether there is any limit."""
        return any(limit is not None for limit in self._limits)

    def allows(self, queries: int, first: bool) -> int:
        """How many of the next queries may be run together: one where it is the first, to see what one costs."""
        if not self.bounded:
            return queries
        rooms = [
            (limit - spent) / most if most else queries * (spent < limit)
            for limit, spent, most in zip(self._limits, self._spent, self._dearest, strict=True)
            if limit is not None
        ]
        return min(1 if first else queries, int(min(rooms)), queries)


def _run(system: System, tasks: Sequence[Task], file: RecordFile, records: Records, purse: _Purse, told: Told) -> str:
    """Do what is missing, and say why it stopped before the end, if it did."""
    given = {task.query: task.given for task in tasks}
    purse.begin()
    for record in file.read():
        if given.get(record.query) == record.given and not record.failed and record.query not in records:
            records[record.query] = record
            purse.pay(record)
    left = [task for task in tasks if task.query not in records]
    told(system.label, len(records), len(tasks))
    passed = "The ceiling would have been passed: {} was run on {} of {} queries."
    while left:
        free = getattr(system, "free", False)
        count = len(left) if free else purse.allows(len(left), first=not records)
        if count < 1:
            return passed.format(system.label, len(records), len(tasks))
        for record in file.append(_finished(purse.bound(system).records(left[:count]), purse)):
            records[record.query] = record
            told(system.label, len(records), len(tasks))
        if left[count - 1].query not in records:
            return passed.format(system.label, len(records), len(tasks))
        left = left[count:]
    return ""


def _finished(records: Iterable[Record], purse: _Purse) -> Iterator[Record]:
    """The records, up to one that a ceiling cut short: it was paid for, and says nothing about the method."""
    for record in records:
        purse.pay(record)
        if purse.bounded and record.limited:
            return
        yield record


def _least(one: int | None, other: int | None) -> int | None:
    return min((limit for limit in (one, other) if limit is not None), default=None)


def _row(
    label: str, records: Records, collection: Collection, measures: Sequence[str], price: Price, stopped: str
) -> Row:
    orders = {query: record.order for query, record in records.items()}
    values = {name: measure(orders, collection.qrels, name) for name in measures}
    chat = sum((record.chat for record in records.values()), Usage())
    return Row(label, records, values, price(chat) if chat.calls else None, stopped)
