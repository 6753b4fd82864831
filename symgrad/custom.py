"""Operations that users declare: `operation` by a NumPy meaning or a formula, `custom_gradient` for one function.

A derivative rule is written for the shapes of its operation; cotangents with further axes in front are mapped through
it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .batching import batched
from .build import check_name
from .compiler.types import DTYPES, ArrayType, product
from .control import Level, from_outside
from .errors import ArgumentError, ShapeError
from .expression import FUNCTIONS, Expr, apply, dim, function, lift, unify
from .graph import OPS, FlatTable, Node, Op, Params, flatten, postorder, register, substitute, unflatten
from .loops import BOUND, bound
from .ops.contraction import broadcast_to
from .ops.elementwise import CALLBACK, called_back, elementwise

Rule = Callable[..., Any]


def mapped_rule(g: Expr, own: ArrayType, pull: Callable[[Expr], Sequence[Expr | None]]) -> list[Expr | None]:
    """``pull(g)`` for a rule that is written for cotangents of type `own`, where `g` may have further axes in front."""
    extra = g.type.shape[: g.ndim - own.rank]
    if not extra:
        return list(pull(g))
    with Level() as level:
        inside = Expr(bound("cotangent", 0, own, level))
        found = pull(inside)
    n = product(extra)
    flat = FUNCTIONS["reshape"](g, (n, *own.shape))
    wide = iter(batched([p.node for p in found if p is not None], {inside.node: flat}, n))
    return [None if p is None else FUNCTIONS["reshape"](next(wide), (*extra, *p.type.shape)) for p in found]


def _checked(name: str, found: Any, xs: Sequence[Expr]) -> list[Expr | None]:
    """What a user's rule gives, one cotangent for each operand, in its shape."""
    given = list(found) if isinstance(found, tuple | list) else [found]
    if len(given) != len(xs):
        raise ArgumentError(f"{name}: the derivative rule gives {len(given)} cotangents for {len(xs)} operands")
    result: list[Expr | None] = []
    for k, (p, x) in enumerate(zip(given, xs, strict=True)):
        if p is None:
            result.append(None)
            continue
        e = lift(p)
        if e.type.shape != x.type.shape and e.ndim:
            raise ShapeError(f"{name}: the cotangent of operand {k} is {e.type}, but the operand is {x.type}")
        result.append(broadcast_to(e.astype(x.dtype), x.type.shape))
    return result


# ---- operation


def operation(
    name: str, numpy: Callable[..., Any] | None = None, *, formula: Callable[..., Any] | None = None,
    partials: Rule | None = None, vjp: Rule | None = None, shape: Callable[..., Any] | None = None,
    latex: str | None = None, doc: str = "",
) -> Callable[..., Expr]:  # fmt: skip
    """Declares the operation `name` and returns its function, which formula text may call, too.

    Its meaning is a `formula` of other operations (it is inlined where no derivative rule is given), or a function on
    `numpy` arrays, which compiled code calls back.  The derivative is `partials`: ``partials(y, *operands)`` gives
    one expression (or None) for each operand of an elementwise operation, or `vjp`: ``vjp(g, y, *operands)`` gives
    one cotangent for each operand.  Without them a formula has its own derivative and a NumPy meaning has none.
    `shape` gives the result's shape from those of the operands; by default they broadcast.

    Raises ArgumentError.

    >>> import symgrad as sg
    >>> swish = sg.operation("swish2", formula=lambda x: x * sg.sigmoid(2 * x))
    """
    check_name(name, "operation")
    if name in OPS or name in FUNCTIONS:
        raise ArgumentError(f"operation: {name} is an operation already")
    if (numpy is None) == (formula is None):
        raise ArgumentError(f"operation {name}: give either a function on NumPy arrays or formula=")
    if partials is not None and (vjp is not None or shape is not None):
        raise ArgumentError(f"operation {name}: partials= is for elementwise operations; give vjp= alone")
    meaning = numpy or formula
    assert meaning is not None
    count = _arity(name, meaning)
    if formula is not None and partials is None and vjp is None:
        return function(name)(_named(name, doc, meaning, lambda *xs: lift(formula(*map(lift, xs)))))
    op = _declared(
        name, numpy, formula, partials, vjp, shape, {"latex": latex, "doc": doc or f"Declared by its user: {name}."}
    )

    def call(*xs: Any) -> Expr:
        if len(xs) != count:
            raise ArgumentError(f"{name}: takes {count} operands, got {len(xs)}")
        operands, weak = unify(xs, want_float=True)
        return apply(op, operands, weak=weak)

    return function(name)(_named(name, doc, meaning, call))


