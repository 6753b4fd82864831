"""Elementwise operations: how one row makes an operation, and how all of them are differentiated.

A row gives the partial derivatives as one expression per operand in terms of the result `y` and the operands (after
ChainRules.jl's `@scalar_rule`).  A partial may be `None` (no derivative flows), a number, an expression, an error
`NotDifferentiable` (raised where it is asked for), or `masked(condition, partial)`: the derivative is selected, not
multiplied, so that an infinite or undefined derivative of a branch that was not taken is never touched (``0 * inf``
cannot happen, at any order).  `chain` carries such masks through every elementwise rule by rewriting ``mask(c, g) * p``
to ``mask(c, g * p)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from ..compiler.externs import EXTERNS
from ..compiler.index import Call
from ..compiler.index import Expr as Element_
from ..compiler.records import record
from ..compiler.types import ArrayType, is_float
from ..errors import DTypeError, NotDifferentiable
from ..expression import FUNCTIONS, Expr, apply, broadcast_shapes, function, lift, unify
from ..graph import Node, Op, Params, register
from ..indexing import Element, Operand, Routine, axes_of, values


@record(frozen=True, slots=True)
class Masked:
    """A partial derivative that counts only where `condition` holds."""

    condition: Expr
    partial: Any


def masked(condition: Expr, partial: Any = 1) -> Masked:
    """`partial` where `condition` holds and a structural zero elsewhere."""
    return Masked(condition, partial)


def mask(condition: Any, x: Any) -> Expr:
    """`x` where `condition` holds and zero elsewhere, whatever `x` is there."""
    return apply("mask", [lift(condition), lift(x)])


def chain(g: Expr, partial: Any) -> Expr:
    """``g * partial`` with the masks of both applied last."""
    conditions = []
    while g.node.op.name == "mask":
        conditions.append(Expr(g.node.inputs[0]))
        g = Expr(g.node.inputs[1])
    if isinstance(partial, Masked):
        conditions.append(partial.condition)
        partial = partial.partial
    if isinstance(partial, Expr) or partial not in (1, -1):
        g = g * partial
    elif partial == -1:
        g = -g
    for c in reversed(conditions):
        g = mask(c, g)
    return g


def total(terms: Sequence[Expr]) -> Expr:
    """The sum of cotangents; if every one is masked, so is the sum, where any of them counts, and what comes next is
    still not multiplied where none does."""
    if len(terms) == 1:
        return terms[0]
    if any(g.node.op.name != "mask" for g in terms):
        return apply("add", terms)
    conditions = [Expr(g.node.inputs[0]) for g in terms]
    if all(c.node is conditions[0].node for c in conditions):
        return mask(conditions[0], total([Expr(g.node.inputs[1], g.declared) for g in terms]))
    distinct = list({c.node: c for c in conditions}.values())
    return mask(reduce(lambda a, b: a | b, distinct), apply("add", terms))


def unbroadcast(g: Expr, rank: int, target: ArrayType) -> Expr:
    """The cotangent of an operand of type `target` that was broadcast to `rank` axes; further axes of `g` on the left
    stay."""
    from .contraction import einsum_labels

    extra = g.ndim - rank
    labels = list(range(g.ndim))
    out: list[int] = labels[:extra]
    sizes: dict[int, Any] = {}
    for k, n in enumerate(target.shape, g.ndim - target.rank):
        if n == 1 and g.type.shape[k] != 1:
            sizes[g.ndim + k] = 1
            out.append(g.ndim + k)
        else:
            out.append(k)
    return g if out == labels else einsum_labels([g], [labels], out, sizes)


def elementwise_type(name: str, result: str | None = None) -> Callable[[Sequence[ArrayType], Params], ArrayType]:
    """The type rule of an elementwise operation: operands of one element type, broadcast shapes."""

    def infer(types: Sequence[ArrayType], params: Params) -> ArrayType:
        first = types[0]
        if result is None and all(t is first or t == first for t in types):
            return first
        dtypes = {t.dtype for t in types}
        if len(dtypes) > 1:
            raise DTypeError(f"{name}: operands have different element types: {', '.join(map(str, types))}")
        return ArrayType(result or types[0].dtype, broadcast_shapes(name, types))

    return infer


def lower_elementwise(x: Node, operands: Sequence[Operand]) -> Element | Routine:
    """One element of an elementwise operation: the scalar instruction that its row names, on aligned elements."""
    axes = axes_of(x.type.shape)
    index = values(axes)
    row = SCALAR[x.op.name]
    args = tuple(a.at(index) for a in operands)
    return Element(axes, Call(row, args) if isinstance(row, str) else row(args, x))


SCALAR: dict[str, str | Callable[[tuple[Element_, ...], Node], Element_]] = {}


def elementwise(
    name: str,
    numpy: Callable[..., Any] | None,
    partials: Callable[..., Any] | None,
    *,
    scalar: str | Callable[[tuple[Element_, ...], Node], Element_] | None = None,
    evaluate: Callable[..., Any] | None = None,
    result: str | None = None,
    parametric: bool = False,
    **facts: Any,
) -> Op:
    """Registers an elementwise operation.

    `numpy` is its meaning; `partials(y, *operands)` its derivatives; `scalar` the scalar instruction of the compiler
    (by default of the same name), a function that builds it, or `CALLBACK` where the compiler has none; `result` the
    element type if it is not that of the operands.  A `parametric` operation's meanings take the node's parameters
    first."""
    meaning = evaluate or numpy
    assert meaning is not None

    def run(args: Sequence[Any], params: Params, sizes: Any) -> Any:
        with np.errstate(all="ignore"):
            if not parametric:
                return meaning(*args)
            return np.asarray(meaning(*params, *args)).astype(np.asarray(args[-1]).dtype, copy=False)

    lower: Callable[[Node, Sequence[Operand]], Element | Routine] = lower_elementwise
    if scalar is CALLBACK:
        lower = called_back(name, run)
    else:
        SCALAR[name] = scalar or name
    return register(
        Op(
            name,
            elementwise_type(name, result),
            run,
            lower,
            vjp=_vjp(partials),
            jvp=_jvp(partials),
            partials=partials,
            **facts,
        )
    )


CALLBACK = "callback"


def called_back(name: str, evaluate: Callable[..., Any]) -> Callable[[Node, Sequence[Operand]], Routine]:
    """The lowering of an operation that compiled code calls back: its NumPy meaning, as the extern routine `name`."""
    EXTERNS[name] = lambda params, arrays: (evaluate(arrays, params, {}),)
    return lambda x, operands: Routine(name, x.params)


def _vjp(partials: Callable[..., Any] | None) -> Callable[..., Any] | None:
    if partials is None:
        return None

    def vjp(g: Expr, y: Expr, *xs: Expr) -> list[Expr | None]:
        slopes = partials(y, *xs)
        return [_contribution(g, p, y, x) for p, x in zip(slopes, xs, strict=True)]

    return vjp


def _contribution(g: Expr, partial: Any, y: Expr, x: Expr) -> Any:
    if isinstance(partial, NotDifferentiable):
        return partial
    return None if nothing(partial) else unbroadcast(chain(g, partial), y.ndim, x.type)


def nothing(partial: Any) -> bool:
    """Whether no derivative flows to the operand."""
    return partial is None or (isinstance(partial, int) and partial == 0)


def _jvp(partials: Callable[..., Any] | None) -> Callable[..., Any] | None:
    if partials is None:
        return None

    def jvp(tangents: Sequence[Expr | None], y: Expr, *xs: Expr) -> Expr | None:
        """The tangent of y; tangents may carry further axes on the left of those of y."""
        terms: list[Expr] = []
        for p, t, x in zip(partials(y, *xs), tangents, xs, strict=True):
            if isinstance(p, NotDifferentiable) and t is not None:
                raise p
            if t is not None and not nothing(p):
                terms.append(chain(widen(t, x.ndim, y.ndim), p))
        return total(terms) if terms else None

    return jvp


def widen(t: Expr, rank: int, target: int) -> Expr:
    """`t`, whose last `rank` axes are those of an operand, with unit axes put before them up to `target` axes."""
    if rank == target or t.ndim == rank:
        return t
    index = (slice(None),) * (t.ndim - rank) + (None,) * (target - rank) + (Ellipsis,)
    widened: Expr = FUNCTIONS["getitem"](t, index)
    return widened


def unary(
    name: str, numpy: Callable[..., Any], partial: Callable[[Expr, Expr], Any] | None, *aliases: str, **facts: Any
) -> Op:
    """Registers a function of one operand (a float, unless `want_float` is false), its row and its public function."""
    extra_numpy, want_float = facts.pop("also", ()), facts.pop("want_float", True)
    op = elementwise(name, numpy, (lambda y, x: (partial(y, x),)) if partial else None, **facts)

    def call(x: Any) -> Expr:
        operands, weak = unify([x], want_float=want_float)
        return apply(op, operands, weak=weak)

    _name(call, name, facts, partial or numpy)
    function(name, *aliases, numpy=[*([numpy] if isinstance(numpy, np.ufunc) else []), *extra_numpy])(call)
    return op


def binary(
    name: str, numpy: Callable[..., Any], partials: Callable[..., Any] | None, *aliases: str, want_float: bool = True,
    **facts: Any,
) -> Op:  # fmt: skip
    """Registers a function of two operands, its row and its public function of the same name."""
    op = elementwise(name, numpy, partials, **facts)

    def call(x: Any, y: Any) -> Expr:
        operands, weak = unify([x, y], want_float=want_float)
        return apply(op, operands, weak=weak)

    _name(call, name, facts, partials or numpy)
    function(name, *aliases, numpy=[numpy] if isinstance(numpy, np.ufunc) else [])(call)
    return op


def _name(call: Any, name: str, facts: dict[str, Any], given: Callable[..., Any]) -> None:
    """Makes `call` the function of a row in the module whose rule was `given`."""
    call.__name__ = call.__qualname__ = name
    call.__module__ = given.__module__
    call.__doc__ = facts.get("doc", "")


def require_float(name: str, x: Expr) -> Expr:
    """`x`, if its elements are floating-point numbers; DTypeError otherwise."""
    if not is_float(x.dtype):
        raise DTypeError(f"{name}: needs floating-point numbers, got {x.type}")
    return x
