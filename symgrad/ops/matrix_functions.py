"""Functions of symmetric matrices, ``V diag(f(w)) V.T`` with eigenvalues w and eigenvectors V, with derivatives of any
order also where eigenvalues coincide.

One operation is closed under differentiation: T(A; E1, …, Ek) is, in the basis of eigenvectors, the sum over
``i1 … i(k-1)`` of ``f[w_i0, …, w_ik] E1_i0i1 … Ek_i(k-1)ik`` with the divided differences of f (Daleckii and Krein's
formula; Higham, *Functions of Matrices*, section 3.2).  Its derivative along H puts H between the factors in every
place, and is right at coinciding eigenvalues because divided differences are: where arguments are close they are means
of f's derivative of order k (Hermite and Genocchi), found by quadrature.

The function f is a scalar formula over the symbols ``z``, the eigenvalue, and ``c0``, ``c1``, …, numbers for every
matrix that stand among the inputs: A, c0, c1, …, E1, …, Ek.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..compiler.types import ArrayType
from ..errors import DTypeError, ShapeError
from ..expression import Expr, apply, broadcast_shapes, constant, constant_value, symbol_name
from ..graph import FlatTable, Node, Op, Params, flatten, lookup, node, postorder, register, substitute, unflatten
from .contraction import einsum_labels, sum_
from .divided_differences import matrix_function_formula
from .elementwise import unbroadcast
from .linear_algebra import linalg, require_matrix, symmetric, t

NEAR = 0.05
"""Gap up to which a mean is tried; it counts where two rules agree."""
FEW, MANY = 4, 7
"""Numbers of points at which a mean is tried."""


@lru_cache(maxsize=2)
def _rule(count: int) -> Any:
    """The nodes and weights of Gauss and Legendre, computed when they are first used."""
    return np.polynomial.legendre.leggauss(count)


def argument(name: str, dtype: str) -> Node:
    """The symbol `name` of the formula of a function."""
    return node(lookup("symbol"), (), (name, ArrayType(dtype)))


# ---- the scalar formula

@lru_cache(maxsize=512)
def root_of(table: FlatTable) -> Node:
    """The scalar formula that a table holds."""
    return unflatten(table)[0]


def table_of(root: Expr) -> FlatTable:
    """The table of a scalar formula in canonical form."""
    return flatten([root.canonical().node])


@lru_cache(maxsize=512)
def _slope(table: FlatTable, name: str) -> FlatTable | None:
    """The derivative of a scalar formula by the symbol `name`, by the forward rules of elementwise operations; None
    where it does not depend on it."""
    root = root_of(table)
    tangents: dict[Node, Expr | None] = {}
    for x in postorder([root]):
        inside = [tangents[i] for i in x.inputs]
        if x.op.name == "symbol":
            tangents[x] = constant(1.0, x.type.dtype) if symbol_name(x) == name else None
        elif x.op.jvp is None or all(v is None for v in inside):
            tangents[x] = None
        else:
            tangents[x] = x.op.jvp(inside, Expr(x), *map(Expr, x.inputs))
    found = tangents[root]
    return None if found is None else table_of(found)


def _slopes(table: FlatTable, order: int) -> list[FlatTable | None]:
    """A scalar formula and its derivatives by z up to an order."""
    found: list[FlatTable | None] = [table]
    for _ in range(order):
        last = found[-1]
        found.append(None if last is None else _slope(last, "z"))
    return found


def _value(table: FlatTable | None, z: Any, numbers: Sequence[Any]) -> Any:
    """The scalar formula at the arrays `z` and `numbers`, which broadcast."""
    if table is None:
        return np.zeros_like(z)
    known: dict[Node, Any] = {}
    for x in postorder([root_of(table)]):
        if x.op.name == "symbol":
            name = symbol_name(x)
            known[x] = z if name == "z" else numbers[int(name[1:])]
        else:
            known[x] = x.op.evaluate([known[i] for i in x.inputs], x.params, {})
    return np.broadcast_to(known[root_of(table)], np.broadcast_shapes(np.shape(known[root_of(table)]), z.shape))


# ---- divided differences

def _mean(table: FlatTable | None, points: Any, numbers: Sequence[Any], rule: tuple[Any, Any]) -> Any:
    """The integral of the formula over the simplex of convex combinations of the last axis of `points`: nested Gauss
    quadrature, ``z = x0 + t1*(x1 - x0) + t2*(x2 - x1) + …`` with ``1 > t1 > t2 > …``."""
    order = points.shape[-1] - 1
    nodes, weights = (rule[0] + 1) / 2, rule[1] / 2
    total: Any = 0
    for index in np.ndindex(*[len(nodes)] * order):
        upper, weight, z = 1.0, 1.0, points[..., 0]
        for k, i in enumerate(index):
            weight = weight * upper * weights[i]
            upper = upper * nodes[i]
            z = z + upper * (points[..., k + 1] - points[..., k])
        total = total + weight * _value(table, z, numbers)
    return total


def _divided(tables: Sequence[FlatTable | None], points: Any, numbers: Sequence[Any]) -> Any:
    """The divided differences of the formula ``tables[0]``, whose derivatives are the others, over the last axis of
    `points`, which rise along it."""
    order = points.shape[-1] - 1
    if order == 0:
        return _value(tables[0], points[..., 0], numbers)
    low, high = points[..., 0], points[..., -1]
    gap = high - low
    close = gap <= NEAR
    apart = np.where(gap > 0, gap, 1)
    upper, lower = _divided(tables, points[..., 1:], numbers), _divided(tables, points[..., :-1], numbers)
    plain = (upper - lower) / apart
    if not close.any():
        return plain
    few, many = (_mean(tables[order], points, numbers, rule) for rule in map(_rule, (FEW, MANY)))
    # A mean counts where two rules agree: the formula is smooth over the gap.  Without a gap there is nothing else.
    trusted = (gap == 0) | (np.abs(many - few) <= 1e-11 * np.abs(many))
    return np.where(close & trusted, many, plain)


def _evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    table, order = _facts(params)
    a, *rest = (np.asarray(x) for x in args)
    count = len(rest) - order
    numbers, factors = rest[:count], rest[count:]
    w, v = np.linalg.eigh((a + np.swapaxes(a, -1, -2)) / 2)
    tables = _slopes(table, order)
    n = w.shape[-1]
    spread = [w[(..., *(slice(None) if j == k else None for j in range(order + 1)))] for k in range(order + 1)]
    points = np.sort(np.stack(np.broadcast_arrays(*spread), -1), -1)
    wide = [c[(..., *[None] * (order + 1))] for c in numbers]
    with np.errstate(all="ignore"):
        inner = _divided(tables, points, wide)
        inner = np.broadcast_to(inner, (*inner.shape[: inner.ndim - order - 1], *[n] * (order + 1)))
    vt = np.swapaxes(v, -1, -2)
    letters = "abcdefghijklmnop"[: order + 1]
    if order == 0:
        return ((v * inner[..., None, :]) @ vt).astype(a.dtype, copy=False)
    operands = [vt @ e @ v for e in factors]
    spelled = ",".join(["..." + letters, *("..." + letters[k : k + 2] for k in range(order))])
    product = np.einsum(f"{spelled}->...{letters[0]}{letters[-1]}", inner, *operands, optimize=True)
    return (v @ product @ vt).astype(a.dtype, copy=False)


# ---- the operation: params = (the scalar formula, k)

def _facts(params: Params) -> tuple[FlatTable, int]:
    table, order = params
    assert isinstance(order, int)
    return table, order


def _type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    _, order = _facts(params)
    a, *rest = types
    require_matrix("matrix_function", a, square=True)
    count = len(rest) - order
    for e in rest[count:]:
        if e.rank < 2 or e.shape[-2:] != a.shape[-2:]:
            raise ShapeError(f"matrix_function: a direction {e} is not a matrix like {a}")
    for x in rest:
        if x.dtype != a.dtype:
            raise DTypeError(f"matrix_function: element types differ: {a} and {x}")
    lead = [ArrayType(a.dtype, a.shape[:-2]), *rest[:count], *(ArrayType(a.dtype, e.shape[:-2]) for e in rest[count:])]
    return ArrayType(a.dtype, (*broadcast_shapes("matrix_function", lead), *a.shape[-2:]))


def _vjp(g: Expr, y: Expr, a: Expr, *rest: Expr) -> list[Expr | None]:
    table, order = _facts(y.node.params)
    count = len(rest) - order
    numbers, factors = list(rest[:count]), list(rest[count:])
    back = t(g)
    # tr(g.T @ T(M1, ..., Mp)) is cyclic in g.T, M1, ..., Mp, so each factor's cotangent is T of the others in turn.
    turned = [[*factors[j:], back, *factors[:j]] for j in range(order + 1)]
    terms = [apply("matrix_function", [a, *numbers, *fs], (table, order + 1)) for fs in turned]
    to_a = symmetric(terms[0] if len(terms) == 1 else apply("add", terms))
    found: list[Expr | None] = [unbroadcast(to_a, y.ndim, a.type)]
    for k, c in enumerate(numbers):
        slope = _slope(table, f"c{k}")
        if slope is None:
            found.append(None)
            continue
        part = sum_(g * apply("matrix_function", [a, *rest], (slope, order)), (-2, -1))
        found.append(unbroadcast(part, y.ndim - 2, c.type))
    for j, e in enumerate(factors):
        others = [*factors[j + 1 :], back, *factors[:j]]
        to_e = t(apply("matrix_function", [a, *numbers, *others], (table, order)))
        found.append(unbroadcast(to_e, y.ndim, e.type))
    return found


def along_identity(y: Expr) -> Expr:
    """``f'(A)`` for y = T(A; E): what y is for the identity as E."""
    table, _ = _facts(y.node.params)
    a, *numbers = map(Expr, y.node.inputs[:-1])
    slope = _slope(table, "z")
    if slope is None:
        return 0 * a
    return apply("matrix_function", [a, *numbers], (slope, 0))


