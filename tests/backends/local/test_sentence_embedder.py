from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rerank_plugins import Embedding, rerank, rerank_many
from rerank_plugins.backends import loading
from rerank_plugins.backends.local.sentence_embedder import SentenceEmbedder
from rerank_plugins.errors import InvalidInput, MissingExtra
from rerank_plugins.requests import Embed, Embedded


def embedded(backend: SentenceEmbedder, *requests: Embed) -> list[Embedded]:
    replies = dict(backend.answer_batch(requests))
    assert sorted(replies) == list(range(len(requests)))
    assert all(isinstance(reply, Embedded) for reply in replies.values())
    return [replies[position] for position in range(len(requests))]  # type: ignore[misc] # just asserted


class Counting:
    """Looks like a SentenceTransformer of before version 5, and remembers what it is asked."""

    max_seq_length = None
    tokenizer = None

    def __init__(self, **prompts: str) -> None:
        self.prompts = prompts
        self.calls: list[tuple[list[str], dict[str, Any]]] = []

    def encode(self, texts: list[str], **options: Any) -> Any:
        self.calls.append((texts, options))
        return np.array([[float(len(text)), 1.0] for text in texts])


class Newer(Counting):
    """One of version 5."""

    def encode_query(self, texts: list[str], **options: Any) -> Any:
        return self.encode(texts, **options, called="query")

    def encode_document(self, texts: list[str], **options: Any) -> Any:
        return self.encode(texts, **options, called="document")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"'sentence-transformers'.*rerank-plugins\[sentence-transformers\]"):
        SentenceEmbedder("x/y")


def test_a_batch_has_at_least_one_text() -> None:
    with pytest.raises(InvalidInput, match="batch_size"):
        SentenceEmbedder("x/y", batch_size=0)


def test_the_identity_holds_what_decides_vectors() -> None:
    assert SentenceEmbedder("x/y", device="cpu", batch_size=9).identity == SentenceEmbedder("x/y").identity
    options: list[dict[str, Any]] = [{}, {"normalize": False}, {"prompts": {"query": "q: "}}]
    assert len({SentenceEmbedder("x/y", **option).identity for option in options}) == 3


def test_an_object_has_no_identity() -> None:
    assert SentenceEmbedder(Counting()).identity == ""  # type: ignore[arg-type] # looks like one


def test_all_texts_of_a_role_are_one_call() -> None:
    model = Counting()
    backend = SentenceEmbedder(model)  # type: ignore[arg-type] # looks like one
    asked = [Embed(("a", "bb"), "document"), Embed(("q",), "query"), Embed((), "document"), Embed(("ccc",), "document")]
    replies = embedded(backend, *asked)
    assert [texts for texts, _ in model.calls] == [["a", "bb", "ccc"], ["q"]]
    assert [[vector[0] for vector in reply.vectors] for reply in replies] == [[1, 2], [1], [], [3]]


def test_a_text_that_is_asked_for_twice_is_embedded_once() -> None:
    model = Counting()
    backend = SentenceEmbedder(model)  # type: ignore[arg-type] # looks like one
    first, second, other = embedded(backend, Embed(("a", "bb")), Embed(("bb", "ccc", "bb")), Embed(("a",), "query"))
    assert [texts for texts, _ in model.calls] == [["a", "bb", "ccc"], ["a"]]
    assert [vector[0] for vector in (*first.vectors, *second.vectors, *other.vectors)] == [1, 2, 2, 3, 2, 1]


def test_nothing_to_embed_calls_nothing() -> None:
    model = Counting()
    (reply,) = embedded(SentenceEmbedder(model), Embed((), "document"))  # type: ignore[arg-type] # looks like one
    assert len(reply.vectors) == 0
    assert model.calls == []


@pytest.mark.parametrize(
    ("model", "prompts", "expected"),
    [
        (Counting(), None, {}),
        (Counting(query="q: "), None, {"prompt_name": "query"}),
        (Counting(query="q: "), {"query": "ask: "}, {"prompt": "ask: "}),
        (Newer(query="q: "), None, {"called": "query"}),
        (Newer(query="q: "), {"query": ""}, {"prompt": ""}),
    ],
)
def test_queries_get_their_prompt(model: Counting, prompts: Any, expected: dict[str, Any]) -> None:
    backend = SentenceEmbedder(model, prompts=prompts)  # type: ignore[arg-type] # looks like one
    embedded(backend, Embed(("a",), "query"))
    ((_, options),) = model.calls
    assert {name: options[name] for name in ("prompt", "prompt_name", "called") if name in options} == expected


@pytest.mark.slow
@pytest.mark.xdist_group("minilm")
class TestMiniLM:
    def test_vectors_are_those_of_each_text_alone(self, minilm: SentenceEmbedder) -> None:
        texts = ("Rye needs acid.", "", " ", "小麦粉", "🥖", "long " * 400, "Rye needs acid.")
        reply, query = embedded(minilm, Embed(texts), Embed(("why?",), "query"))
        for text, vector in zip(texts, reply.vectors, strict=True):
            (alone,) = embedded(minilm, Embed((text,)))
            assert list(vector) == pytest.approx(list(alone.vectors[0]), abs=1e-5)
            assert float(np.linalg.norm(vector)) == pytest.approx(1, abs=1e-5)
        assert np.asarray(query.vectors).shape == (1, 384)

    def test_usage_counts_what_the_model_reads(self, minilm: SentenceEmbedder) -> None:
        short, long = embedded(minilm, Embed(("rye",)), Embed(("rye " * 1000,)))
        assert (short.usage.prompt_tokens, long.usage.prompt_tokens) == (3, 256)

    def test_an_object_embeds_as_its_folder_does(self, minilm: SentenceEmbedder, minilm_folder: Path) -> None:
        from sentence_transformers import SentenceTransformer

        given = SentenceEmbedder(SentenceTransformer(str(minilm_folder), device="cpu"), normalize=False)
        (ours,), (theirs,) = embedded(given, Embed(("rye",))), embedded(minilm, Embed(("rye",)))
        assert list(ours.vectors[0]) == pytest.approx(list(theirs.vectors[0]), abs=1e-5)

    def test_two_threads_get_what_one_gets(self, minilm: SentenceEmbedder) -> None:
        requests = [Embed(tuple(f"loaf {number} of {part}" for number in range(20))) for part in range(2)]
        got: dict[int, Any] = {}

        def work(part: int) -> None:
            got[part] = embedded(minilm, requests[part])[0].vectors

        threads = [threading.Thread(target=work, args=(part,)) for part in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for part in range(2):
            assert np.allclose(got[part], embedded(minilm, requests[part])[0].vectors, atol=1e-5)

    def test_it_ranks_what_answers_first(self, minilm: SentenceEmbedder) -> None:
        documents = ["Shares fell on Monday.", "Steam keeps the crust of bread soft in the oven.", ""]
        ranking = rerank(Embedding(), "why does bread need steam?", documents, backends=minilm)
        assert ranking.order[0] == 1
        assert ranking.notes == ()

    def test_a_cache_keeps_documents_for_the_next_query(self, minilm: SentenceEmbedder) -> None:
        cache: dict[str, str] = {}
        tasks = [("why steam?", ["steam", "rye"]), ("why rye?", ["steam", "rye"])]
        first = rerank_many(Embedding(), tasks, backends=minilm, cache=cache)
        again = rerank_many(Embedding(), tasks, backends=minilm, cache=cache)
        assert len(cache) == 4
        assert [ranking.order for ranking in first] == [ranking.order for ranking in again] == [[0, 1], [1, 0]]
        assert sum(ranking.usage.calls for ranking in again) == 0
