"""LlamaIndex's conventions: nodes in and out, Settings, options, serialisation."""

from __future__ import annotations

import copy
import json
import math
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from llama_index.core import Document, MockEmbedding, Settings
from llama_index.core.llms import MockLLM
from llama_index.core.schema import (
    ImageNode,
    IndexNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeWithScore,
    QueryBundle,
    TextNode,
)

from llama_index.postprocessor.rerank_plugins import RerankPostprocessor
from rerank_plugins import Cascade, CrossEncode, Embedding, FirstStage, InsertRank, Likelihood, Limits
from rerank_plugins.errors import InvalidInput, Refused, UnmetNeed
from rerank_plugins.ranking import Verdict, order_by
from rerank_plugins.requests import Chat
from rerank_plugins.testing.fakes import FakeModel

LISTWISE = InsertRank(bm25=None)


class Scores:
    """Scores each text by a table, and asks nobody."""

    def __init__(self, table):
        self.table = table

    def steps(self, query, candidates):
        return order_by([self.table.get(candidate.text) for candidate in candidates], score_kind="absolute")
        yield


class Sees:
    """Remembers what it was given."""

    def steps(self, query, candidates):
        self.query, self.candidates = query, list(candidates)
        return Verdict(order=range(len(candidates)))
        yield


@pytest.fixture
def settings(monkeypatch):
    """Settings as in a fresh process: no model is set, and the default ones cannot be made."""
    monkeypatch.setattr(Settings, "_llm", None)
    monkeypatch.setattr(Settings, "_embed_model", None)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("IS_TESTING", raising=False)
    return Settings


# Nodes in and out


def test_what_comes_back(make):
    nodes = [
        NodeWithScore(node=TextNode(id_="a", text="rye", metadata={"page": 1}), score=0.9),
        NodeWithScore(node=TextNode(id_="b", text="spelt", metadata={"page": 2}), score=0.8),
    ]
    (first, second) = RerankPostprocessor(Scores({"page: 2\n\nspelt": 2.5})).postprocess_nodes(nodes, query_str="q")
    assert (first.node.node_id, first.score) == ("b", 2.5)
    assert first.node.metadata["page"] == 2
    assert (
        first.node.metadata["rerank_plugins"].items()
        >= {
            "rank": 1,
            "score": 2.5,
            "score_kind": "absolute",
            "first_stage_rank": 2,
            "first_stage_score": 0.8,
            "why": {},
        }.items()
    )
    assert (second.node.node_id, second.score) == ("a", None)


def test_the_callers_nodes_stay_as_they_are():
    inner = {"tags": ["x"]}
    nodes = [
        NodeWithScore(
            node=TextNode(text=f"t{i}", metadata={"inner": copy.deepcopy(inner)}, embedding=[0.1]), score=i / 10
        )
        for i in range(4)
    ]
    before = copy.deepcopy(nodes)
    identities = [(id(item), id(item.node), id(item.node.metadata)) for item in nodes]
    found = RerankPostprocessor(Scores({"t3": 1.0, "t1": 2.0}), top_n=3).postprocess_nodes(nodes, query_str="q")
    for item in found:
        item.score = -1
        item.node.metadata["inner"]["tags"].append("changed")
        item.node.excluded_llm_metadata_keys.append("changed")
        item.node.relationships["x"] = None
        item.node.set_content("changed")
    assert nodes == before
    assert [(id(item), id(item.node), id(item.node.metadata)) for item in nodes] == identities
    assert {id(item.node) for item in found}.isdisjoint(id(item.node) for item in nodes)


def test_metadata_that_cannot_be_copied_is_shared():
    lock = threading.Lock()
    node = TextNode(text="t", metadata={"lock": lock})
    (found,) = RerankPostprocessor(FirstStage()).postprocess_nodes([NodeWithScore(node=node)], query_str="q")
    assert found.node.metadata["lock"] is lock
    assert "rerank_plugins" not in node.metadata


def test_the_explanation_stays_out_of_prompts_and_embeddings_also_after_a_second_rerank():
    node = TextNode(text="t", metadata={"page": 1}, excluded_llm_metadata_keys=["page"])
    reranker = RerankPostprocessor(FirstStage())
    found = reranker.postprocess_nodes([NodeWithScore(node=node)], query_str="q")
    (found,) = reranker.postprocess_nodes(found, query_str="q")
    assert found.node.get_content(metadata_mode=MetadataMode.LLM) == "t"
    assert found.node.get_content(metadata_mode=MetadataMode.EMBED) == "page: 1\n\nt"
    assert found.node.excluded_llm_metadata_keys == ["page", "rerank_plugins"]


