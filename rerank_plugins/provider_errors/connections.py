"""What kept a connection from being made or from lasting, told by types and by the words of the operating system."""

from __future__ import annotations

import re
import socket
import ssl
from typing import Literal

from rerank_plugins.provider_errors.carried import chain_of, wording

__all__ = ["connection_fault", "timed_out"]

_SECURED = re.compile(r"certificate|\bSSL\b|\bTLS\b|handshake", re.I)
_RESOLVED = re.compile(
    r"getaddrinfo|name or service|nodename nor servname|name resolution|no address associated|resolve (?:host|name)|"
    r"could not resolve|NameResolution|ClientConnectorDNS",
    re.I,
)
_ANSWERED = re.compile(r"connection refused|actively refused|all connection attempts failed|ConnectionRefused", re.I)
_UNREACHED = re.compile(r"no route to host|network is unreachable|host is down|ProxyError", re.I)
_CONNECTION = re.compile(
    r"Connect|TransportError|ProtocolError|NetworkError|ReadError|WriteError|IncompleteRead|Disconnected|"
    r"EndOfStream|BrokenResource|ClientPayload"
)


def connection_fault(error: BaseException) -> str:
    """What kept a connection from being made, in words; "broken off" for one that was made, "" for another fault.

    >>> connection_fault(ConnectionRefusedError())
    'nothing answers at that address; check base_url, and that the server runs'
    """
    chain = chain_of(error)
    names = " ".join(cls.__name__ for item in chain for cls in type(item).__mro__)
    # The words of other exceptions may be anybody's.
    words = names + " ".join(
        wording(item)[:500] for item in chain if isinstance(item, OSError) or _CONNECTION.search(type(item).__name__)
    )
    if any(isinstance(item, ssl.SSLError) for item in chain) or _SECURED.search(words):
        return "the connection could not be secured; check the certificate, and whether base_url is https"
    if any(isinstance(item, socket.gaierror) for item in chain) or _RESOLVED.search(words):
        return "its host name could not be resolved; check base_url and the network"
    if _ANSWERED.search(words):
        return "nothing answers at that address; check base_url, and that the server runs"
    if _UNREACHED.search(words):
        return "no way leads to that address; check base_url, the proxy and the network"
    if any(isinstance(item, OSError) for item in chain) or _CONNECTION.search(names):
        return "broken off"
    return ""


def timed_out(error: BaseException) -> Literal["", "connecting", "queueing", "answering"]:
    """What took too long: to connect, to get a connection from the client's pool, or to answer; "" if nothing did."""
    chain = chain_of(error)
    names = [cls.__name__ for item in chain for cls in type(item).__mro__]
    if not any(isinstance(item, TimeoutError) or "Timeout" in type(item).__name__ for item in chain):
        return "answering" if any("Timeout" in name for name in names) else ""
    if any(name in ("ConnectTimeout", "ConnectTimeoutError", "ConnectionTimeoutError") for name in names):
        return "connecting"
    return "queueing" if "PoolTimeout" in names else "answering"
