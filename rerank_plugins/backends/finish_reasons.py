"""Why a model stopped, in the words of every provider, as one of four."""

from __future__ import annotations

from typing import Any, Literal

__all__ = ["Finish", "finish_of"]

Finish = Literal["stop", "length", "filter", "error"]

_LENGTH = frozenset(
    "length max_tokens max_output_tokens max_new_tokens model_length max_length token_limit limit "
    "model_context_window_exceeded context_length_exceeded incomplete".split()
)
_FILTER = frozenset(
    "content_filter content_filtered filter safety recitation blocklist prohibited_content spii refusal sensitive "
    "error_toxic guardrail_intervened guardrails image_safety language flagged".split()
)
_ERROR = frozenset(
    "error network_error insufficient_system_resource malformed_function_call malformed_model_output error_limit "
    "abort cancelled user_cancel".split()
)


def finish_of(reason: Any) -> Finish:
    """Read a provider's finish reason: a word, in any case, or an enum; what nobody knows is an ordinary end.

    >>> finish_of("MAX_TOKENS"), finish_of("end_turn"), finish_of("FinishReason.SAFETY"), finish_of(None)
    ('length', 'stop', 'filter', 'stop')
    """
    word = str(getattr(reason, "value", reason)).rpartition(".")[2].strip().lower()
    if word in _LENGTH:
        return "length"
    return "filter" if word in _FILTER else "error" if word in _ERROR else "stop"