def test_the_explanation_is_plain_data(scripted_llm, make):
    nodes = make(3)
    nodes[0].score, nodes[1].score = math.nan, np.float32(0.5)  # as rerankers before this one leave them
    method = Cascade(Scores({"text 0": 0.5}), InsertRank(reasoning=True), keep=2)
    llm = scripted_llm('{"problem": "p", "reasoning": "r", "ranking": [2, 1]}')
    for item in RerankPostprocessor(method, llm=llm).postprocess_nodes(nodes, query_str="text 1"):
        why = item.node.metadata["rerank_plugins"]
        assert json.loads(json.dumps(why, allow_nan=False)) == why
        assert TextNode.from_json(item.node.to_json()).metadata["rerank_plugins"] == why


@pytest.mark.parametrize(
    "node",
    [
        TextNode(text="t"),
        TextNode(text=""),
        IndexNode(text="t", index_id="i", obj=threading.Lock()),
        ImageNode(image="aGk="),
        ImageNode(text="caption", image_url="http://localhost/x.png"),
        Document(text="t"),
        Node(image_resource=MediaResource(url="http://localhost/x.png")),
        TextNode(text="\ud800 lone"),
    ],
    ids=lambda node: f"{type(node).__name__}-{node.get_content()!a}",
)
async def test_every_kind_of_node_comes_back_as_its_kind(node, scripted_llm):
    nodes = [NodeWithScore(node=TextNode(text="other"), score=0.2), NodeWithScore(node=node, score=0.1)]
    reranker = RerankPostprocessor(InsertRank(), llm=scripted_llm('{"ranking": [1, 2]}'))
    for found in (
        reranker.postprocess_nodes(nodes, query_str="t"),
        await reranker.apostprocess_nodes(nodes, query_str="t"),
    ):
        (same,) = [item.node for item in found if item.node.node_id == node.node_id]
        assert type(same) is type(node)
        assert same.get_content() == node.get_content()


def test_subclasses_of_node_with_score_come_back_as_such():
    class Marked(NodeWithScore):
        mark: str = ""

    (found,) = RerankPostprocessor(FirstStage()).postprocess_nodes(
        [Marked(node=TextNode(text="t"), mark="m")], query_str="q"
    )
    assert isinstance(found, Marked)
    assert found.mark == "m"


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        (None, "title: T\n\nbody"),
        (MetadataMode.NONE, "body"),
        ("embed", "secret: S\n\nbody"),
        ("all", "title: T\nsecret: S\n\nbody"),
    ],
)
def test_metadata_mode_says_what_is_read_with_the_text(mode, text):
    node = TextNode(
        id_="a",
        text="body",
        metadata={"title": "T", "secret": "S"},
        excluded_llm_metadata_keys=["secret"],
        excluded_embed_metadata_keys=["title"],
    )
    method = Sees()
    options = {} if mode is None else {"metadata_mode": mode}
    RerankPostprocessor(method, **options).postprocess_nodes([NodeWithScore(node=node, score=0.3)], query_str="q")
    (candidate,) = method.candidates
    assert (candidate.text, candidate.id, candidate.score) == (text, "a", 0.3)
    assert candidate.metadata["secret"] == "S"


@pytest.mark.parametrize("scores", [[None, None], [math.nan, 0.1], [-3.0, math.inf]])
def test_any_first_stage_scores_will_do(scores, scripted_llm):
    nodes = [NodeWithScore(node=TextNode(text=f"t{i}"), score=score) for i, score in enumerate(scores)]
    method = InsertRank(bm25="first-stage")
    found = RerankPostprocessor(method, llm=scripted_llm("[2] > [1]")).postprocess_nodes(nodes, query_str="q")
    assert len(found) == 2


@pytest.mark.parametrize(("top_n", "kept"), [(None, 5), (0, 0), (2, 2), (99, 5)])
async def test_top_n(top_n, kept, make):
    reranker = RerankPostprocessor(FirstStage(), top_n=top_n)
    assert len(reranker.postprocess_nodes(make(), query_str="q")) == kept
    assert len(await reranker.apostprocess_nodes(make(), query_str="q")) == kept


async def test_no_nodes_need_no_model(settings):
    reranker = RerankPostprocessor(InsertRank())
    assert reranker.postprocess_nodes([], query_str="q") == []
    assert await reranker.apostprocess_nodes([], query_str="q") == []


# The query


@pytest.mark.parametrize("bundle", [None, QueryBundle(""), QueryBundle(" \n")])
async def test_without_a_query_there_is_a_sentence(bundle, make):
    reranker = RerankPostprocessor(FirstStage())
    with pytest.raises(ValueError, match="pass query_bundle or query_str"):
        reranker.postprocess_nodes(make(), query_bundle=bundle)
    with pytest.raises(ValueError, match="pass query_bundle or query_str"):
        await reranker.apostprocess_nodes(make(), query_bundle=bundle)


