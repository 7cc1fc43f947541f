"""The page on the command line: its commands are understood, and its options and exit codes are there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from rerank_plugins import cli
from rerank_plugins.methods import read_method

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "command_line.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^rerank-plugins (.+)$", PAGE, re.M)


def help_of(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    return capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_understood(command: str) -> None:
    arguments = vars(cli._parser().parse_args(shlex.split(command)))
    given = [*(arguments.get("methods") or ()), arguments.get("method")]
    for method in filter(None, given):
        read_method((method if isinstance(method, str) else method[0]).removeprefix("quick:"))


def test_every_command_has_its_row_and_its_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    there = re.findall(r"^    (\w+)  ", capsys.readouterr().out, re.M)
    assert sorted(re.findall(r"^\| `(\w+)` \|", PAGE, re.M)) == sorted(there)
    assert sorted(command.split()[0] for command in COMMANDS) == sorted(there)


def test_the_options_are_those_of_rerank(capsys: pytest.CaptureFixture[str]) -> None:
    outside_the_examples = re.sub(r"```sh.*?```", "", PAGE, flags=re.S)
    named = set(re.findall(r"--[a-z][a-z-]+", outside_the_examples)) - {"--help"}
    assert named <= set(re.findall(r"--[a-z][a-z-]+", help_of("rerank", capsys)))


def test_the_exit_codes_are_those_of_rerank(capsys: pytest.CaptureFixture[str]) -> None:
    _, _, codes = help_of("rerank", capsys).partition("exit codes:\n")
    said = re.findall(r"^  (\d+)  (.+)$", codes, re.M)
    assert said == re.findall(r"^\| (\d+) \| (.+) \|$", PAGE, re.M)


def test_the_line_of_input_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = re.findall(r"```json\n(.*?)```", PAGE, re.S)
    (tmp_path / "in.jsonl").write_text(line, encoding="utf-8")
    assert cli.main(["rerank", "--method", "FirstStage()", str(tmp_path / "in.jsonl")]) == 0
    assert [json.loads(row)["id"] for row in capsys.readouterr().out.splitlines()] == ["p1", "p2"]
