"""`from_sympy` and `to_sympy`: SymPy's expressions and ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import ops as ops
from . import sympy_bridge_arrays as _arrays
from . import sympy_bridge_scalars as _scalars
from .build import parse_type
from .compiler.types import names
from .errors import ArgumentError, ShapeError
from .expression import Expr, lift
from .sympy_bridge_reading import Reader, dimension
from .sympy_bridge_writing import written

if TYPE_CHECKING:
    import sympy


def from_sympy(expr: sympy.Basic | sympy.MatrixBase | complex, /, **shapes: Any) -> Expr:
    """The expression that a SymPy expression says.

    Read are scalars (numbers, functions, relations, Piecewise, Max and Min), Sum and Product over elements of
    IndexedBase and matrices, and matrix expressions (MatMul, MatAdd, Transpose, Inverse, Trace, Determinant,
    HadamardProduct, applyfunc, BlockMatrix, explicit matrices …).  A MatrixSymbol of shape n×1 becomes the vector
    of size n.  Indices count from 0, as when SymPy's own `lambdify` runs them.

    `shapes` declares symbols as `parse` does, in their order; the others follow in the order of their names.
    Symbols that occur in shapes and bounds are sizes.

    Raises ArgumentError that names what cannot be read, DTypeError for complex numbers, ShapeError.

    >>> import sympy
    >>> import symgrad as sg
    >>> n = sympy.Symbol("n")
    >>> x, A = sympy.MatrixSymbol("x", n, 1), sympy.MatrixSymbol("A", n, n)
    >>> sg.from_sympy(x.T * A * x).type
    f64
    """
    import sympy

    if isinstance(expr, sympy.MatrixBase):
        expr = expr.as_immutable()
    if not isinstance(expr, sympy.Basic):
        if isinstance(expr, str):
            raise ArgumentError("from_sympy takes a SymPy expression; use parse for text")
        return lift(expr)
    types = {name: parse_type(shape) for name, shape in shapes.items()}
    sizes = _size_names(expr) | {n for t in types.values() for d in t.shape for n in names(d)}
    reader = Reader(types, frozenset(sizes - types.keys()))
    result = reader.read(expr).expr
    declared = [*types, *sorted(reader.symbols.keys() - types.keys())]
    return Expr(result.node, tuple(reader.symbols[name].node for name in declared), weak=result.weak)


def _size_names(root: sympy.Basic) -> set[str]:
    """Names of the symbols in shapes of matrices and arrays and in the bounds of sums."""
    found: set[str] = set()
    seen: set[int] = set()
    pending: list[Any] = [root]
    while pending:
        x = pending.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        kind = type(x).__name__
        sizes: list[Any] = []
        if kind in ("MatrixSymbol", "IndexedBase", "Identity", "ZeroMatrix", "OneMatrix") and x.shape is not None:
            sizes = list(x.shape)
        elif kind in ("Sum", "Product"):
            sizes = [bound for limit in x.limits for bound in limit[1:]]
        elif kind == "FunctionMatrix":
            sizes = list(x.args[:2])
        for size in sizes:
            try:
                found |= names(dimension(size))
            except ShapeError:
                continue
        pending += x.args
    return found


def to_sympy(expr: Expr) -> sympy.Basic:
    """`expr` in SymPy: scalars as expressions, vectors as columns, matrices as matrix expressions, index notation
    for the rest.

    Numbers that are small fractions or small multiples of pi become exact.  Raises ArgumentError that names an
    operation without counterpart.

    >>> import symgrad as sg
    >>> sg.sympy_bridge.to_sympy(sg.parse("sin(x)**2/2"))
    sin(x)**2/2
    """
    result: sympy.Basic = written(expr.node)
    return result


__all__ = ["from_sympy", "to_sympy"]
_ = (_arrays, _scalars)
