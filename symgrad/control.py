"""Control flow on expressions: `scan`, `fori_loop`, `while_loop`, `cond`.

The functions given are called once, with expressions for the carried values and slices; other expressions that they use
become values from outside, and what does not change from step to step is computed once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from math import isqrt
from typing import Any

from .compiler.types import RANK, ArrayType, Dim, floordiv, is_float
from .errors import ArgumentError, DTypeError, ShapeError
from .expression import FUNCTIONS, Expr, apply, broadcast_shapes, cast, dim, function, lift
from .graph import Node, flatten, postorder, substitute
from .loops import Carried, bound, make_scan, unpacked
from .ops.arithmetic import where
from .ops.contraction import broadcast_to
from .ops.shaping import reshape, slice_axes
from .trees import Tree, leaves, mapped, rebuilt

_tracing = threading.local()


class Level:
    """While it is entered, loops that are traced are inside one more loop."""

    def __enter__(self) -> int:
        _tracing.depth = getattr(_tracing, "depth", 1) + 1
        return int(_tracing.depth)

    def __exit__(self, *_: object) -> None:
        _tracing.depth -= 1


def _types(tree: Tree) -> list[ArrayType]:
    return [x.type for _, x in leaves(tree)]


def _inside(role: str, types: Sequence[ArrayType], level: int) -> list[Node]:
    return [bound(role, k, t, level) for k, t in enumerate(types)]


def _as_carried(name: str, value: Any, type_: ArrayType) -> Expr:
    """What a step gives for a carried value, in its type; ShapeError if its shape is another."""
    x = lift(value)
    if broadcast_shapes(name, [x.type, type_]) != type_.shape:
        raise ShapeError(
            f"{name}: a carried value starts as {type_} and goes on as {x.type}; give the start its final shape"
        )
    if RANK[x.dtype] > RANK[type_.dtype] and not (is_float(x.dtype) and is_float(type_.dtype)):
        raise DTypeError(
            f"{name}: a carried value starts as {type_} and goes on as {x.type}; give the start its final element type"
        )
    return broadcast_to(cast(x, type_.dtype), type_.shape)


def _same_tree(name: str, tree: Tree, values: Tree) -> list[Any]:
    """The leaves of `values`; ArgumentError unless it has the structure of `tree`."""
    wanted, got = [p for p, _ in leaves(tree)], [p for p, _ in leaves(values)]
    if wanted != got:
        raise ArgumentError(
            f"{name}: the step must return carried values like those it gets ({len(wanted)} of them), got {len(got)}"
        )
    return [v for _, v in leaves(values)]


def from_outside(roots: Sequence[Node], own: set[Node]) -> list[Node]:
    """The largest parts of the body that do not depend on its own values, but for constants and sizes."""
    depends: dict[Node, bool] = {}
    found: dict[Node, None] = {}
    order = postorder(roots)
    for x in order:
        depends[x] = x in own or any(depends[i] for i in x.inputs)
    for x in order:
        if depends[x]:
            found.update({i: None for i in x.inputs if not depends[i]})
    found.update({r: None for r in roots if not depends[r]})
    return [x for x in found if x.inputs or x.op.name in ("symbol", "bound")]


@function("scan")
def scan(step: Callable[[Any, Any], Any], init: Any, xs: Any = None, length: Any = None, *, reverse: bool = False,
         checkpoint: bool = False) -> Any:  # fmt: skip
    """``carry, ys = scan(step, init, xs)``: calls ``carry, y = step(carry, x)`` for each slice x of the first axis of
    `xs`.

    `init`, `xs` and `y` are arrays or nested tuples, lists and dicts of them; `y` may be None.  Without `xs`,
    `length` says how many steps there are.  The carried values keep their shapes.  With `reverse` the last slice
    comes first.  Differentiable to any order in everything; with `checkpoint` reverse mode keeps about the square
    root of the number of steps in memory (of n steps with a name, n/64 + 64 of them).

    Raises ShapeError, ArgumentError.

    >>> import symgrad as sg
    >>> x = sg.vector("x", "n")
    >>> total, running = sg.scan(lambda s, v: (s + v, s + v), 0.0, x)
    """
    start = mapped(_start, init)
    slices = [] if xs is None else [lift(x) for _, x in leaves(xs)]
    steps = _length(slices, length)
    if checkpoint:
        return _checkpointed(step, start, xs, steps, reverse)
    with Level() as level:
        carries = _inside("carry", _types(start), level)
        rows = _inside("slice", [ArrayType(x.dtype, x.type.shape[1:]) for x in slices], level)
        row = None if xs is None else rebuilt(xs, iter([Expr(x) for x in rows]))
        returned = step(rebuilt(start, iter([Expr(x) for x in carries])), row)
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise ArgumentError("scan: the step must return a pair (carry, y); y may be None")
    after, y = returned
    nexts = [_as_carried("scan", v, x.type) for v, x in zip(_same_tree("scan", start, after), carries, strict=True)]
    ys = [] if y is None else [lift(v) for _, v in leaves(y)]
    outside = from_outside([*(n.node for n in nexts), *(v.node for v in ys)], {*carries, *rows})
    inside = {x: bound("outside", k, x.type, level) for k, x in enumerate(outside)}
    body = [Expr(x) for x in substitute([*(n.node for n in nexts), *(v.node for v in ys)], inside)]
    last, stacked = make_scan(
        [Carried(x, a, n) for x, (_, a), n in zip(carries, leaves(start), body, strict=False)],
        list(zip(rows, slices, strict=True)), [(inside[x], Expr(x)) for x in outside], body[len(carries) :], steps,
        bool(reverse),
    )  # fmt: skip
    return rebuilt(start, iter(last)), None if y is None else rebuilt(y, iter(stacked))


def _start(value: Any) -> Expr:
    x = lift(value)
    return x if not x.weak or x.dtype == "bool" else cast(x, "f64" if x.dtype != "f32" else "f32")


def _length(slices: Sequence[Expr], length: Any) -> Dim:
    for x in slices:
        if not x.ndim:
            raise ShapeError(f"scan: xs must have an axis of steps, got {x.type}")
    if length is None and not slices:
        raise ArgumentError("scan: give xs or length=")
    steps = dim(length) if length is not None else slices[0].type.shape[0]
    for x in slices:
        if x.type.shape[0] != steps:
            raise ShapeError(f"scan: {x.type} does not have {steps} slices along its first axis")
    return steps


BLOCK = 64
"""Steps of a block where the number of steps has a name: the square root of 4096."""


def _checkpointed(step: Callable[[Any, Any], Any], start: Any, xs: Any, steps: Dim, reverse: bool) -> Any:
    """A scan over blocks of steps, of each of which only the beginning is kept, and over the steps that fill no
    block."""
    block = isqrt(max(steps, 1)) if isinstance(steps, int) else BLOCK
    count = floordiv(steps, block)
    whole = count * block

    def part(tree: Any, first: Dim, end: Dim, shape: tuple[Dim, ...]) -> Any:
        def cut(x: Any) -> Expr:
            a = lift(x)
            rest = tuple((0, n, 1) for n in a.type.shape[1:])
            return reshape(slice_axes(a, [(first, end - first, 1), *rest]), (*shape, *a.type.shape[1:]))

        return None if tree is None else mapped(cut, tree)

    def blocks(carried: Any) -> Any:
        rows = part(xs, 0, whole, (count, block))
        inner = lambda c, x: scan(step, c, x, block, reverse=reverse)  # noqa: E731
        last, ys = scan(inner, carried, rows, count, reverse=reverse)
        return last, None if ys is None else mapped(lambda y: reshape(y, (whole, *y.type.shape[2:])), ys)

    def rest(carried: Any) -> Any:
        return scan(step, carried, part(xs, whole, steps, (steps - whole,)), steps - whole, reverse=reverse)

    if whole == steps:
        return blocks(start)
    middle, first = (rest if reverse else blocks)(start)
    last, second = (blocks if reverse else rest)(middle)
    if first is None:
        return last, None
    pairs = zip(*([x for _, x in leaves(ys)] for ys in ((second, first) if reverse else (first, second))), strict=True)
    return last, rebuilt(first, iter([FUNCTIONS["concatenate"]([a, b]) for a, b in pairs]))


@function("fori_loop")
def fori_loop(low: Any, high: Any, body: Callable[[Any, Any], Any], init: Any) -> Any:
    """The value after ``value = body(i, value)`` for i from `low` up to `high`, exclusive (integers or sizes).
    Differentiable."""
    steps = FUNCTIONS["arange"](low, high)
    last, _ = scan(lambda value, i: (body(i, value), None), init, steps)
    return last


@function("while_loop")
def while_loop(condition: Callable[[Any], Any], body: Callable[[Any], Any], init: Any) -> Any:
    """The value after ``value = body(value)`` as long as ``condition(value)`` holds.  Not differentiable; see
    `scan`."""
    start = mapped(_start, init)
    with Level() as level:
        carries = _inside("carry", _types(start), level)
        value = rebuilt(start, iter([Expr(x) for x in carries]))
        after, holds = body(value), lift(condition(value))
    found = zip(_same_tree("while_loop", start, after), carries, strict=True)
    roots = [*(_as_carried("while_loop", v, x.type).node for v, x in found), holds.node]
    outside = from_outside(roots, set(carries))
    names = {x: bound("carry", k, x.type) for k, x in enumerate(carries)}
    names.update({x: bound("outside", k, x.type) for k, x in enumerate(outside)})
    params = (flatten(substitute(roots, names)), len(carries), 0)
    packed = apply("while", [*(a for _, a in leaves(start)), *map(Expr, outside)], params)
    return rebuilt(start, iter(unpacked(packed)))


@function("cond")
def cond(predicate: Any, if_true: Callable[..., Any], if_false: Callable[..., Any], *operands: Any) -> Any:
    """``if_true(*operands)`` where the scalar `predicate` holds, otherwise ``if_false(*operands)``.

    Both are evaluated; only the one that is chosen contributes to the value and to derivatives of any order."""
    p = lift(predicate)
    if p.ndim:
        raise ShapeError(f"cond: the predicate must be one truth value, got {p.type}; use where")
    yes, no = if_true(*operands), if_false(*operands)
    pairs = zip(leaves(yes), _same_tree("cond", yes, no), strict=True)
    return rebuilt(yes, iter([where(p, a, b) for (_, a), b in pairs]))


__all__ = ["cond", "fori_loop", "scan", "while_loop"]
