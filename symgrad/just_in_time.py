"""`jit`: a NumPy-style function that is traced, differentiated and compiled when it is first called.

The arguments of a call give element types, numbers of axes, and which axes are equally long; that is enough to
trace the function with symbols whose sizes have names.  Axes that were equally long in the first call share a
name.  A later call whose arguments fit an earlier trace uses it, for any sizes; one that does not is traced anew.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any

import numpy as np

from .api import compile
from .arguments import Array, suggestion
from .compiler.types import DTYPES, ArrayType, Dim, named
from .element_types import DTYPE_NAMES
from .errors import ArgumentError
from .expression import Expr
from .formula import DERIVED
from .function import Function
from .tracing import symbols, trace
from .trees import DEEPEST, Tree, is_tree, leaves, mapped

VECTORS = {
    "hvp": "variables", "jvp": "variables", "gauss_newton": "variables",
    "vjp": "outputs", "weighted_hessian": "outputs",
}  # fmt: skip
"""The derivatives that take vectors right behind the variables: as many as variables, or one."""

Pattern = tuple[tuple[str, str, tuple[Dim, ...]], ...]


@dataclass(frozen=True)
class _Trace:
    """A compiled trace and the arguments that it was made for: paths, element types and axes; sizes are names or 1."""

    pattern: Pattern
    function: Function

    def takes(self, values: Sequence[tuple[str, Array]]) -> bool:
        """Whether arguments of these types and shapes fit the trace."""
        if [path for path, _ in values] != [path for path, _, _ in self.pattern]:
            return False
        numbers: dict[Dim, int] = {1: 1}
        for (_, a), (_, dtype, shape) in zip(values, self.pattern, strict=True):
            if a.dtype != DTYPES[dtype] or len(shape) != a.ndim:
                return False
            if any(numbers.setdefault(n, number) != number for n, number in zip(shape, a.shape, strict=True)):
                return False
        return True


class JitFunction:
    """What `jit` makes of a Python function: called like it, with `grad`, `value_and_grad`, `hessian`, `jacobian`,
    `hvp`, `jvp` and `vjp` as further callables with the same arguments (products take their vectors behind the
    variables)."""

    def __init__(self, function: Callable[..., Any], wrt: Any, dtype: str | None) -> None:
        self._function, self._dtype = function, dtype
        self._several = isinstance(wrt, tuple | list)
        self._wrt: tuple[str, ...] = () if wrt is None else tuple(wrt) if self._several else (wrt,)
        self._parameters = _parameters(function)
        for name in self._wrt:
            if name not in self._parameters:
                hint = suggestion(name, self._parameters) or f" (it has {', '.join(self._parameters)})"
                raise ArgumentError(f"wrt: {_name(function)} has no parameter {name}{hint}")
        self._order = [*self._wrt, *(name for name in self._parameters if name not in self._wrt)]
        self._traces: list[_Trace] = []
        self._lock = threading.Lock()
        update_wrapper(self, function)

    def __call__(self, *args: Any, out: Any = None, **keywords: Any) -> Any:
        if out is None and any(isinstance(v, Expr) for a in (*args, *keywords.values()) for _, v in leaves(a)):
            return self._function(*args, **keywords)  # inside another formula: part of it
        given = self._named(args, keywords)
        return self._traced(given)(*given.values(), out=out)

    def __reduce__(self) -> str:
        return self._function.__qualname__

    def __getattr__(self, name: str) -> Any:
        if name in DERIVED:
            return lambda *args, **keywords: self._derivative(name, args, keywords)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def compiled(self, *args: Any, **keywords: Any) -> Function:
        """The compiled function for arguments like these."""
        return self._traced(self._named(args, keywords))

    def _derivative(self, kind: str, args: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
        first = len(self._wrt) or 1
        count = {"variables": first, "outputs": 1}.get(VECTORS.get(kind, ""), 0)
        given = self._named([*args[:first], *args[first + count :]], keywords)
        function: Function = getattr(self._traced(given), kind)
        values = list(given.values())
        return function(*values[:first], *args[first : first + count], *values[first:])

    def _named(self, args: Sequence[Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments in their order, every array-like as an array."""
        order = self._order
        shown = f"({', '.join(order)})"
        if len(args) > len(order):
            raise ArgumentError(f"expected {len(order)} arguments {shown}, got {len(args)}")
        given = dict(zip(order, args, strict=False))
        for name, value in keywords.items():
            if name in given or name not in order:
                what = "is given twice" if name in given else "is unknown"
                raise ArgumentError(f"argument {name} {what}: the arguments are {shown}")
            given[name] = value
        defaults = {name: p.default for name, p in self._parameters.items() if p.default is not p.empty}
        missing = [name for name in order if name not in given and name not in defaults]
        if missing:
            plural = "s" if len(missing) > 1 else ""
            raise ArgumentError(f"missing argument{plural} {', '.join(missing)}: the arguments are {shown}")
        values = {name: _arrays(given.get(name, defaults.get(name)), name) for name in order}
        return {name: mapped(_floating, v) if name in self._wrt else v for name, v in values.items()}

    def _traced(self, given: Mapping[str, Any]) -> Function:
        values = [(name + path, v) for name, tree in given.items() for path, v in leaves(tree)]
        with self._lock:
            for known in self._traces:
                if known.takes(values):
                    return known.function
            made = self._trace(given, values)
            self._traces.append(made)
            return made.function

    def _trace(self, given: Mapping[str, Any], values: Sequence[tuple[str, Array]]) -> _Trace:
        sizes: dict[int, Dim] = {1: 1}
        types: list[ArrayType] = []
        for _, a in values:
            shape = tuple(sizes.setdefault(n, named(f"n{len(sizes)}")) for n in a.shape)
            types.append(ArrayType(DTYPE_NAMES[a.dtype], shape))
        stream = iter(types)
        arguments = symbols({name: mapped(lambda _: next(stream), tree) for name, tree in given.items()})
        declared = tuple(x.node for tree in arguments.values() for _, x in leaves(tree))
        value = trace(self._function, arguments, declared)
        inputs = [(name, tree) if is_tree(tree) else tree for name, tree in arguments.items()]
        wrt: Any = self._wrt if self._several else self._wrt[0] if self._wrt else None
        pattern = tuple((path, t.dtype, t.shape) for (path, _), t in zip(values, types, strict=True))
        return _Trace(pattern, compile(value, wrt=wrt, inputs=inputs, dtype=self._dtype))