def _named(name: str, doc: str, meaning: Callable[..., Any], call: Callable[..., Expr]) -> Callable[..., Expr]:
    """`call` as the function `name` of the module that gave its meaning."""
    call.__name__ = call.__qualname__ = name
    call.__module__ = getattr(meaning, "__module__", None) or "__main__"
    call.__doc__ = doc
    return call


def _arity(name: str, f: Callable[..., Any]) -> int:
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        nin = getattr(f, "nin", None)
        if isinstance(nin, int):
            return nin
        raise ArgumentError(f"operation {name}: the number of operands cannot be seen; wrap it in a lambda") from None
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        raise ArgumentError(f"operation {name}: the function must have a fixed number of operands")
    return len([p for p in parameters if p.default is p.empty])


def _declared(
    name: str, numpy: Callable[..., Any] | None, formula: Callable[..., Any] | None, partials: Rule | None,
    vjp: Rule | None, shape: Callable[..., Any] | None, facts: dict[str, Any],
) -> Op:  # fmt: skip
    if numpy is not None and shape is None and vjp is None:
        return elementwise(name, _converted(numpy), _tuple_of(partials), scalar=CALLBACK, **facts)

    def infer(types: Sequence[ArrayType], params: Params) -> ArrayType:
        if formula is not None:
            return lift(formula(*(Expr(bound("operand", k, t)) for k, t in enumerate(types)))).type
        if shape is None:
            from .expression import broadcast_shapes

            return ArrayType(types[0].dtype, broadcast_shapes(name, types))
        return ArrayType(types[0].dtype, tuple(dim(n) for n in shape(*(t.shape for t in types))))

    def rule(g: Expr, y: Expr, *xs: Expr) -> list[Expr | None]:
        def pull(own: Expr) -> list[Expr | None]:
            if vjp is not None:
                return _checked(name, vjp(own, y, *xs), xs)
            assert partials is not None
            slopes = partials(y, *xs)
            given = list(slopes) if isinstance(slopes, tuple | list) else [slopes]
            return _checked(
                name, [None if p is None else _summed(own * p, x) for p, x in zip(given, xs, strict=True)], xs
            )

        return mapped_rule(g, y.type, pull)

    def expand(y: Expr, *xs: Expr) -> Expr:
        assert formula is not None
        return lift(formula(*xs))

    def evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
        if numpy is not None:
            return _converted(numpy)(*args)
        xs = [bound("operand", k, _type_of(a)) for k, a in enumerate(args)]
        return _run([lift(formula(*map(Expr, xs))).node], dict(zip(xs, args, strict=True)), sizes)[0]  # type: ignore[misc]

    has_rule = vjp is not None or partials is not None
    if formula is not None:
        return register(Op(name, infer, evaluate, expand=expand, vjp=rule, **facts))
    return register(Op(name, infer, evaluate, called_back(name, evaluate), vjp=rule if has_rule else None, **facts))


def _summed(g: Expr, x: Expr) -> Expr:
    from .ops.elementwise import unbroadcast

    return unbroadcast(g, g.ndim, x.type)


def _tuple_of(partials: Rule | None) -> Rule | None:
    if partials is None:
        return None

    def rule(y: Expr, *xs: Expr) -> Sequence[Any]:
        found = partials(y, *xs)
        return found if isinstance(found, tuple | list) else (found,)

    return rule


