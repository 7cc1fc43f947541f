"""What other rerankers get wrong, case by case: each was seen by running them with these replies."""

from __future__ import annotations

import json
import logging

import pytest
from llama_index.core.llms import MockLLM
from llama_index.core.schema import NodeWithScore, TextNode

from llama_index.postprocessor.rerank_plugins import RerankPostprocessor
from rerank_plugins import CrossEncode, InsertRank, Limits
from rerank_plugins.events import QueryEnded
from rerank_plugins.requests import Chat, ScorePairs
from rerank_plugins.testing.fakes import FakeModel

FIRST_STAGE = ["n0", "n1", "n2", "n3", "n4"]
LISTWISE = InsertRank(bm25=None)


def ids(nodes: list[NodeWithScore]) -> list[str]:
    return [item.node.node_id for item in nodes]


class Notes(list):
    """Collects the notes of each ranking."""

    def __call__(self, event: object) -> None:
        if isinstance(event, QueryEnded):
            self += [note.message for note in event.ranking.notes]


ODD_REPLIES = {
    "a refusal in prose": ("I'm sorry, but I cannot rank these 5 documents.", FIRST_STAGE),
    "a shrug": ("maybe", FIRST_STAGE),
    "an empty reply": ("", FIRST_STAGE),
    "the text of an error": ("Error code: 429 - rate limit reached, try again in 4s", FIRST_STAGE),
    "an error that speaks of passages": ("Error code: 429: passage limit, try again in 2s", FIRST_STAGE),
    "markdown bold": ("**[3]** > **[1]**", ["n2", "n0", "n1", "n3", "n4"]),
    "a trailing explanation": ("[3] > [1]\n\nDocument 3 comes first: it has 2 of the 5 facts.", ["n2", "n0", "n1"]),
    "a polite beginning": ("Sure: [2] > [5]", ["n1", "n4", "n0"]),
    "an announcement with numbers": ("Here are the top 3 of 5 passages: [4] > [2]", ["n3", "n1", "n0"]),
    "no space in the chain": ("[2]>[1]", ["n1", "n0", "n2", "n3", "n4"]),
    "digits in a thinking block": ("<think>1? No: 5, then 2.</think>[3] > [4]", ["n2", "n3", "n0", "n1", "n4"]),
    "thinking that never ends": ("<think>[1] > [2] or [5]", FIRST_STAGE),
    "a document 0": ("Doc: 0, Relevance: 9", FIRST_STAGE),
    "an unknown document": ("[9]", FIRST_STAGE),
    "a negative document": ("[-9] > [2]", ["n1", "n0", "n2", "n3", "n4"]),
    "repeats": ('{"ranking": [2, 2, 2]}', ["n1", "n0", "n2", "n3", "n4"]),
    "missing, repeated, 0 and -9": ('{"ranking": [3, 0, 3, -9, 2]}', ["n2", "n1", "n0", "n3", "n4"]),
    "ids as objects with decimals": (
        '{"ranking": [{"id": 4, "relevance": 0.9}, {"id": 2, "relevance": 0.1}]}',
        ["n3", "n1", "n0", "n2", "n4"],
    ),
    "a line without a number": ("[2]\nthe next is about rye\n[1]", ["n1", "n0", "n2", "n3", "n4"]),
    "JSON that is cut off": ('{"ranking": [5, 4, 3', ["n4", "n3", "n0", "n1", "n2"]),
}


