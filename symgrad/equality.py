"""`same`: is this formula equal to that one?  Proved by rewriting, refuted by numbers, or said to be undecided.

A proof is a common canonical form, or a difference that `simplify` brings to zero; it says what it assumed.  A
refutation is a point at which the values differ by far more than rounding explains.  Between the two stands "equal at N
random points, not proved".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import interpreter
from .build import symbol
from .calculus import all_symbols
from .compiler.types import ArrayType, evaluate, is_float, names
from .errors import ArgumentError, ShapeError, SymgradError
from .expression import Expr, lift, properties, symbol_name, symbols_of, unify
from .graph import Node, lookup, node, postorder, substitute
from .proving import vanishes
from .rewrite.assumptions import assumptions
from .rewrite.canonical import canonicalise
from .rewrite.terms import number_of
from .simplifier import simplify

TRIALS = 200
FAR = {"f64": 1e-8, "f32": 1e-3}
"""Values further apart than this, relative to the larger, are different numbers and not rounding,"""
HALVES = 8
"""Every so many points are of whole numbers and halves, where steps are."""
LOST = 1e-2
"""if they are further apart, too, than this part of it relative to the largest number that occurred on the way."""


@dataclass(frozen=True)
class Verdict:
    """The answer of `same`; true in an `if` unless the formulas were refuted.

    `proved` with the `assumptions` that the proof needed, or refuted by a `counterexample` (values of the symbols)
    where the formulas have the values `left` and `right`."""

    equal: bool
    proved: bool
    reason: str
    assumptions: tuple[str, ...] = ()
    counterexample: Mapping[str, Any] = field(default_factory=dict)
    left: Any = None
    right: Any = None

    def __bool__(self) -> bool:
        return self.equal

    def __str__(self) -> str:
        if not self.equal and self.counterexample:
            point = ", ".join(f"{name} = {_shown(v)}" for name, v in self.counterexample.items())
            return f"different: {_shown(self.left)} against {_shown(self.right)} at {point}"
        given = f" (assuming {', '.join(self.assumptions)})" if self.assumptions else ""
        return f"{'equal' if self.equal else 'different'}: {self.reason}{given}"

    __repr__ = __str__


def _shown(value: Any) -> str:
    return np.array2string(np.asarray(value), precision=6, separator=", ", threshold=12).replace("\n", " ")


def same(a: Any, b: Any, *, trials: int = TRIALS, seed: int = 0) -> Verdict:
    """Whether two formulas, texts or expressions, have the same value; a text takes the shapes of its symbols from the
    other.

    >>> import symgrad as sg
    >>> L = sg.parse("sum((X @ w - y)**2)", X="m,n", w="n", y="m")
    >>> sg.same("2*X.T @ (X @ w - y)", L.grad("w"))
    equal: both have the same canonical form

    Raises ArgumentError when neither says the shapes, ParseError and ShapeError for texts that do not fit."""
    left, right = _both(a, b)
    if left.type.shape != right.type.shape:
        return Verdict(False, True, f"the values have different shapes, {left.type} and {right.type}")
    (left, right), _ = unify([left, right])
    first, second = canonicalise([left.node, right.node])
    if first is second:
        return Verdict(True, True, "both have the same canonical form")
    if left.dtype == "bool":
        return _at_random_points(first, second, trials, seed)
    known = assumptions({}, {symbol_name(x): x for x in symbols_of([first, second])})
    difference = simplify([node(lookup("sub"), (first, second))], known=known)
    if _is_zero(difference.nodes[0]):
        assumed = tuple(dict.fromkeys(f"{Expr(x)!r} is {what}" for what, x in difference.assumed))
        return Verdict(True, True, "the difference simplifies to 0", assumed)
    verdict = _at_random_points(first, second, trials, seed)
    if verdict.equal:
        zero, granted = vanishes(node(lookup("sub"), (first, second)), known)
        if zero:
            assumed = tuple(dict.fromkeys(f"{Expr(x)!r} is {what}" for what, x in known.unknown(granted)))
            return Verdict(True, True, "the difference has a normal form without terms", assumed)
    return verdict


def _both(a: Any, b: Any) -> tuple[Expr, Expr]:
    from .parser import parse

    if isinstance(a, str) and isinstance(b, str):
        known = parse(a)
        return known, parse(b, **known.shapes)
    left, right = (x if isinstance(x, str) else lift(x) for x in (a, b))
    if isinstance(left, str):
        assert isinstance(right, Expr)
        left = parse(left, **_shapes(right))
    elif isinstance(right, str):
        right = parse(right, **_shapes(left))
    assert isinstance(right, Expr)
    types: dict[str, ArrayType] = {}
    for x in (*all_symbols(left), *all_symbols(right)):
        if types.setdefault(symbol_name(x), x.type) != x.type:
            raise ArgumentError(
                f"same: {symbol_name(x)} is {types[symbol_name(x)]} on one side and {x.type} on the other"
            )
    return _as_declared(left, right)


def _as_declared(*sides: Expr) -> tuple[Expr, Expr]:
    """Both sides with the properties that either declares of a symbol."""
    every = list(dict.fromkeys(x for side in sides for x in all_symbols(side)))
    said: dict[str, set[str]] = {}
    for x in every:
        said.setdefault(symbol_name(x), set()).update(properties(x))
    new = {x: symbol(symbol_name(x), x.type, tuple(sorted(said[symbol_name(x)]))).node for x in every}
    left, right = substitute([side.node for side in sides], new)
    return Expr(left, weak=sides[0].weak), Expr(right, weak=sides[1].weak)


def _shapes(x: Expr) -> dict[str, str]:
    return x.shapes


def _is_zero(x: Node) -> bool:
    while x.op.name == "einsum" and len(x.inputs) == 1:
        (x,) = x.inputs
    return number_of(x) == 0


def _at_random_points(a: Node, b: Node, trials: int, seed: int) -> Verdict:
    rng = np.random.default_rng(seed)
    order = postorder([a, b])
    symbols = [x for x in order if x.op.name == "symbol"]
    parts = [x for x in order if x.inputs and is_float(x.type.dtype) and x is not a and x is not b]
    sizes = sorted({n for x in order for size in x.type.shape for n in names(size)})
    compared = one_sided = 0
    far = FAR.get(a.type.dtype, FAR["f64"])
    for trial in range(trials):
        numbers = {name: 2 + (trial + k) % 4 for k, name in enumerate(sizes)}
        try:
            values = {x: _with_properties(_sample(x.type, numbers, rng, trial), properties(x)) for x in symbols}
            left, right, *others = interpreter.run([a, b, *parts], values, numbers)
        except (SymgradError, ValueError, np.linalg.LinAlgError):
            continue
        largest = max((_largest(v) for v in (left, right, *others)), default=0.0)
        if a.type.dtype == "bool":
            left, right = np.asarray(left, float), np.asarray(right, float)
        usable = np.isfinite(left) & np.isfinite(right)
        compared += bool(usable.all())
        one_sided += bool((np.isfinite(left) != np.isfinite(right)).any())
        scale = np.maximum(np.abs(left), np.abs(right))
        with np.errstate(all="ignore"):
            apart = np.abs(left - right) > np.maximum(far * scale, far * LOST * largest)
        if apart[usable].any():
            point = {symbol_name(x): v for x, v in values.items()}
            return Verdict(False, True, "refuted", (), point, left, right)
    if not compared:
        return Verdict(False, False, f"no finite value at {trials} random points")
    alone = f"; at {one_sided} others only one of them is finite" if one_sided else ""
    return Verdict(True, False, f"at {compared} random points, not proved{alone}")


def _largest(value: Any) -> float:
    found = np.abs(value)[np.isfinite(value)]
    return float(found.max()) if found.size else 0.0


def _sample(type_: ArrayType, numbers: Mapping[str, int], rng: np.random.Generator, trial: int) -> Any:
    shape = tuple(evaluate(n, numbers) for n in type_.shape)
    if any(n < 0 for n in shape):
        raise ShapeError("a size is negative")
    if type_.dtype == "i64":
        return rng.integers(0, 2, shape)
    if type_.dtype == "bool":
        return rng.random(shape) < 0.5
    halves = trial % HALVES == HALVES - 1
    drawn = rng.uniform(0.2, 2.0, shape) if trial % 2 else rng.standard_normal(shape)
    drawn = rng.integers(-4, 5, shape) / 2 if halves else drawn
    return drawn.astype(np.float32 if type_.dtype == "f32" else np.float64)


def _with_properties(drawn: Any, words: Sequence[str]) -> Any:
    """A value like the one drawn that has the properties declared."""
    for word in words:
        match word:
            case "positive" | "nonnegative":
                drawn = np.abs(drawn)
            case "negative":
                drawn = -np.abs(drawn)
            case "integer":
                drawn = np.where(np.rint(drawn) == 0, np.where(drawn < 0, -1, 1), np.rint(drawn)).astype(drawn.dtype)
            case "symmetric":
                drawn = drawn + drawn.T
            case "positive definite":
                drawn = drawn @ drawn.T + np.eye(len(drawn), dtype=drawn.dtype)
    return drawn

