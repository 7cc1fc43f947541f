"""The provider's exception inside a framework's: its status, its body, its words, and an answer that it may hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from rerank_plugins.loose_json import loose_value

__all__ = [
    "body_of",
    "chain_of",
    "codes_of",
    "completion_in",
    "error_in",
    "headers_of",
    "message_of",
    "origin_of",
    "status_in",
    "status_of",
    "text_of",
    "wording",
]

_CARRIERS = (
    "__cause__",
    "original_error",
    "original_exception",
    "original",
    "orig",
    "inner",
    "inner_exception",
    "error",
    "exception",
    "last_error",
    "reason",
    "__context__",
)
_MOST_CARRIED = 20  # exceptions can refer to each other in a circle
_LONGEST = 20_000  # characters of an error that are read; a provider's own words stand at the beginning


def origin_of(error: BaseException) -> BaseException:
    """The provider's exception inside a framework's: the first that carries a status, else the exception itself."""
    return next((item for item in chain_of(error) if status_of(item) is not None), error)


def chain_of(error: BaseException) -> list[BaseException]:
    """An exception and those that it carries, nearest first."""
    waiting, seen = [error], list[BaseException]()
    while waiting and len(seen) < _MOST_CARRIED:
        item = waiting.pop(0)
        if any(item is known for known in seen):
            continue
        seen.append(item)
        waiting += _carried_by(item)
    return seen


def _carried_by(error: BaseException) -> list[BaseException]:
    hidden = {"__context__"} if error.__suppress_context__ else set()
    values = [_get(error, name) for name in _CARRIERS if name not in hidden]
    values += [*error.args, *(_get(error, "exceptions") or ())]  # the members of an ExceptionGroup
    last = _get(_get(error, "last_attempt"), "exception")  # tenacity's RetryError holds a future
    if callable(last):
        values.append(_called(last))
    return [value for value in values if isinstance(value, BaseException)]


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an exception carries: on itself, on its response, in its body or in its first words."""
    if not isinstance(error, Exception):
        return None  # the code of a SystemExit is that of a process
    response = _get(error, "response")
    for holder in (error, response):
        for name in ("status_code", "status", "http_status", "code", "grpc_status_code"):
            if (status := _status(_get(holder, name))) is not None:
                return status
    if isinstance(response, Mapping):  # botocore
        found = _status((response.get("ResponseMetadata") or {}).get("HTTPStatusCode"))
        if found is not None:
            return found
    return _status_in(body_of(error)) or _status_in_words(error)


