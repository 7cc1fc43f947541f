"""The real server under load: nothing lost, nothing mixed up, no leak; and more than it can take is told so at once.

The benchmark of the same name runs this for longer and writes what it measured into docs/serve.md.
"""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from benchmarks._checking_clients import Question
from benchmarks._scripted_server import worth
from benchmarks.serving_load import overload, steady

A_LEAK_MIB = 1.5  # 1,000 requests that leave 2 KiB each; without a leak it grows by about 0.1 after the warm-up


@pytest.mark.slow
def test_200_clients_lose_nothing_mix_up_nothing_and_memory_stays_flat() -> None:
    calm = steady(requests=1_000, warm_up=1_500)
    assert calm.load.statuses == {200: 1_000}
    assert not calm.load.broken_off + calm.load.unanswered
    assert not calm.load.wrong
    assert calm.after_mib - calm.warm_mib < A_LEAK_MIB


@pytest.mark.slow
def test_of_twice_what_it_can_take_half_is_sent_away_at_once_and_it_recovers() -> None:
    busy = overload(seconds=3)
    load = busy.load
    assert set(load.statuses) == {200, 429}
    assert not load.broken_off + load.unanswered + load.wrong
    assert load.without_retry_after == 0
    assert load.statuses[200] > 0.7 * busy.capacity * load.took_s, "shedding must not cost what is answered"
    assert load.percentile(429, 0.5) < load.percentile(200, 0.5) / 3
    assert max(load.seconds[200]) < 5, "the deadline"
    assert set(busy.afterwards.statuses) == {200}
    assert not busy.afterwards.wrong
    assert busy.at_rest


def test_the_check_tells_an_answer_from_another() -> None:
    for number in range(3):
        asked, other = Question(number), Question(number + 6)
        assert asked.path == other.path
        right = _answer(asked)
        assert asked.is_answered_by(right)
        assert not other.is_answered_by(right)


def _answer(asked: Question) -> bytes:
    import json

    order = sorted(range(10), key=lambda index: -worth(asked.number, asked.things[index]))
    if asked.path == "/rerank":
        return json.dumps([{"index": index, "text": asked.texts[index]} for index in order]).encode()
    results = [{"index": index, "document": {"text": asked.texts[index]}} for index in order]
    return json.dumps({"results": results}).encode()
