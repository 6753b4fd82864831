"""`matrix_function`: a scalar function applied to the eigenvalues of symmetric matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .compiler.types import ArrayType
from .control import Level
from .errors import ArgumentError, ShapeError
from .expression import Expr, apply, function, lift, unify
from .graph import postorder, substitute
from .loops import bound
from .ops.linear_algebra import matrix_operand
from .ops.matrix_functions import argument, table_of
from .parser import parse


@function("matrix_function")
def matrix_function(a: Any, *operands: Any, f: str | Callable[..., Any], order: int = 0) -> Expr:
    """``V @ diag(f(w)) @ V.T`` with the eigenvalues w and eigenvectors V of the symmetric part of `a`, where `f` is a
    function of one eigenvalue and of the numbers `operands`, or its formula as text in ``z``, ``c0``, ``c1``, ….
    With `order`, its derivative along so many matrices, which stand last among `operands`, without their exchanges.

    Differentiable to any order, also where eigenvalues coincide.  Raises ArgumentError, ShapeError.

    >>> import symgrad as sg
    >>> A = sg.matrix("A", "n,n")
    >>> sg.trace(sg.matrix_function(A, f=lambda z: z**3 + sg.exp(z))).grad(A)
    matrix_function(A, f="3*z**2 + exp(z)")
    """
    x = matrix_operand("matrix_function", a, square=True)
    (x, *rest), _ = unify([x, *map(lift, operands)])
    if order not in range(len(rest) + 1):
        raise ArgumentError(f"matrix_function: order={order!r} needs so many matrices, got {len(rest)} operands")
    count = len(rest) - order
    shapes = dict.fromkeys(("z", *(f"c{k}" for k in range(count))), f"{x.dtype}[]")
    root = parse(f, **shapes).astype(x.dtype) if isinstance(f, str) else _traced(f, x.dtype, count)
    known = {argument(name, x.dtype) for name in shapes}
    for n in postorder([root.node]):
        if (n.op.name in ("symbol", "bound") and n not in known) or n.type.shape:
            raise ShapeError(f"matrix_function: f must be a function of numbers alone, but it uses {n.type} {Expr(n)}")
    return apply("matrix_function", [x, *rest], (table_of(root), order))


def _traced(f: Callable[..., Any], dtype: str, count: int) -> Expr:
    """What `f` gives for the symbols of a function's formula."""
    names = ["z", *(f"c{k}" for k in range(count))]
    with Level() as level:  # its arguments are no symbols of the user's, whatever they are called
        inside = [bound("eigenvalue", k, ArrayType(dtype), level) for k in range(len(names))]
        found = lift(f(*map(Expr, inside))).astype(dtype)
    (root,) = substitute([found.node], dict(zip(inside, (argument(n, dtype) for n in names), strict=True)))
    return Expr(root)


__all__ = ["matrix_function"]
