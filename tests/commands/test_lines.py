"""JSON lines in and out: every form that is documented, and a sentence for every form that is not."""

import json
from typing import Any

import pytest

from rerank_plugins import Candidate, FirstStage, rerank
from rerank_plugins.commands.lines import Task, lines_of, read_tasks


def read(*lines: Any, query: str | None = None) -> tuple[list[Task], list[str]]:
    """Tasks and complaints; what is neither text nor bytes is written as JSON."""
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    complaints: list[str] = []
    return list(read_tasks(raw, query, complaints.append)), complaints


def test_candidates_of_one_query() -> None:
    tasks, complaints = read(
        {"text": "a", "id": "x", "score": 0.5, "metadata": {"k": 1}},
        "b",
        {"text": "c", "id": 7, "title": "T", "metadata": {"k": 2}},
        query="why?",
    )
    assert complaints == []
    assert tasks == [
        Task(
            "why?",
            (
                Candidate("a", "x", 0.5, {"k": 1}),
                Candidate("b"),
                Candidate("c", "7", None, {"title": "T", "k": 2}),
            ),
            {},
        )
    ]


def test_lines_of_one_query_stand_together() -> None:
    tasks, complaints = read(
        {"query": "q", "text": "a"},
        {"query": "q", "text": "b"},
        {"query": "r", "text": "c"},
        {"query": "q", "text": "d"},
    )
    assert complaints == []
    assert [(task.query, [c.text for c in task.candidates]) for task in tasks] == [
        ("q", ["a", "b"]),
        ("r", ["c"]),
        ("q", ["d"]),
    ]
    assert [task.labels for task in tasks] == [{"query": "q"}, {"query": "r"}, {"query": "q"}]


def test_whole_queries_and_identifiers() -> None:
    tasks, complaints = read(
        {"query": "q", "query_id": 1, "candidates": ["a", {"text": "b", "id": "x"}]},
        {"query": "q", "query_id": 2, "text": "c"},
        {"query": "q", "query_id": 3, "text": "d"},
        {"query": "r", "candidates": []},
    )
    assert complaints == []
    assert [task.labels for task in tasks] == [
        {"query": "q", "query_id": 1},
        {"query": "q", "query_id": 2},
        {"query": "q", "query_id": 3},
        {"query": "r"},
    ]
    assert [len(task.candidates) for task in tasks] == [2, 1, 1, 0]


def test_a_whole_query_ends_the_one_that_is_being_gathered() -> None:
    tasks, _ = read({"query": "q", "text": "a"}, {"query": "r", "candidates": ["b"]}, {"query": "q", "text": "c"})
    assert [task.query for task in tasks] == ["q", "r", "q"]


def test_a_query_of_its_own_comes_before_that_of_the_command_line() -> None:
    tasks, _ = read({"text": "a"}, {"text": "b", "query": "own"}, {"candidates": ["c"]}, query="given")
    assert [(task.query, task.labels) for task in tasks] == [
        ("given", {}),
        ("own", {"query": "own"}),
        ("given", {}),
    ]


def test_a_query_is_given_as_soon_as_the_next_begins() -> None:
    def lines() -> Any:
        yield b'{"query": "q", "text": "a"}'
        yield b'{"query": "r", "text": "b"}'
        raise AssertionError("it read on before it gave what it had")

    assert next(read_tasks(lines(), None, print)).query == "q"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b'{"text": "a"', "it is not JSON (Expecting ',' delimiter)."),
        (b"text", "it is not JSON (Expecting value)."),
        (b'{"text": "\xff"}', "it is not UTF-8."),
        (b"[" * 100_000, "it is no JSON that can be read."),
        (b"9" * 10_000, "it is no JSON that can be read."),
        (b"[1, 2]", "it is neither a JSON object nor a string."),
        (b"null", "it is neither a JSON object nor a string."),
        (b"{}", 'the candidate has no "text" that is a string.'),
        (b'{"text": null}', 'the candidate has no "text" that is a string.'),
        (b'{"text": 5}', 'the candidate has no "text" that is a string.'),
        (b'{"text": "a", "id": 1.5}', 'the "id" of the candidate is neither a string nor a whole number.'),
        (b'{"text": "a", "id": true}', 'the "id" of the candidate is neither a string nor a whole number.'),
        (b'{"text": "a", "score": "0.5"}', 'the "score" of the candidate is no number.'),
        (b'{"text": "a", "score": false}', 'the "score" of the candidate is no number.'),
        (b'{"text": "a", "metadata": [1]}', 'the "metadata" of the candidate are no JSON object.'),
        (b'{"text": "a", "query": 1}', 'its "query" is no string.'),
        (b'{"text": "a", "query_id": {}}', 'its "query_id" is neither a string nor a whole number.'),
        (b'{"query": "q", "candidates": {}}', 'its "candidates" are no list.'),
        (b'{"query": "q", "candidates": ["a", {}]}', 'candidate 1 has no "text" that is a string.'),
    ],
)
def test_a_bad_line_is_named_and_costs_no_other(line: bytes, complaint: str) -> None:
    tasks, complaints = read({"text": "before"}, line, {"text": "after"}, query="q")
    assert complaints == [f"Line 2 is left out: {complaint}"]
    assert [candidate.text for task in tasks for candidate in task.candidates] == ["before", "after"]


def test_a_candidate_without_any_query() -> None:
    tasks, complaints = read({"text": "a"})
    assert (tasks, complaints) == ([], ['Line 1 is left out: it has no "query", and there is no --query.'])


def test_no_complaint_holds_the_text_of_a_document() -> None:
    _, complaints = read(b'{"text": "canary"', b'{"text": "canary", "score": "canary"}', b'"canary', query="q")
    assert len(complaints) == 3
    assert "canary" not in str(complaints)


def test_blank_lines_and_a_byte_order_mark_are_nothing() -> None:
    tasks, complaints = read(b"\xef\xbb\xbf" + b'{"text": "a"}', b"", b"  \r", query="q")
    assert complaints == []
    assert [task.candidates for task in tasks] == [(Candidate("a"),)]


def test_what_comes_out() -> None:
    candidates = [Candidate("a", "x", 0.5, {"k": 1}), Candidate("b", score=float("nan"))]
    ranking = rerank(FirstStage(), "q", candidates, top_n=1)
    found = [json.loads(line) for line in lines_of(ranking, {"query": "q"}, dropped=True, texts=True)]
    assert found == [
        {
            "query": "q",
            "rank": 1,
            "index": 0,
            "id": "x",
            "score": 1.0,
            "first_stage_score": 0.5,
            "why": {"first_stage_score": 0.5},
            "text": "a",
            "metadata": {"k": 1},
        },
        {
            "query": "q",
            "rank": None,
            "index": 1,
            "id": None,
            "score": 0.5,
            "first_stage_score": None,
            "why": {"first_stage_score": None},
            "dropped": "ranked below top_n=1",
            "text": "b",
            "metadata": {},
        },
    ]
    assert len(list(lines_of(ranking, {}, dropped=False, texts=False))) == 1
