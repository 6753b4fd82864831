"""Operations that stand for a formula without its cancellation, written as that formula again for people to read.

``sqrt(x**2 + d) - x`` is computed as `root_difference(x, d)`, and that is what the canonical form says; a person reads
the first, and reading it back gives the second.  What has a hole at 0 that the operation fills says so.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import comb, factorial
from typing import Any

from ..build import symbol
from ..compiler.types import ArrayType
from ..expression import FUNCTIONS, Expr
from ..graph import Node
from .canonical import rebuild
from .pattern import instantiate
from .short import SHORT, function

sin, cos, tan, sinh, cosh, tanh, exp, log, sqrt, arctan, arcsin, hypot, diag, outer = (
    function(n)
    for n in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log", "sqrt", "arctan", "arcsin", "hypot", "diag",
              "outer")
)  # fmt: skip

ORDINARY: dict[str, Callable[..., Any]] = {
    "cosh_difference": lambda x, d: cosh(x + d) - cosh(x), "sinh_difference": lambda x, d: sinh(x + d) - sinh(x),
    "tanh_difference": lambda x, d: tanh(x + d) - tanh(x), "exp_difference": lambda x, d: exp(x + d) - exp(x),
    "power_difference": lambda x, d, p: (x + d) ** p - x**p, "pow1p": lambda x, p: (1 + x) ** p,
    "root_difference": lambda x, d: sqrt(x**2 + d) - x, "root_sum": lambda x, d: sqrt(x**2 + d) + x,
    "root_ratio": lambda x, d: 1 - x / sqrt(x**2 + d), "hypot_difference": lambda x, y: sqrt(x**2 + y**2) - x,
    "hypot_ratio": lambda x, y: 1 - x / sqrt(x**2 + y**2), "direction": lambda x, y: x / hypot(x, y),
    "cosm1pxx": lambda x: cos(x) - 1 + x**2 / 2, "expm1mx": lambda x: exp(x) - 1 - x,
    "expm1mxexp": lambda x: exp(x) - 1 - x * exp(x),
    "log1mexp": lambda x: log(1 - exp(x)), "log1p_ratio": lambda x, y: log(1 + x / y),
    "sinhmx": lambda x: sinh(x) - x, "sinmxcos": lambda x: sin(x) - x * cos(x), "tanmx": lambda x: tan(x) - x,
    "xcoshmsinh": lambda x: x * cosh(x) - sinh(x), "xlog1pmx": lambda x: (1 + x) * log(1 + x) - x,
    "xlogxmx": lambda x: x * log(x) - x + 1, "xm1mlog": lambda x: x - 1 - log(x), "xmarctan": lambda x: x - arctan(x),
    "xmlog1p": lambda x: x - log(1 + x), "xmsin": lambda x: x - sin(x), "xmtanh": lambda x: x - tanh(x),
    "hypot": lambda x, y: sqrt(x**2 + y**2), "expm1": lambda x: exp(x) - 1, "log1p": lambda x: log(1 + x),
}  # fmt: skip
"""The formula that an operation computes without losing digits."""
QUOTIENTS: dict[str, tuple[Callable[[Expr], Expr], int]] = {
    "expm1xx": (lambda x: exp(x) - 1, 1), "expm1mxxx": (lambda x: exp(x) - 1 - x, 2),
    "log1pxx": (lambda x: log(1 + x), 1), "xmlog1pxx": (lambda x: x - log(1 + x), 2), "sinxx": (sin, 1),
    "sinhxx": (sinh, 1), "sinhmxxx": (lambda x: sinh(x) - x, 3), "xmsinxxx": (lambda x: x - sin(x), 3),
    "sinmxcosxxx": (lambda x: sin(x) - x * cos(x), 3), "xcoshmsinhxxx": (lambda x: x * cosh(x) - sinh(x), 3),
    "tanhxx": (tanh, 1), "arctanxx": (arctan, 1), "arcsinxx": (arcsin, 1),
}  # fmt: skip
"""N and p of the operations that are N(x)/x**p and, of order n, its n-th derivative."""
SOFTMAX: dict[str, Callable[[Any], Any]] = {
    "softmax_rest": lambda s: 1 - s, "softmax_slope": lambda s: diag(s) - outer(s, s),
}  # fmt: skip
"""Functions of arrays by the softmax of their operand."""
HIGHEST = 3
"""Derivatives of higher order are longer than their names are strange."""


def is_ordinary(x: Node) -> bool:
    """Whether people write the operation of `x`, rather than the formula that it computes."""
    return not any(x.op.name in table for table in (ORDINARY, QUOTIENTS, SOFTMAX)) and x.op.name != "xexpm1"


@lru_cache(maxsize=256)
def _template(name: str, order: int, rank: int) -> tuple[Node, tuple[Node, ...]]:
    """The formula over symbols, and these."""
    wild = [symbol(f"{c}_", ArrayType("f64")) for c in "abc"[:rank]]
    if name in ORDINARY:
        made: Expr = ORDINARY[name](*wild)
    elif name == "xexpm1":
        made = _inverse_derived(order, wild[0])
    else:
        numerator, power = QUOTIENTS[name]
        made = _derived(numerator(wild[0]), power, order, wild[0])
    return made.node, tuple(w.node for w in wild)


def _derived(numerator: Expr, power: int, order: int, x: Expr) -> Expr:
    """The derivative of numerator/x**power, from x**power * f = numerator by Leibniz's rule."""
    found = [numerator / x**power]
    for n in range(1, order + 1):
        numerator = numerator.grad(x)
        total = numerator
        for k in range(1, min(power, n) + 1):
            factor = comb(n, k) * factorial(power) // factorial(power - k)
            total = total - factor * x ** (power - k) * found[n - k]
        found.append(total / x**power)
    return found[order]


