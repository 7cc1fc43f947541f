"""Replies from a file: exact for our own recordings, in order for those of others, and refused where there is none."""

import gzip
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rerank_plugins import Embedding, InsertRank, arerank, rerank, rerank_many
from rerank_plugins.backends import RecordedReplies, Recording, Retriever
from rerank_plugins.errors import InvalidInput, Refused, Transient, UnmetNeed
from rerank_plugins.ranking import Ranking
from rerank_plugins.requests import Chat, Failed, Reply
from rerank_plugins.testing import FakeModel

DOCUMENTS = ["rye", "spelt", "wheat", "oats"]
LISTWISE = InsertRank(bm25=None)
WINDOWS = InsertRank(bm25=None, window=2, stride=1)


class InBatches:
    """A fake model as one that computes in this process."""

    def __init__(self, model: FakeModel) -> None:
        self.kinds, self.identity, self._model = model.kinds, model.identity, model

    def answer_batch(self, requests: Sequence[Any]) -> Iterator[tuple[int, Reply]]:
        for position, request in enumerate(requests):
            yield position, self._model.answer(request, None)


def what_it_says(ranking: Ranking) -> tuple[Any, ...]:
    usage = ranking.usage
    spent = (usage.calls, usage.prompt_tokens, usage.completion_tokens)
    return ranking.order, [item.score for item in ranking], ranking.notes, spent


def failures(ranking: Ranking) -> list[str]:
    return [note.message for note in ranking.notes if note.kind == "failed"]


@pytest.mark.parametrize("name", ["run.jsonl", "deep/run.jsonl.gz"])
@pytest.mark.parametrize("wrap", [lambda model: model, InBatches])
def test_a_recorded_run_gives_the_same_without_the_model(tmp_path: Path, name: str, wrap: Any) -> None:
    tasks = [(f"is {number} in wheat ?", DOCUMENTS) for number in range(3)]
    recorded = Recording(wrap(FakeModel("[2] > [1]")), tmp_path / name)
    for method in (LISTWISE, WINDOWS, Embedding()):
        first = rerank_many(method, tasks, backends=recorded)
        again = rerank_many(method, tasks, backends=RecordedReplies(tmp_path / name))
        assert list(map(what_it_says, again)) == list(map(what_it_says, first))
        assert first[0].order != [0, 1, 2, 3]


async def test_a_run_on_an_event_loop_is_recorded(tmp_path: Path) -> None:
    recorded = Recording(FakeModel("[2] > [1]"), tmp_path / "run")
    first = await arerank(LISTWISE, "q", DOCUMENTS, backends=recorded)
    again = await arerank(LISTWISE, "q", DOCUMENTS, backends=RecordedReplies(tmp_path / "run"))
    assert again.order == first.order == [1, 0, 2, 3]


def test_a_request_that_was_not_recorded_is_a_failed_call(tmp_path: Path) -> None:
    rerank(LISTWISE, "q", DOCUMENTS, backends=Recording(FakeModel("[2] > [1]"), tmp_path / "run"))
    other = rerank(LISTWISE, "another q", DOCUMENTS, backends=RecordedReplies(tmp_path / "run"))
    assert (other.order, len(failures(other))) == ([0, 1, 2, 3], 1)
    assert "no reply to this request" in failures(other)[0]
    with pytest.raises(UnmetNeed):
        rerank(Embedding(), "q", DOCUMENTS, backends=RecordedReplies(tmp_path / "run"))


def test_failures_and_finds_and_prompts_are_not_recorded(tmp_path: Path) -> None:
    broken = FakeModel(fails=lambda number, request: Transient("no"))
    rerank(LISTWISE, "q", DOCUMENTS, backends=Recording(broken, tmp_path / "run"))
    assert Recording(Retriever(lambda query, k: []), tmp_path / "run").kinds == ()
    assert (tmp_path / "run").read_text() == ""
    rerank(LISTWISE, "q", DOCUMENTS, backends=Recording(FakeModel("[2] > [1]"), tmp_path / "run"))
    assert "spelt" not in (tmp_path / "run").read_text()


def test_a_recording_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="cannot be written"):
        Recording(FakeModel(), tmp_path / "file" / "run")
    recorded = Recording(FakeModel("[2] > [1]"), tmp_path / "later" / "run")
    (tmp_path / "later" / "run").unlink()
    (tmp_path / "later" / "run").mkdir()
    with caplog.at_level(logging.WARNING):
        assert rerank(LISTWISE, "q", DOCUMENTS, backends=recorded).order == [1, 0, 2, 3]
    assert "missing in the recording" in caplog.text


