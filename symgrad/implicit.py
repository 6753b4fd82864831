"""Solutions of equations and minimisers as functions of everything else that the equations contain.

The value is found by Newton's method with halved steps, in a loop; the derivative is that of the implicit function
theorem, at the solution: from f(x, p) = 0 follows dx = -inv(df/dx) @ df/dp @ dp.  The rule is written in terms of the
solution, so it holds at any order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from .compiler.types import ArrayType, product
from .control import Level, from_outside, while_loop
from .differentiation import gradient, jacobian, vjp
from .errors import ShapeError
from .expression import FUNCTIONS, Expr, apply, cast, function, lift
from .graph import FlatTable, Node, Op, Params, flatten, register, substitute, unflatten
from .loops import bound

HALVINGS = 1e-4


@lru_cache(maxsize=256)
def _equation(table: FlatTable) -> Node:
    return unflatten(table)[0]


def _infer(types: Sequence[ArrayType], params: Params) -> ArrayType:
    return types[0]


def _own(y: Node) -> tuple[Node, list[Node]]:
    """The unknown and the parameters as they stand in the table of the equation."""
    return bound("unknown", 0, y.type), [bound("parameter", k, i.type) for k, i in enumerate(y.inputs[1:])]


def solved(j: Expr, r: Expr, rank: int) -> Expr:
    """``inv(j) @ r`` where j has the axes of an array of `rank` axes twice; `r` may have further axes in front."""
    if not rank:
        return r / j
    shape = r.type.shape
    n = product(shape[r.ndim - rank :])
    reshape = FUNCTIONS["reshape"]
    flat = reshape(r, (*shape[: r.ndim - rank], n, 1))
    result: Expr = reshape(apply("solve", [reshape(j, (n, n)), flat]), shape)
    return result


def _transposed(j: Expr, rank: int) -> Expr:
    result: Expr = FUNCTIONS["transpose"](j, [*range(rank, 2 * rank), *range(rank)]) if rank else j
    return result


def _vjp(g: Expr, y: Expr, start: Expr, *parameters: Expr) -> list[Expr | None]:
    table = y.node.params[0]
    residual = _equation(table)
    unknown, own = _own(y.node)
    at = dict(zip([unknown, *own], [y.node, *(p.node for p in parameters)], strict=True))
    j = Expr(substitute([jacobian(residual, [unknown])[0].node], at)[0])
    u = -solved(_transposed(j, y.ndim), g, y.ndim)
    cotangent = bound("cotangent", 0, u.type)
    pulled = vjp([residual], [Expr(cotangent)], own)
    at[cotangent] = u.node
    return [None, *(None if p is None else Expr(substitute([p.node], at)[0]) for p in pulled)]


def _evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    return args[0]


register(Op("implicit_root", _infer, _evaluate, expand=lambda y, x, *p: x, vjp=_vjp, doc="A solution of equations."))


def _newton(residual: Node, unknown: Node, start: Expr, tolerance: float, steps: int) -> Expr:
    rank = start.ndim
    j = jacobian(residual, [unknown])[0].node
    norm, power = FUNCTIONS["norm"], 2.0

    def f(x: Expr) -> Expr:
        return Expr(substitute([residual], {unknown: x.node})[0])

    def step(state: tuple[Expr, Expr, Expr]) -> tuple[Expr, Expr, Expr]:
        x, _, k = state
        r = f(x)
        direction = solved(Expr(substitute([j], {unknown: x.node})[0]), r, rank)
        size = norm(r)
        t = while_loop(
            lambda t: (norm(f(x - t * direction)) > (1 - t / 4) * size) & (t > HALVINGS), lambda t: t / power, 1.0
        )
        moved = t * direction
        return x - moved, norm(moved), k + 1

    def going(state: tuple[Expr, Expr, Expr]) -> Expr:
        x, last, k = state
        holds: Expr = (last > tolerance * (1 + norm(x))) & (k < steps)
        return holds

    result: Expr = while_loop(going, step, (start, lift(1e300).astype(start.dtype), 0))[0]
    return result


def _solution(
    f: Callable[[Expr], Any], x0: Any, tolerance: float, steps: int, residual_of: Callable[[Expr, Expr], Node]
) -> Expr:
    start = lift(x0)
    start = cast(start, "f32" if start.dtype == "f32" else "f64")
    with Level() as level:
        inside = Expr(bound("unknown", 0, start.type, level))
        residual = residual_of(lift(f(inside)), inside)
    value = _newton(residual, inside.node, start, tolerance, steps)
    outside = from_outside([residual], {inside.node})
    names = {inside.node: bound("unknown", 0, start.type)}
    names.update({x: bound("parameter", k, x.type) for k, x in enumerate(outside)})
    value = apply("stop_gradient", [value])
    return apply("implicit_root", [value, *map(Expr, outside)], (flatten(substitute([residual], names)),))


@function("root")
def root(f: Callable[[Expr], Any], x0: Any, *, tolerance: float = 1e-12, steps: int = 50) -> Expr:
    """A solution x of ``f(x) = 0``, found by Newton's method from `x0`; f(x) has the shape of x.

    Differentiable to any order in all that `f` uses from outside, not in `x0`.  Raises ShapeError.

    >>> import symgrad as sg
    >>> a = sg.scalar("a")
    >>> r = sg.root(lambda x: x**2 - a, 1.0)
    """

    def residual_of(value: Expr, x: Expr) -> Node:
        if value.type.shape != x.type.shape:
            raise ShapeError(f"root: the function of {x.type} must give as many values, got {value.type}")
        return value.node

    return _solution(f, x0, tolerance, steps, residual_of)


@function("minimizer")
def minimizer(f: Callable[[Expr], Any], x0: Any, *, tolerance: float = 1e-12, steps: int = 50) -> Expr:
    """The x where the scalar ``f(x)`` is least, found by Newton's method on its gradient from `x0` (close enough for
    it to be convex).

    Differentiable to any order in all that `f` uses from outside, not in `x0`.  Raises ShapeError."""

    def residual_of(value: Expr, x: Expr) -> Node:
        if value.ndim:
            raise ShapeError(f"minimizer: the function must give a scalar, got {value.type}")
        return gradient(value.node, [x.node])[0].node

    return _solution(f, x0, tolerance, steps, residual_of)


__all__ = ["minimizer", "root"]
