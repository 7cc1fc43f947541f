"""What a provider's exception says, whichever SDK or framework it comes through.

`carried` finds the provider's exception and its body, `refusals` what holds for every call, `waits` how long to wait,
`connections` what kept a connection from being made, `context` whether a prompt was too long. What they read can hold a
key or a whole prompt, so it is read here and never passed on.
"""

from rerank_plugins.provider_errors.carried import (
    body_of,
    chain_of,
    completion_in,
    error_in,
    origin_of,
    status_in,
    status_of,
    text_of,
)
from rerank_plugins.provider_errors.connections import connection_fault, timed_out
from rerank_plugins.provider_errors.context import context_numbers, says_too_long
from rerank_plugins.provider_errors.refusals import holds_for_every_call, is_filtered
from rerank_plugins.provider_errors.waits import retry_after_of

__all__ = [
    "body_of",
    "chain_of",
    "completion_in",
    "connection_fault",
    "context_numbers",
    "error_in",
    "holds_for_every_call",
    "is_filtered",
    "origin_of",
    "retry_after_of",
    "says_too_long",
    "status_in",
    "status_of",
    "text_of",
    "timed_out",
]