@pytest.mark.parametrize("case", ODD_REPLIES)
async def test_an_odd_reply_loses_no_node_and_moves_none_by_accident(case, scripted_llm, make):
    reply, expected = ODD_REPLIES[case]
    notes = Notes()
    reranker = RerankPostprocessor(LISTWISE, llm=scripted_llm(reply), observer=notes)
    found = reranker.postprocess_nodes(make(), query_str="rye?")
    assert ids(found)[: len(expected)] == expected
    assert sorted(ids(found)) == FIRST_STAGE
    assert notes, "a reply that needed repair is noted"
    assert ids(await reranker.apostprocess_nodes(make(), query_str="rye?")) == ids(found)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"ranking": [3, 0, 3, -9, 9]}, ["n2", "n0", "n1", "n3", "n4"]),
        ({"ranking": []}, FIRST_STAGE),
        ({"ranking": None}, FIRST_STAGE),
        ({}, FIRST_STAGE),
        ({"ranking": [{"id": 2}, {"id": "[1]"}, None, "none"]}, ["n1", "n0", "n2", "n3", "n4"]),
    ],
)
async def test_an_odd_tool_call_loses_no_node(arguments, expected, scripted_llm, make):
    llm = scripted_llm(arguments, calls_functions=True)
    reranker = RerankPostprocessor(LISTWISE, llm=llm, structured=True)
    assert ids(reranker.postprocess_nodes(make(), query_str="rye?")) == expected
    assert ids(await reranker.apostprocess_nodes(make(), query_str="rye?")) == expected


def test_a_tool_that_was_not_called_leaves_the_text_to_be_read(scripted_llm, make):
    llm = scripted_llm("[2] > [1]", calls_functions=True)
    found = RerankPostprocessor(LISTWISE, llm=llm, structured=True).postprocess_nodes(make(), query_str="rye?")
    assert ids(found) == ["n1", "n0", "n2", "n3", "n4"]


def test_decimals_are_kept_as_scores(make):
    model = FakeModel()
    scores = iter([(0.1, 0.9, 0.55)])
    model.answer = lambda request, timeout: request.reply(next(scores))
    found = RerankPostprocessor(CrossEncode(), backends=model).postprocess_nodes(make(3), query_str="rye?")
    assert [(item.node.node_id, item.score) for item in found] == [("n1", 0.9), ("n2", 0.55), ("n0", 0.1)]


def test_one_of_ten_windows_fails_alone(scripted_llm, http_error, shown, make):
    def reverses(prompt: str) -> str | Exception:
        documents = shown(prompt)
        if "text 10" in documents and "text 9" not in documents:
            return http_error(400, "no")
        return json.dumps({"ranking": list(range(len(documents), 0, -1))})

    notes = Notes()
    llm = scripted_llm(reverses)
    reranker = RerankPostprocessor(InsertRank(bm25=None, window=2, stride=2), llm=llm, observer=notes)
    found = ids(reranker.postprocess_nodes(make(20), query_str="rye?"))
    assert len(llm.script.prompts) == 10
    expected = [f"n{i + 1 - 2 * (i % 2)}" for i in range(20)]
    expected[10:12] = ["n10", "n11"]
    assert found == expected
    assert sum("failed" in note for note in notes) == 1


def test_a_429_is_tried_again_and_its_text_is_no_ranking(scripted_llm, http_error, make):
    busy = http_error(429, "Error code: 429 ... try again in 5ms", {"retry-after": "0.01"})
    llm = scripted_llm([busy, "[2] > [1]"])
    found = RerankPostprocessor(LISTWISE, llm=llm).postprocess_nodes(make(), query_str="rye?")
    assert ids(found) == ["n1", "n0", "n2", "n3", "n4"]
    assert len(llm.script.prompts) == 2


def test_a_429_that_stays_gives_the_first_stage_order_and_a_warning(scripted_llm, http_error, make, caplog):
    busy = http_error(429, "Error code: 429 ... try again in 5ms", {"retry-after": "0.01"})
    reranker = RerankPostprocessor(LISTWISE, llm=scripted_llm(busy), limits=Limits(retries=1))
    with caplog.at_level(logging.WARNING, "rerank_plugins"):
        assert ids(reranker.postprocess_nodes(make(), query_str="rye?")) == FIRST_STAGE
    assert "HTTP 429" in caplog.text
    assert "sk-secret" not in caplog.text


def test_the_retrieval_score_is_not_the_score(scripted_llm, make):
    found = RerankPostprocessor(LISTWISE, llm=scripted_llm("[4] > [2]")).postprocess_nodes(make(), query_str="rye?")
    assert [item.score for item in found] == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    assert found[0].metadata["rerank_plugins"]["first_stage_score"] == 0.97


