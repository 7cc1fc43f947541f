from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from rerank_plugins import CrossEncode, rerank, rerank_many
from rerank_plugins.backends import loading
from rerank_plugins.backends.local.cross_encoder import CrossEncoder
from rerank_plugins.errors import InvalidInput, MissingExtra, Refused
from rerank_plugins.requests import Scored, ScorePairs

TEXTS = ("Rye needs acid.", "", "小麦粉", "Steam keeps the crust soft. " * 40, "🥖", "Rye needs acid.")


def scored(backend: CrossEncoder, *requests: ScorePairs) -> list[tuple[float, ...]]:
    replies = dict(backend.answer_batch(requests))
    assert sorted(replies) == list(range(len(requests)))
    assert all(isinstance(reply, Scored) for reply in replies.values())
    return [replies[position].scores for position in range(len(requests))]  # type: ignore[attr-defined] # just asserted


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"CrossEncoder needs the package 'sentence-transformers'"):
        CrossEncoder()


def test_a_batch_has_at_least_one_pair() -> None:
    with pytest.raises(InvalidInput, match="batch_size"):
        CrossEncoder(batch_size=0)


def test_the_identity_holds_what_decides_scores() -> None:
    assert CrossEncoder("x/y", device="cpu", batch_size=9).identity == "CrossEncoder('x/y')"
    assert CrossEncoder("x/y", max_length=9).identity != CrossEncoder("x/y").identity
    assert CrossEncoder("x/y", prompt="Judge.").identity == "CrossEncoder('x/y', prompt='Judge.')"


@pytest.fixture(scope="module")
def make_folder(minilm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tiny random BERT with a head of so many labels, and a real tokenizer."""

    def make(labels: int = 1) -> Path:
        import torch
        from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

        folder = tmp_path_factory.mktemp("cross-encoder")
        tokenizer = AutoTokenizer.from_pretrained(minilm_folder, model_max_length=128)
        torch.manual_seed(7)
        model = BertForSequenceClassification(
            BertConfig(
                vocab_size=len(tokenizer),
                hidden_size=32,
                num_hidden_layers=2,
                num_attention_heads=4,
                intermediate_size=64,
                max_position_embeddings=128,
                initializer_range=0.5,
                num_labels=labels,
            )
        )
        tokenizer.save_pretrained(folder)
        model.save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="module")
def tiny(make_folder: Any) -> CrossEncoder:
    return CrossEncoder(make_folder(), device="cpu", batch_size=4)


def logit(folder: str, query: str, text: str) -> float:
    """The score by transformers alone, without batch or padding."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        return float(model(**tokenizer([query], [text], truncation=True, return_tensors="pt")).logits[0, 0])


@pytest.mark.slow
class TestTinyModel:
    def test_scores_are_the_logits_of_each_pair_alone(self, tiny: CrossEncoder) -> None:
        ((*scores,),) = scored(tiny, ScorePairs("why steam?", TEXTS))
        expected = [logit(tiny._name, "why steam?", text) for text in TEXTS]
        assert scores == pytest.approx(expected, abs=1e-4)
        assert any(not 0 <= score <= 1 for score in scores)

    def test_requests_of_one_batch_do_not_mix(self, tiny: CrossEncoder) -> None:
        requests = [ScorePairs("why steam?", TEXTS[:3]), ScorePairs("rye?", ()), ScorePairs("rye?", TEXTS[2:])]
        together = scored(tiny, *requests)
        for request, scores in zip(requests, together, strict=True):
            assert len(scores) == len(request.texts)
            assert list(scores) == pytest.approx(list(scored(tiny, request)[0]), abs=1e-5)
        assert together[0][2] != pytest.approx(together[2][0], abs=1e-5)

    def test_an_object_scores_as_its_folder_does(self, tiny: CrossEncoder) -> None:
        from sentence_transformers import CrossEncoder as Model

        given = CrossEncoder(Model(tiny._name, device="cpu"))
        assert given.identity == ""
        request = ScorePairs("why steam?", TEXTS)
        assert list(scored(given, request)[0]) == pytest.approx(list(scored(tiny, request)[0]), abs=1e-5)

    def test_several_labels_are_refused(self, make_folder: Any) -> None:
        from sentence_transformers import CrossEncoder as Model

        folder = make_folder(labels=3)
        with pytest.raises(InvalidInput, match="3 labels"):
            CrossEncoder(Model(str(folder), device="cpu"))
        with pytest.raises(Refused, match="3 labels") as refused:
            scored(CrossEncoder(folder, device="cpu"), ScorePairs("q", ("a",)))
        assert refused.value.scope == "backend"  # it is not loaded again for the next query
        ranking = rerank(CrossEncode(), "q", ["a", "b"], backends=CrossEncoder(folder, device="cpu"))
        assert ranking.order == [0, 1]
        assert any("3 labels" in note.message for note in ranking.notes)

    def test_two_threads_get_what_one_gets(self, tiny: CrossEncoder) -> None:
        requests = [ScorePairs(query, TEXTS * 5) for query in ("why steam?", "rye?")]
        got: dict[int, Any] = {}

        def work(part: int) -> None:
            got[part] = scored(tiny, requests[part])[0]

        threads = [threading.Thread(target=work, args=(part,)) for part in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for part in range(2):
            assert list(got[part]) == pytest.approx(list(scored(tiny, requests[part])[0]), abs=1e-5)

    def test_it_ranks_by_score(self, tiny: CrossEncoder) -> None:
        documents = list(TEXTS)
        one, two = rerank_many(CrossEncode(), [("why?", documents), ("rye?", documents)], backends=tiny)
        for ranking in (one, two):
            scores = [item.score for item in ranking]
            assert scores == sorted(scores, reverse=True)  # type: ignore[type-var] # none is None
            assert ranking.score_kind == "absolute"
        assert one.order.index(0) < one.order.index(5)  # the same text twice: first-stage order
