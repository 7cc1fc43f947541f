"""`rerank-plugins serve` under load on this machine: as much as it can take, and twice as much.

The models are scripted, so that every answer can be checked and what is measured is the server. With --write the
tables go into docs/serve.md.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from benchmarks._checking_clients import Load, closed_loop, open_loop
from benchmarks._pages import show
from benchmarks._scripted_server import Server

PAGE = Path(__file__).resolve().parents[1] / "docs" / "serve.md"
BLOCK = re.compile(r"(<!-- load: python -m benchmarks\.serving_load --write -->\n).*?(<!-- end -->)", re.S)
CLIENTS = 200
REQUESTS = 10_000
WARM_UP = 1_500
PLACES = 40
DELAY_S = 0.1


@dataclass
class Steady:
    """All that clients who wait for their answers can ask.

    Args:
        load: What became of the questions after the warm-up.
        warm_mib: What the server held in memory before them.
        after_mib: What it held after them.
    """

    load: Load
    warm_mib: float
    after_mib: float

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.load.statuses[200] / self.load.took_s


@dataclass
class Overload:
    """Twice as much as the server can take.

    Args:
        capacity: Answers a second where it is asked no more than it has places for.
        offered: Questions a second.
        load: What became of them.
        afterwards: What became of questions once it was over.
        at_rest: Whether nothing was left under way or waiting.
    """

    capacity: float
    offered: float
    load: Load
    afterwards: Load
    at_rest: bool


def steady(requests: int = REQUESTS, warm_up: int = WARM_UP, clients: int = CLIENTS) -> Steady:
    """Clients that ask again once they have their answer; there is a place for each of them."""
    numbers: Iterator[int] = count()
    with Server("--max-active", "16", "--max-waiting", str(clients), delay_s=DELAY_S / 10) as server:
        closed_loop(server.port, islice(numbers, warm_up), clients)
        warm = server.resident_mib()
        load = closed_loop(server.port, islice(numbers, requests), clients)
        return Steady(load, warm, server.resident_mib())


def overload(seconds: float = 10.0) -> Overload:
    """Questions at twice the pace of the answers, to a server with its usual number of places."""
    numbers: Iterator[int] = count()
    with Server("--deadline", "5", delay_s=DELAY_S) as server:
        closed_loop(server.port, islice(numbers, PLACES), PLACES)
        within = closed_loop(server.port, islice(numbers, int(seconds) * PLACES), PLACES)
        capacity = within.statuses[200] / within.took_s
        load = open_loop(server.port, islice(numbers, int(2 * capacity * seconds)), 2 * capacity)
        at_rest = server.at_rest()
        afterwards = closed_loop(server.port, islice(numbers, 5 * PLACES), PLACES)
        return Overload(capacity, 2 * capacity, load, afterwards, at_rest and server.at_rest())


def tables(calm: Steady, busy: Overload) -> str:
    """What the page shows."""
    cores = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    load, more = calm.load, busy.load
    return f"""
| {CLIENTS} clients, {sum(load.statuses.values()):,} requests ({cores}) | |
|---|---|
| answered / lost / of another request | {load.statuses[200]:,} / {_lost(load)} / {len(load.wrong)} |
| answers a second | {calm.per_second:.0f} |
| milliseconds, median / 99th percentile | {_ms(load, 200, 0.5)} / {_ms(load, 200, 0.99)} |
| memory before / after, MiB | {calm.warm_mib:.1f} / {calm.after_mib:.1f} |

| {busy.offered:.0f} requests a second where {busy.capacity:.0f} can be answered, {more.took_s:.0f} s | |
|---|---|
| answered / sent away with 429 | {more.statuses[200]:,} / {more.statuses[429]:,} |
| lost / of another request / other errors | {_lost(more)} / {len(more.wrong)} / {_others(more)} |
| milliseconds of an answer, median / 99th percentile | {_ms(more, 200, 0.5)} / {_ms(more, 200, 0.99)} |
| milliseconds of a 429, median / 99th percentile | {_ms(more, 429, 0.5)} / {_ms(more, 429, 0.99)} |
| afterwards: answered / not | {busy.afterwards.statuses[200]} / {5 * PLACES - busy.afterwards.statuses[200]} |

"""


def _lost(load: Load) -> int:
    return len(load.broken_off) + len(load.unanswered)


def _others(load: Load) -> int:
    return sum(number for status, number in load.statuses.items() if status not in (200, 429))


def _ms(load: Load, status: int, part: float) -> str:
    return f"{load.percentile(status, part) * 1000:.0f}" if load.seconds.get(status) else "none"


def main() -> None:
    show(tables(steady(), overload()), PAGE, BLOCK)


if __name__ == "__main__":
    main()
