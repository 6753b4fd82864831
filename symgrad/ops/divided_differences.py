"""Functions of symmetric matrices as formulas of simpler operations, for compiled code.

What `matrix_functions` evaluates in NumPy, said once more in symgrad's own language: eigenvalues and eigenvectors, the
divided differences of the scalar formula, and one contraction.  The points of a quadrature are a last axis that is
summed over, so that the formula does not grow with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..expression import FUNCTIONS, Expr, apply, constant, symbol_name
from ..graph import Node, postorder
from .contraction import broadcast_to, sum_, unit_axes
from .packing import unpack

Rule = tuple[NDArray[np.float64], NDArray[np.float64]]
LETTERS = "abcdefghijklmnop"


def value_at(root: Node | None, z: Expr, numbers: Sequence[Expr]) -> Expr:
    """The scalar formula `root` at the elements of `z`; it may hold the symbols ``z`` and ``c0``, ``c1``, …"""
    if root is None:
        return 0 * z
    known: dict[Node, Expr] = {}
    for x in postorder([root]):
        if x.op.name == "symbol":
            name = symbol_name(x)
            known[x] = z if name == "z" else numbers[int(name[1:])]
        elif x.inputs:
            known[x] = apply(x.op, [known[i] for i in x.inputs], x.params)
        else:
            known[x] = Expr(x)
    found = known[root]
    return found if found.ndim == z.ndim else broadcast_to(found, z.type.shape)


def behind(x: Expr, count: int) -> Expr:
    """`x` with `count` unit axes at its end."""
    return unit_axes(x, [*range(x.ndim), *[None] * count])


def _mean(root: Node | None, points: Sequence[Expr], numbers: Sequence[Expr], rule: Rule) -> Expr:
    """The integral over the simplex of convex combinations of `points`, by nested Gauss quadrature."""
    nodes, weights = (rule[0] + 1) / 2, rule[1] / 2
    order, dtype = len(points) - 1, points[0].dtype
    index = list(product(range(len(nodes)), repeat=order))
    uppers = np.array([np.cumprod([nodes[i] for i in at]) for at in index])
    before = np.concatenate([np.ones((len(index), 1)), uppers[:, :-1]], 1)
    weight = np.prod(before * weights[np.array(index)], 1)
    z = behind(points[0], 1)
    for k in range(order):
        z = z + behind(points[k + 1] - points[k], 1) * constant(uppers[:, k], dtype)
    return sum_(value_at(root, z, [behind(c, 1) for c in numbers]) * constant(weight, dtype), -1)


def divided(
    roots: Sequence[Node | None], points: Sequence[Expr], numbers: Sequence[Expr], near: float, rules: tuple[Rule, Rule]
) -> Expr:
    """The divided differences over `points`, which rise, of the formula ``roots[0]``, whose derivatives are the
    others."""
    order = len(points) - 1
    if order == 0:
        return value_at(roots[0], points[0], numbers)
    f = FUNCTIONS
    low, high = points[0], points[-1]
    gap = high - low
    close = gap <= near
    upper, lower = (divided(roots, part, numbers, near, rules) for part in (points[1:], points[:-1]))
    plain = (upper - lower) / f["where"](gap > 0, gap, 1)
    few, many = (_mean(roots[order], points, numbers, rule) for rule in rules)
    trusted = (gap == 0) | (f["abs"](many - few) <= 1e-11 * f["abs"](many))
    found: Expr = f["where"](close & trusted, many, plain)
    return found


def matrix_function_formula(
    roots: Sequence[Node | None],
    a: Expr,
    numbers: Sequence[Expr],
    factors: Sequence[Expr],
    near: float,
    rules: tuple[Rule, Rule],
) -> Expr:
    """T(A; E1, …, Ek) for the scalar formula ``roots[0]`` and its derivatives up to order k."""
    n, order = a.type.shape[-1], len(factors)
    w, v = unpack(apply("eigh", [a]), [(n,), (n, n)])
    vt = FUNCTIONS["swapaxes"](v, -1, -2)
    if not order:
        inner = value_at(roots[0], w, [behind(c, 1) for c in numbers])
        result: Expr = (v * unit_axes(inner, [*range(inner.ndim - 1), None, inner.ndim - 1])) @ vt
        return result
    last = w.ndim - 1
    spread = [unit_axes(w, [*range(last), *(last if j == k else None for j in range(order + 1))])
              for k in range(order + 1)]  # fmt: skip
    inner = divided(roots, _rising(spread), [behind(c, order + 1) for c in numbers], near, rules)
    letters = LETTERS[: order + 1]
    spelled = ",".join(["..." + letters, *("..." + letters[k : k + 2] for k in range(order))])
    rotated = [vt @ e @ v for e in factors]
    middle: Expr = FUNCTIONS["einsum"](f"{spelled}->...{letters[0]}{letters[-1]}", inner, *rotated)
    whole: Expr = v @ middle @ vt
    return whole


def _rising(values: Sequence[Expr]) -> list[Expr]:
    """The values in rising order, element by element: a network of exchanges of neighbours."""
    found = list(values)
    for end in range(len(found) - 1, 0, -1):
        for k in range(end):
            a, b = found[k], found[k + 1]
            found[k], found[k + 1] = FUNCTIONS["minimum"](a, b), FUNCTIONS["maximum"](a, b)
    return found


__all__ = ["matrix_function_formula", "value_at"]
