"""The documentation site: it builds without a warning, is whole, loads nothing from elsewhere, and its code runs."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from rerank_plugins import Candidate, InsertRank, Ranking
from rerank_plugins.requests import Chat, Embed, ScorePairs
from rerank_plugins.testing import FakeModel, ScriptedEndpoint

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = {page.stem: page.read_text(encoding="utf-8") for page in DOCS.glob("*.md")}
OURS = ("index", "data_model", "backends", "adapters", "limits", "security")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PASSAGES = [f"Passage {number} on bread." for number in range(6)]
DOCUMENTED = (
    "rerank_plugins",
    *(
        f"rerank_plugins.{name}"
        for name in ("candidates", "ranking", "requests", "errors", "limits", "cache", "events")
    ),
    *(f"rerank_plugins.{name}" for name in ("drive", "lexical", "criteria", "rationales", "citations", "methods")),
    *(f"rerank_plugins.{name}" for name in ("backends", "evaluation", "testing", "serving")),
    "rerank_plugins.evaluation.perturbations",
)


def blocks(page: str) -> list[str]:
    """The Python of a page that is no doctest."""
    found = re.findall(r"^```python\n(.*?)^```", PAGES[page], re.S | re.M)
    return [block for block in found if not block.startswith(">>> ")]


def run(page: str, place: int, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(blocks(page)[place], f"{page}.md", "exec", dont_inherit=True), names)
    return names


# The code on the pages


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if ">>> " in text])
def test_the_examples_say_what_comes_out(page: str) -> None:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    found = doctest.testfile(str(DOCS / f"{page}.md"), module_relative=False, optionflags=flags, encoding="utf-8")
    assert found.attempted and not found.failed


def test_every_block_is_tried_here() -> None:
    assert {page: len(blocks(page)) for page in OURS} == {
        "index": 1,
        "data_model": 0,
        "backends": 5,
        "adapters": 3,
        "limits": 0,
        "security": 0,
    }


def test_the_first_page(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedEndpoint('{"ranking": [2, 1, 3]}') as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "a key")
        ranking: Ranking = run("index", 0, {})["ranking"]
    assert len(ranking) == 2 and ranking.notes == ()
    assert "Rye needs acid" in capsys.readouterr().out


def test_a_list_of_specialists(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, FakeModel] = {}

    def fake(name: str, kind: type) -> FakeModel:
        asked[name] = FakeModel("[2] > [1]")
        asked[name].kinds = (kind,)
        return asked[name]

    monkeypatch.setattr("rerank_plugins.backends.SentenceEmbedder", lambda name: fake(name, Embed), raising=False)
    monkeypatch.setattr("rerank_plugins.backends.OpenAIChat", lambda name: fake(name, Chat), raising=False)
    names = run("backends", 0, {"candidates": PASSAGES})
    assert sorted(names["ranking"].order) == list(range(6))
    assert [len(model.requests) > 0 for model in asked.values()] == [True, True]


def test_models_are_made_without_being_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a key")
    names = run("backends", 1, {})
    assert all("base_url" in repr(names[name]) for name in ("local", "embedder", "hosted"))
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    assert "int8" in repr(run("backends", 2, {})["model"])


def test_a_rerank_endpoint_before_a_language_model(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, chat = FakeModel(kinds=[ScorePairs]), FakeModel("[1]", kinds=[Chat])
    monkeypatch.setattr("rerank_plugins.backends.RerankAPI", lambda *_, **options: pairs, raising=False)
    monkeypatch.setattr("rerank_plugins.backends.OpenAIChat", lambda name: chat, raising=False)
    names = run("backends", 3, {"candidates": PASSAGES})
    assert sorted(names["ranking"].order) == list(range(6))
    assert pairs.requests and chat.requests


def test_a_backend_of_your_own(capsys: pytest.CaptureFixture[str]) -> None:
    names = run("backends", 4, {"__name__": __name__})
    assert names["ranking"].notes == ()
    assert f"```text\n{capsys.readouterr().out}```" in PAGES["backends"]


@pytest.mark.slow  # to import the framework takes seconds
def test_in_langchain(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("langchain_core")
    from langchain_core.embeddings import DeterministicFakeEmbedding
    from langchain_core.language_models import FakeListChatModel
    from langchain_core.vectorstores import InMemoryVectorStore

    store = InMemoryVectorStore.from_texts(PASSAGES, DeterministicFakeEmbedding(size=4))
    llm = FakeListChatModel(responses=["[2] > [1]"])
    documents = run("adapters", 0, {"store": store, "llm": llm, "question": "bread"})["documents"]
    assert len(documents) == 2
    assert re.fullmatch(r"\[\d, \d\]\n", capsys.readouterr().out)


@pytest.mark.slow  # to import the framework takes seconds
def test_in_llama_index(capsys: pytest.CaptureFixture[str]) -> None:
    core = pytest.importorskip("llama_index.core")
    nodes = [core.schema.TextNode(text=text) for text in PASSAGES]
    index = core.VectorStoreIndex(nodes, embed_model=core.MockEmbedding(embed_dim=4))
    names = {"index": index, "llm": core.llms.MockLLM(), "question": "bread"}
    assert len(run("adapters", 1, names)["nodes"]) == 2
    assert re.fullmatch(r"\[\d, \d\]\n", capsys.readouterr().out)


def test_in_another_framework() -> None:
    reranked = run("adapters", 2, {})["reranked"]
    objects = [{"body": "Salt.", "key": "a", "score": 0.9}, {"body": "Rye.", "key": "b", "score": 0.8}]
    best, _ = reranked(InsertRank(), "rye?", objects, backends=FakeModel("[2] > [1]"))
    assert isinstance(Candidate(best["body"]), Candidate)
    assert {best["key"], _["key"]} == {"a", "b"}
    assert best["explanation"]["first_stage_score"] == best["score"]


# What makes the site


def tool(name: str) -> Any:
    """A module of docs/_tools, which is no package."""
    specification = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / "_tools" / f"{name}.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_examples_in_docstrings_are_fenced() -> None:
    pytest.importorskip("griffe")
    found = doctest.testmod(tool("doctests"))
    assert found.attempted and not found.failed


def test_links_are_those_of_a_code_host(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("mkdocs")
    target = tool("pages")._target
    assert target("../CONTRIBUTING.md#style", "docs/index.md", "index.md") == "contributing.md#style"
    assert target("../docs/comparing.md", "notebooks/compare.ipynb", "notebooks/compare.md") == "../comparing.md"
    assert target("compare.ipynb", "notebooks/rebel.ipynb", "notebooks/rebel.md") == "compare.md"
    assert target("#here", "docs/index.md", "index.md") == "#here"
    assert not caplog.records
    target("../Makefile", "docs/index.md", "index.md")
    assert "which the site does not show" in caplog.text


# The site


class Page(HTMLParser):
    """What a built page links to, what it loads, and which anchors it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") not in ("canonical", "prev", "next"):
            self.loads.append(given["href"])
        if "src" in given:
            self.loads.append(given["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    folder = tmp_path_factory.mktemp("docs") / "site"
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if path.name != "404.html"}


@pytest.mark.slow
def test_every_page_is_there_and_in_the_navigation(site: Path, pages: dict[Path, Page]) -> None:
    expected = {page.relative_to(DOCS).with_suffix(".html").as_posix() for page in DOCS.rglob("*.md")}
    expected |= {f"notebooks/{notebook.stem}.html" for notebook in (ROOT / "notebooks").glob("*.ipynb")}
    expected |= {"contributing.html", "changelog.html", "adapters/langchain.html", "adapters/llama_index.html"}
    assert {path.relative_to(site).as_posix() for path in pages} == expected
    first = pages[site / "index.html"]
    assert expected <= {"index.html" if link == "." else link for link in first.links}


@pytest.mark.slow
def test_every_link_leads_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    broken = [
        f"{path.relative_to(site)}: {link}" for path, page in pages.items() for link in _broken(path, page, pages)
    ]
    assert not broken


def _broken(path: Path, page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    for link in [*page.links, *page.loads]:
        parts = urlsplit(link)
        if parts.scheme in ("http", "https", "mailto", "data"):
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        target = target / "index.html" if target.is_dir() else target
        anchored = not parts.fragment or target not in pages or unquote(parts.fragment) in pages[target].anchors
        if not target.is_file() or not anchored:
            yield link


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    assert [load for page in pages.values() for load in page.loads if urlsplit(load).netloc] == []
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import", text), sheet


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(site: Path) -> None:
    known = set(_inventory(site))
    for module in ("langchain_rerank_plugins", "llama_index.postprocessor.rerank_plugins", *DOCUMENTED):
        missing = [name for name in importlib.import_module(module).__all__ if not _described(module, name, known)]
        assert not missing, module


def _inventory(site: Path) -> Iterator[str]:
    """The names that the reference describes: what other sites would read to link to it."""
    head, _, body = (site / "objects.inv").read_bytes().partition(b"zlib.\n")
    assert head.startswith(b"# Sphinx inventory version 2")
    for line in zlib.decompress(body).decode().splitlines():
        yield line.split(" ", 1)[0]


def _described(module: str, name: str, known: set[str]) -> bool:
    value = getattr(importlib.import_module(module), name)
    home = getattr(value, "__module__", None) or module
    return f"{module}.{name}" in known or f"{home}.{name}" in known or f"{_home_of(module, name)}.{name}" in known


def _home_of(module: str, name: str) -> str:
    """The module below that a plain value, which does not say so itself, was imported from."""
    source = Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8")
    found = re.search(rf"from ([\w.]+) import \(?[^)\n]*\b{name}\b", source)
    return found[1] if found else module


@pytest.mark.slow
def test_docstrings_show_their_examples_as_code(site: Path) -> None:
    text = (site / "api" / "data.html").read_text(encoding="utf-8")
    assert "<blockquote>" not in text
    assert "highlight" in text and "&gt;&gt;&gt;" in text


@pytest.mark.slow
def test_search_finds_what_the_pages_say(site: Path) -> None:
    index = (site / "search" / "search_index.json").read_text(encoding="utf-8")
    assert "each candidate exactly once" in index
    assert "rerank_plugins.ranking.settle" in index


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: chromium or google-chrome on the path")
def test_a_browser_searches_from_a_folder_and_asks_nobody(site: Path) -> None:
    pytest.importorskip("playwright.sync_api", reason="needs a driver for browsers: pip install playwright")
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        page.goto((site / "methods" / "rebel.html").as_uri())
        page.keyboard.press("/")
        page.keyboard.type("invariant")
        found = page.locator(".md-search-result__link", has_text="The data model").first
        found.wait_for(timeout=20_000)
        browser.close()
    assert asked and all(url.startswith(site.as_uri()) for url in asked)