def _text(x: Node) -> tuple[str, dict[str, Any]]:
    table, order = _facts(x.params)
    f = str(Expr(root_of(table)))
    return "matrix_function", {"f": f, "order": order} if order else {"f": f}


def _expand(y: Expr, a: Expr, *rest: Expr) -> Expr:
    table, order = _facts(y.node.params)
    roots = [None if x is None else root_of(x) for x in _slopes(table, order)]
    count = len(rest) - order
    return matrix_function_formula(roots, a, rest[:count], rest[count:], NEAR, (_rule(FEW), _rule(MANY)))


register(Op("matrix_function", _type, linalg("matrix_function", _evaluate), expand=_expand, vjp=_vjp, text=_text,
            doc="A function of the eigenvalues of a symmetric matrix, or its derivative along matrices."))  # fmt: skip


# ---- a cotangent of eigenvalues as a function of each

def of_eigenvalues(s: Expr, a: Expr, is_eigenvalues: Any) -> Expr | None:
    """``V diag(s) V.T`` as an operation on `a`, if `s` is an elementwise function of the eigenvalues of `a` and of
    values that are the same for all of them; None otherwise."""
    new: dict[Node, Node] = {}
    numbers: list[Expr] = []
    dtype = s.dtype
    for x in postorder([s.node]):
        if is_eigenvalues(x, a.node):
            new[x] = argument("z", dtype)
        elif (number := _same_for_all(x)) is not None:
            if number.node.op.name == "constant" and not number.ndim:
                new[x] = number.node
            elif x is s.node or x.type.dtype == dtype:
                new[x] = argument(f"c{len(numbers)}", dtype)
                numbers.append(number)
        elif (x.op.partials is not None or x.op.name in ("where", "mask")) and all(i in new for i in x.inputs):
            new[x] = node(x.op, tuple(new[i] for i in x.inputs), x.params)
    root = new.get(s.node)
    if root is None:
        return None
    used = [x for x in postorder([root]) if x.op.name == "symbol" and symbol_name(x) != "z"]
    renamed = {x: argument(f"c{k}", dtype) for k, x in enumerate(used)}
    kept = [numbers[int(symbol_name(x)[1:])] for x in used]
    (body,) = substitute([root], renamed)
    return apply("matrix_function", [a, *kept], (table_of(Expr(body)), 0))


def _same_for_all(x: Node) -> Expr | None:
    """The value of `x` without its last axis, if it is the same all along it (a scalar is that)."""
    shape = x.type.shape
    if not shape:
        return Expr(x)
    if x.op.name == "constant":
        array = constant_value(x)
        same = array.size and (array == array[..., :1]).all()
        return constant(array[..., 0] if array.ndim > 1 else array[0].item(), x.type.dtype) if same else None
    if shape[-1] == 1:
        return sum_(Expr(x), -1)
    if x.op.name != "einsum":
        return None
    labels, out, extra = x.params
    if labels == (out[:-1],):
        return Expr(x.inputs[0])
    if any(out[-1] in ls for ls in labels) or out[-1] in out[:-1]:
        return None
    return einsum_labels([Expr(i) for i in x.inputs], labels, out[:-1], {k: n for k, n in extra if k != out[-1]})


__all__ = ["along_identity", "argument", "of_eigenvalues", "table_of"]