def _converted(f: Callable[..., Any]) -> Callable[..., Any]:
    """A user's NumPy function, its results in the element type of its operands."""
    return lambda *args: np.asarray(f(*args)).astype(np.asarray(args[0]).dtype, copy=False)


def _type_of(a: Any) -> ArrayType:
    x = np.asarray(a)
    return ArrayType(next(name for name, kind in DTYPES.items() if kind == x.dtype), x.shape)


def _run(roots: Sequence[Node], known: dict[Node, Any], sizes: Mapping[str, int]) -> list[Any]:
    for x in postorder(roots):
        if x not in known:
            known[x] = x.op.evaluate([known[i] for i in x.inputs], x.params, sizes)
    return [known[r] for r in roots]


# ---- custom_gradient: params = (table of the value, table of the cotangents, which operands have one)


@lru_cache(maxsize=512)
def _roots(table: FlatTable) -> tuple[Node, ...]:
    return tuple(unflatten(table))


def _operands(x: Node) -> dict[Node, Expr]:
    return {bound("operand", k, i.type): Expr(i) for k, i in enumerate(x.inputs)}


def _custom_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    return _roots(params[0])[0].type


def _custom_expand(y: Expr, *xs: Expr) -> Expr:
    replaced = {b: e.node for b, e in _operands(y.node).items()}
    return Expr(substitute(_roots(y.node.params[0]), replaced)[0])


def _custom_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    roots = _roots(params[0])
    own = {x: args[x.params[2]] for x in postorder(roots) if x.op is BOUND}
    return _run(roots, dict(own), sizes)[0]


def _custom_vjp(g: Expr, y: Expr, *xs: Expr) -> list[Expr | None]:
    _, table, flags = y.node.params

    def pull(own: Expr) -> list[Expr | None]:
        replaced = {b: e.node for b, e in _operands(y.node).items()}
        replaced[bound("cotangent", 0, y.type)] = own.node
        replaced[bound("result", 0, y.type)] = y.node
        found = iter(substitute(_roots(table), replaced))
        return [Expr(next(found)) if flag else None for flag in flags]

    return mapped_rule(g, y.type, pull)


register(
    Op(
        "custom",
        _custom_type,
        _custom_evaluate,
        expand=_custom_expand,
        vjp=_custom_vjp,
        doc="A function with a rule of its own.",
    )
)


@function("custom_gradient")
def custom_gradient(f: Callable[..., Any]) -> Callable[..., Expr]:
    """`f` with a derivative rule of its own: ``f(*operands)`` returns its value and a function that gives the
    cotangents of the operands (one, or a tuple; None where nothing flows) from that of the value.

    >>> import symgrad as sg
    >>> @sg.custom_gradient
    ... def clipped(x):
    ...     return x, lambda g: sg.clip(g, -1, 1)
    """

    def call(*args: Any) -> Expr:
        xs = [lift(a) for a in args]
        with Level() as level:
            own = [Expr(bound("operand", k, x.type, level)) for k, x in enumerate(xs)]
            returned = f(*own)
            if not isinstance(returned, tuple) or len(returned) != 2 or not callable(returned[1]):
                raise ArgumentError(
                    "custom_gradient: the function must return its value and a function of the cotangent"
                )
            value, pull = lift(returned[0]), returned[1]
            cotangent = Expr(bound("cotangent", 0, value.type, level))
            found = _checked("custom_gradient", pull(cotangent), xs)
        flowing = [p.node for p in found if p is not None]
        outside = from_outside([value.node, *flowing], {*(o.node for o in own), cotangent.node})
        names = {o.node: bound("operand", k, o.type) for k, o in enumerate([*own, *map(Expr, outside)])}
        names[cotangent.node] = bound("cotangent", 0, value.type)
        primal, back = flatten(substitute([value.node], names)), flatten(substitute(flowing, names))
        flags = (*(p is not None for p in found), *(False for _ in outside))
        return apply("custom", [*xs, *map(Expr, outside)], (primal, back, flags))

    call.__name__ = getattr(f, "__name__", "custom")
    call.__doc__ = f.__doc__
    return call


__all__ = ["custom_gradient", "operation"]
