"""Wheels and sdists of the three distributions build, install into a clean environment, and import."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECTS = {
    "rerank_plugins": ROOT,
    "langchain_rerank_plugins": ROOT / "integrations" / "langchain-rerank-plugins",
    "llama_index_postprocessor_rerank_plugins": ROOT / "integrations" / "llama-index-postprocessor-rerank-plugins",
}
ALLOWED = {
    "rerank_plugins": {"bm25s", "numpy"},
    "langchain_rerank_plugins": {"rerank-plugins", "langchain-core"},
    "llama_index_postprocessor_rerank_plugins": {"rerank-plugins", "llama-index-core"},
}

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("packaging")]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all wheels and sdists; each wheel is built from its sdist, as a package index would."""
    folder = tmp_path_factory.mktemp("dist")
    for project in PROJECTS.values():
        build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(project)]
        subprocess.run(build, check=True, capture_output=True)
    return folder


def wheel(built: Path, name: str) -> Path:
    (found,) = built.glob(f"{name}-*.whl")
    return found


@pytest.mark.parametrize("name", PROJECTS)
def test_a_wheel_holds_the_package_and_nothing_else(built: Path, name: str) -> None:
    files = zipfile.ZipFile(wheel(built, name)).namelist()
    assert any(file.endswith("/py.typed") for file in files)
    assert any(file.endswith("licenses/LICENSE") for file in files)
    assert not [file for file in files if "/tests/" in file or "__pycache__" in file or file.startswith("tests")]
    assert "llama_index/__init__.py" not in files, "a namespace package has no __init__.py"
    if name == "rerank_plugins":
        assert {f"rerank_plugins/sample/{file}" for file in ("corpus.jsonl", "queries.jsonl", "qrels.tsv")} <= set(
            files
        )


@pytest.mark.parametrize("name", PROJECTS)
def test_a_distribution_asks_for_little(built: Path, name: str) -> None:
    archive = zipfile.ZipFile(wheel(built, name))
    (metadata,) = [file for file in archive.namelist() if file.endswith(".dist-info/METADATA")]
    required = Parser().parsestr(archive.read(metadata).decode()).get_all("Requires-Dist") or []
    always = {line.split(";")[0].strip() for line in required if "extra ==" not in line}
    assert {line.split("<")[0].split(">")[0].strip() for line in always} == ALLOWED[name]


@pytest.mark.parametrize("name", PROJECTS)
def test_an_sdist_is_small(built: Path, name: str) -> None:
    (found,) = built.glob(f"{name}-*.tar.gz")
    with tarfile.open(found) as archive:
        assert any(file.endswith("README.md") for file in archive.getnames())
    assert found.stat().st_size < 1_000_000


def test_all_install_into_a_clean_environment_and_import(built: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "clean")], check=True)
    python = str(tmp_path / "clean" / "bin" / "python")
    wheels = [str(wheel(built, name)) for name in PROJECTS]
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", *wheels], check=True)
    # The core imports with nothing but itself.
    core = "import rerank_plugins; print(rerank_plugins.rerank(rerank_plugins.FirstStage(), 'q', ['a', 'b']).order)"
    assert subprocess.check_output([python, "-c", core], text=True, cwd=tmp_path) == "[0, 1]\n"
    # The frameworks come from this environment, because tests have no network.
    frameworks = (
        "import sys; sys.path.append(sys.argv[1]); import rerank_plugins as core, langchain_rerank_plugins as lc;"
        "import llama_index.postprocessor.rerank_plugins as li; print(core.__file__, lc.__file__, li.__file__)"
    )
    arguments = [python, "-c", frameworks, sysconfig.get_paths()["purelib"]]
    places = subprocess.check_output(arguments, text=True, cwd=tmp_path).split()
    assert all(str(tmp_path) in place for place in places), places
