"""Formulas in high precision, by mpmath and finite differences alone: values, derivatives, condition numbers.

The text of a formula is read by Python itself, over arrays of mpmath numbers; nothing of symgrad takes part.  A central
difference with a step of 10**-STEP of the variable is exact to about 2*STEP digits; `DIGITS` more than cover what three
of them and a cancelling formula lose, a variable of size 10**±k takes 2*k digits on top, and its exponential, or that
of its square, some more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mpmath
import numpy as np

DIGITS, STEP = 260, 35
Values = Mapping[str, Any]


def _elementwise(f: Callable[..., Any]) -> Callable[..., Any]:
    lifted = np.frompyfunc(f, f.__code__.co_argcount, 1)

    def call(*args: Any) -> Any:
        return lifted(*args)

    return call


def _exp(x: Any) -> Any:
    return mpmath.mpf(0) if x == -mpmath.inf else mpmath.exp(x)


def _cbrt(x: Any) -> Any:
    return mpmath.sign(x) * mpmath.cbrt(abs(x))


def _erfc(x: Any) -> Any:
    return mpmath.erfc(x)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": lambda x: _exp(x), "log": lambda x: mpmath.log(x), "sqrt": lambda x: mpmath.sqrt(x), "cbrt": _cbrt,
    "sin": lambda x: mpmath.sin(x), "cos": lambda x: mpmath.cos(x), "tan": lambda x: mpmath.tan(x),
    "arctan": lambda x: mpmath.atan(x), "arcsin": lambda x: mpmath.asin(x), "arccos": lambda x: mpmath.acos(x),
    "sinh": lambda x: mpmath.sinh(x), "cosh": lambda x: mpmath.cosh(x), "tanh": lambda x: mpmath.tanh(x),
    "arctanh": lambda x: mpmath.atanh(x), "arcsinh": lambda x: mpmath.asinh(x), "arccosh": lambda x: mpmath.acosh(x),
    "log1p": lambda x: mpmath.log(1 + x), "expm1": lambda x: mpmath.exp(x) - 1, "erf": lambda x: 1 - mpmath.erfc(x),
    "erfc": _erfc, "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)), "gammaln": lambda x: mpmath.loggamma(x),
    "abs": lambda x: abs(x), "arctan2": lambda y, x: mpmath.atan2(y, x), "hypot": lambda x, y: mpmath.hypot(x, y),
    "where": lambda c, a, b: a if c else b, "maximum": lambda a, b: max(a, b), "minimum": lambda a, b: min(a, b),
    "ndtr": lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2, "log10": lambda x: mpmath.log(x) / mpmath.log(10),
}  # fmt: skip
NAMES: dict[str, Any] = {n: _elementwise(f) for n, f in _FUNCTIONS.items()} | {
    "sum": np.sum, "mean": lambda x: np.sum(x) / np.size(x), "max": np.max, "dot": np.dot,
    "var": lambda x: np.sum((x - np.sum(x) / np.size(x)) ** 2) / np.size(x), "prod": np.prod,
    "norm": lambda x: mpmath.sqrt(np.sum(x * x)),
}  # fmt: skip


class Exact:
    """A scalar formula in high precision, as a function of the numbers of all its variables in one row."""

    def __init__(self, text: str, point: Values) -> None:
        self.code = compile(_with_exact_numbers(text), "formula", "eval")
        self.shapes = {name: np.shape(v) for name, v in point.items()}
        self.start = [mpmath.mpf(float(v)) for value in point.values() for v in np.ravel(value)]

    def __call__(self, numbers: Sequence[Any]) -> Any:
        values: dict[str, Any] = {}
        k = 0
        for name, shape in self.shapes.items():
            n = int(np.prod(shape, dtype=int))
            row = np.array([*numbers[k : k + n], None], dtype=object)[:-1].reshape(shape)
            values[name] = row if shape else numbers[k]
            k += n
        result = eval(self.code, {"__builtins__": {}, "pi": mpmath.pi, "mpf": mpmath.mpf, **NAMES}, values)
        return result.item() if isinstance(result, np.ndarray) else result

    def derivative(self, order: Sequence[int], at: Sequence[Any], step: int = STEP) -> Any:
        """The derivative by the variables in `order`, one after the other."""
        if not order:
            return self(at)
        k = order[0]
        h = (abs(at[k]) or mpmath.mpf(1)) * mpmath.mpf(10) ** -step
        above, below = list(at), list(at)
        above[k], below[k] = at[k] + h, at[k] - h
        return (self.derivative(order[1:], above, step) - self.derivative(order[1:], below, step)) / (2 * h)

    def value(self, order: Sequence[int]) -> Any:
        """The derivative at the start, 0 where only what the step leaves is found: that changes with the step."""
        found = self.derivative(order, self.start)
        if order and found and abs(found - self.derivative(order, self.start, STEP - 5)) > abs(found) / 1000:
            return mpmath.mpf(0)
        return found


def _with_exact_numbers(text: str) -> str:
    """`text` with its decimal numbers as the doubles that any program takes them for, in high precision."""
    import re

    return re.sub(r"(?<![\w.\[])(\d+\.?\d*(?:e[-+]?\d+)?|\.\d+)(?![\w.])", r"mpf(\1)", text)


def digits_for(point: Values) -> int:
    """The working precision for a point."""
    numbers = [abs(float(v)) for value in point.values() for v in np.ravel(value) if v]
    sizes = [abs(np.log10(v)) for v in numbers]
    exponents = [0.9 * v + (0.45 * v * v if v < 45 else 0) for v in numbers if v < 1200]
    return DIGITS + 2 * int(max(sizes, default=0)) + int(max(exponents, default=0))


def exact(text: str, point: Values, orders: int = 2) -> list[dict[str, str]]:
    """Value, gradient and second derivatives, in this order and each row by row, with the sensitivity of each.

    That is the sum of ``|x * derivative by x|`` over all variables x: its size times its condition number."""
    with mpmath.workdps(digits_for(point)):
        f = Exact(text, point)
        n = len(f.start)
        wanted: list[tuple[int, ...]] = [()]
        if orders >= 1:
            wanted += [(i,) for i in range(n)]
        if orders >= 2:
            wanted += [(i, j) for i in range(n) for j in range(n)]
        known: dict[tuple[int, ...], Any] = {}

        def at_start(order: tuple[int, ...]) -> Any:
            order = tuple(sorted(order))
            if order not in known:
                known[order] = f.value(order) if len(order) <= orders else f.derivative(order, f.start)
            return known[order]

        rows = []
        for order in wanted:
            value = at_start(order)
            if isinstance(value, mpmath.mpc):
                raise ValueError("complex")
            slope = sum((abs(x * at_start((*order, k))) for k, x in enumerate(f.start) if x), mpmath.mpf(0))
            rows.append({"value": mpmath.nstr(value, 25), "sensitivity": mpmath.nstr(slope, 5)})
        return rows
