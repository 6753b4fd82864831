"""The same graph with other symbols, sizes or element types.

What reaches the compiler has only numbered names, so that no name of a user collides with another or with the
machine's, and formulas that differ in names alone are the same program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .compiler.types import DTYPES, ArrayType, Dim, Size, named, names, substitute
from .expression import symbols_of
from .graph import Node, Params, lookup, node, postorder
from .ops.leaves import CONSTANT


def size_names(roots: Sequence[Node]) -> list[str]:
    """The size names in the types and parameters below `roots`, in the order of the graph; of one size by name."""
    found: dict[str, None] = {}
    for x in postorder(roots):
        if not x.type.shape and (not x.params or x.op is CONSTANT):
            continue
        for size in _sizes((*x.type.shape, x.params)):
            found.update(dict.fromkeys(sorted(names(size))))
    return list(found)


def _sizes(value: Any) -> list[Size]:
    """The sizes in a value of node parameters, which are nested tuples."""
    found: list[Size] = []
    pending = [value]
    while pending:
        v = pending.pop()
        if isinstance(v, Size):
            found.append(v)
        elif isinstance(v, ArrayType):
            pending.extend(reversed(v.shape))
        elif isinstance(v, tuple):
            pending.extend(reversed(v))
    return found


def numbered_symbol(k: int, type_: ArrayType) -> Node:
    """The symbol of input number `k` of a program."""
    return node(lookup("symbol"), (), (f"x{k}", type_))


def numbered(roots: Sequence[Node], symbols: Sequence[Node]) -> tuple[list[Node], list[Node], dict[str, str]]:
    """`roots` and `symbols` with symbols called x0, x1, … and sizes n0, n1, …, and the new names of the sizes."""
    sizes = {name: f"n{k}" for k, name in enumerate(size_names([*symbols, *roots]))}
    rename = Renaming({name: named(new) for name, new in sizes.items()})
    fresh = {x: numbered_symbol(k, rename.type(x.type)) for k, x in enumerate(symbols)}
    return rename.graph(roots, fresh), [fresh[x] for x in symbols], sizes


def retyped(roots: Sequence[Node], dtype: str) -> list[Node]:
    """`roots` computed in the floating-point type `dtype`: symbols, constants and conversions of the other one
    change."""
    renaming = Renaming({}, {"f64" if dtype == "f32" else "f32": dtype})
    symbols = {x: node(x.op, (), (x.params[0], renaming.type(x.type))) for x in symbols_of(roots)}
    return renaming.graph(roots, symbols)


class Renaming:
    """Puts other sizes in the place of size names, and other element types in the place of element types."""

    def __init__(self, sizes: Mapping[str, Dim], dtypes: Mapping[str, str] | None = None) -> None:
        self.sizes, self.dtypes = sizes, dict(dtypes or {})
        self.known: dict[Size, Dim] = {}

    def size(self, n: Dim) -> Dim:
        """The size that takes the place of `n`."""
        if isinstance(n, int):
            return n
        if n not in self.known:
            self.known[n] = substitute(n, self.sizes)
        return self.known[n]

    def type(self, type_: ArrayType) -> ArrayType:
        """The type that takes the place of `type_`."""
        return ArrayType(self.dtypes.get(type_.dtype, type_.dtype), tuple(map(self.size, type_.shape)))

    def graph(self, roots: Sequence[Node], replaced: Mapping[Node, Node]) -> list[Node]:
        """`roots` with the nodes in `replaced` replaced and every other one made anew where something in it changes."""
        new = dict(replaced)
        for x in postorder(roots):
            if x not in new:
                inputs, params = tuple(new[i] for i in x.inputs), self._params(x)
                same = params is x.params and all(a is b for a, b in zip(inputs, x.inputs, strict=True))
                new[x] = x if same else node(x.op, inputs, params)
        return [new[root] for root in roots]

    def _params(self, x: Node) -> Params:
        if x.op.name == "constant":
            return self._constant(x.params)
        if x.op.name == "symbol" or not x.params:
            return x.params
        changed: Params = self._value(x.params)
        return x.params if changed == x.params else changed

    def _constant(self, params: Params) -> Params:
        dtype, shape, data = params
        assert isinstance(dtype, str) and isinstance(data, bytes)
        if dtype not in self.dtypes:
            return params
        target = self.dtypes[dtype]
        with np.errstate(over="ignore"):
            return target, shape, np.frombuffer(data, DTYPES[dtype]).astype(DTYPES[target]).tobytes()

    def _value(self, value: Any) -> Any:
        """A part of a node's parameters; its nesting is fixed by the operation, so this recursion is shallow."""
        if isinstance(value, Size):
            return self.size(value)
        if isinstance(value, ArrayType):
            return self.type(value)
        if isinstance(value, tuple):
            return tuple(map(self._value, value))
        return self.dtypes.get(value, value) if isinstance(value, str) else value


__all__ = ["Renaming", "numbered", "numbered_symbol", "retyped", "size_names"]
