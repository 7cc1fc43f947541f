"""What the site shows beside the pages of this folder: notebooks, and Markdown files that stand elsewhere.

A hook of mkdocs. Links are written as a code host resolves them, from file to file of the checkout; where a file is
shown under another address, or a link would lead out of the site, the link is rewritten here. What leads nowhere is a
warning, which `mkdocs build --strict` takes for an error.
"""

from __future__ import annotations

import base64
import json
import logging
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "integrations/langchain-rerank-plugins/README.md": "adapters/langchain.md",
    "integrations/llama-index-postprocessor-rerank-plugins/README.md": "adapters/llama_index.md",
}
"""Files of the checkout, and where the site shows them. Notebooks are found by themselves."""

_LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=[)\s])")
_FENCE = re.compile(r"^\s*(```|~~~)")
_COMMENT = re.compile(r"^<!--.*-->$")
_log = logging.getLogger("mkdocs.plugins.pages")


def on_config(config: MkDocsConfig) -> None:
    """Let a pattern in the navigation stand for all pages that fit it and have no place of their own."""
    named = set(_named(config.nav))
    there = {page.relative_to(config.docs_dir).as_posix() for page in Path(config.docs_dir).rglob("*.md")}
    config.nav = _expanded(config.nav, sorted((there | set(_shown().values())) - named))


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the files that stand elsewhere."""
    for path, address in _shown().items():
        text = (ROOT / path).read_text(encoding="utf-8")
        content = _of_notebook(json.loads(text), files, config, address) if path.endswith(".ipynb") else text
        files.append(File.generated(config, address, content=content))


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Rewrite links, and leave out the comments that mark generated tables: they would join the table's first row."""
    origin = {address: path for path, address in _shown().items()}.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    lines, fenced = [], False
    for line in markdown.splitlines():
        fenced ^= bool(_FENCE.match(line))
        if not fenced and not _COMMENT.match(line):
            line = _LINK.sub(lambda found: _target(found[1], origin, page.file.src_uri), line)
        lines.append("" if not fenced and _COMMENT.match(line) else line)
    return "\n".join(lines)


def _shown() -> dict[str, str]:
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    return ELSEWHERE | {f"notebooks/{path.name}": f"notebooks/{path.stem}.md" for path in notebooks}


def _named(nav: Any) -> Iterator[str]:
    """The pages that a navigation names, however deep."""
    if isinstance(nav, str):
        yield nav
    else:
        for item in nav.values() if isinstance(nav, dict) else nav:
            yield from _named(item)


def _expanded(nav: Any, pages: list[str]) -> Any:
    if isinstance(nav, dict):
        return {title: _expanded(item, pages) for title, item in nav.items()}
    if isinstance(nav, list):
        return [entry for item in nav for entry in _entries(item, pages)]
    return nav


def _entries(item: Any, pages: list[str]) -> list[Any]:
    if isinstance(item, str) and "*" in item:
        return [page for page in pages if Path(page).match(item)]
    return [_expanded(item, pages)]


def _target(link: str, origin: str, address: str) -> str:
    """Where a link of the page at `address`, which was written in the file `origin`, leads on the site."""
    path, hash_sign, anchor = link.partition("#")
    if not path or re.match(r"[a-z]+:", path):
        return link
    file = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
    target = _shown().get(file, file.removeprefix("docs/") if file.startswith("docs/") else None)
    if target is None:
        _log.warning("The page %s links to %r, which the site does not show.", origin, link)
        return link
    return posixpath.relpath(target, posixpath.dirname(address) or ".") + hash_sign + anchor


def _of_notebook(notebook: dict[str, Any], files: Files, config: MkDocsConfig, address: str) -> str:
    """A notebook as Markdown, with the outputs that it was saved with; pictures become files beside the page."""
    parts = []
    for number, cell in enumerate(notebook["cells"]):
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else _fenced(source, "python"))
        for place, output in enumerate(cell.get("outputs", ())):
            data = output.get("data", {})
            if "image/png" in data:
                picture = f"{address.removesuffix('.md')}-{number}-{place}.png"
                files.append(File.generated(config, picture, content=base64.b64decode(data["image/png"])))
                parts.append(f"![What the cell above draws](../docs/{picture})")
            elif "text/markdown" in data:
                parts.append("".join(data["text/markdown"]))
            else:
                parts.append(_fenced("".join(output.get("text", data.get("text/plain", ""))), "text"))
    return "\n\n".join(parts)


def _fenced(text: str, language: str) -> str:
    marks = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{marks}{language}\n{text.rstrip()}\n{marks}"
