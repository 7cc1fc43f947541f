"""Which refusals hold for every call of a backend, and which cost one request alone.

A status does not tell: some answer 400 to a wrong key, some 403 to one document that their filter stopped. Codes are
read first. Of the words only the beginning counts, because validators repeat the request, and a document in it that
speaks of billing must not switch a backend off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from rerank_plugins.provider_errors.carried import body_of, codes_of, message_of

__all__ = ["holds_for_every_call", "is_filtered"]

Kind = Literal["", "key", "credit", "model", "access"]

_BEGINNING = 400  # characters

_CODES: Mapping[Kind, re.Pattern[str]] = {
    "credit": re.compile(
        r"insufficient_(?:user_)?(?:quota|balance|credits?|funds)|billing\w*|arrearage|payment_required|"
        r"(?:budget|credit_limit|quota_limit|exceeded_current_quota)\w*_?(?:exceeded|error)?|.*perday.*|1113"
    ),
    "key": re.compile(
        r"(?:invalid|incorrect|expired|missing|no)_(?:x_)?(?:api_?key|auth\w*|token)(?:_error)?|api_key_(?:invalid|expired|"
        r"service_blocked)|authentication_?error|auth_error|unauthenticated|unauthori[sz]ed|unrecognizedclientexception|"
        r"expiredtokenexception|invalidsignatureexception|missingauthenticationtokenexception|"
        r"invalid_organization|account_deactivated|organization_restricted|token_not_found_in_db|expired_key"
    ),
    "model": re.compile(
        r"(?:deployment|model)_?(?:not_?found|not_?exist|decommissioned|not_?available|deprecated)(?:_error)?|"
        r"(?:invalid|unknown|unsupported)_model(?:_error)?|(?:key|team|user|org)_model_access_denied|model_access_denied"
    ),
    "access": re.compile(
        r"unsupported_country\w*|service_disabled|consumer_(?:suspended|invalid)|ip_not_\w+|account_suspended"
    ),
}


def _any_of(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases), re.I)


_KEY = _any_of(
    r"(?:invalid|incorrect|wrong|missing|expired|revoked|no|bad)\W{1,3}(?:x-?)?"
    r"(?:(?:api|auth\w*|access|secret|subscription|security)[ _-]?)+(?:key|token|credentials?)",
    r"(?:api|subscription|secret|access)[ _-]?(?:key|token)\b.{0,40}\b"
    r"(?:not valid|invalid|incorrect|missing|required|expired|not found|revoked|leaked|not exist)",
    r"(?:invalid|incorrect|bad) (?:credentials?|authentication)",
    r"authentication (?:failed|error|required)",
    r"token (?:included in the request )?is (?:invalid|expired)",  # Bedrock
    r"no auth credentials",  # OpenRouter
    r"\Aunauthori[sz]ed\b",
    r"(?:didn't|did not) provide an api key",
)
_CREDIT = _any_of(
    r"insufficient[ _](?:quota|balance|credits?|funds)",
    r"credit (?:balance|limit)|out of credits?|included credits",
    r"\b(?:no|not enough|any|more) credits?\b",
    r"payment required",
    r"(?:check|enable|set ?up|add|update) (?:your )?(?:plan and )?billing",
    r"billing (?:is )?(?:not|hard limit|details)",
    r"budget has been exceeded",  # LiteLLM
    r"exceeded your current (?:quota|spend)",  # OpenAI
    r"account.{0,30}(?:suspended|deactivated|disabled|not active|good standing|overdue)",
    r"余额不足",  # Zhipu: the balance does not suffice
    r"calls? ?/ ?month",  # Cohere, of trial keys
)
_MODEL = _any_of(
    r"model[ _]not[ _]found|no such model|unknown model|no models? loaded",
    r"invalid model(?! (?:input|output|para))",
    r"(?:not have|no) access to (?:the )?model|not allowed to access (?:this )?model",
    r"deployment .{0,80}does not exist",  # Azure
    r"model identifier is invalid",  # Bedrock
    r"LLM Provider NOT provided",  # LiteLLM
    # Within one sentence, in which a dot may stand inside a model's name.
    r"\bmodels?\b(?:[^.{}\"]|\.(?=\S)){0,120}\b(?:does not exist|doesn't exist|not (?:found|available|loaded)|"
    r"not have access|decommissioned|deprecated|not supported for generateContent|not supported in the v1)",
)
_ACCESS = _any_of(
    r"api key does not have permission",  # Anthropic
    r"has not been used in project|it is disabled",  # Google
    r"(?:country|region|location)\b.{0,40}not supported",
    r"virtual network|public access is disabled",  # Azure
    r"ip address .{0,40}not (?:allowed|authorized)",
)
_FILTERED = _any_of(
    r"content[ _-]?(?:filter|policy|management|moderation)",
    r"responsible ?ai",
    r"moderation|flagged|inappropriate content|prohibited_content",
    r"safety (?:policy|system|filter)",
    r"data[ _]?inspection",  # DashScope
    r"guardrail|blocked by",
)


def holds_for_every_call(error: BaseException, status: int) -> Kind:
    """Why every further call would be refused as well: "key", "credit", "model" or "access"; "" if only this one is."""
    body, said = body_of(error), message_of(error)[:_BEGINNING]
    codes = list(codes_of(body))
    if status in (401, 402) and not is_filtered(error):
        return "credit" if status == 402 or _has(codes, "credit") or _CREDIT.search(said) else "key"
    if status == 429:
        return "credit" if _has(codes, "credit") or _spent(said, codes) else ""
    if status not in (400, 403, 404, 409, 412, 422):
        return ""
    if named := next((kind for kind in ("credit", "key", "model", "access") if _has(codes, kind)), None):
        return named  # type: ignore[return-value] # mypy does not narrow what comes out of a tuple of literals
    if is_filtered(error) or body.get("param") not in (None, "", "model", "api_key"):
        return ""  # a parameter that was not taken is this request's
    if _CREDIT.search(said):
        return "credit"
    if status != 404 and _KEY.search(said):
        return "key"
    return "model" if _MODEL.search(said) else "access" if _ACCESS.search(said) else ""


def _has(codes: list[str], kind: Kind) -> bool:
    return any(_CODES[kind].fullmatch(code) for code in codes)


def _spent(said: str, codes: list[str]) -> bool:
    """Whether no waiting helps; Google says "quota" of limits by the minute as well, as RESOURCE_EXHAUSTED."""
    return "resource_exhausted" not in codes and _CREDIT.search(said) is not None


def is_filtered(error: BaseException) -> bool:
    """Whether a filter of contents stopped the request."""
    return _FILTERED.search(" ".join([*codes_of(body_of(error)), message_of(error)[:_BEGINNING]])) is not None
