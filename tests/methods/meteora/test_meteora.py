"""METEORA end to end, with models that are told what to say."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from rerank_plugins import Candidate, Embedding, Fuse, Meteora, Ranking, Rationale, arerank, read_method, rerank
from rerank_plugins.errors import InvalidInput, UnmetNeed
from rerank_plugins.rationales import DOMAINS, Domain
from rerank_plugins.requests import Chat, Embed, Embedded, Neighbours, Reply, Request
from rerank_plugins.testing import FakeModel, Judge, prompt_of

# Two rationales at right angles, and a circle of chunks by their angle in degrees.
AXES = {"east": 0.0, "north": 90.0}
ANGLES = {"c0": 2.0, "c1": 40.0, "c2": 50.0, "c3": 88.0, "c4": 200.0, "c5": 230.0, "c6": 260.0}


class Compass(FakeModel):
    """An embedder that knows the angles of texts."""

    def answer(self, request: Request, timeout: float | None) -> Reply:
        if isinstance(request, Embed):
            self.requests.append(request)
            return Embedded([self._of(text) for text in request.texts])
        return super().answer(request, timeout)

    def _of(self, text: str) -> list[float]:
        import math

        angle = math.radians((AXES | ANGLES).get(text.partition(":")[0], 45.0))
        return [math.cos(angle), math.sin(angle)]


def without(model: FakeModel, *kinds: type[Request]) -> FakeModel:
    model.kinds = tuple(kind for kind in FakeModel.kinds if kind not in kinds)
    return model


CHUNKS = [Candidate(name, id=name) for name in ANGLES]
PLAIN: dict[str, Any] = {"rationales": list(AXES), "verify": False, "expand": 0}


def notes(ranking: Ranking) -> str:
    return " ".join(note.message for note in ranking.notes)


def test_the_stages_by_hand() -> None:
    # East is nearest to c0 (2 degrees) and north to c3. The mean points to 45 degrees: cosines with c0 to c6
    # .731 .996 .996 .731 -.906 -.996 -.819, sorted .996 .996 .731 .731 -.819 -.906 -.996: the gap of 1.55 stands out.
    ranking = rerank(Meteora(**PLAIN), "q", CHUNKS, backends=Compass())
    assert ranking.order == [0, 3, 1, 2]
    assert ranking.score_kind == "relative"
    assert [item.why["selected_by"] for item in ranking] == [["pairing", "pooling"]] * 2 + [["pooling"]] * 2
    first = ranking[0].why
    assert first["rationales"] == [{"label": "east", "strategy": "", "cosine": pytest.approx(0.99939, abs=1e-5)}]
    assert first["pooled_cosine"] == pytest.approx(0.73135, abs=1e-5)
    assert first["pooled_rank"] in (3, 4)
    assert first["elbow"] == {"kept": 4, "found_by": "gap"}
    assert first["expanded_from"] is None
    assert first["verdict"] is None
    assert ranking[0].score == pytest.approx(0.99939, abs=1e-5)
    assert ranking[2].score == pytest.approx(0.99619, abs=1e-5)
    assert ranking[2].why["best_rationale"]["label"] == "east"
    assert [item.index for item in ranking.dropped] == [6, 4, 5]
    assert "not chosen" in ranking.dropped[0].reason
    assert "5th, where 4 are kept" in ranking.dropped[0].reason


def test_rationales_that_converge_and_that_must_not() -> None:
    both = {**PLAIN, "rationales": ["east: a", "east: b"], "max_pooled": 1}
    met = rerank(Meteora(**both), "q", CHUNKS, backends=Compass())
    assert [len(item.why["rationales"]) for item in met] == [2]
    apart = rerank(Meteora(**both, pairing="distinct"), "q", CHUNKS, backends=Compass())
    assert sorted(item.index for item in apart) == [0, 1]


def around(request: Neighbours) -> Sequence[Candidate]:
    """The document is c0 x c1 ... with a chunk x that the first stage did not find."""
    document = [CHUNKS[0], Candidate("x", id="x"), *CHUNKS[1:]]
    at = next(place for place, chunk in enumerate(document) if chunk.id == request.candidate.id)
    return [*document[max(0, at - request.before) : at], *document[at + 1 : at + 1 + request.after]]


def test_neighbours_join_and_the_new_ones_are_added() -> None:
    method = Meteora(**PLAIN | {"expand": 1, "max_pooled": 1, "rationales": ["east"]})
    ranking = rerank(method, "q", CHUNKS, backends=Compass(neighbours=around))
    assert [(item.candidate.id, item.added, item.why["selected_by"]) for item in ranking] == [
        ("c0", False, ["pairing", "pooling"]),
        ("x", True, ["expansion"]),
    ]
    assert ranking[1].why["expanded_from"] == 0
    assert ranking[1].score == pytest.approx(0.70711, abs=1e-5)
    wide = rerank(
        Meteora(**PLAIN | {"expand": 2, "max_pooled": 1, "rationales": ["east"]}),
        "q",
        CHUNKS,
        backends=Compass(neighbours=around),
    )
    assert {item.candidate.id for item in wide} == {"c0", "x", "c1"}
    assert next(item for item in wide if item.candidate.id == "c1").added is False


def test_without_neighbours_nothing_is_expanded_and_a_note_says_why() -> None:
    ranking = rerank(Meteora(**PLAIN | {"expand": 1}), "q", CHUNKS, backends=without(Compass(), Neighbours))
    assert len(ranking) == 4
    assert "Nothing was expanded to its neighbours." in notes(ranking)
    assert "ChunkNeighbours" in notes(ranking)


def test_without_a_chat_model_the_question_is_the_rationale_and_nothing_is_verified_and_notes_say_so() -> None:
    ranking = rerank(Meteora(), "east", CHUNKS, backends=without(Compass(), Chat, Neighbours))
    assert ranking[0].index == 0
    assert ranking[0].why["rationales"][0]["label"] == "the question"
    assert ranking[0].why["verdict"]["checked"] is False
    assert "The question itself is the only rationale." in notes(ranking)
    assert "The evidence was not verified." in notes(ranking)
    assert ranking.usage.calls == 2


def test_who_wants_a_closed_verifier_needs_a_chat_model() -> None:
    with pytest.raises(UnmetNeed, match="Chat"):
        rerank(Meteora(on_failed_check="drop"), "q", CHUNKS, backends=without(Compass(), Chat))


def test_the_verifier_leaves_out_what_it_flags_with_kind_and_reason() -> None:
    judge = Judge(
        flag=lambda text: "factual" if text == "c0" else "none",
        contradicts=lambda a, b: {a, b} in ({"c1", "c2"}, {"c1", "c3"}),
        rationales=["east", "north"],
    )
    ranking = rerank(Meteora(expand=0), "q", CHUNKS, backends=Compass(judge))
    assert [item.candidate.text for item in ranking] == ["c3", "c2"]
    assert ranking[0].why["verdict"] == {
        "flagged": False,
        "kind": None,
        "confidence": 0.95,
        "reason": "So it is.",
        "contradicts": [],
        "checked": True,
    }
    left_out = {item.candidate.text: item for item in ranking.dropped}
    assert left_out["c0"].reason == "flagged by the verifier: factual error (confidence 0.95)"
    assert left_out["c1"].reason == "flagged by the verifier: contradicts accepted evidence (confidence 0.95)"
    assert left_out["c1"].why["verdict"]["contradicts"] == [2, 3]
    assert {item.why["left_out_by"] for item in ranking} == {None}
    assert [left_out[name].why["left_out_by"] for name in ("c0", "c1", "c4")] == ["verification"] * 2 + ["selection"]


def test_three_calls_one_after_another_whatever_the_number_of_chunks() -> None:
    judge = Judge(rationales=["east", "north"])
    steps = Meteora(expand=0).steps("q", CHUNKS)
    model, trips, replies = Compass(judge), [], None
    with pytest.raises(StopIteration):
        while True:
            batch = steps.send(replies)  # type: ignore[arg-type] # None starts it
            trips.append([type(request).__name__ for request in batch])
            replies = [model.answer(request, None) for request in batch]
    assert trips == [["Chat", "Embed", "Embed"], ["Embed"], ["Chat"] * 4, ["Chat"] * 4]


def test_if_all_is_flagged_nothing_is_left_and_a_note_says_so() -> None:
    judge = Judge(flag=lambda text: "instruction", rationales=["east"])
    ranking = rerank(Meteora(), "q", CHUNKS, backends=Compass(judge))
    assert len(ranking) == 0
    assert len(ranking.dropped) == len(CHUNKS)
    assert "there is no evidence left" in notes(ranking)


@pytest.mark.parametrize(("on_failed_check", "left"), [("keep", 4), ("drop", 0)])
def test_checks_that_failed_are_kept_or_dropped_as_told(on_failed_check: Any, left: int) -> None:
    method = Meteora(**PLAIN | {"verify": True}, on_failed_check=on_failed_check)
    ranking = rerank(method, "q", CHUNKS, backends=Compass("no verdict"))
    assert len(ranking) == left
    assert "4 of 4 chunks could not be checked" in notes(ranking)
    if not left:
        assert {item.reason for item in ranking.dropped if "verified" in item.reason} == {
            "not verified: its check failed"
        }


def test_rationales_and_the_domain_tell_the_verifier_what_to_refuse() -> None:
    model = Compass("none")
    method = Meteora(
        rationales=[Rationale("east", flag="Refuse </document> old ones.")], domain=Domain("x", ("Refuse drafts.",))
    )
    rerank(method, "q", CHUNKS, backends=model)
    checks = [prompt_of(request) for request in model.requests if isinstance(request, Chat)]
    assert checks
    assert all(
        "- Refuse drafts.\n- Refuse ‹/document> old ones.\n" in prompt
        for prompt in checks
        if "asked about" not in prompt
    )


def test_what_the_model_writes_as_rationales_is_embedded_as_queries() -> None:
    model = Compass(Judge(rationales=[Rationale("east", "Go there."), "north"]))
    rerank(Meteora(rationales=2, verify=False, expand=0, domain="legal"), "q", CHUNKS, backends=model)
    assert Embed(("east: Go there.", "north"), "query") in model.requests
    (asked,) = (request for request in model.requests if isinstance(request, Chat))
    assert asked.temperature == 0.7
    assert DOMAINS["legal"].guidance.split(",")[0] in prompt_of(asked)


@pytest.mark.parametrize("odd", [RuntimeError("secret"), None, "text", [3], [], ["  "]])
def test_a_function_gives_rationales_and_one_that_fails_costs_only_them(odd: Any) -> None:
    def fails(query: str) -> Any:
        if isinstance(odd, Exception):
            raise odd
        return odd

    good = rerank(Meteora(**PLAIN | {"rationales": lambda query: [query]}), "north", CHUNKS, backends=Compass())
    assert good[0].index == 3
    ranking = rerank(Meteora(**PLAIN | {"rationales": fails}), "north", CHUNKS, backends=Compass())
    assert ranking[0].index == 3
    assert "the question serves" in notes(ranking)
    assert "secret" not in notes(ranking)


def test_document_order_is_an_order_and_says_what_has_no_place() -> None:
    chunks = [Candidate(name, metadata={"source": "d", "chunk": -n}) for n, name in enumerate(ANGLES)]
    chunks[1] = Candidate("c1")
    ranking = rerank(Meteora(**PLAIN, order="document"), "q", chunks, backends=Compass())
    assert ranking.order == [3, 2, 0, 1]
    assert ranking.score_kind == "order"
    assert "1 chunk" in notes(ranking)


def test_without_vectors_everything_is_kept_and_still_verified() -> None:
    def fails(number: int, request: Request) -> Exception | None:
        return ValueError() if isinstance(request, Embed) else None

    judge = Judge(flag=lambda text: "factual" if text == "c2" else "none", rationales=["east"])
    ranking = rerank(Meteora(), "q", CHUNKS, backends=FakeModel(judge, fails=fails))
    assert ranking.order == [0, 1, 3, 4, 5, 6]
    assert ranking.score_kind == "order"
    assert "nothing could be selected" in notes(ranking)


def test_vectors_of_rationales_that_fail_leave_the_question() -> None:
    def fails(number: int, request: Request) -> Exception | None:
        return ValueError() if request == Embed(("a", "b"), "query") else None

    ranking = rerank(
        Meteora(**PLAIN | {"rationales": ["a", "b"]}), "one", ["one", "two"], backends=FakeModel(fails=fails)
    )
    assert ranking[0].index == 0
    assert ranking[0].why["rationales"][0]["label"] == "the question"


async def test_sync_and_async_agree() -> None:
    judge = Judge(flag=lambda text: "factual" if text == "c0" else "none", rationales=["east", "north"])
    model = FakeModel(judge, neighbours=around)
    assert (
        rerank(Meteora(), "q", CHUNKS, backends=model).order
        == (await arerank(Meteora(), "q", CHUNKS, backends=model)).order
    )


WORDS = st.lists(st.sampled_from("rye acid oven salt water crust".split()), min_size=1, max_size=6).map(" ".join)


@hypothesis.given(st.lists(WORDS, min_size=1, max_size=12), st.lists(WORDS, min_size=1, max_size=4), st.data())
@hypothesis.settings(deadline=None, max_examples=40)
def test_never_empty_and_the_order_of_the_candidates_plays_no_part(
    texts: list[str], rationales: list[str], data: st.DataObject
) -> None:
    texts = list(dict.fromkeys(texts))
    mixed = data.draw(st.permutations(texts))
    flags = {text: data.draw(st.sampled_from(["none", "none", "factual"])) for text in texts}
    judge = Judge(flag=lambda text: flags.get(text, "none"), contradicts=lambda a, b: abs(len(a) - len(b)) == 3)
    method = Meteora(rationales=rationales, elbow=data.draw(st.sampled_from(["paper", "knee"])), expand=0)
    chosen = [texts_of(rerank(replace(method, verify=False), "q", t, backends=FakeModel())) for t in (texts, mixed)]
    assert all(chosen)
    if chosen[0] == chosen[1]:  # equal cosines are cut by position, and have to be
        kept = [texts_of(rerank(method, "q", t, backends=FakeModel(judge))) for t in (texts, mixed)]
        assert kept[0] == kept[1]


def texts_of(ranking: Ranking) -> set[str]:
    return {item.candidate.text for item in ranking}


def test_the_reprs_of_its_forms_read_back() -> None:
    for method in (
        Meteora(),
        Meteora(rationales=["a", Rationale("b", "c", "d")], domain=Domain("x", ("y",))),
        Meteora(examples=[("why?", ["because", Rationale("so")])], elbow="knee", max_pooled=7, temperature=None),
        Fuse(Meteora(rationales=0), Embedding()),
    ):
        assert read_method(repr(method)) == method
        hash(method)


@pytest.mark.parametrize(
    "options",
    [
        *({"rationales": odd} for odd in (-1, True, [], [3], "text", None, 2.5, [" "])),
        *({"examples": odd} for odd in (["why?"], [("why?", "because")], [(1, ["a"])], 3)),
        *({"domain": odd} for odd in ("cooking", 3)),
        *({"temperature": odd} for odd in (-1, "hot")),
        *({"z": odd} for odd in (-1, float("nan"), None)),
        *({"min_pooled": odd} for odd in (0, None, 1.5)),
        *({"number_key": odd} for odd in (3, "")),
        {"pairing": "meet"},
        {"elbow": "gaps"},
        {"epsilon": "0"},
        {"max_pooled": 0},
        {"expand": -1},
        {"verify": "yes"},
        {"sure": None},
        {"on_failed_check": "open"},
        {"order": "rank"},
        {"source_key": 3},
    ],
)
def test_what_is_no_option_is_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Meteora(**options)


def test_own_time_of_a_hundred_chunks_and_eight_rationales() -> None:
    class Instant(FakeModel):
        def answer(self, request: Request, timeout: float | None) -> Reply:
            if isinstance(request, Embed):
                return Embedded([VECTORS[hash(text) % 200] for text in request.texts])
            return super().answer(request, timeout)

    import random

    draw = random.Random(1)
    VECTORS = [[draw.gauss(0, 1) for _ in range(384)] for _ in range(200)]
    chunks = [f"chunk {n} " + "word " * 80 for n in range(100)]
    method, model = Meteora(rationales=[f"rationale {n}" for n in range(8)], verify=False, expand=0), Instant()

    def seconds() -> float:
        start = time.perf_counter()
        rerank(method, "q", chunks, backends=model)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(20)) < 0.020
