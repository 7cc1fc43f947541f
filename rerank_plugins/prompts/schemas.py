"""JSON schemas in the narrow form that every provider of structured output takes."""

from __future__ import annotations

from typing import Any

__all__ = ["closed_object"]


def closed_object(properties: dict[str, Any]) -> dict[str, Any]:
    """An object of these properties, all of them required and no others.

    >>> closed_object({"id": {"type": "string"}})["required"]
    ['id']
    """
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
