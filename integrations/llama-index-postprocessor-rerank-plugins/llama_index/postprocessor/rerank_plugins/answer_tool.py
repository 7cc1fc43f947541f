"""A JSON schema as a tool: how a LlamaIndex LLM that calls functions is made to answer as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llama_index.core.tools.types import BaseTool, ToolMetadata, ToolOutput

__all__ = ["AnswerTool"]


class AnswerTool(BaseTool):
    """A tool whose arguments are the answer. The model is offered it; nobody calls it.

    >>> AnswerTool({"type": "object", "properties": {}}).metadata.to_openai_tool()["function"]["parameters"]
    {'type': 'object', 'properties': {}}
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._metadata = _SchemaMetadata(schema)

    @property
    def metadata(self) -> ToolMetadata:
        """Name, description and schema."""
        return self._metadata

    def __call__(self, input: Any) -> ToolOutput:  # noqa: A002 # the name is LlamaIndex's
        raise NotImplementedError("An AnswerTool carries a schema; there is nothing to call.")


class _SchemaMetadata(ToolMetadata):
    def __init__(self, schema: Mapping[str, Any]) -> None:
        super().__init__(description="Give the answer to the user's request.", name="answer")
        self._schema = json.dumps(schema)

    def get_parameters_dict(self) -> dict[str, Any]:
        # A new one each time, because integrations write into it.
        parameters: dict[str, Any] = json.loads(self._schema)
        return parameters
