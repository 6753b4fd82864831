"""Removable singularities: quotients that are 0/0 at 0, and differences that vanish there to a high order.

The right sides are continued to the singular point; everywhere else both sides have the same value.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from ..expression import Expr
from ..graph import Node, lookup, node
from .engine import RuleSet
from .factors import factors, function, lines, product, whole
from .pattern import Rule
from .settling import canonical
from .terms import split

expm1, log, log1p, sin, cos, tan, sinh, cosh, tanh, arctan = (
    function(n) for n in ("expm1", "log", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arctan")
)
xmsin, sinhmx, tanmx, xmtanh, xmarctan = (function(n) for n in ("xmsin", "sinhmx", "tanmx", "xmtanh", "xmarctan"))
expm1mx, xmlog1p, xlog1pmx, cosm1pxx = (function(n) for n in ("expm1mx", "xmlog1p", "xlog1pmx", "cosm1pxx"))
sinmxcos, xcoshmsinh, log1p_ratio = function("sinmxcos"), function("xcoshmsinh"), function("log1p_ratio")
xm1mlog, xlogxmx, absolute, log1mexp, exp = (function(n) for n in ("xm1mlog", "xlogxmx", "abs", "log1mexp", "exp"))
log1pxx, xmlog1pxx, xexpm1, expm1mxexp, relu, kl_div = (
    function(n) for n in ("log1pxx", "xmlog1pxx", "xexpm1", "expm1mxexp", "relu", "kl_div")
)
sinxx, sinhxx, expm1xx, xmsinxxx = (function(n) for n in ("sinxx", "sinhxx", "expm1xx", "xmsinxxx"))
sinmxcosxxx, xcoshmsinhxxx, expm1mxxx, sinhmxxx = (
    function(n) for n in ("sinmxcosxxx", "xcoshmsinhxxx", "expm1mxxx", "sinhmxxx")
)

DEFECTS = [
    Rule("x - sin", lambda x: (x - sin(x), xmsin(x)), why="loses two thirds of the digits at 1e-5", at="add mul sin"),
    Rule("sin - x", lambda x: (sin(x) - x, -xmsin(x)), at="add sin"),
    Rule("sinh - x", lambda x: (sinh(x) - x, sinhmx(x)), at="add sinh"),
    Rule("x - sinh", lambda x: (x - sinh(x), -sinhmx(x)), at="add mul sinh"),
    Rule("tan - x", lambda x: (tan(x) - x, tanmx(x)), at="add tan"),
    Rule("x - tan", lambda x: (x - tan(x), -tanmx(x)), at="add mul tan"),
    Rule("x - tanh", lambda x: (x - tanh(x), xmtanh(x)), at="add mul tanh"),
    Rule("tanh - x", lambda x: (tanh(x) - x, -xmtanh(x)), at="add tanh"),
    Rule("x - arctan", lambda x: (x - arctan(x), xmarctan(x)), at="add arctan mul"),
    Rule("arctan - x", lambda x: (arctan(x) - x, -xmarctan(x)), at="add arctan"),
    Rule("expm1 - x", lambda x: (expm1(x) - x, expm1mx(x)), at="add expm1"),
    Rule("x - expm1", lambda x: (x - expm1(x), -expm1mx(x)), at="add expm1 mul"),
    Rule("x - log1p", lambda x: (x - log1p(x), xmlog1p(x)), at="add log1p mul"),
    Rule("log1p - x", lambda x: (log1p(x) - x, -xmlog1p(x)), at="add log1p"),
    Rule("x - log", lambda x: (x - 1 - log(x), xm1mlog(x)), at="add log mul"),
    Rule("1 - x + log", lambda x: (1 - x + log(x), -xm1mlog(x)), at="add log"),
    Rule("1 - 1/x - log", lambda x: (1 - 1 / x - log(x), -xm1mlog(1 / x)), at="add div log mul"),
    Rule("log + 1/x - 1", lambda x: (log(x) + 1 / x - 1, xm1mlog(1 / x)), at="add div log"),
    Rule("(1 + x) log1p - x", lambda x: ((1 + x) * log1p(x) - x, xlog1pmx(x)), at="add add log1p mul"),
    Rule("x - (1 + x) log1p", lambda x: (x - (1 + x) * log1p(x), -xlog1pmx(x)), at="add add log1p mul"),
    Rule("x log x - x + 1", lambda x: (x * log(x) - x + 1, xlogxmx(x)), at="add log mul"),
    Rule("x - 1 - x log x", lambda x: (x - 1 - x * log(x), -xlogxmx(x)), at="add log mul"),
    Rule("log1p - x/(1 + x)", lambda x: (log1p(x) - x / (1 + x), xlog1pmx(x) / (1 + x)), at="add add div log1p"),
    Rule("x/(1 + x) - log1p", lambda x: (x / (1 + x) - log1p(x), -xlog1pmx(x) / (1 + x)), at="add add div log1p mul"),
    Rule(
        "next entropy",
        lambda x: ((1 + x) * log1p(x) - x * log(x), log1p(x) + x * log1p_ratio(1, x)),
        at="add add log log1p mul",
    ),
    Rule(
        "entropy before",
        lambda x: (x * log(x) - (1 + x) * log1p(x), -log1p(x) - x * log1p_ratio(1, x)),
        at="add add log log1p mul",
    ),
    Rule("sin - x cos", lambda x: (sin(x) - x * cos(x), sinmxcos(x)), at="add cos mul sin"),
    Rule("x cos - sin", lambda x: (x * cos(x) - sin(x), -sinmxcos(x)), at="add cos mul sin"),
    Rule("x cosh - sinh", lambda x: (x * cosh(x) - sinh(x), xcoshmsinh(x)), at="add cosh mul sinh"),
    Rule("sinh - x cosh", lambda x: (sinh(x) - x * cosh(x), -xcoshmsinh(x)), at="add cosh mul sinh"),
    Rule(
        "1/x - 1/tan",
        lambda x: (1 / x - 1 / tan(x), near(x, x * sinmxcosxxx(x) / sinxx(x), sinmxcos(x) / (x * sin(x)))),
        at="add div tan",
    ),
    Rule(
        "1/tan - 1/x",
        lambda x: (1 / tan(x) - 1 / x, -near(x, x * sinmxcosxxx(x) / sinxx(x), sinmxcos(x) / (x * sin(x)))),
        at="add div tan",
    ),
    Rule(
        "1/tanh - 1/x",
        lambda x: (1 / tanh(x) - 1 / x, near(x, x * xcoshmsinhxxx(x) / sinhxx(x), langevin(x))),
        at="add div tanh",
    ),
    Rule(
        "1/x - 1/tanh",
        lambda x: (1 / x - 1 / tanh(x), -near(x, x * xcoshmsinhxxx(x) / sinhxx(x), langevin(x))),
        at="add div tanh",
    ),
    Rule(
        "1/x - 1/sin",
        lambda x: (1 / x - 1 / sin(x), -near(x, x * xmsinxxx(x) / sinxx(x), xmsin(x) / (x * sin(x)))),
        at="add div sin",
    ),
    Rule(
        "1/sin - 1/x",
        lambda x: (1 / sin(x) - 1 / x, near(x, x * xmsinxxx(x) / sinxx(x), xmsin(x) / (x * sin(x)))),
        at="add div sin",
    ),
    Rule(
        "1/sin**2 - 1/x**2",
        lambda x: (
            1 / sin(x) ** 2 - 1 / x**2,
            near(x, xmsinxxx(x) * (1 + sinxx(x)) / sinxx(x) ** 2, xmsin(x) * (x + sin(x)) / (x**2 * sin(x) ** 2)),
        ),
        at="add div pow",
    ),
    Rule(
        "1/expm1 - 1/x",
        lambda x: (1 / expm1(x) - 1 / x, -near(x, expm1mxxx(x) / expm1xx(x), planck(x))),
        at="add div expm1",
    ),
    Rule(
        "1/x - 1/expm1",
        lambda x: (1 / x - 1 / expm1(x), near(x, expm1mxxx(x) / expm1xx(x), planck(x))),
        at="add div expm1",
    ),
    Rule(
        "xmsin/tanmx",
        lambda x: (
            xmsin(x) / tanmx(x),
            near(x, xmsinxxx(x) * cos(x) / sinmxcosxxx(x), xmsin(x) * cos(x) / sinmxcos(x)),
        ),
        at="div tanmx xmsin",
    ),
    Rule(
        "log sinxx",
        lambda x: (log(sinxx(x)), near(x, log1p(-(x**2) * xmsinxxx(x)), log1p(-xmsin(x) / x))),
        why="sin(x)/x is near 1",
        at="log sinxx",
    ),
    Rule(
        "log sinhxx",
        lambda x: (
            log(sinhxx(x)),
            near(x, log1p(x**2 * sinhmxxx(x)), absolute(x) + log1mexp(-2 * absolute(x)) - log(2 * absolute(x))),
        ),
        at="log sinhxx",
    ),
    Rule("sinxx - 1", lambda x: (sinxx(x) - 1, -(x**2) * xmsinxxx(x)), at="add sinxx"),
    Rule("1 - sinxx", lambda x: (1 - sinxx(x), x**2 * xmsinxxx(x)), at="add mul sinxx"),
    Rule("sinhxx - 1", lambda x: (sinhxx(x) - 1, x**2 * sinhmxxx(x)), at="add sinhxx"),
    Rule("1 - sinhxx", lambda x: (1 - sinhxx(x), -(x**2) * sinhmxxx(x)), at="add mul sinhxx"),
    Rule("expm1xx - 1", lambda x: (expm1xx(x) - 1, x * expm1mxxx(x)), at="add expm1xx"),
    Rule("1 - expm1xx", lambda x: (1 - expm1xx(x), -x * expm1mxxx(x)), at="add expm1xx mul"),
    Rule("log1pxx - 1", lambda x: (log1pxx(x) - 1, -x * xmlog1pxx(x)), at="add log1pxx"),
    Rule("1 - log1pxx", lambda x: (1 - log1pxx(x), x * xmlog1pxx(x)), at="add log1pxx mul"),
    Rule(
        "log expm1xx",
        lambda x: (log(expm1xx(x)), log_ratio(x)),
        why="expm1xx overflows, and is near 1",
        at="log expm1xx",
    ),
    Rule(
        "log xexpm1", lambda x: (log(xexpm1(x)), -log_ratio(x)), why="xexpm1 underflows, and is near 1", at="log xexpm1"
    ),
    Rule("expm1 - x exp", lambda x: (expm1(x) - x * exp(x), expm1mxexp(x)), at="add exp expm1 mul"),
    Rule("x exp - expm1", lambda x: (x * exp(x) - expm1(x), -expm1mxexp(x)), at="add exp expm1 mul"),
    Rule("(1 - x) exp - 1", lambda x: ((1 - x) * exp(x) - 1, expm1mxexp(x)), at="add add exp mul"),
    Rule("1 - (1 - x) exp", lambda x: (1 - (1 - x) * exp(x), -expm1mxexp(x)), at="add add exp mul"),
    Rule(
        "1/x + 1/expm1(-x)",
        lambda x: (-1 / x - 1 / expm1(-x), near(x, expm1mxxx(-x) * xexpm1(-x), (xexpm1(-x) - 1) / x)),
        at="add div expm1",
    ),
    Rule(
        "deviance",
        lambda x, y: (x * log(x / y) - x + y, kl_div(x, y)),
        why="x*log(x/y) is near x - y where x is near y",
        at="add log mul",
    ),
    Rule("deviance negated", lambda x, y: (x - y - x * log(x / y), -kl_div(x, y)), at="add log mul"),
    Rule("ratio less its logarithm", lambda x, y: (x / y - log(x / y) - 1, xm1mlog(x / y)), at="add div log mul"),
    Rule("cos - 1 + x**2/2", lambda x: (cos(x) - 1 + x**2 / 2, cosm1pxx(x)), at="add cos mul pow"),
    Rule("1 - cos - x**2/2", lambda x: (1 - cos(x) - x**2 / 2, -cosm1pxx(x)), at="add cos mul pow"),
    Rule("versine and x**2/2", lambda x: (x**2 / 2 - 2 * sin(x / 2) ** 2, cosm1pxx(x)), at="add mul pow"),
]


def near(x: Expr, close: Expr, away: Expr) -> Expr:
    """`close` for |x| < 1 and `away` elsewhere; the two are the same function."""
    result: Expr = function("where")(absolute(x) < 1, close, away)
    return result


def log_ratio(x: Expr) -> Expr:
    """``log(expm1(x)/x)``."""
    size = absolute(x)
    return near(x, log1p(x * expm1mxxx(x)), relu(x) + log1mexp(-size) - log(size))


def langevin(x: Expr) -> Expr:
    """``1/tanh(x) - 1/x`` away from 0, not as it is written."""
    return (x - tanh(x)) / (x * tanh(x))


def planck(x: Expr) -> Expr:
    """``1/x - 1/expm1(x)`` away from 0, not as it is written."""
    return (1 - x / expm1(x)) / x


FAMILIES: dict[str, tuple[int, str]] = {
    "sin": (1, "sinxx"),
    "sinh": (1, "sinhxx"),
    "expm1": (1, "expm1xx"),
    "log1p": (1, "log1pxx"),
    "xmsin": (3, "xmsinxxx"),
    "xmlog1p": (2, "xmlog1pxx"),
    "expm1mx": (2, "expm1mxxx"),
    "sinhmx": (3, "sinhmxxx"),
    "sinmxcos": (3, "sinmxcosxxx"),
    "xcoshmsinh": (3, "xcoshmsinhxxx"),
    "tanh": (1, "tanhxx"),
    "arctan": (1, "arctanxx"),
    "arcsin": (1, "arcsinxx"),
}
"""A function f that vanishes at 0 like a power of x: that power, and the function f(x)/x**power."""
HALVES = {"sin": "tan", "sinh": "tanh"}
COSINES = {"sin": "cos", "sinh": "cosh"}
INVERSES = {"expm1": "xexpm1"}
"""What stands for x**power/f(x) where f is below the line."""
ZERO = Fraction(0)


def install(rules: RuleSet) -> None:
    """Adds the rules of this file."""
    rules.add(DEFECTS)
    rules.procedure("half angle", "div", near=HALVES)(half_angle)
    rules.procedure("double angle", "div", near=HALVES)(double_angle)
    rules.procedure("inverse of a family", "div", near=("expm1xx",))(inverted)
    rules.procedure("tangent", "div", near=("tan",))(tangent)
    rules.procedure("removable singularity", "div", near=FAMILIES)(removable)


Rebuild = Callable[[Node], Node]


def removable(x: Node, rebuild: Rebuild) -> Node | None:
    """``f(u)**k`` as ``F(u)**k * u**(k*degree)`` for a function f that vanishes where u does, where factors of u cancel
    factors on the other line; also upside down."""
    number, powers = lines(x)
    for g, k in powers.items():
        if g.op.name not in FAMILIES or k.denominator != 1:
            continue
        degree, family = FAMILIES[g.op.name]
        c, inner = lines(g.inputs[0])
        moved = {w: degree * k * j for w, j in inner.items()}
        if not any(_cancels(powers.get(w, ZERO), j) for w, j in moved.items() if inner[w] > 0):
            continue
        rest = {y: j for y, j in powers.items() if y is not g}
        for w, j in moved.items():
            rest[w] = rest.get(w, ZERO) + j
        if k < 0 and g.op.name in INVERSES:
            ratio = Expr(node(lookup(INVERSES[g.op.name]), g.inputs, (0,))) ** int(-k)
        else:
            ratio = Expr(node(lookup(family), g.inputs, (0,))) ** int(k)
        rest = {y: j for y, j in rest.items() if j}
        return fitting(x, whole(number * c ** (degree * int(k)), rest, x.type.dtype) * ratio)
    return None


def _cancels(k: Fraction, moved: Fraction) -> bool:
    """Whether a factor of power `k` takes up another of power `moved` wholly."""
    return k * moved < 0 and abs(k) >= abs(moved)


def tangent(x: Node, rebuild: Rebuild) -> Node | None:
    """``tan(u)/v`` with u a multiple of v: as sin(u)/v/cos(u), whose quotient is of a family."""
    (p, above), (q, below) = factors(x.inputs[0]), factors(x.inputs[1])
    for upper, lower in ((above, below), (below, above)):
        for g, k in list(upper.items()):
            v = split(g.inputs[0])[1] if g.op.name == "tan" else None
            if v is not None and k == 1 and lower.get(v, 0) >= 1:
                del upper[g]
                sine, cosine = (node(lookup(name), g.inputs) for name in ("sin", "cos"))
                upper[sine] = upper.get(sine, 0) + k
                lower[cosine] = lower.get(cosine, 0) + k
                return fitting(x, product(p, above, x.type.dtype) / product(q, below, x.type.dtype))
    return None


def inverted(x: Node, rebuild: Rebuild) -> Node | None:
    """``1/expm1xx(u)`` is xexpm1(u), which does not overflow."""
    number, powers = lines(x)
    for g, k in powers.items():
        if g.op.name == "expm1xx" and g.params == (0,) and k < 0 and k.denominator == 1:
            rest = {y: j for y, j in powers.items() if y is not g}
            return fitting(
                x, whole(number, rest, x.type.dtype) * Expr(node(lookup("xexpm1"), g.inputs, (0,))) ** int(-k)
            )
    return None


def double_angle(x: Node, rebuild: Rebuild) -> Node | None:
    """``sin(u)/cos(u/2)**2`` is ``2*tan(u/2)``; hyperbolic functions alike, which overflow."""
    number, powers = lines(x)
    for g, k in powers.items():
        if g.op.name not in HALVES or k < 1:
            continue
        half = canonical(Expr(g.inputs[0]) / 2)
        below = node(lookup(COSINES[g.op.name]), (half,))
        if powers.get(below, 0) <= -2:
            rest = {**powers, g: k - 1, below: powers[below] + 2}
            rest = {y: j for y, j in rest.items() if j}
            return fitting(x, whole(2 * number, rest, x.type.dtype) * function(HALVES[g.op.name])(Expr(half)))
    return None


def half_angle(x: Node, rebuild: Rebuild) -> Node | None:
    """``sin(u/2)**2/sin(u)`` is ``tan(u/2)/2``, which has no singularity at 0; sinh alike."""
    (p, above), (q, below) = factors(x.inputs[0]), factors(x.inputs[1])
    for g, k in above.items():
        if g.op.name not in HALVES or k < 2:
            continue
        double = node(g.op, (canonical(2.0 * Expr(g.inputs[0])),))
        if below.get(double, 0) >= 1:
            above[g] -= 2
            below[double] -= 1
            ratio = function(HALVES[g.op.name])(Expr(g.inputs[0])) / 2
            return fitting(x, product(p, above, x.type.dtype) * ratio / product(q, below, x.type.dtype))
    return None


def fitting(x: Node, result: Expr) -> Node | None:
    """The canonical form of `result` if it is of the type of `x`."""
    return canonical(result) if result.type == x.type else None
