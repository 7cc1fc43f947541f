"""Progress on the terminal: a line that leaves nothing behind, and silence where there is no terminal."""

import io
import sys

import pytest

from rerank_plugins import CrossEncode, rerank_many
from rerank_plugins.commands.progress import Progress
from rerank_plugins.testing import FakeModel


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO) -> str:
    monkeypatch.setattr(sys, "stderr", stderr)
    with Progress("CrossEncode()") as progress:
        progress._due = 0.0
        tasks = [(f"question {number}", ["a", "b"]) for number in range(3)]
        rerank_many(CrossEncode(), tasks, backends=FakeModel(), observer=progress)
        progress.say("CrossEncode() again")
        with progress.hidden():
            pass
    return stderr.getvalue()


def test_a_file_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, io.StringIO()) == ""


def test_without_rich_it_is_a_plain_line_that_is_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    written = run(monkeypatch, Terminal())
    assert "CrossEncode()" in written and "CrossEncode() again" in written
    assert written.endswith("\r") and written.rsplit("\r", 2)[1].strip() == ""
    assert "\x1b" not in written


def test_with_rich_it_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich", reason="the extra `cli` is not installed")
    monkeypatch.setenv("TERM", "xterm")
    assert "CrossEncode() again" in run(monkeypatch, Terminal())


def test_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setattr("rerank_plugins.commands.progress._EVERY_S", 0.0)
    written = run(monkeypatch, Terminal())
    assert "3 calls, 3 queries done" in written
