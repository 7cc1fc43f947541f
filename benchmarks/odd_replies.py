"""A million odd replies over all shipped methods: nothing lost, nothing doubled, no exception.

Run `python -m benchmarks odd_replies`; `RERANK_ODD_REPLIES=20000` takes fewer.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter

from rerank_plugins.candidates import Candidate
from rerank_plugins.testing.conformance import check_accounted
from rerank_plugins.testing.odd_replies import odd_ranking
from tests.methods.test_conformance import FORMS

CANDIDATES = [Candidate(f"Passage {number} on bread.", id=f"d{number}", score=1 / (number + 1)) for number in range(23)]


def main() -> None:
    wanted = int(os.environ.get("RERANK_ODD_REPLIES", "1000000"))
    rng, counts, rankings, began = random.Random(1), Counter[str](), 0, time.monotonic()
    while counts.total() < wanted:
        for form in FORMS:
            candidates = CANDIDATES[: rng.choice([0, 1, 2, 5, 23])]
            ranking, replies = odd_ranking(form, candidates, rng)
            check_accounted(ranking, candidates)
            counts[type(form).__name__] += replies
            rankings += 1
    seconds = time.monotonic() - began
    print(f"{counts.total():,} odd replies, {rankings:,} rankings, {len(FORMS)} forms of methods, {seconds:.0f} s")
    print("each document ranked or dropped once; no exception")
    for name, count in counts.most_common():
        print(f"  {name:12} {count:>9,}")
