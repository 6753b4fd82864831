"""Random formulas over the operation table, for the tests of what is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from symgrad.compiler.types import is_float

import symgrad.ops  # noqa: F401  (registers the functions)
from symgrad.errors import SymgradError
from symgrad.expression import FUNCTIONS, Expr
from symgrad.parser import parse

SHAPES = {"a": "", "b": "", "x": "n", "y": "n", "v": "m", "A": "m,n", "B": "m,n", "S": "n,n", "T": "2,m,n",
          "k": "i64[p]"}  # fmt: skip
SYMBOLS = {name: parse(name, **{name: shape}) for name, shape in SHAPES.items()}

UNARY = ["exp", "log", "sin", "cos", "tanh", "sigmoid", "softplus", "sqrt", "abs", "sign", "relu", "erf", "arctan",
         "neg", "stop_gradient", "floor", "log1p", "square", "reciprocal"]  # fmt: skip
BINARY = ["add", "sub", "mul", "div", "maximum", "minimum", "power", "arctan2", "hypot", "mod", "floor_divide",
          "logaddexp"]  # fmt: skip
COMPARISONS = ["less", "less_equal", "greater", "greater_equal", "equal", "not_equal"]
REDUCTIONS = ["sum", "mean", "max", "min", "norm", "logsumexp"]
PRODUCTS = ["matmul", "outer", "dot", "inner"]
ARRANGING: list[Callable[[Any], Any]] = [
    lambda e: e.T, lambda e: e[1:], lambda e: e[:-1], lambda e: e[::-1], lambda e: e[::2], lambda e: e[..., 0],
    lambda e: e[-1], lambda e: e[None], lambda e: e[..., None], lambda e: e[:, 1:-1], FUNCTIONS["ravel"],
    FUNCTIONS["diag"], FUNCTIONS["trace"], FUNCTIONS["softmax"],
    lambda e: FUNCTIONS["softmax"](e, axis=0), lambda e: FUNCTIONS["stack"]([e, 2 * e]), lambda e: e[SYMBOLS["k"]],
    lambda e: FUNCTIONS["concatenate"]([e, e + 1]), lambda e: FUNCTIONS["concatenate"]([e, e], axis=-1),
    lambda e: e.sum(axis=0), lambda e: e.mean(axis=-1), lambda e: FUNCTIONS["norm"](e, axis=-1),
    lambda e: e.sum(axis=-1, keepdims=True), lambda e: FUNCTIONS["mask"](e > 0, e), lambda e: (e > 0) * e,
    lambda e: FUNCTIONS["where"](e > 0, e, 0), lambda e: FUNCTIONS["unslice"](e, 9, 1) if e.ndim else e,
    lambda e: e / e.size, lambda e: e * SYMBOLS["S"], lambda e: FUNCTIONS["transpose"](e, (0, 2, 1)),
]  # fmt: skip
NUMBERS = [2, 3, -1, 0.5, -0.25, 1.5, 1e-30, 1 / 3, 10, 3.141592653589793]


def attempt(f: Callable[[], Any]) -> Expr | None:
    """What `f` gives, None if the operands do not fit."""
    try:
        result = f()
    except (SymgradError, IndexError):
        return None
    return result if isinstance(result, Expr) else None


@st.composite
def formulas(draw: st.DrawFn, steps: int = 7) -> Expr:
    """An expression of a few operations on symbols of all ranks."""
    pool: list[Expr] = list(SYMBOLS.values())[:-1]
    latest = pool[draw(st.integers(0, len(pool) - 1))]
    for _ in range(draw(st.integers(1, steps))):
        other = pool[draw(st.integers(0, len(pool) - 1))]
        new = draw_step(draw, latest, other)
        if new is not None and is_float(new.dtype) and new.ndim < 5:
            latest = new
            pool.append(new)
    return latest


def draw_step(draw: st.DrawFn, e: Expr, other: Expr) -> Expr | None:
    """One more operation on `e`, and on `other` if it takes two."""
    match draw(st.integers(0, 6)):
        case 0:
            return attempt(lambda: FUNCTIONS[draw(st.sampled_from(UNARY))](e))
        case 1:
            return attempt(lambda: FUNCTIONS[draw(st.sampled_from(BINARY))](e, other))
        case 2:
            return attempt(lambda: FUNCTIONS[draw(st.sampled_from(PRODUCTS))](e, other))
        case 3:
            return attempt(lambda: FUNCTIONS[draw(st.sampled_from(REDUCTIONS))](e))
        case 4:
            number = draw(st.sampled_from(NUMBERS))
            name = draw(st.sampled_from(["add", "mul", "div", "sub"]))
            return attempt(lambda: FUNCTIONS[name](*((e, number) if draw(st.booleans()) else (number, e))))
        case 5:
            name = draw(st.sampled_from(COMPARISONS))
            return attempt(lambda: FUNCTIONS["where"](FUNCTIONS[name](e, other), e, other))
        case _:
            return attempt(lambda: draw(st.sampled_from(ARRANGING))(e))
