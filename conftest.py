"""What tests of the core and of the integrations share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.llama_cpp_server import llama_cpp_server


@pytest.fixture(scope="session")
def llama_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a llama.cpp server with a chat model of 135M parameters.

    Mark its tests as slow and `xdist_group("llama")`, so that parallel test runs start one server.
    """
    with llama_cpp_server(tmp_path_factory.mktemp("llama") / "server.log") as base_url:
        yield base_url