def _status(value: Any) -> int | None:
    if callable(value):  # grpc
        value = _called(value)
    if isinstance(value, str) and re.fullmatch(r"[45]\d\d", value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599:
        return int(value)
    name = _get(value, "name")
    return _WORDS.get(name.lower()) if isinstance(name, str) else None


# What error codes in words mean, where no status stands beside them.
_WORDS: Mapping[str, int] = {
    word: status
    for status, words in {
        400: "invalid_request_error invalid_argument bad_request badrequesterror validationexception "
        "failed_precondition content_filter content_policy_violation json_validate_failed out_of_range",
        401: "authentication_error invalid_api_key unauthenticated unauthorized api_key_invalid "
        "unrecognizedclientexception expiredtokenexception invalid_authentication_error incorrect_api_key_error",
        402: "billing_error payment_required insufficient_balance arrearage",
        403: "permission_denied permission_error accessdeniedexception forbidden",
        404: "not_found not_found_error notfounderror model_not_found resourcenotfoundexception deploymentnotfound",
        413: "request_too_large",
        429: "rate_limit_error rate_limit_exceeded rate_limit too_many_requests resource_exhausted "
        "throttlingexception insufficient_quota requests tokens exceeded_current_quota_error ratelimiterror "
        "rate_limit_reached_error",
        500: "server_error api_error internal internal_error internal_server_error internalservererror "
        "internalserverexception generation",
        503: "overloaded overloaded_error unavailable service_unavailable serviceunavailableexception "
        "modelnotreadyexception engine_overloaded_error",
        504: "timeout timeout_error deadline_exceeded modeltimeoutexception",
    }.items()
    for word in words.split()
}


def _status_in(body: Mapping[str, Any]) -> int | None:
    for name in ("code", "status", "status_code", "http_status"):
        if (status := _status(body.get(name))) is not None and status >= 400:
            return status
    return next((_WORDS[code] for code in codes_of(body) if code in _WORDS), None)


# At the beginning alone: further on may stand what the request said.
_SAID_STATUS = re.compile(
    r"\A[^\n{\[]{0,60}?\b(?:error code|status(?: code)?|HTTP(?: error)?)[:= ]{1,3}([45]\d\d)\b", re.I
)


def _status_in_words(error: BaseException) -> int | None:
    found = _SAID_STATUS.match(wording(error))
    return int(found[1]) if found else None


def body_of(error: BaseException) -> Mapping[str, Any]:
    """The error object of a JSON body, with or without "error" around it; empty if there is none."""
    response = _get(error, "response")
    for value in (
        _get(error, "body"),
        response,
        _get(error, "details"),
        *(value for value in error.args if isinstance(value, Mapping)),
        _get(error, "raw_response_body"),
        _get(response, "text"),
        _get(error, "error"),
    ):
        if body := _object(value):
            return body
    said = _get(error, "error")  # Ollama
    return {"message": said} if isinstance(said, str) and said else _object(wording(error))


def error_in(data: Any) -> Mapping[str, Any] | None:
    """The error in the JSON of a reply that came with HTTP 200, as some servers and proxies send it; else None.

    >>> error_in({"error": {"message": "busy", "code": 503}}), error_in({"object": "error", "message": "too long"})
    ({'message': 'busy', 'code': 503}, {'object': 'error', 'message': 'too long'})
    >>> error_in({"choices": [], "error": None}) is None
    True
    """
    if not isinstance(data, Mapping):
        return None
    if data.get("error"):
        return _object(data)
    first = next(iter(data["choices"]), None) if isinstance(data.get("choices"), list) else None
    if isinstance(first, Mapping) and first.get("error"):  # OpenRouter
        return _object(first)
    if any(data.get(name) for name in ("choices", "data", "results", "embeddings")):
        return None
    told = data.get("object") == "error" or data.get("type") == "error" or data.get("success") is False
    named = any(isinstance(data.get(name), (str, list)) for name in ("message", "detail", "errors", "Message"))
    return data if told or named else None


def status_in(body: Mapping[str, Any], otherwise: int) -> int:
    """The status that an error inside a body means."""
    return _status_in(body) or otherwise


def _object(value: Any) -> Mapping[str, Any]:
    """The innermost error object of a body, as data or as text."""
    for _ in range(4):
        if isinstance(value, (str, bytes, bytearray)):
            value = _read(value)
        if isinstance(value, list):
            value = value[0] if value else None
        if not isinstance(value, Mapping):
            return {}
        inner = next((value[name] for name in ("error", "Error", "detail") if value.get(name)), None)
        if isinstance(inner, str):
            return _read(inner) if inner.lstrip().startswith("{") else {"message": inner, **value}
        if not isinstance(inner, (Mapping, list)) or value.get("message"):
            break
        value = inner
    return value if isinstance(value, Mapping) else {}


def _read(text: str | bytes | bytearray) -> Any:
    """The first object in a text, as JSON or as Python prints it; empty if there is none."""
    plain = text[:_LONGEST].decode("utf-8", "replace") if isinstance(text, (bytes, bytearray)) else text[:_LONGEST]
    start = plain.find("{")
    if start < 0:
        return {}
    try:
        return json.JSONDecoder().raw_decode(plain, start)[0]
    except (ValueError, RecursionError):
        found = loose_value(plain, start)  # as Python prints it
        return {} if found is None else found[0]


_MESSAGES = ("message", "Message", "error_description", "detail", "msg", "error", "status_msg")
_CODES = ("code", "Code", "type", "__type", "error_type", "status", "reason", "quotaId")


def message_of(error: BaseException) -> str:
    """What the provider says in words, without what else its body holds."""
    body = body_of(error)
    said = next((body[name] for name in _MESSAGES if isinstance(body.get(name), str) and body[name]), None)
    raw = (body.get("metadata") or {}).get("raw") if isinstance(body.get("metadata"), Mapping) else None
    return " ".join(filter(None, [said if said is not None else wording(error), raw if isinstance(raw, str) else ""]))


def codes_of(body: Any, depth: int = 0) -> Iterator[str]:
    """The words in lower case by which a body names its error, the outermost first.

    >>> list(codes_of({"code": 400, "details": [{"reason": "API_KEY_INVALID"}], "innererror": {"code": "Filtered"}}))
    ['api_key_invalid', 'filtered']
    """
    if isinstance(body, Mapping):
        for name in _CODES:
            if isinstance(body.get(name), str) and len(body[name]) <= 120:
                yield body[name].lower()
        inner = [body.get(name) for name in ("details", "innererror", "inner_error", "error", "violations")]
        for value in inner if depth < 4 else ():
            yield from codes_of(value, depth + 1)
    elif isinstance(body, list):
        for value in body[:20]:
            yield from codes_of(value, depth + 1)


def text_of(error: BaseException) -> str:
    """All that an exception says in words, for reading and not for showing."""
    body = body_of(error)
    if not body.get("message"):
        return f"{_worded(_get(error, 'body'))} {message_of(error)} {wording(error)}"[: 2 * _LONGEST]
    return " ".join(
        f"{key} {body[key]}" for key in ("message", "code", "type", "n_ctx", "n_prompt_tokens") if key in body
    )


def headers_of(error: BaseException) -> Mapping[str, Any]:
    """The headers of the response, by their names in lower case."""
    response = _get(error, "response")
    metadata = body_of(error).get("metadata")  # OpenRouter passes on those of the provider
    found: dict[str, Any] = {}
    for holder in (
        metadata.get("headers") if isinstance(metadata, Mapping) else None,
        (response.get("ResponseMetadata") or {}).get("HTTPHeaders") if isinstance(response, Mapping) else None,
        _get(error, "headers"),
        _get(response, "headers"),
    ):
        if callable(items := _get(holder, "items")):
            found |= {str(name).lower(): value for name, value in _called(items) or ()}
    return found


def completion_in(error: BaseException) -> Any:
    """The answer that an exception holds: a completion as data, a text, or None.

    The openai SDK raises when a parsed answer was cut off, LangChain's parsers when they cannot read one, and Groq
    refuses a request with what its model wrote. The answer was paid for, and says more than its error.
    """
    for item in chain_of(error):
        completion = _get(item, "completion") or _get(item, "last_completion")
        dumped = _get(completion, "model_dump")
        if callable(dumped):
            completion = _called(dumped)
        if isinstance(completion, Mapping) and completion.get("choices"):
            return completion
        for text in (_get(item, "llm_output"), body_of(item).get("failed_generation")):
            if isinstance(text, str) and text.strip():
                return text
    return None


def wording(error: BaseException) -> str:
    """An exception as text; a class can fail even at that."""
    return _worded(error)


def _worded(value: Any) -> str:
    try:
        return "" if value is None else str(value)[:_LONGEST]
    except Exception:  # noqa: BLE001 # an exception's own code may fail, and its reading must not
        return ""


def _get(holder: Any, name: str) -> Any:
    try:
        return getattr(holder, name, None)
    except Exception:  # noqa: BLE001 # a property may fail, as that of a response that was not read
        return None


def _called(function: Any) -> Any:
    try:
        return function()
    except Exception:  # noqa: BLE001 # as above
        return None
