"""What a method is, and what the shipped ones share: their repr."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, ClassVar, Protocol, runtime_checkable

from rerank_plugins.candidates import Candidate
from rerank_plugins.methods.rules import Rule, checked
from rerank_plugins.ranking import ScoreKind
from rerank_plugins.requests import Request, Steps

__all__ = ["Method", "Options", "needs_of", "wants_of"]


@runtime_checkable
class Method(Protocol):
    """A value whose `steps` is a generator: it yields batches of requests, is sent the replies, returns a verdict.

    What is yielded together may run together, so the shape of the generator is the shape of the cost. It does no
    I/O and keeps no state outside the generator: one instance serves many queries at once. The candidates that it
    sees have encodable text, and scores that are numbers or None. A reply may be `Failed`.

    A method may say in `needs` which kinds of request it makes; then it is refused early where no backend answers.
    What it can do without it says in `wants` instead: where no backend answers that, the reply is `Failed` with
    `Unanswered` and costs nothing, and the method goes on without it and notes what it did instead.
    """

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        """Rerank the candidates of one query."""
        ...


class Options:
    """The base of the shipped methods: a frozen dataclass whose repr names what differs from the defaults.

    The repr is the label of a row in a results table, and `read_method` reads it back. Classes whose instances an
    option may hold are named in `values`, so that they can stand in it. What each option may be stands in `rules`, and
    is checked when the method is made. What its scores will mean stands in `score_kind`, if that is known beforehand.
    """

    values: ClassVar[tuple[type, ...]] = ()
    rules: ClassVar[Mapping[str, Rule]] = {}
    score_kind: ClassVar[ScoreKind | None] = None

    @property
    def needs(self) -> tuple[type[Request], ...]:
        """The kinds of request that it makes; what they are can depend on the options."""
        return ()

    @property
    def wants(self) -> tuple[type[Request], ...]:
        """The kinds of request that it makes if something answers them."""
        return ()

    def __post_init__(self) -> None:
        self._keep(**checked(type(self).__name__, vars(self), self.rules))

    def _keep(self, **options: Any) -> None:
        """Set options to their plain values, as a frozen dataclass can only while it is made."""
        for name, value in options.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        options = [
            f"{item.name}={value!r}"
            for item in fields(self)  # type: ignore[arg-type] # every subclass is a dataclass
            if item.init and (value := getattr(self, item.name)) != _default(item)
        ]
        return f"{type(self).__name__}({', '.join(options)})"


def needs_of(method: Method) -> tuple[type[Request], ...]:
    """The kinds of request that a method says it makes; none if it does not say."""
    return tuple(getattr(method, "needs", ()))


def wants_of(method: Method) -> tuple[type[Request], ...]:
    """The kinds of request that a method makes where something answers them, and can do without."""
    return tuple(getattr(method, "wants", ()))


def _default(item: Field[Any]) -> Any:
    if item.default is not MISSING:
        return item.default
    return item.default_factory() if item.default_factory is not MISSING else MISSING
