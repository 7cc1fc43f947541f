"""The page: it loads nothing, runs nothing but its own script, and shows text as text."""

from __future__ import annotations

import ast
import base64
import hashlib
import re
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest

from rerank_plugins import Cascade, Embedding, Fuse, InsertRank, Likelihood, Meteora, Rebel
from rerank_plugins.criteria import LEGAL
from rerank_plugins.serving import page, snippets


class Read(HTMLParser):
    """Collects what a page has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        self.inside.setdefault(self._open, []).append(data)
        if self._open in ("script", "style"):
            self._open = ""


async def test_the_policy_lets_the_pages_own_style_and_script_run_and_nothing_else(serve: Any) -> None:
    answer = await (await serve()).get("/")
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    found = Read(answer.text)
    for tag in ("script", "style"):
        (text,) = found.inside[tag]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[f"{tag}-src"] == f"'sha256-{digest}'"


def test_it_loads_nothing_and_has_no_handlers_in_its_markup() -> None:
    found = Read(page.document())
    attributes = [name for _, attrs in found.tags for name in attrs]
    assert not [name for name in attributes if name in ("src", "href", "style") or name.startswith("on")]
    document = page.document().replace("http://www.w3.org/2000/svg", "")  # the name of a vocabulary, never fetched
    assert not re.search(r"https?://|url\(|@import|//[a-z]+\.", document)


def test_text_never_becomes_markup() -> None:
    (script,) = Read(page.document()).inside["script"]
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(|DOMParser|srcdoc|setHTML"
    assert not re.search(ways, script)
    assert "textContent" in script


def test_each_script_that_there_is_is_in_the_page() -> None:
    scripts = [
        part for part in files("rerank_plugins.serving").joinpath("assets").iterdir() if part.name.endswith("js")
    ]
    assert len(scripts) > 1
    assert all(part.read_text(encoding="utf-8") in page.document() for part in scripts)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_borders_of_fields_and_lines_stand_out(scheme: int) -> None:
    (style,) = Read(page.document()).inside["style"]
    colours = dict(re.findall(r"--([\w-]+): (#\w{6});", style.split("@media (prefers-color-scheme: dark)")[scheme]))
    for name in ("edge", "accent", "up", "down"):
        for ground in ("card", "paper"):
            assert _contrast(colours[name], colours[ground]) >= 3, (name, ground)


def _contrast(one: str, other: str) -> float:
    """The ratio that WCAG 2 defines; 3 is the least for what is no text."""
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_every_field_has_a_label_and_the_result_is_announced() -> None:
    found = Read(page.document())
    labelled = {attrs["for"] for tag, attrs in found.tags if tag == "label"}
    fields = {attrs["id"] for tag, attrs in found.tags if tag in ("input", "select", "textarea")}
    assert fields == labelled
    assert ("p", {"id": "status", "role": "status"}) in found.tags


async def test_its_examples_are_the_questions_of_the_sample(serve: Any) -> None:
    given = (await (await serve()).get("/examples")).json()
    assert len(given) == 20
    assert all(example["query"] and len(example["documents"]) == 10 for example in given)


async def test_it_learns_the_methods_and_their_code_from_the_server(serve: Any) -> None:
    models = (await (await serve()).get("/v1/models")).json()["data"]
    assert [(model["id"], model["method"]) for model in models] == [
        ("model", "InsertRank()"),
        ("vectors", "Embedding()"),
        ("as-it-was", "FirstStage()"),
    ]
    assert all(set(model["code"]) == {"LlamaIndex", "LangChain"} for model in models)


@pytest.mark.parametrize(
    "method",
    [InsertRank(), Fuse(Embedding(), Likelihood()), Cascade(Embedding(), Rebel(criteria=LEGAL)), Meteora()],
    ids=lambda method: type(method).__name__,
)
def test_the_code_has_the_method_and_imports_what_it_names(method: Any) -> None:
    for code in (snippets.llama_index(method), snippets.langchain(method)):
        tree = ast.parse(code)
        assert repr(method) in code
        (imported,) = [
            node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "rerank_plugins"
        ]
        names: dict[str, Any] = {}
        exec(f"from rerank_plugins import {', '.join(alias.name for alias in imported.names)}", names)
        assert eval(repr(method), names) == method


def test_the_code_asks_for_the_models_that_the_method_does() -> None:
    assert "llm=llm, embed_model=embed_model, top_n" in snippets.llama_index(Fuse(Embedding(), InsertRank()))
    assert "embeddings=embeddings, backends=backends" in snippets.langchain(Fuse(Embedding(), Likelihood()))
