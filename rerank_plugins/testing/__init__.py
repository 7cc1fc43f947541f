"""What this project tests itself with, for those who write methods, backends and chains of their own.

`FakeModel` answers every kind of request without a model, and `Grader` and `Judge` tell it what to think of documents;
`ScriptedEndpoint` is a real server on loopback that says what it is told to, faults included; `MethodConformance` is
the suite that every method passes (it needs pytest and hypothesis: pip install 'rerank-plugins[testing]').
"""

from typing import TYPE_CHECKING, Any

from rerank_plugins.testing.fakes import FakeModel, prompt_of
from rerank_plugins.testing.graders import Grader
from rerank_plugins.testing.judges import Judge

if TYPE_CHECKING:
    from rerank_plugins.testing.conformance import MethodConformance
    from rerank_plugins.testing.endpoint import Fault, ScriptedEndpoint

__all__ = ["FakeModel", "Fault", "Grader", "Judge", "MethodConformance", "ScriptedEndpoint", "prompt_of"]

_LAZY = {
    "Fault": "rerank_plugins.testing.endpoint",
    "MethodConformance": "rerank_plugins.testing.conformance",
    "ScriptedEndpoint": "rerank_plugins.testing.endpoint",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"There is nothing called {name!r} in rerank_plugins.testing.")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)