def test_the_query_is_the_users_not_what_a_transform_embeds_instead(make):
    method = Sees()
    bundle = QueryBundle("why rye?", custom_embedding_strs=["a made-up answer"], embedding=[0.1])
    RerankPostprocessor(method).postprocess_nodes(make(), query_bundle=bundle)
    assert method.query == "why rye?"


# Models


def test_settings_are_asked_only_for_what_is_needed_and_only_when_it_is(settings, make, scripted_llm):
    assert len(RerankPostprocessor(FirstStage()).postprocess_nodes(make(), query_str="q")) == 5
    assert len(RerankPostprocessor(LISTWISE, llm=scripted_llm("[1]")).postprocess_nodes(make(), query_str="q")) == 5
    assert len(RerankPostprocessor(LISTWISE, backends=FakeModel("[1]")).postprocess_nodes(make(), query_str="q")) == 5
    reranker = RerankPostprocessor(LISTWISE)  # made before Settings are, as in many scripts
    with pytest.raises((ImportError, ValueError), match=r"llama-index-llms-openai|OPENAI_API_KEY"):
        reranker.postprocess_nodes(make(), query_str="q")
    settings.llm = scripted_llm("[2] > [1]")
    assert reranker.postprocess_nodes(make(), query_str="q")[0].node.node_id == "n1"
    assert reranker.llm is None


def test_settings_embed_model_serves_methods_that_embed(settings, make):
    settings.embed_model = MockEmbedding(embed_dim=3)
    found = RerankPostprocessor(Embedding()).postprocess_nodes(make(3), query_str="q")
    assert [item.score for item in found] == pytest.approx([1.0, 1.0, 1.0])


def test_what_is_given_comes_before_settings_and_backends_before_all(settings, make, scripted_llm):
    settings.llm = MockLLM()
    given, backend = scripted_llm("[2]"), FakeModel("[3]")
    assert RerankPostprocessor(LISTWISE, llm=given).postprocess_nodes(make(), query_str="q")[0].node.node_id == "n1"
    both = RerankPostprocessor(LISTWISE, llm=given, backends=[backend])
    assert both.postprocess_nodes(make(), query_str="q")[0].node.node_id == "n2"


