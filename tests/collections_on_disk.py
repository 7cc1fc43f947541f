"""Where real test collections lie, on machines that have them."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "shared" / "data"


def folder(name: str) -> Path:
    """A collection's folder; the test is skipped where it is absent."""
    if not (ROOT / name).is_dir():
        pytest.skip(f"needs the test collection {name!r} in a folder shared/data beside the checkout")
    return ROOT / name


def texts(name: str) -> dict[str, str]:
    """Document id to title and text."""
    lines = (folder(name) / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    documents = map(json.loads, lines)
    return {document["_id"]: f"{document['title']} {document['text']}".strip() for document in documents}


def queries(name: str) -> dict[str, str]:
    """Query id to text."""
    lines = (folder(name) / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    return {query["_id"]: query["text"] for query in map(json.loads, lines)}


def qrels(name: str) -> dict[str, dict[str, int]]:
    """Query id to document id to grade."""
    judged: dict[str, dict[str, int]] = defaultdict(dict)
    for line in (folder(name) / "qrels.tsv").read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        judged[query][document] = int(grade)
    return dict(judged)


def run(name: str, file: str) -> dict[str, list[tuple[str, float]]]:
    """Query id to documents and scores, in the order of a TREC run."""
    ranked: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for line in (folder(name) / file).read_text().splitlines():
        query, _, document, _, score, _ = line.split()
        ranked[query].append((document, float(score)))
    return dict(ranked)
