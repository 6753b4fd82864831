"""`from_function`: a NumPy-style Python function to an expression, by calling it with symbols.

NumPy's functions, operators and methods act on symbols through NumPy's protocols; arrays that the function closes over
become constants.  What cannot be traced raises an error that shows the line of the function where it happened.
"""

from __future__ import annotations

import inspect
import linecache
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import ops as ops
from .build import parse_type, symbol
from .compiler.types import ArrayType
from .errors import ArgumentError, SymgradError
from .expression import Expr, lift
from .graph import Node
from .trees import DEEPEST, Tree, leaves, rebuilt

_OURS = (str(Path(__file__).parent), str(Path(np.__file__).parent), str(Path(__file__).parents[1] / "compiler"))


def from_function(function: Callable[..., Any], /, **shapes: Any) -> Expr:
    """The expression that `function` computes from symbols.

    `shapes` declares the arguments as `parse` does (``X="m,n"``, ``lam=""``); a dict or a list of them declares a
    nested structure, whose symbols are called by their keys.  Arguments without shape keep their default values, or are
    scalars.  Symbols are declared in the order of the function's parameters.

    Raises ArgumentError where the function does what symbols cannot do, and what its operations raise, with the line at
    fault.

    >>> import numpy as np
    >>> import symgrad as sg
    >>> sg.from_function(lambda w, X: np.sum(np.tanh(X @ w)), w="n", X="m,n").type
    f64
    """
    if not callable(function):
        raise ArgumentError(f"from_function takes a function, got {type(function).__name__}")
    structures = {name: typed(shape) for name, shape in shapes.items()}
    arguments = symbols({name: structures.get(name, ArrayType("f64")) for name in _names(function, structures)})
    return trace(function, arguments, tuple(x.node for tree in arguments.values() for _, x in leaves(tree)))


def trace(function: Callable[..., Any], arguments: Mapping[str, Any], declared: tuple[Node, ...]) -> Expr:
    """The expression that `function` returns for `arguments` by name; `declared` are the symbols among them, in their
    order."""
    positional, keywords = _bound(function, arguments)
    name = getattr(function, "__name__", "the function")
    try:
        result = function(*positional, **keywords)
        value = _value(result, name)
    except SymgradError as error:
        raise _placed(error, error) from None
    except Exception as error:
        if "Expr" in str(error):
            raise _placed(ArgumentError(f"{name}: {_explained(error)}"), error) from None
        error.add_note(f"while symgrad traced {name} with symbols for {', '.join(arguments)}")
        raise
    return Expr(value.node, declared, weak=value.weak)


def _value(result: Any, name: str) -> Expr:
    if result is None:
        raise ArgumentError(f"{name} returned None: is a return missing?")
    if isinstance(result, dict):
        raise ArgumentError(f"{name} returned a dict: return one value, or trace each of them")
    return lift(result)


def _explained(error: Exception) -> str:
    text = str(error)
    for spelling in ("'Expr' object", "'Expr'", "type Expr", "Expr"):
        text = text.replace(spelling, "a symbolic value")
    if "item assignment" in text or "item deletion" in text:
        return f"{text}: values are not changed in place; use where, concatenate or stack"
    return text


def _placed(error: SymgradError, raised: BaseException) -> SymgradError:
    """`error`, pointing at the user's line that raised, unless it points at a formula's text already."""
    for frame in reversed(traceback.extract_tb(raised.__traceback__)):
        line = linecache.getline(frame.filename, frame.lineno or 0).rstrip("\n")
        if not frame.filename.startswith(_OURS) and line:
            data = line.encode()
            stop = frame.end_colno if frame.end_lineno == frame.lineno else None
            first, last = (len(data[:k].decode(errors="ignore")) for k in (frame.colno or 0, stop or len(data)))
            margin = len(line) - len(line.lstrip())
            return error.at(line[margin:], (first - margin, last - margin))
    return error


# ---- symbols


def typed(shape: Any, depth: int = 0) -> Tree:
    """A shape as a type, and a dict or list of shapes as one of types."""
    if depth > DEEPEST:
        raise ArgumentError(f"parameters nested more than {DEEPEST} deep")
    if isinstance(shape, dict):
        return {key: typed(branch, depth + 1) for key, branch in shape.items()}
    if isinstance(shape, list | tuple) and any(isinstance(part, dict | list | tuple) for part in shape):
        return [typed(branch, depth + 1) for branch in shape]
    return parse_type(shape)


def symbols(structures: Mapping[str, Tree]) -> dict[str, Tree]:
    """A symbol for every type in `structures`.

    A symbol in a nested structure is called by its key where no other symbol is called so, otherwise by all keys on the
    way."""
    paths = {(name, path): type_ for name, tree in structures.items() for path, type_ in leaves(tree)}
    short = {place: _last_key(*place) for place in paths}
    taken = list(short.values())
    named = {
        place: key if key.isidentifier() and taken.count(key) == 1 else _joined(*place) for place, key in short.items()
    }
    if len(set(named.values())) < len(named):
        raise ArgumentError("two parameters would be called alike; rename one of their keys")
    return {
        name: rebuilt(tree, iter([symbol(named[name, path], type_) for path, type_ in leaves(tree)]))
        for name, tree in structures.items()
    }


def _keys(path: str) -> list[str]:
    return [key.strip("'\"") for key in path[1:-1].split("][")] if path else []


def _last_key(name: str, path: str) -> str:
    return (_keys(path) or [name])[-1]


def _joined(name: str, path: str) -> str:
    return "_".join([name, *_keys(path)])


# ---- calling


def _signature(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None


def _names(function: Callable[..., Any], shapes: Mapping[str, Any]) -> list[str]:
    """The arguments to make symbols for: in the order of the parameters, those with a shape or without a default
    value."""
    found = _signature(function)
    if found is None:
        return list(shapes)
    plain = [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    further = [name for name in shapes if name not in {p.name for p in plain}]
    if further and not any(p.kind == p.VAR_KEYWORD for p in found):
        takes = ", ".join(p.name for p in plain) or "nothing"
        raise ArgumentError(
            f"{getattr(function, '__name__', 'the function')} has no parameter {further[0]}: it takes {takes}"
        )
    return [p.name for p in plain if p.name in shapes or p.default is p.empty] + further


def _bound(function: Callable[..., Any], arguments: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """`arguments` as positional and keyword arguments of `function`."""
    found = _signature(function)
    if found is None:
        return list(arguments.values()), {}
    first = [p for p in found if p.kind == p.POSITIONAL_ONLY and (p.name in arguments or p.default is not p.empty)]
    positional = [arguments.get(p.name, p.default) for p in first]
    return positional, {name: x for name, x in arguments.items() if name not in {p.name for p in first}}


__all__ = ["from_function", "symbols", "trace", "typed"]