def _inverse_derived(order: int, x: Expr) -> Expr:
    """The derivative of f = x/(exp(x) - 1), from f*(exp(x) - 1) = x by Leibniz's rule."""
    below = exp(x) - 1
    found: list[Expr] = [x / below]
    for n in range(1, order + 1):
        total: Expr = 1 - exp(x) * found[0] if n == 1 else -exp(x) * found[0]
        for k in range(1, n):
            total = total - comb(n, k) * exp(x) * found[k]
        found.append(total / below)
    return found[order]


def written(x: Node) -> Node | None:
    """The formula that an operation computes, None for one that people write."""
    if is_ordinary(x):
        return None
    found = _of_softmax(x, rebuild) if x.op.name in SOFTMAX else _ordinary(x, rebuild)
    return found[0] if isinstance(found, tuple) else found


@SHORT.procedure("ordinary notation", *ORDINARY, *QUOTIENTS, "xexpm1")
def _ordinary(x: Node, rebuild: Callable[[Node], Node]) -> tuple[Node, list[tuple[str, Node]]] | None:
    order = x.params[0] if x.params else 0
    if not isinstance(order, int) or order > HIGHEST or len(x.params) > 1:
        return None
    made, wild = _template(x.op.name, order, len(x.inputs))
    result = instantiate(made, dict(zip(wild, x.inputs, strict=True)), x.type.dtype, rebuild)
    holed = x.inputs[0] if x.op.name in QUOTIENTS or x.op.name in ("direction", "xexpm1") else None
    return result, [] if holed is None else [("not zero", holed)]


@SHORT.procedure("ordinary notation", *SOFTMAX)
def _of_softmax(x: Node, rebuild: Callable[[Node], Node]) -> Node | None:
    """``1 - softmax(x)``, and the Jacobian of softmax as ``diag(s) - outer(s, s)``."""
    s: Expr = FUNCTIONS["softmax"](Expr(x.inputs[0]), *x.params)
    if x.op.name == "softmax_slope" and s.ndim != 1:
        return None
    made: Expr = SOFTMAX[x.op.name](s)
    return made.canonical().node


__all__ = ["is_ordinary", "written"]