def test_replies_in_order_go_to_the_windows_of_their_query() -> None:
    replies = {"a q": ["[2] > [1]", "[1] > [2]", "[2] > [1]"], "a q more": ["[1] > [2]"] * 3}
    model = RecordedReplies(replies)
    first, second = rerank_many(WINDOWS, [("a q", DOCUMENTS), ("a q more", DOCUMENTS)], backends=model)
    assert (first.order, second.order) == ([1, 0, 3, 2], [0, 1, 2, 3])
    assert not failures(first) + failures(second)
    assert rerank(WINDOWS, "a q", DOCUMENTS, backends=model).order == first.order, "asked again, it says the same"


def test_a_call_beyond_the_recording_and_an_unknown_query_are_failed_calls() -> None:
    model = RecordedReplies({"a q": ["[2] > [1]"]})
    (message,) = failures(rerank(WINDOWS, "a q", DOCUMENTS, backends=model))
    assert message.startswith("2 calls failed: the recording has 1 replies for this query")
    (message,) = failures(rerank(WINDOWS, "no q", DOCUMENTS, backends=model))
    assert message.startswith("3 calls failed: the recording names no query")


def test_a_prompt_with_two_recorded_queries_is_refused() -> None:
    model = RecordedReplies({"a q": ["[2] > [1]"], "rye": ["[1] > [2]"]})
    (message,) = failures(rerank(LISTWISE, "a q", DOCUMENTS, backends=model))
    assert "several queries" in message
    told = RecordedReplies({"a q": ["[2] > [1]"], "rye": ["[1] > [2]"]}, query_of=lambda request: "a q")
    assert rerank(LISTWISE, "a q", DOCUMENTS, backends=told).order == [1, 0, 2, 3]


def test_a_replay_in_order_is_not_cached() -> None:
    cache: dict[str, str] = {}
    rerank(LISTWISE, "a q", DOCUMENTS, backends=RecordedReplies({"a q": ["[2] > [1]"]}), cache=cache)
    assert not cache


@pytest.mark.parametrize(
    "text",
    [
        '{"query": "q", "response": "[2] > [1]", "run": 1}\n{"query": "q", "response": "[1]", "run": 2}\n',
        '{"query": "q", "responses": ["[2] > [1]"], "run": 1}\n\n',
        '{"model": "m", "queries": [{"query": "q", "responses": ["[2] > [1]"], "run": 1}]}',
    ],
)
def test_the_forms_of_files(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with gzip.open(tmp_path / "run.json.gz", "wt") as file:
        file.write(text)
    for name in ("run.json", "run.json.gz"):
        model = RecordedReplies(tmp_path / name, only={"run": 1})
        assert rerank(LISTWISE, "q", DOCUMENTS, backends=model).order == [1, 0, 2, 3]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no reply to give"),
        ('{"query": "q", "response": "a", "run": 2}', "no reply to give"),
        ("[1]", "Entry 1"),
        ('{"query": "q", "run": 1}', "Entry 1"),
        ('{"run": 1, "request": "abc", "asks": "Nothing", "reply": {}, "usage": {}}', "Entry 1"),
        ('{"query": "q", "response": "a"}\n{"query"', "Line 2"),
    ],
)
def test_files_that_are_no_recording(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "run").write_text(text)
    with pytest.raises(InvalidInput, match=says):
        RecordedReplies(tmp_path / "run", only={"run": 1})


def test_a_file_that_is_not_there_or_not_gzipped(tmp_path: Path) -> None:
    (tmp_path / "run.gz").write_text("{}")
    for name in ("none", "run.gz"):
        with pytest.raises(InvalidInput, match="cannot be read"):
            RecordedReplies(tmp_path / name)


def test_the_messages_hold_no_text_of_documents_or_queries() -> None:
    model = RecordedReplies({"secret one": [], "secret two": []})
    asked = [Chat([{"role": "user", "content": content}]) for content in ("secret one", "secret one\nsecret two", "x")]
    replies = [reply for _, reply in model.answer_batch(asked)]
    assert all(isinstance(reply, Failed) and isinstance(reply.error, Refused) for reply in replies)
    assert "secret" not in json.dumps([str(reply.error) for reply in replies if isinstance(reply, Failed)])
