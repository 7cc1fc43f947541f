"""Imports run one way: cli, evaluation, drive, (methods, backends), values."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "rerank_plugins"
VALUES = ("candidates", "criteria", "ranking", "requests", "errors", "limits", "text")
FORBIDDEN = {  # who must not import whom
    "methods": ("backends", "drive", "engine", "cli", "evaluation", "testing"),
    "prompts": ("methods", "backends", "drive", "engine", "cli", "evaluation", "testing"),
    "backends": ("methods", "prompts", "drive", "engine", "cli", "evaluation", "testing"),
    "serving": ("commands", "cli", "demo", "evaluation", "testing"),
    "drive.py": ("cli", "evaluation", "testing"),
    "engine.py": ("drive", "cli", "evaluation", "testing"),
    **{f"{name}.py": ("methods", "prompts", "backends", "drive", "engine", "cli", "evaluation") for name in VALUES},
}
FRAMEWORKS = ("langchain", "llama_index")
IN_FRAMEWORKS = (  # what is written in them on purpose
    "demo",  # a chain, to be seen at work
    "evaluation/peers.py",  # the frameworks' own rerankers, as rows of a comparison
)


def imported(path: Path) -> set[str]:
    """All modules that a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("place", FORBIDDEN)
def test_no_import_runs_upwards(place: str) -> None:
    files = [PACKAGE / place] if place.endswith(".py") else list((PACKAGE / place).rglob("*.py"))
    assert files
    for file in files:
        wrong = [
            name
            for name in imported(file)
            for other in FORBIDDEN[place]
            if name == f"rerank_plugins.{other}" or name.startswith(f"rerank_plugins.{other}.")
        ]
        assert not wrong, f"{file.name} imports {wrong}"


def test_the_core_imports_no_framework() -> None:
    for file in PACKAGE.rglob("*.py"):
        if file.relative_to(PACKAGE).as_posix().startswith(IN_FRAMEWORKS):
            continue
        wrong = [name for name in imported(file) if name.startswith(FRAMEWORKS)]
        assert not wrong, f"{file} imports {wrong}"
