"""The page on serving: its configuration and its code run, and what it says of options is so."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from benchmarks import serving_load
from rerank_plugins.cli import main
from rerank_plugins.serving import Settings, create_app, read_config
from rerank_plugins.testing import FakeModel

PAGE = re.sub("<!--.*?-->", "", (Path(__file__).resolve().parents[1] / "docs" / "serve.md").read_text(encoding="utf-8"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


def settings(tmp_path: Path) -> Settings:
    (config,) = blocks("toml")
    path = tmp_path / "methods.toml"
    path.write_text(config, encoding="utf-8")
    methods, default = read_config(path)
    return Settings(methods=methods, default=default, backends=[FakeModel('{"ranking": [1, 2]}')])


def test_the_paths_are_those_of_the_server(tmp_path: Path) -> None:
    served = {
        f"{method.upper()} {path}"
        for path, methods in create_app(settings(tmp_path)).openapi()["paths"].items()
        for method in methods
    }
    assert set(re.findall(r"(?:GET|POST) /[\w/.]+", PAGE)) <= served | {"GET /openapi.json"}


def test_the_options_are_those_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    shown = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE)) <= shown


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    uvicorn = pytest.importorskip("uvicorn")
    from rerank_plugins.commands.serve import _address, _listening

    listening = _listening("127.0.0.1", 0)
    server: Any = uvicorn.Server(uvicorn.Config(create_app(settings(tmp_path)), log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield _address(listening)
    server.should_exit = True
    thread.join()


@pytest.mark.slow
def test_its_code_runs(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    request, langchain = blocks("python")
    names: dict[str, Any] = {"address": address}
    exec(compile(request, "serve.md", "exec", dont_inherit=True), names)
    best, reason = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"1 1\.0 2", best)
    assert reason == "ranked below top_n=1"
    pytest.importorskip("langchain_cohere")
    exec(compile(langchain, "serve.md", "exec", dont_inherit=True), names)
    assert names["reranker"].top_n == 5


def test_every_status_of_the_table_is_in_the_description(tmp_path: Path) -> None:
    described: Mapping[str, Any] = create_app(settings(tmp_path)).openapi()["paths"]["/v2/rerank"]["post"]["responses"]
    told = set(re.findall(r"^\| ([45]\d\d(?:, [45]\d\d)*) \|", PAGE, re.M))
    assert {status for cell in told for status in cell.split(", ")} == set(described) - {"200"}


def test_what_was_measured_under_load_is_there_and_nothing_was_lost() -> None:
    shown = serving_load.BLOCK.search(serving_load.PAGE.read_text(encoding="utf-8"))
    assert shown
    assert f"{serving_load.REQUESTS:,} / 0 / 0 |" in shown[0], "answered, lost, of another request"
    assert "| lost / of another request / other errors | 0 / 0 / 0 |" in shown[0]
