"""The exceptions, and how a provider's own exception is read as one of them.

RerankError
├── InvalidInput        an argument breaks a rule
├── MissingExtra        a feature needs a package that is not installed
├── UnmetNeed           a method asks for something that no given backend answers
├── MethodFault         a method's own code failed, or broke the rules for methods
└── CallError           one call to a model failed
    ├── Transient       429, 5xx, a lost connection: worth another try
    │   └── CallTimeout no answer in time
    ├── Refused         400, 401, 403, 404: the same again would be refused again
    │   └── PromptTooLong
    ├── BadReply        something arrived that is no answer, such as an HTML page
    ├── Unanswered      a method would have liked to ask, and nothing given answers that
    └── LimitReached    a deadline or a budget of this rerank
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from rerank_plugins.provider_errors import (
    body_of,
    chain_of,
    connection_fault,
    context_numbers,
    holds_for_every_call,
    is_filtered,
    origin_of,
    retry_after_of,
    says_too_long,
    status_of,
    text_of,
    timed_out,
)

__all__ = [
    "BadReply",
    "CallError",
    "CallTimeout",
    "InvalidInput",
    "LimitReached",
    "MethodFault",
    "MissingExtra",
    "PromptTooLong",
    "Refused",
    "RerankError",
    "Transient",
    "Unanswered",
    "UnmetNeed",
    "classify",
]


class RerankError(Exception):
    """The base of every error that this package raises on purpose."""


class InvalidInput(RerankError, ValueError):
    """An argument breaks a rule; the message names the rule, the value and what to do."""


class MissingExtra(RerankError, ImportError):
    """A feature needs a package that is not installed; the message has the pip line.

    `arguments` says what pip is to install where that is not one of our extras.

    >>> str(MissingExtra("OpenAIChat", "openai", "openai"))
    "OpenAIChat needs the package 'openai', which is not installed; run: pip install 'rerank-plugins[openai]'"
    """

    def __init__(self, feature: str, package: str, extra: str, arguments: str | None = None) -> None:
        install = arguments or f"'rerank-plugins[{extra}]'"
        super().__init__(f"{feature} needs the package {package!r}, which is not installed; run: pip install {install}")


class UnmetNeed(RerankError):
    """A method asks for something that none of the given backends answers."""


class MethodFault(RerankError):
    """A method's own code failed or broke the rules for methods; `__cause__` has the exception, if there was one."""


class CallError(RerankError):
    """One call to a model failed. Its message never holds a prompt, a document or a key."""

    retryable = False
    retry_after: float | None = None


class Transient(CallError):
    """A failure that another try may mend; `retry_after` is the wait in seconds that the server asked for."""

    retryable = True

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CallTimeout(Transient):
    """A call was not answered within its time."""


class Refused(CallError):
    """A request that would be refused again: a wrong key, an unknown model, a parameter not taken.

    Args:
        message: A sentence.
        status: The HTTP status, if there was one.
        param: The parameter that was not taken, if the provider names it.
        scope: "backend" if every further call would be refused as well, as with a wrong key; "request" if only this
            one is. By default the status decides: 401 (the key) and 402 (no credit) hold for every call.
    """

    def __init__(
        self,
        message: str,
        status: int | None = None,
        param: str | None = None,
        scope: Literal["request", "backend"] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.scope = scope or ("backend" if status in (401, 402) else "request")


class PromptTooLong(Refused):
    """A prompt does not fit the model's context; `limit` and `needed` are in tokens, where they are known."""

    def __init__(self, limit: int | None = None, needed: int | None = None) -> None:
        known = "" if limit is None else f" of {limit} tokens"
        asked = "" if needed is None else f" ({needed} tokens)"
        super().__init__(f"The prompt{asked} does not fit the model's context{known}.", status=400)
        self.limit = limit
        self.needed = needed


class BadReply(CallError):
    """A reply arrived that cannot be read as one."""


class Unanswered(CallError):
    """No given backend answers a request that the method can do without (see `Method`); `need` says what would."""

    def __init__(self, need: str) -> None:
        super().__init__(need)
        self.need = need


class LimitReached(CallError):
    """The deadline, the call budget or the token budget of this rerank is used up."""


def classify(error: BaseException, source: str = "the model") -> CallError:
    """Read any provider's exception as a `CallError`, from its status code and type alone.

    It knows no SDK: whatever carries `status_code` (openai, anthropic, httpx through `.response`, ...), is a
    timeout or a connection error by its class, is read. The message is written anew, because the original can
    hold a key or the whole prompt.

    >>> classify(TimeoutError())
    CallTimeout('the model gave no answer in time.')
    >>> classify(ValueError("secret"), "Fake(7b)")
    BadReply('Fake(7b) failed with ValueError.')
    """
    chain = chain_of(error)
    if (own := next((item for item in chain if isinstance(item, CallError)), None)) is not None:
        return own
    if isinstance(error, RerankError):
        return Refused(str(error))  # one of our own sentences, which hold nothing to hide
    origin, name = origin_of(error), type(error).__name__
    status = status_of(origin)
    if status is not None:
        return _of_status(origin, status, source)
    if late := timed_out(error):
        return CallTimeout(f"{source} {_LATE[late]} in time.")
    if any("Credential" in type(item).__name__ for item in chain):
        return Refused(f"{source} found no credentials ({name}); check the key or the account.", scope="backend")
    if fault := connection_fault(error):
        if fault == "broken off":
            return Transient(f"{source} could not be reached or broke off ({name}).", retry_after_of(error))
        return Transient(f"{source} could not be reached ({name}): {fault}.")
    return BadReply(f"{source} failed with {name}.")


_LATE = {
    "connecting": "could not be connected to",
    "queueing": "was not asked, because the client had no connection free",
    "answering": "gave no answer",
}
_ADVICE = {
    "key": "the key was not accepted; check api_key",
    "credit": "the account has no credit left",
    "model": "no such model, or none that the key may use; check the model's name and base_url",
    "access": "the account may not use this service from here; check what it allows",
}


def _of_status(error: BaseException, status: int, source: str) -> CallError:
    if says_too_long(error, status):
        return PromptTooLong(*context_numbers(text_of(error)))
    body = body_of(error)
    code = body.get("code") or body.get("type")
    # Providers' codes are words; anything else could be an echo of the request or of a key.
    named = f" ({code})" if isinstance(code, str) and re.fullmatch(r"[A-Za-z_.]{1,60}|\d{1,5}", code) else ""
    said = f"{source} answered with HTTP {status}{named}"
    if kind := holds_for_every_call(error, status):
        return Refused(f"{said}: {_ADVICE[kind]}.", status, _param(body), scope="backend")
    if status in (408, 409, 424, 425, 429) or status >= 500:
        return Transient(f"{source} answered with HTTP {status}.", retry_after_of(error))
    if is_filtered(error):
        return Refused(f"{said}: a filter of contents stopped this request.", status, _param(body))
    advice = {
        403: "this request may not be made; check what the key may use, and whether a filter stopped it",
        404: "no such model or path; check the model's name and base_url",
    }.get(status, "the request was not accepted")
    return Refused(f"{said}: {advice}.", status, _param(body))


def _param(body: Mapping[str, Any]) -> str | None:
    param = body.get("param")
    return param if isinstance(param, str) else None
