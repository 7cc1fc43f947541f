"""`rerank-plugins serve` as users start it, except that its models are scripted, in a process of its own.

The right order depends on the question as well as on the documents: a reply that belongs to another request is wrong.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rerank_plugins.requests import Chat, Reply, Scored, ScorePairs
from rerank_plugins.testing import FakeModel, prompt_of

__all__ = ["Server", "worth"]

ROOT = Path(__file__).resolve().parents[1]
_PRIME = 1_000_003


def worth(question: int, thing: int) -> float:
    """From 0 to 1: how much a thing is worth to a question; no two things are worth the same to one."""
    return (question + 1) * (thing + 1) * 7919 % _PRIME / _PRIME


class Server:
    """The command in a process of its own; it listens once this is made.

    Args:
        options: Further options of `rerank-plugins serve`.
        delay_s: Seconds that a call to the chat model takes.
        port: The port; 0 for a free one.
    """

    def __init__(self, *options: str, delay_s: float = 0.0, port: int = 0) -> None:
        command = [sys.executable, "-m", "benchmarks._scripted_server", str(delay_s)]
        self.process = subprocess.Popen(
            [*command, "--port", str(port), *options], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        said = self._stderr.readline()
        assert said.startswith("Listening on "), said + self._stderr.read()
        self.address = said.split()[-1]
        self.port = int(self.address.rpartition(":")[2])

    @property
    def _stderr(self) -> Any:
        assert self.process.stderr is not None
        return self.process.stderr

    def resident_mib(self) -> float:
        """What it holds in memory, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        (kib,) = re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.M)
        return int(kib) / 1024

    def metrics(self) -> dict[str, float]:
        """Name to value, summed over the labels."""
        with urllib.request.urlopen(f"{self.address}/metrics", timeout=30) as answer:
            page = answer.read().decode()
        values: dict[str, float] = {}
        for name, value in re.findall(r"^(\w+)(?:{.*})? (\S+)$", page, re.M):
            values[name] = values.get(name, 0.0) + float(value)
        return values

    def at_rest(self, seconds: float = 10.0) -> bool:
        """Whether nothing is under way and nothing waits, within these seconds."""
        give_up_at = time.monotonic() + seconds
        while (now := self.metrics())["rerank_active"] or now["rerank_queue_length"]:
            if time.monotonic() > give_up_at:
                return False
            time.sleep(0.05)
        return True

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def ended(self, seconds: float = 30.0) -> tuple[int, str]:
        """Its exit code, and what else it said."""
        _, said = self.process.communicate(timeout=seconds)
        return self.process.returncode, said

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


class _Chat(FakeModel):
    """Ranks by worth, and keeps no request: what grows must not be the model."""

    def __init__(self, delay_s: float) -> None:
        super().__init__(_ranking, delay_s=delay_s)
        self.requests = deque(maxlen=0)  # type: ignore[assignment] # it is only ever appended to


def _ranking(asked: Chat) -> str:
    prompt = prompt_of(asked)
    (question,) = re.findall(r"question (\d+)", prompt)
    things = re.findall(r'id="(\d+)"[^>]*>\s*thing (\d+)', prompt)
    best_first = sorted(things, key=lambda thing: -worth(int(question), int(thing[1])))
    return json.dumps({"ranking": [int(identifier) for identifier, _ in best_first]})


class _Encoder:
    """A model in this process, which takes one batch after the other."""

    kinds = (ScorePairs,)
    identity = "scripted"

    def answer_batch(self, requests: Sequence[ScorePairs]) -> Iterator[tuple[int, Reply]]:
        for position, asked in enumerate(requests):
            question = int(asked.query.split()[1])
            yield position, Scored(tuple(worth(question, int(text.split()[1])) for text in asked.texts))


def _main(delay_s: str, *options: str) -> int:
    from rerank_plugins.cli import main
    from rerank_plugins.commands import serve

    serve.backends_of = lambda arguments: [_Encoder(), _Chat(float(delay_s))]  # type: ignore[assignment]
    methods = ["--method", "chat:InsertRank()", "--method", "encoder:CrossEncode()"]
    return main(["serve", *methods, *options])


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