@pytest.mark.slow  # a process of its own
def test_importing_and_constructing_touch_no_settings():
    code = (
        "from llama_index.core import Settings\n"
        "from llama_index.postprocessor.rerank_plugins import RerankPostprocessor\n"
        "RerankPostprocessor('InsertRank'); RerankPostprocessor('Embedding')\n"
        "assert Settings._llm is None and Settings._embed_model is None\n"
        "import sys; assert 'torch' not in sys.modules and 'openai' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_need_that_nothing_can_meet_is_refused_at_once():
    with pytest.raises(UnmetNeed, match="CrossEncoder"):
        RerankPostprocessor(CrossEncode())
    with pytest.raises(UnmetNeed, match="TransformersLM"):
        RerankPostprocessor(Cascade(Embedding(), Likelihood()), llm=MockLLM())


def test_a_need_that_a_method_does_not_declare_is_refused_when_it_shows(make):
    class Asks:
        def steps(self, query, candidates):
            yield [Chat([])]

    with pytest.raises(UnmetNeed, match="no backend was given"):
        RerankPostprocessor(Asks()).postprocess_nodes(make(), query_str="q")


# Options


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"top_n": -1}, "top_n is a whole number of at least 0, or None to keep all, not -1"),
        ({"top_n": 2.5}, "not 2.5"),
        ({"top_n": True}, "not True"),
        ({"on_error": "ignore"}, "on_error is 'degrade' or 'raise', not 'ignore'"),
        ({"limits": {"retries": -1}}, "retries"),
        ({"method": InsertRank}, "pass the instance, with its brackets"),
        ({"method": None}, "such as InsertRank\\(\\), not None"),
        ({"method": "NoSuch"}, "There is no method 'NoSuch'"),
    ],
)
def test_arguments_that_break_a_rule_are_refused_at_construction(options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        RerankPostprocessor(**{"method": FirstStage()} | options)


@pytest.mark.parametrize("options", [{"topn": 3}, {"model": "x"}])
def test_a_misspelt_option_is_refused(options):
    with pytest.raises(TypeError, match=next(iter(options))):
        RerankPostprocessor(FirstStage(), **options)


def test_a_wrong_llm_is_refused_without_its_content():
    class Secretive:
        def __repr__(self):
            return "sk-secret"

    with pytest.raises(ValueError, match="instance of LLM") as caught:
        RerankPostprocessor(FirstStage(), llm=Secretive())
    assert "sk-secret" not in str(caught.value)


def test_a_method_may_be_named(make):
    reranker = RerankPostprocessor("InsertRank(bm25=None, window=4)")
    assert reranker.method == InsertRank(bm25=None, window=4)


async def test_on_error_raise(scripted_llm, http_error, make):
    reranker = RerankPostprocessor(LISTWISE, llm=scripted_llm(http_error(401, "sk-secret")), on_error="raise")
    with pytest.raises(Refused, match="api_key") as caught:
        reranker.postprocess_nodes(make(), query_str="q")
    assert "sk-secret" not in str(caught.value)
    with pytest.raises(Refused):
        await reranker.apostprocess_nodes(make(), query_str="q")


async def test_limits_and_cache_and_observer_reach_the_driver(scripted_llm, make):
    llm, events, cache = scripted_llm("[2] > [1]"), [], {}
    reranker = RerankPostprocessor(LISTWISE, llm=llm, cache=cache, observer=events.append)
    first = reranker.postprocess_nodes(make(), query_str="q")
    second = await reranker.apostprocess_nodes(make(), query_str="q")
    assert [item.node.node_id for item in first] == [item.node.node_id for item in second]
    assert len(llm.script.prompts) == 1
    assert len(cache) == 1
    assert {type(event).__name__ for event in events} == {"QueryStarted", "CallStarted", "CallEnded", "QueryEnded"}
    none = RerankPostprocessor(LISTWISE, llm=llm, limits=Limits(max_calls=0))
    assert none.postprocess_nodes(make(), query_str="q")[0].node.node_id == "n0"
    assert len(llm.script.prompts) == 1


async def test_a_list_that_is_too_long_goes_to_windows(scripted_llm, make):
    llm = scripted_llm('{"ranking": [2, 1]}', context_window=1200)
    reranker = RerankPostprocessor(LISTWISE, llm=llm)
    nodes = make(30)
    for item in nodes:
        item.node.text += " many more words than a small context takes" * 3
    found = await reranker.apostprocess_nodes(nodes, query_str="q")
    assert len(found) == 30
    assert len(llm.script.prompts) > 1


def test_there_are_no_prompts_to_get_or_update(scripted_llm, make):
    reranker = RerankPostprocessor(LISTWISE, llm=scripted_llm("[2]"))
    assert reranker._get_prompts() == reranker._get_prompt_modules() == {}
    reranker._update_prompts({"choice_select_prompt": None})
    assert reranker.postprocess_nodes(make(), query_str="q")[0].node.node_id == "n1"


# Serialisation


FULL = {
    "top_n": 3,
    "limits": Limits(deadline_s=2.5, max_calls=4),
    "on_error": "raise",
    "metadata_mode": MetadataMode.NONE,
    "structured": True,
    "flat_metadata": True,
}


def described(reranker):
    return {name: getattr(reranker, name) for name in ("method", *FULL)}


@pytest.mark.parametrize("method", [InsertRank(window=20), Cascade(Embedding(), InsertRank(), keep=7), FirstStage()])
def test_to_dict_and_json_round_trip(method, scripted_llm):
    reranker = RerankPostprocessor(method, llm=scripted_llm(), embed_model=MockEmbedding(embed_dim=2), **FULL)
    text = reranker.to_json()
    assert "sk-secret" not in text
    assert json.loads(text) == json.loads(json.dumps(reranker.to_dict()))
    assert json.loads(text)["method"] == repr(method)
    assert json.loads(text)["class_name"] == "RerankPostprocessor" == RerankPostprocessor.class_name()
    for again in (RerankPostprocessor.from_json(text), RerankPostprocessor.from_dict(reranker.to_dict())):
        assert described(again) == described(reranker) == {"method": method, **FULL}
        assert again.llm is None


def test_model_dump_holds_no_model(scripted_llm):
    reranker = RerankPostprocessor(LISTWISE, llm=scripted_llm(), backends=FakeModel(), cache={}, observer=print)
    assert set(reranker.model_dump()) == {"method", *FULL, "class_name"}
    assert "sk-secret" not in repr(reranker)
    assert RerankPostprocessor.model_json_schema()["required"] == ["method"]


def test_pickling_keeps_models_that_can_be_and_harms_none_that_cannot(make):
    whole = RerankPostprocessor(LISTWISE, llm=MockLLM(max_tokens=3), **FULL)
    again = pickle.loads(pickle.dumps(whole))
    assert described(again) == described(whole)
    assert again.llm.max_tokens == 3

    locked = RerankPostprocessor(CrossEncode(), backends=FakeModel(fails=lambda *_: None))  # a function of this test
    again = pickle.loads(pickle.dumps(locked))
    with pytest.raises(UnmetNeed):
        again.postprocess_nodes(make(), query_str="q")
    assert len(locked.postprocess_nodes(make(), query_str="q")) == 5


def test_deep_copies_work(make):
    reranker = RerankPostprocessor(FirstStage(), top_n=2)
    assert len(copy.deepcopy(reranker).postprocess_nodes(make(), query_str="q")) == 2
