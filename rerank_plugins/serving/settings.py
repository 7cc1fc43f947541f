"""What a server serves and how much of it: its methods, its models, its limits."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rerank_plugins.backends.base import Backend
from rerank_plugins.drive import rerank_many
from rerank_plugins.errors import InvalidInput, UnmetNeed
from rerank_plugins.limits import Limits
from rerank_plugins.methods import Method, read_method
from rerank_plugins.ranking import Usage
from rerank_plugins.serving.refusals import Refusal

__all__ = ["Settings", "read_config"]

_LONGEST_NAME = 1000


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a server is set up. One instance of each backend serves all requests.

    Args:
        methods: Name to method: what the `model` field of a request may say.
        default: The name that a request without a `model` means; the first if None.
        backends: The models that answer the methods' requests.
        limits: The bounds of one request; `deadline_s` counts from its arrival, and so holds its time in the queue.
        any_method: Whether the `model` field may also be a method's repr. Whoever can send a request can then choose
            how many calls it makes.
        key: What `Authorization: Bearer ...` has to say; None asks for no key.
        hosts: The names by which clients may call the server, without a port, such as "localhost" or "[::1]"; None
            allows any. Without a key they keep a site that points its own name at this machine from using the server.
        max_active: Rerankings under way at once.
        max_waiting: Requests that wait for their turn; those beyond are answered with 429.
        max_documents: The documents of one request.
        max_body_bytes: The size of one request.
        body_timeout_s: Seconds for it to come in.
        price: The dollars of what was spent on the chat model, if they are known.

    Raises:
        InvalidInput: An argument breaks a rule.
        UnmetNeed: No backend answers what one of the methods asks for.

    >>> Settings(methods={"as-it-was": read_method("FirstStage")}).method_of(None)
    ('as-it-was', FirstStage())
    """

    methods: Mapping[str, Method]
    default: str | None = None
    backends: Sequence[Backend] = ()
    limits: Limits = Limits(deadline_s=60.0)
    any_method: bool = False
    key: str | None = field(default=None, repr=False)
    hosts: Collection[str] | None = None
    max_active: int = 8
    max_waiting: int = 32
    max_documents: int = 1000
    max_body_bytes: int = 8 * 2**20
    body_timeout_s: float = 30.0
    price: Callable[[Usage], float | None] = lambda usage: None

    def __post_init__(self) -> None:
        if not self.methods:
            raise InvalidInput("A server has at least one method; name one, such as 'InsertRank()'.")
        if self.default is not None and self.default not in self.methods:
            raise InvalidInput(f"The default is one of {', '.join(self.methods)}, not {self.default!r}.")
        if self.key is not None and not self.key.strip():
            raise InvalidInput("A key is a text that is not blank; leave it out for a server that asks for none.")
        for name, lowest in (("max_active", 1), ("max_waiting", 0), ("max_documents", 1), ("max_body_bytes", 1)):
            _check_whole(name, getattr(self, name), lowest)
        if not self.body_timeout_s > 0:
            raise InvalidInput(
                f"Settings(body_timeout_s=...) is a time above 0 in seconds, not {self.body_timeout_s!r}."
            )
        for method in self.methods.values():
            rerank_many(method, (), backends=self.backends)  # refuses what no backend answers

    def method_of(self, name: str | None) -> tuple[str, Method]:
        """The method that a request means, under the name that metrics may know it by.

        Raises:
            Refusal: There is no such model here.
        """
        wanted = name or self.default or next(iter(self.methods))
        if wanted in self.methods:
            return wanted, self.methods[wanted]
        if not self.any_method:
            raise Refusal(404, f"There is no model {wanted[:_LONGEST_NAME]!r} here; there are {self._names}.")
        return "any", self._read(wanted)

    @property
    def _names(self) -> str:
        return ", ".join(map(repr, self.methods))

    def _read(self, text: str) -> Method:
        if len(text) > _LONGEST_NAME:
            raise Refusal(404, f"The name of a model has at most {_LONGEST_NAME} characters here.")
        try:
            method = read_method(text)
            rerank_many(method, (), backends=self.backends)
        except (InvalidInput, UnmetNeed) as error:
            raise Refusal(404, f"There is no model {text!r} here: {error}") from None
        return method


def read_config(path: str | Path) -> tuple[dict[str, Method], str | None]:
    """Read methods from a TOML file: a table `methods` of name to repr, and `default`, one of the names.

    Reprs are read as data and never run as code.

    Returns:
        The methods by name, and the default if there is one.

    Raises:
        InvalidInput: The file cannot be read, or is no such file.
    """
    try:
        config = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidInput(f"The configuration {str(path)!r} cannot be read ({error.strerror}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"The configuration {str(path)!r} is no TOML ({error}).") from None
    if strange := set(config) - {"methods", "default"}:
        raise InvalidInput(f"A configuration has [methods] and default, not {', '.join(sorted(strange))}.")
    methods, default = config.get("methods", {}), config.get("default")
    if not isinstance(methods, dict) or not isinstance(default, str | None):
        raise InvalidInput(f"In the configuration {str(path)!r}, methods is a table and default a name.")
    return {name: _method(name, text) for name, text in methods.items()}, default


def _method(name: str, text: Any) -> Method:
    if not isinstance(text, str):
        raise InvalidInput(f"The method {name!r} is named by its repr, such as 'InsertRank(window=20)', not {text!r}.")
    return read_method(text)


def _check_whole(name: str, value: object, lowest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise InvalidInput(f"Settings({name}=...) is a whole number of at least {lowest}, not {value!r}.")
