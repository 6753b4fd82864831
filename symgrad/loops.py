"""Loops as operations: `scan` and `while`, with their derivatives.

A loop is a node whose parameter is its body, a flat table over `bound` nodes (carried values, slices, values from
outside), and whose result packs the last carried values and the stacked results of the steps.  The derivative of a scan
is a scan again: reverse mode first runs it forward and keeps what was carried, then runs the transposed body backwards;
forward mode carries tangents along.  Values that do not change from step to step are computed outside.  Compiled code
runs a native loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .compiler.records import record
from .compiler.types import DTYPES, ArrayType, Dim, Size, evaluate, is_float
from .differentiation import jvp, vjp
from .errors import NotDifferentiable, ShapeError
from .expression import FUNCTIONS, Expr, apply, cast, lift
from .graph import FlatTable, Node, Op, Params, flatten, node, postorder, register, substitute, unflatten
from .indexing import Repetition
from .ops.contraction import broadcast_to, unit_axes
from .ops.packing import Shape, pack, packed_size, unpack, unpack_cotangent
from .rewrite.canonical import canonicalise, step

LONGEST = 2**62
BOUND = register(
    Op("bound", lambda types, params: params[-1], lambda *_: None, doc="A value inside the body of a loop.")
)


def bound(role: str, k: int, type_: ArrayType, level: int = 0) -> Node:
    """A value of a loop's body: number `k` of its role "carry", "slice" or "outside"; `level` tells nested bodies apart
    while they are being made."""
    return node(BOUND, (), (level, role, k, type_))


@step("scan", "while")
def _canonical(x: Node, inputs: tuple[Node, ...], free: Sequence[bool]) -> Node:
    """A loop with its body in canonical, stable form."""
    table = _canonical_body(x.params[0])
    same = table == x.params[0] and all(a is b for a, b in zip(inputs, x.inputs, strict=True))
    return x if same else node(x.op, inputs, (table, *x.params[1:]))


@lru_cache(maxsize=512)
def _canonical_body(table: FlatTable) -> FlatTable:
    return flatten(canonicalise(unflatten(table)))


@record(frozen=True, slots=True)
class Body:
    """What one step computes: nodes over `carries`, `slices` and `outside`."""

    carries: tuple[Node, ...]
    slices: tuple[Node, ...]
    outside: tuple[Node, ...]
    next: tuple[Node, ...]
    results: tuple[Node, ...]


@lru_cache(maxsize=512)
def _unflattened(table: FlatTable, carries: int) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    roots = unflatten(table)
    return tuple(roots[:carries]), tuple(roots[carries:])


def body_of(x: Node) -> Body:
    """The body of a scan or while node."""
    table, carries, slices = x.params[:3]
    types = [i.type for i in x.inputs]
    after, results = _unflattened(table, carries)
    sliced = types[carries : carries + slices]
    return Body(
        tuple(bound("carry", k, t) for k, t in enumerate(types[:carries])),
        tuple(bound("slice", k, ArrayType(t.dtype, t.shape[1:])) for k, t in enumerate(sliced)),
        tuple(bound("outside", k, t) for k, t in enumerate(types[carries + slices :])),
        after, results,
    )  # fmt: skip


def _parts(types: Sequence[ArrayType], results: Sequence[ArrayType], length: Dim) -> list[ArrayType]:
    """The types of what a scan gives: the last carried values, and the results of all steps."""
    return [*types, *(ArrayType(t.dtype, (length, *t.shape)) for t in results)]


def _packed_dtype(types: Sequence[ArrayType]) -> str:
    return "f32" if types and all(t.dtype == "f32" for t in types) else "f64"


def parts_of(x: Node) -> list[ArrayType]:
    """The types of what is packed in the result of a scan or while node."""
    carries = x.params[1]
    assert isinstance(carries, int)
    types = [i.type for i in x.inputs[:carries]]
    if x.op.name == "while":
        return types
    _, results = _unflattened(x.params[0], carries)
    length = x.params[3]
    assert isinstance(length, int | Size)
    return _parts(types, [r.type for r in results], length)


def _scan_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    table, carries, slices, length, _ = params
    assert isinstance(carries, int) and isinstance(slices, int) and isinstance(length, int | Size)
    after, results = _unflattened(table, carries)
    for start, end in zip(types[:carries], after, strict=True):
        if start != end.type:
            raise ShapeError(f"scan: a carried value starts as {start} and goes on as {end.type}")
    for t in types[carries : carries + slices]:
        if not t.rank or t.shape[0] != length:
            raise ShapeError(f"scan: {t} does not have {length} slices along its first axis")
    parts = _parts(types[:carries], [r.type for r in results], length)
    return ArrayType(_packed_dtype(parts), (packed_size([t.shape for t in parts]),))


# ---- meaning

def _known_sizes(body: Body, arrays: Sequence[Any], sizes: Mapping[str, int]) -> dict[str, int]:
    """The numbers of the size names that arrays show."""
    known = dict(sizes)
    values = [*body.carries, *body.slices, *body.outside]
    for x, a in zip(values, arrays, strict=True):
        shape = np.shape(a)[1:] if x in body.slices else np.shape(a)
        for n, m in zip(x.type.shape, shape, strict=True):
            if isinstance(n, Size) and str(n).isidentifier():
                known.setdefault(str(n), m)
    return known


class _Stepper:
    """Evaluates the body of a loop again and again."""

    def __init__(self, body: Body, roots: Sequence[Node], outside: Sequence[Any], sizes: Mapping[str, int]) -> None:
        self.body, self.sizes = body, sizes
        self.order = [x for x in postorder(roots) if x.op is not BOUND]
        self.known: dict[Node, Any] = dict(zip(body.outside, outside, strict=True))

    def run(self, carried: Sequence[Any], slices: Sequence[Any]) -> dict[Node, Any]:
        known = dict(self.known)
        known.update(zip(self.body.carries, carried, strict=True))
        known.update(zip(self.body.slices, slices, strict=True))
        for x in self.order:
            known[x] = x.op.evaluate([known[i] for i in x.inputs], x.params, self.sizes)
        return known


def _scan_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    _, carries, slices, length, reverse = params
    assert isinstance(carries, int) and isinstance(slices, int)
    body = _body_of_types(params, args)
    known = _known_sizes(body, args, sizes)
    steps = evaluate(length, known)
    stepper = _Stepper(body, (*body.next, *body.results), args[carries + slices :], known)
    carried = list(args[:carries])
    stacks = [
        np.zeros((steps, *(evaluate(n, known) for n in r.type.shape)), DTYPES[r.type.dtype]) for r in body.results
    ]
    for k in range(steps - 1, -1, -1) if reverse else range(steps):
        found = stepper.run(carried, [a[k] for a in args[carries : carries + slices]])
        carried = [found[x] for x in body.next]
        for stack, r in zip(stacks, body.results, strict=True):
            stack[k] = found[r]
    return _packed(carried, stacks)


def _body_of_types(params: Params, args: Sequence[Any]) -> Body:
    """The body with the types that its own nodes have (those of the inputs may be known only as arrays here)."""
    table, carries = params[0], params[1]
    after, results = _unflattened(table, carries)
    own: dict[str, dict[int, Node]] = {"carry": {}, "slice": {}, "outside": {}}
    for x in postorder([*after, *results]):
        if x.op is BOUND:
            own[x.params[1]][x.params[2]] = x
    slices = params[2]
    assert isinstance(carries, int) and isinstance(slices, int)

    def group(role: str, arrays: Sequence[Any], drop: int) -> tuple[Node, ...]:
        found = []
        for k, a in enumerate(arrays):
            a = np.asarray(a)
            dtype = next(name for name, kind in DTYPES.items() if kind == a.dtype)
            found.append(own[role].get(k) or bound(role, k, ArrayType(dtype, a.shape[drop:])))
        return tuple(found)

    return Body(group("carry", args[:carries], 0), group("slice", args[carries : carries + slices], 1),
                group("outside", args[carries + slices :], 0), after, results)  # fmt: skip


def _packed(carried: Sequence[Any], stacks: Sequence[Any]) -> Any:
    arrays = [np.asarray(a) for a in (*carried, *stacks)]
    dtype = np.float32 if arrays and all(a.dtype == np.float32 for a in arrays) else np.float64
    return pack([a.astype(dtype) for a in arrays], 0) if arrays else np.zeros(0)


def _scan_lower(x: Node, operands: Sequence[Any]) -> Repetition:
    body = body_of(x)
    length, reverse = x.params[3], x.params[4]
    assert isinstance(length, int | Size)
    return Repetition(body.carries, body.slices, body.outside, body.next, body.results, length, bool(reverse), None)


# ---- making a scan

@record(frozen=True, slots=True)
class Carried:
    """A carried value: its node in the body, where it starts, and what it is after a step."""

    inside: Node
    start: Expr
    next: Expr


Given = tuple[Node, Expr]
"""A node of the body and the array it stands for: one slice of it for each step, or the whole."""


def make_scan(
    carried: Sequence[Carried],
    sliced: Sequence[Given],
    outside: Sequence[Given],
    results: Sequence[Expr],
    length: Dim,
    reverse: bool,
) -> tuple[list[Expr], list[Expr]]:
    """A scan over a body whose own nodes may be any leaves: the last carried values and the stacked results."""
    names = {
        **{c.inside: bound("carry", k, c.inside.type) for k, c in enumerate(carried)},
        **{x: bound("slice", k, x.type) for k, (x, _) in enumerate(sliced)},
        **{x: bound("outside", k, x.type) for k, (x, _) in enumerate(outside)},
    }
    roots = substitute([*(c.next.node for c in carried), *(r.node for r in results)], names)
    inputs = [*(c.start for c in carried), *(a for _, a in sliced), *(a for _, a in outside)]
    params = (flatten(roots), len(carried), len(sliced), length, reverse)
    packed = apply("scan", inputs, params)
    found = unpacked(packed)
    return found[: len(carried)], found[len(carried) :]


def unpacked(packed: Expr) -> list[Expr]:
    """The parts of the result of a loop, in their own element types."""
    types = parts_of(packed.node)
    return [cast(p, t.dtype) for p, t in zip(unpack(packed, [t.shape for t in types]), types, strict=True)]


# ---- derivatives

def _zeros(extra: Shape, type_: ArrayType) -> Expr:
    return broadcast_to(lift(0.0).astype(type_.dtype), (*extra, *type_.shape))


def _wide(extra: Shape, type_: ArrayType) -> ArrayType:
    return ArrayType(type_.dtype, (*extra, *type_.shape))


def _steps_first(g: Expr, extra: int) -> Expr:
    """The axis of steps moved before the `extra` leading axes."""
    return unit_axes(g, [extra, *range(extra), *range(extra + 1, g.ndim)])


def _steps_behind(g: Expr, extra: int) -> Expr:
    return unit_axes(g, [*range(1, extra + 1), 0, *range(extra + 1, g.ndim)])


def _grouped(y: Expr, inputs: Sequence[Expr]) -> tuple[Body, Sequence[Expr], Sequence[Expr], Sequence[Expr]]:
    body = body_of(y.node)
    c, s = len(body.carries), len(body.slices)
    return body, inputs[:c], inputs[c : c + s], inputs[c + s :]


def _scan_vjp(g: Expr, y: Expr, *inputs: Expr) -> list[Expr | None]:
    body, starts, slices, outside = _grouped(y, inputs)
    _, _, _, length, reverse = y.node.params
    assert isinstance(length, int | Size) and isinstance(reverse, bool)
    extra = g.type.shape[: g.ndim - 1]
    types = parts_of(y.node)
    parts = unpack_cotangent(g, [t.shape for t in types])
    parts = [
        None if p is None or not is_float(t.dtype) else cast(p, t.dtype) for p, t in zip(parts, types, strict=True)
    ]
    given: list[Given] = list(zip(body.outside, outside, strict=True))
    _, history = make_scan(
        [Carried(x, a, Expr(n)) for x, a, n in zip(body.carries, starts, body.next, strict=True)],
        list(zip(body.slices, slices, strict=True)), given, [Expr(x) for x in body.carries], length, reverse,
    )  # fmt: skip
    wrt = [x for x in (*body.carries, *body.slices, *body.outside) if is_float(x.type.dtype)]
    moving = [k for k, x in enumerate(body.carries) if is_float(x.type.dtype)]
    count = len(body.carries)
    cotangents = {k: bound("cotangent", k, _wide(extra, body.carries[k].type), 1) for k in moving}
    arriving = {
        k: bound("arriving", k, _wide(extra, r.type), 1)
        for k, r in enumerate(body.results)
        if parts[count + k] is not None
    }
    pulled = vjp(
        [*(body.next[k] for k in moving), *(body.results[k] for k in arriving)],
        [*(Expr(x) for x in cotangents.values()), *(Expr(x) for x in arriving.values())], wrt,
    )  # fmt: skip
    by_node = {x: p if p is not None else _zeros(extra, x.type) for x, p in zip(wrt, pulled, strict=True)}
    carried = [
        Carried(cotangents[k], _or_zeros(parts[k], extra, body.carries[k].type), by_node[body.carries[k]])
        for k in moving
    ]
    summed = [x for x in body.outside if x in by_node]
    for j, x in enumerate(summed):
        total = bound("sum", j, _wide(extra, x.type), 1)
        carried.append(Carried(total, _zeros(extra, x.type), Expr(total) + by_node[x]))
    sliced: list[Given] = [*zip(body.carries, history, strict=True), *zip(body.slices, slices, strict=True)]
    for k, x in arriving.items():
        part = parts[count + k]
        assert part is not None
        sliced.append((x, _steps_first(part, len(extra))))
    to_slices = [x for x in body.slices if x in by_node]
    last, stacked = make_scan(carried, sliced, given, [by_node[x] for x in to_slices], length, not reverse)
    found: dict[Node, Expr] = dict(zip([*(body.carries[k] for k in moving), *summed], last, strict=True))
    found.update({x: _steps_behind(p, len(extra)) for x, p in zip(to_slices, stacked, strict=True)})
    return [found.get(x) for x in (*body.carries, *body.slices, *body.outside)]


def _or_zeros(part: Expr | None, extra: Shape, type_: ArrayType) -> Expr:
    return _zeros(extra, type_) if part is None else part


def _scan_jvp(tangents: Sequence[Expr | None], y: Expr, *inputs: Expr) -> Expr | None:
    body, starts, slices, outside = _grouped(y, inputs)
    _, _, _, length, reverse = y.node.params
    assert isinstance(length, int | Size) and isinstance(reverse, bool)
    extra: Shape = max(
        (t.type.shape[: t.ndim - x.ndim] for t, x in zip(tangents, inputs, strict=True) if t is not None), key=len
    )
    own = (*body.carries, *body.slices, *body.outside)
    moved = {
        x: t
        for x, t in zip(own, tangents, strict=True)
        if is_float(x.type.dtype) and (t is not None or x in body.carries)
    }
    inside = {x: bound("tangent", k, _wide(extra, x.type), 1) for k, x in enumerate(own) if x in moved}
    pushed = jvp([*body.next, *body.results], {x: Expr(t) for x, t in inside.items()})
    pairs = zip((*body.next, *body.results), pushed, strict=True)
    along = [_zeros(extra, x.type) if p is None else broadcast_to(p, (*extra, *x.type.shape)) for x, p in pairs]
    carried = [Carried(x, a, Expr(n)) for x, a, n in zip(body.carries, starts, body.next, strict=True)]
    sliced: list[Given] = list(zip(body.slices, slices, strict=True))
    given: list[Given] = list(zip(body.outside, outside, strict=True))
    for k, (x, a) in enumerate(zip(own, inputs, strict=True)):
        if x not in inside:
            continue
        t = moved[x]
        tangent = _zeros(extra, a.type) if t is None else broadcast_to(t, (*extra, *a.type.shape))
        if x in body.carries:
            carried.append(Carried(inside[x], tangent, along[k]))
        elif x in body.slices:
            sliced.append((inside[x], _steps_first(tangent, len(extra))))
        else:
            given.append((inside[x], tangent))
    count = len(body.carries)
    last, stacked = make_scan(carried, sliced, given, along[count:], length, reverse)
    moving = iter(last[count:])
    ends = [next(moving) if x in inside else _zeros(extra, x.type) for x in body.carries]
    whole = [*ends, *(_steps_behind(s, len(extra)) for s in stacked)]
    flat = [FUNCTIONS["reshape"](cast(p, y.dtype), (*extra, -1)) for p in whole]
    result: Expr = flat[0] if len(flat) == 1 else FUNCTIONS["concatenate"](flat, -1)
    return result


# ---- while

def _while_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    table, carries, _ = params
    assert isinstance(carries, int)
    after, results = _unflattened(table, carries)
    for start, end in zip(types[:carries], after, strict=True):
        if start != end.type:
            raise ShapeError(f"while_loop: a value starts as {start} and goes on as {end.type}")
    if results[0].type != ArrayType("bool"):
        raise ShapeError(f"while_loop: the condition must be one truth value, got {results[0].type}")
    return ArrayType(_packed_dtype(types[:carries]), (packed_size([t.shape for t in types[:carries]]),))


def _while_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    carries = params[1]
    assert isinstance(carries, int)
    body = _body_of_types(params, args)
    known = _known_sizes(body, args, sizes)
    stepper = _Stepper(body, (*body.next, *body.results), args[carries:], known)
    carried = list(args[:carries])
    while (found := stepper.run(carried, []))[body.results[0]]:
        carried = [found[x] for x in body.next]
    return _packed(carried, [])


def _while_lower(x: Node, operands: Sequence[Any]) -> Repetition:
    body = body_of(x)
    return Repetition(body.carries, (), body.outside, body.next, (), LONGEST, False, body.results[0])


def _no_reverse(g: Expr, y: Expr, *inputs: Expr) -> list[Any]:
    error = NotDifferentiable("while_loop: has no derivative (its number of steps is not known); use scan or fori_loop")
    return [error] * len(inputs)


def _no_forward(tangents: Sequence[Expr | None], y: Expr, *inputs: Expr) -> Expr | None:
    raise _no_reverse(y, y, y)[0]


register(
    Op(
        "scan",
        _scan_type,
        _scan_evaluate,
        _scan_lower,
        vjp=_scan_vjp,
        jvp=_scan_jvp,
        doc="A loop of a known number of steps.",
    )
)
register(
    Op(
        "while",
        _while_type,
        _while_evaluate,
        _while_lower,
        vjp=_no_reverse,
        jvp=_no_forward,
        doc="A loop with a condition.",
    )
)

__all__ = ["Body", "Carried", "body_of", "bound", "make_scan", "parts_of", "unpacked"]