def test_scores_of_a_cross_encoder_come_back(make):
    found = RerankPostprocessor(CrossEncode(), backends=FakeModel()).postprocess_nodes(make(), query_str="rye?")
    scores = [item.score for item in found]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 5


def test_no_model_is_made_for_a_query(scripted_llm, make):
    made = []

    class Counted(scripted_llm):
        def __init__(self, *args, **fields):
            made.append(self)
            super().__init__(*args, **fields)

    reranker = RerankPostprocessor(LISTWISE, llm=Counted("[2] > [1]"))
    for _ in range(3):
        reranker.postprocess_nodes(make(), query_str="rye?")
    assert len(made) == 1
    assert reranker.llm is made[0]


@pytest.mark.parametrize("count", [2, 10, 30])
def test_every_list_is_sent_whole_and_comes_back_whole(count, scripted_llm, shown, make):
    llm = scripted_llm("[2] > [1]")
    found = RerankPostprocessor(InsertRank(), llm=llm).postprocess_nodes(make(count), query_str="rye?")
    assert sorted(shown(llm.script.prompts[0])) == sorted(f"text {i}" for i in range(count))
    assert len(set(ids(found))) == count


def test_two_nodes_with_the_same_text_stay_two(scripted_llm):
    nodes = [NodeWithScore(node=TextNode(id_=id_, text="the same"), score=0.5) for id_ in ("a", "b")]
    found = RerankPostprocessor(LISTWISE, llm=scripted_llm("[2] > [1]")).postprocess_nodes(nodes, query_str="rye?")
    assert ids(found) == ["b", "a"]


def test_windows_show_each_document_its_own_bm25(scripted_llm, make):
    nodes = make(6, metadata={})
    for number, item in enumerate(nodes):
        item.node.metadata["bm25"] = 60.0 - number
    llm = scripted_llm(lambda prompt: '{"ranking": [4, 3, 2, 1]}')
    method = InsertRank(bm25="metadata:bm25", window=4, stride=2)
    RerankPostprocessor(method, llm=llm, metadata_mode="none").postprocess_nodes(nodes, query_str="rye?")
    assert len(llm.script.prompts) == 2
    for prompt in llm.script.prompts:
        for number in range(6):
            if f"\ntext {number}\n" in prompt:
                assert f'bm25="{60 - number}.0">\ntext {number}\n' in prompt


async def test_a_hundred_nodes_are_not_a_hundred_requests_in_flight(make):
    class Each:
        needs = (ScorePairs,)

        def steps(self, query, candidates):
            from rerank_plugins.ranking import order_by

            replies = yield [ScorePairs(query, (candidate.text,)) for candidate in candidates]
            return order_by([reply.scores[0] for reply in replies])

    model = FakeModel(delay_s=0.002)
    reranker = RerankPostprocessor(Each(), backends=model, limits={"max_concurrency": 7})
    assert len(await reranker.apostprocess_nodes(make(100), query_str="rye?")) == 100
    assert model.most_at_once == 7


@pytest.mark.parametrize("options", [{}, {"max_tokens": 5}])
async def test_a_model_that_echoes_or_babbles_loses_no_node(options, make):
    reranker = RerankPostprocessor(InsertRank(), llm=MockLLM(**options))
    assert sorted(ids(reranker.postprocess_nodes(make(), query_str="rye?"))) == FIRST_STAGE
    assert sorted(ids(await reranker.apostprocess_nodes(make(), query_str="rye?"))) == FIRST_STAGE


def test_from_dict_gives_a_reranker_that_works(scripted_llm, make):
    reranker = RerankPostprocessor(LISTWISE, llm=scripted_llm("[2] > [1]"), top_n=1)
    again = RerankPostprocessor.from_dict(reranker.to_dict(), llm=reranker.llm)
    assert ids(again.postprocess_nodes(make(), query_str="rye?")) == ["n1"]


def test_chat_is_all_that_is_asked_of_the_llm(scripted_llm, make):
    """Its `complete` raises here, and a method's need is plain to see."""
    assert LISTWISE.needs == (Chat,)
    RerankPostprocessor(LISTWISE, llm=scripted_llm("[1]")).postprocess_nodes(make(), query_str="rye?")
