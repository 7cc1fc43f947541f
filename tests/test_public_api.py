"""What users import, pinned: a name that comes or goes shows in this file's history."""

import subprocess
import sys

import rerank_plugins

LIGHT = "import sys, time; t = time.process_time(); import rerank_plugins; s = time.process_time() - t; "
HEAVY = ("torch", "transformers", "openai", "langchain_core", "llama_index", "pydantic", "numpy", "bm25s", "asyncio")


def test_all_is_sorted_and_there() -> None:
    assert rerank_plugins.__all__ == sorted(rerank_plugins.__all__)
    assert all(hasattr(rerank_plugins, name) for name in rerank_plugins.__all__)


def test_every_public_name_of_the_core_modules_is_in_their_all() -> None:
    for module in (rerank_plugins.candidates, rerank_plugins.ranking, rerank_plugins.limits, rerank_plugins.drive):
        assert set(module.__all__) <= set(dir(module))


def test_importing_loads_no_framework_and_no_model_library() -> None:
    check = LIGHT + f"assert not [m for m in {HEAVY!r} if m in sys.modules]"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_importing_costs_little_processor_time() -> None:
    script = LIGHT + "print(s)"
    seconds = [float(subprocess.check_output([sys.executable, "-c", script])) for _ in range(5)]
    assert min(seconds) < 0.3, seconds
