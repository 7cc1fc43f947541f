"""A method from its repr, as the command line and the adapters need it: read as data, never run as code."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods.base import Method, Options

__all__ = ["method_class", "method_names", "read_method"]


def read_method(text: str) -> Method:
    """Read a method such as "InsertRank(window=20)"; a bare name stands for its defaults.

    It knows the shipped methods, every imported subclass of `Options`, and what installed packages name in the
    entry point group "rerank_plugins.methods".

    Raises:
        InvalidInput: The text is no such expression, names an unknown method or an unknown option.

    >>> read_method("Fuse(Embedding(), Likelihood(), weights=(1, 0.5))")
    Fuse(Embedding(), Likelihood(), weights=(1, 0.5))
    >>> read_method("InsertRank")
    InsertRank()
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InvalidInput(f"A method is named by its repr, such as 'InsertRank(window=20)', not {text!r}.") from None
    value = _value(ast.Call(node, [], []) if isinstance(node, ast.Name) else node, text, _known())
    if not isinstance(value, Method):
        raise InvalidInput(f"A method is named by its repr, such as 'InsertRank(window=20)', not {text!r}.")
    return value


def method_names() -> list[str]:
    """The names that `read_method` knows, sorted."""
    return sorted(_known())


def method_class(name: str) -> Any:
    """The class of that name.

    Raises:
        InvalidInput: There is none.
    """
    return _class(name, _known())


def _class(name: str, known: Mapping[str, Any]) -> Any:
    if name not in known:
        raise InvalidInput(f"There is no method {name!r}; there are {', '.join(sorted(known))}.")
    return known[name].load() if hasattr(known[name], "load") else known[name]


def _known() -> Mapping[str, Any]:
    from importlib.metadata import entry_points  # slow to import, and seldom needed

    import rerank_plugins.methods as shipped  # the package imports this module

    known = {cls.__name__: cls for cls in Options.__subclasses__()}
    named = {entry.name: entry for entry in entry_points(group="rerank_plugins.methods")}
    return named | known | {name: getattr(shipped, name) for name in shipped.METHODS}


def _value(node: ast.expr, text: str, known: Mapping[str, Any]) -> Any:
    """The value of an expression, in which the names of `known` may be called."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _call(node.func.id, node, text, known)
    if isinstance(node, (ast.Tuple, ast.List)):
        values = [_value(item, text, known) for item in node.elts]
        return tuple(values) if isinstance(node, ast.Tuple) else values
    if isinstance(node, ast.Dict) and None not in node.keys:
        keys = [_value(key, text, known) for key in node.keys if key is not None]
        return dict(zip(keys, (_value(item, text, known) for item in node.values), strict=True))
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise _not_plain(node, text, known) from None


def _call(name: str, node: ast.Call, text: str, known: Mapping[str, Any]) -> Any:
    cls = _class(name, known)
    # What an option of a method may hold, such as a criterion, can be named inside its brackets and nowhere else.
    inside = {**known, **{value.__name__: value for value in getattr(cls, "values", ())}}
    arguments = [_value(item, text, inside) for item in node.args]
    options = {item.arg: _value(item.value, text, inside) for item in node.keywords if item.arg is not None}
    if len(options) < len(node.keywords):
        raise _not_plain(node, text, known)
    try:
        return cls(*arguments, **options)
    except TypeError as error:
        raise InvalidInput(f"{name} cannot be made from {text!r}: {error}.") from None


def _not_plain(node: ast.expr, text: str, known: Mapping[str, Any]) -> InvalidInput:
    if isinstance(node, ast.Name) and node.id in known:
        return InvalidInput(f"In {text!r} the method {node.id!r} lacks its brackets; write {node.id + '()'!r}.")
    return InvalidInput(
        f"In {text!r} the part {ast.unparse(node)!r} is neither a plain value nor a method; "
        "use numbers, strings, tuples, None, True, False and methods."
    )