def jit(function: Callable[..., Any] | None = None, /, *, wrt: Any = None, dtype: str | None = None) -> Any:
    """Decorator: traces and compiles a NumPy-style function at its first call, for arrays of any later size.

    `wrt` names the parameters that derivatives are taken with respect to; they come first in every call.  Numbers and
    arrays may be nested in dicts, lists and tuples.

    >>> import numpy as np
    >>> import symgrad as sg
    >>> @sg.jit(wrt="w")
    ... def loss(w, X, y):
    ...     return np.sum((X @ w - y) ** 2)
    >>> loss.grad([1.0, 2.0], [[1.0, 0.0]], [0.0])
    array([2., 0.])
    """
    if function is None:
        return lambda f: JitFunction(f, wrt, dtype)
    return JitFunction(function, wrt, dtype)


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    found = inspect.signature(function).parameters
    for p in found.values():
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            raise ArgumentError(f"jit: {_name(function)} takes *{p.name}; give its parameters names")
    return dict(found)


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", "the function")


def _arrays(value: Any, label: str, depth: int = 0) -> Tree:
    """`value` with its array-likes as arrays: dicts, and lists or tuples that hold dicts or arrays, are structures."""
    if depth <= DEEPEST and isinstance(value, dict):
        return {key: _arrays(v, f"{label}[{key!r}]", depth + 1) for key, v in value.items()}
    if depth <= DEEPEST and isinstance(value, list | tuple) and any(_holds(v) for v in value):
        return [_arrays(v, f"{label}[{k}]", depth + 1) for k, v in enumerate(value)]
    return _array(value, label)


def _holds(value: Any) -> bool:
    pending = [value]
    while pending:
        v = pending.pop()
        if isinstance(v, dict) or (isinstance(v, np.ndarray) and v.ndim):
            return True
        if isinstance(v, list | tuple):
            pending += v
    return False


def _array(value: Any, label: str) -> Array:
    """`value` as an array of one of our element types; scalars that are numbers become f64."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ArgumentError(f"{label}: expected numbers, got {type(value).__name__} ({error})") from None
    if array.dtype.kind not in "biuf" or isinstance(value, np.ma.MaskedArray):
        raise ArgumentError(f"{label}: expected real numbers or arrays of them, got {type(value).__name__}")
    if array.dtype in DTYPE_NAMES and (array.ndim or array.dtype != np.int64):
        return array
    return array.astype(np.int64 if array.ndim and array.dtype.kind in "iu" else np.float64)


def _floating(a: Array) -> Array:
    return a if a.dtype.kind == "f" else a.astype(np.float64)


__all__ = ["JitFunction", "jit"]
