"""An HTTP server that speaks the rerank APIs of Cohere, Jina and text-embeddings-inference.

>>> from rerank_plugins import FirstStage
>>> app = create_app(Settings(methods={"as-it-was": FirstStage()}))
"""

from rerank_plugins.errors import MissingExtra
from rerank_plugins.serving.settings import Settings, read_config

try:
    from rerank_plugins.serving.app import create_app
except ModuleNotFoundError as error:
    if error.name is None or error.name.startswith("rerank_plugins"):
        raise
    raise MissingExtra("rerank-plugins serve", error.name, "serve") from None

__all__ = ["Settings", "create_app", "read_config"]
