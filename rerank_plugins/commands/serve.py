"""`rerank-plugins serve`: methods behind the rerank APIs that existing clients speak, and a page to try them."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from typing import Any

from rerank_plugins.commands.models import MODEL_OPTIONS, add_model_options, backends_of, quieten
from rerank_plugins.errors import InvalidInput, UnmetNeed
from rerank_plugins.limits import Limits
from rerank_plugins.methods import Method, read_method
from rerank_plugins.ranking import Usage
from rerank_plugins.tally import dollars

__all__ = ["add_parser"]

_DESCRIPTION = """\
Serve methods over HTTP, in the forms of Cohere (/v2/rerank, /v1/rerank), Jina
(/v1/rerank) and text-embeddings-inference (/rerank). A page to try them is at /.
"""
_EPILOG = """
examples:
  rerank-plugins serve --method 'Fuse(Embedding(), Likelihood())' \\
      --embedder minilm --lm smollm2
  rerank-plugins serve --config methods.toml --model gpt-5-mini \\
      --host 0.0.0.0 --server-key-env RERANK_KEY

a configuration:
  default = "quick"
  [methods]
  quick = "Embedding()"
  careful = "Rebel(window=20)"
"""
_LOOPBACK = "127.0.0.1"
_OWN_NAMES = ("localhost", _LOOPBACK, "[::1]")


def add_parser(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to those of the parser."""
    parser = commands.add_parser(
        "serve",
        parents=[shared],
        help="serve methods over HTTP to rerank clients, with a page to try them",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE", help="TOML: a table [methods] of name to method, and a default")
    parser.add_argument(
        "--method",
        action="append",
        default=[],
        dest="methods",
        metavar="[NAME:]METHOD",
        help="a further method, such as InsertRank, or 'quick:Embedding()'; may be repeated",
    )
    parser.add_argument("--any-method", action="store_true", help="let requests name any method by its repr")
    parser.add_argument("--host", default=_LOOPBACK, help="the address to listen on (%(default)s: this machine alone)")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        dest="hosts",
        metavar="NAME",
        help="a name that clients may call it by, besides localhost; may be repeated. Without it a server with a key, "
        "or one that listens on other addresses, answers to any name",
    )
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="the port (%(default)s); 0 for a free one")
    parser.add_argument("--server-key-env", metavar="VAR", help="the environment variable with the key to ask for")
    add_model_options(parser)
    _add_limits(parser)
    parser.set_defaults(run=run)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    one = parser.add_argument_group("limits of one request")
    one.add_argument("--deadline", type=float, default=60.0, metavar="S", help="seconds for everything (%(default)s)")
    one.add_argument("--max-calls", type=int, metavar="N", help="calls that may be sent")
    one.add_argument("--max-tokens", type=int, metavar="N", help="tokens that may be spent")
    one.add_argument("--concurrency", type=int, metavar="N", default=16, help="calls at once (%(default)s)")
    one.add_argument("--timeout", type=float, metavar="S", default=60.0, help="seconds for one call (%(default)s)")
    one.add_argument("--retries", type=int, metavar="N", default=2, help="further tries (%(default)s)")
    one.add_argument("--max-documents", type=int, default=1000, metavar="N", help="documents (%(default)s)")
    one.add_argument("--max-body", type=int, default=8 * 2**20, metavar="BYTES", help="its size (%(default)s)")
    all_of_them = parser.add_argument_group("limits of the server")
    all_of_them.add_argument("--max-active", type=int, default=8, metavar="N", help="requests at once (%(default)s)")
    all_of_them.add_argument(
        "--max-waiting", type=int, default=32, metavar="N", help="that wait; further ones get 429 (%(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal says to stop; then answer what was begun."""
    quieten()
    from rerank_plugins.serving import create_app  # FastAPI takes a second to import, which other commands do not owe

    try:
        app = create_app(_settings(arguments))
    except UnmetNeed as error:
        raise UnmetNeed(f"{error} {MODEL_OPTIONS}") from None
    listening = _listening(arguments.host, arguments.port)
    _say(f"Listening on {_address(listening)}")
    if not _stays_here(arguments.host) and arguments.server_key_env is None:
        _say("Whoever reaches this address can use it; --server-key-env asks for a key.")
    _serve(app, listening, grace_s=arguments.deadline)
    _say("Stopped.")
    return 0


def _settings(arguments: argparse.Namespace) -> Any:
    from rerank_plugins.serving import Settings, read_config

    methods, default = read_config(arguments.config) if arguments.config else ({}, None)
    methods |= dict(map(_named, arguments.methods))
    address = arguments.base_url or os.environ.get("OPENAI_BASE_URL")

    def price(spent: Usage) -> float | None:
        return dollars(spent, arguments.model, address)

    return Settings(
        methods=methods,
        default=default,
        backends=backends_of(arguments),
        limits=Limits(
            max_concurrency=arguments.concurrency,
            timeout_s=arguments.timeout,
            deadline_s=arguments.deadline,
            max_calls=arguments.max_calls,
            max_tokens=arguments.max_tokens,
            retries=arguments.retries,
        ),
        any_method=arguments.any_method,
        key=_key(arguments.server_key_env),
        hosts=_hosts(arguments),
        max_active=arguments.max_active,
        max_waiting=arguments.max_waiting,
        max_documents=arguments.max_documents,
        max_body_bytes=arguments.max_body,
        price=price,
    )


def _named(text: str) -> tuple[str, Method]:
    """A method with its name: what stands before a colon that no bracket precedes, else its repr."""
    name, colon, rest = text.partition(":")
    if colon and "(" not in name:
        return name.strip(), read_method(rest)
    method = read_method(text)
    return repr(method), method


def _hosts(arguments: argparse.Namespace) -> tuple[str, ...] | None:
    """What `Host` may say: where the server is open to this machine alone and asks for no key, only its own names."""
    if not arguments.hosts and (arguments.server_key_env is not None or not _stays_here(arguments.host)):
        return None
    return (*_OWN_NAMES, *arguments.hosts)


def _stays_here(host: str) -> bool:
    return host in (_LOOPBACK, "::1", "localhost")


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    if not (key := os.environ.get(variable, "").strip()):
        raise InvalidInput(f"There is no key in the environment variable {variable!r}; set it, or name another.")
    return key


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, None)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise InvalidInput(f"The server cannot listen on {host!r}, port {port} ({error}).") from None


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _serve(app: Any, listening: socket.socket, grace_s: float) -> None:
    import uvicorn

    config = uvicorn.Config(
        app,
        log_config=None,  # our own filter decides what is shown
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(grace_s) + 5,
    )
    # uvicorn stops at these signals by itself, and raises them again once it has stopped: to be told so is no failure.
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
