"""Exponentials: products and quotients of them, the logistic function and hyperbolic functions by their spellings, and
logarithms of sums of them.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from math import log as log_of_number
from math import pi

from ..expression import Expr
from ..graph import Node, lookup, node
from .engine import RuleSet
from .factors import GROWING, NEVER_ZERO, factors, function, lines, never_zero, product, whole
from .pattern import Rule
from .settling import canonical, fitting
from .terms import ONE, constant_node, number_of, split

Rebuild = Callable[[Node], Node]
Exponential = tuple[Fraction, Node | None]
"""A positive number times the exponential of a node (None: of 0)."""

exp, expm1, log, log1p, log2, log10 = (function(n) for n in ("exp", "expm1", "log", "log1p", "log2", "log10"))
sigmoid, softplus, logaddexp, log1mexp = (function(n) for n in ("sigmoid", "softplus", "logaddexp", "log1mexp"))
sin, cos, tan, sinh, cosh, tanh = (function(n) for n in ("sin", "cos", "tan", "sinh", "cosh", "tanh"))
arcsin, arccos, arctan, arctan2, arctanh = (function(n) for n in ("arcsin", "arccos", "arctan", "arctan2", "arctanh"))
inverse_mills, exp_difference = function("inverse_mills"), function("exp_difference")
absolute, sqrt, where, erf, erfc, erfcx = (function(n) for n in ("abs", "sqrt", "where", "erf", "erfc", "erfcx"))
ndtr, log_ndtr, log1p_ratio, pow1p, xmlog1p, logcosh = (
    function(n) for n in ("ndtr", "log_ndtr", "log1p_ratio", "pow1p", "xmlog1p", "logcosh")
)

RULES = [
    Rule("softplus reflected", lambda x: (x + softplus(-x), softplus(x)), at="add softplus"),
    Rule("log sigmoid of softplus", lambda x: (x - softplus(x), -softplus(-x)), at="add mul softplus"),
    Rule("odd part of softplus", lambda x: (softplus(x) - softplus(-x), x), at="add mul softplus"),
    Rule("1 - tanh", lambda x: (1 - tanh(x), 2 * sigmoid(-2 * x)), at="add mul tanh"),
    Rule("1 + tanh", lambda x: (1 + tanh(x), 2 * sigmoid(2 * x)), at="add tanh"),
    Rule("tanh - 1", lambda x: (tanh(x) - 1, -2 * sigmoid(-2 * x)), at="add tanh"),
    Rule("tanh of sigmoid", lambda x: (2 * sigmoid(x) - 1, tanh(x / 2)), at="add mul sigmoid"),
    Rule("minus tanh of sigmoid", lambda x: (1 - 2 * sigmoid(x), -tanh(x / 2)), at="add mul sigmoid"),
    Rule("half tanh", lambda x: (sigmoid(x) - 0.5, tanh(x / 2) / 2), at="add sigmoid"),
    Rule("minus half tanh", lambda x: (0.5 - sigmoid(x), -tanh(x / 2) / 2), at="add mul sigmoid"),
    Rule("tanh of expm1", lambda x: (expm1(x) * sigmoid(-x), tanh(x / 2)), at="mul expm1 sigmoid"),
    Rule("complement of sigmoid negated", lambda x: (sigmoid(x) - 1, -sigmoid(-x)), at="add sigmoid"),
    Rule(
        "variance of sigmoid",
        lambda x: (sigmoid(x) - sigmoid(x) ** 2, sigmoid(x) * sigmoid(-x)),
        at="add mul pow sigmoid",
    ),
    Rule(
        "variance of sigmoid negated",
        lambda x: (sigmoid(x) ** 2 - sigmoid(x), -sigmoid(x) * sigmoid(-x)),
        at="add mul pow sigmoid",
    ),
    Rule("complement of a square", lambda x: (1 - sigmoid(x) ** 2, sigmoid(-x) * (1 + sigmoid(x))), at="add mul pow"),
    Rule("square of tanh - 1", lambda x: (tanh(x) ** 2 - 1, -1 / cosh(x) ** 2), at="add pow tanh"),
    Rule(
        "square of sigmoid - 1", lambda x: (sigmoid(x) ** 2 - 1, -sigmoid(-x) * (1 + sigmoid(x))), at="add pow sigmoid"
    ),
    Rule("ratio of complements", lambda x: (sigmoid(-x) / sigmoid(x), exp(-x)), at="div sigmoid"),
    Rule(
        "root of sigmoid",
        lambda x: (sqrt(sigmoid(x)), exp(-softplus(-x) / 2)),
        why="sigmoid underflows",
        at="sqrt sigmoid",
    ),
    Rule("coth", lambda x: ((1 + exp(x)) / expm1(x), 1 / tanh(x / 2)), why="both overflow", at="div add exp expm1"),
    Rule("half of the exponentials", lambda x: (expm1(x) / expm1(2 * x), sigmoid(-x)), at="div expm1 mul"),
    Rule("square of expm1", lambda x: (exp(2 * x) - 2 * exp(x) + 1, expm1(x) ** 2), at="add exp mul"),
    Rule("1 - cosh", lambda x: (1 - cosh(x), -2 * sinh(x / 2) ** 2), at="add cosh mul"),
    Rule("1 + cosh", lambda x: (1 + cosh(x), 2 * cosh(x / 2) ** 2), at="add cosh"),
    Rule("cosh**2 - 1", lambda x: (cosh(x) ** 2 - 1, sinh(x) ** 2), at="add cosh pow"),
    Rule("damped sinh", lambda x: (exp(-x) * sinh(x), -expm1(-2 * x) / 2), at="mul exp sinh"),
    Rule("damped expm1", lambda x: (exp(-x) * expm1(x), -expm1(-x)), at="mul exp expm1"),
    Rule(
        "tanh of exponentials",
        lambda x, y: ((exp(x) - exp(y)) / (exp(x) + exp(y)), tanh((x - y) / 2)),
        at="div add exp mul",
    ),
    Rule("relative difference", lambda x, y: ((exp(x) - exp(y)) / exp(x), -expm1(y - x)), at="div add exp mul"),
    Rule("exp of softplus", lambda x: (exp(softplus(x)), 1 + exp(x)), at="exp softplus"),
    Rule("2 + 2 cosh", lambda x: (2 + 2 * cosh(x), 4 * cosh(x / 2) ** 2), at="add cosh mul"),
    Rule("damped cosh", lambda x: (exp(-x) * cosh(x), (1 + exp(-2 * x)) / 2), at="mul cosh exp"),
    Rule("erf - 1", lambda x: (erf(x) - 1, -erfc(x)), at="add erf"),
    Rule("erfc - 1", lambda x: (erfc(x) - 1, -erf(x)), at="add erfc"),
    Rule("2 - erfc", lambda x: (2 - erfc(x), erfc(-x)), at="add erfc mul"),
    Rule("1 - erfc/2", lambda x: (1 - erfc(x) / 2, erfc(-x) / 2), at="add erfc mul"),
    Rule("ndtr - 1", lambda x: (ndtr(x) - 1, -ndtr(-x)), at="add ndtr"),
    Rule("complement of ndtr", lambda x: (1 - ndtr(x), ndtr(-x)), at="add mul ndtr"),
    Rule(
        "growth",
        lambda x, n: ((1 + x) ** n, pow1p(x, n)),
        lambda x, n: number_of(n.node) is None,
        why="1 + x loses a small x",
        at="pow add",
    ),
]


def install(rules: RuleSet) -> None:
    """Adds the rules of this file."""
    rules.procedure("product of exponentials", "mul", "div", "pow", near=("exp",))(merge)
    rules.procedure("scaled complementary error function", "mul", "div", near=("erfc", "ndtr"))(scaled_erfc)
    rules.procedure("inverse of the scaled complementary error function", "div", near=("erfcx",))(inverse_erfcx)
    rules.procedure("sigmoid times exponential", "mul", "div", near=("sigmoid",))(sigmoid_times_exp)
    rules.procedure("sigmoid of a quotient", "div", near=("add",))(sigmoid_of_quotient)
    rules.procedure("factor that is never zero", "div", near=NEVER_ZERO | GROWING)(cancel)
    rules.procedure("hyperbolic quotient", "div", near=("sinh",))(hyperbolic_quotient)
    rules.procedure("exp over expm1", "div", near=("expm1",))(exp_over_expm1)
    rules.procedure("sigmoid differences", "add", near=("sigmoid",))(sigmoid_difference)
    rules.add(RULES)


def merge(x: Node, rebuild: Rebuild) -> Node | None:
    """One exponential for all in a product, quotient or power."""
    if x.op.name == "pow":
        base, k = x.inputs
        return fitting(x, exp(Expr(base.inputs[0]) * Expr(k))) if base.op.name == "exp" else None
    number, powers = lines(x)
    found = {y: k for y, k in powers.items() if y.op.name == "exp" and y.type == x.type}
    gap = next((y for y, k in powers.items() if y.op.name == "exp_difference" and k == 1 and y.type == x.type), None)
    if found and gap is not None:
        moved = [Expr(constant_node(k, x.type.dtype)) * Expr(y.inputs[0]) for y, k in found.items()]
        start = reduce(lambda a, b: a + b, moved, Expr(gap.inputs[0]))
        rest = {y: k for y, k in powers.items() if y not in found and y is not gap}
        return fitting(x, whole(number, rest, x.type.dtype) * exp_difference(start, Expr(gap.inputs[1])))
    total = next((y for y, k in powers.items() if k == 1 and found and _of_exponentials(y)), None)
    if total is not None and len(found) == 1 and total.type == x.type:
        ((e, power),) = found.items()
        rest = {y: j for y, j in powers.items() if y is not e and y is not total}
        terms = [
            _times_exponential(t, canonical(Expr(constant_node(power, x.type.dtype)) * Expr(e.inputs[0])))
            for t in total.inputs
        ]
        return fitting(x, whole(number, rest, x.type.dtype) * reduce(lambda a, b: a + b, terms))
    if not found or (len(found) == 1 and set(found.values()) == {ONE}):
        return None
    terms = [Expr(constant_node(k, x.type.dtype)) * Expr(y.inputs[0]) for y, k in found.items()]
    rest = {y: k for y, k in powers.items() if y not in found}
    return fitting(x, whole(number, rest, x.type.dtype) * exp(reduce(lambda a, b: a + b, terms)))


def _times_exponential(t: Node, u: Node) -> Expr:
    """``t*exp(u)`` for a multiple t of an exponential; the number where they cancel."""
    c, base = split(t)
    assert base is not None
    number = Expr(constant_node(c, t.type.dtype))
    return number if canonical(-Expr(u)) is base.inputs[0] else number * exp(Expr(base.inputs[0]) + Expr(u))


def _of_exponentials(x: Node) -> bool:
    """Whether `x` is a short sum of multiples of exponentials."""
    if x.op.name != "add" or len(x.inputs) > 5:
        return False
    return all((base := split(t)[1]) is not None and base.op.name == "exp" for t in x.inputs)


def multiple(u: Node, v: Node) -> Fraction | None:
    """c where u is c*v for a number c."""
    (a, p), (b, q) = split(u), split(v)
    if p is not None and p is q:
        return a / b if b else None
    for c in (-ONE, ONE, Fraction(-2), Fraction(-1, 2)):
        if u.op.name == v.op.name == "add" and canonical(Expr(constant_node(c, v.type.dtype)) * Expr(v)) is u:
            return c
    return None


def sigmoid_times_exp(x: Node, rebuild: Rebuild) -> Node | None:
    """``sigmoid(v)**b * exp(-n*v)`` is ``sigmoid(-v)**n * sigmoid(v)**(b - n)``; with exp(-v/2) 1/(2 cosh(v/2))."""
    number, powers = lines(x)
    for e, j in powers.items():
        if e.op.name != "exp" or j != 1:
            continue
        for s, b in powers.items():
            n = multiple(e.inputs[0], s.inputs[0]) if s.op.name == "sigmoid" and b > 0 else None
            if n is None or n >= 0:
                continue
            rest = {y: k for y, k in powers.items() if y is not e and y is not s}
            v = Expr(s.inputs[0])
            if n == Fraction(-1, 2) and b == 1:
                return fitting(x, whole(number / 2, rest, x.type.dtype) / cosh(v / 2))
            if n.denominator == 1 and -n <= b:
                kept = sigmoid(v) ** float(b + n) if b + n not in (0, 1) else sigmoid(v) if b + n else 1.0
                moved = sigmoid(-v) if n == -1 else sigmoid(-v) ** float(-n)
                return fitting(x, whole(number, rest, x.type.dtype) * moved * kept)
    return None


def positive_exponential(t: Node) -> Exponential | None:
    """A term as a positive number times an exponential."""
    c, base = split(t)
    if c <= 0 or (base is not None and base.op.name != "exp"):
        return None
    return c, None if base is None else base.inputs[0]


def sigmoid_of_quotient(x: Node, rebuild: Rebuild) -> Node | None:
    """``1/(a + b*exp(u))**k`` by sigmoid, and ``exp(u)/(exp(u) + b*exp(v))``, for positive numbers a and b."""
    number, powers = lines(x)
    for f, k in powers.items():
        if k >= 0 or f.op.name != "add" or len(f.inputs) != 2:
            continue
        found = [e for t in f.inputs if (e := positive_exponential(t)) is not None]
        if len(found) < 2:
            continue
        pairs = [(found[0], found[1]), (found[1], found[0])]
        pairs.sort(key=lambda pair: pair[0][1] is None)
        for (c, a), (d, b) in pairs:
            if a is not None and not (k == -1 and powers.get(node(lookup("exp"), (a,))) == 1):
                continue
            if a is b:
                continue
            if a is None:
                assert b is not None  # a is not b
                gap = -Expr(b)
            else:
                gap = Expr(a) if b is None else Expr(a) - Expr(b)
            if c != d:
                gap = gap + (log_of_number(c) - log_of_number(d))
            s = sigmoid(gap) if k == -1 else sigmoid(gap) ** float(-k)
            rest = {
                y: j
                for y, j in powers.items()
                if y is not f and (a is None or not (y.op.name == "exp" and y.inputs[0] is a))
            }
            return fitting(
                x,
                whole(number * Fraction(c) ** int(k) if k.denominator == 1 else number, rest, x.type.dtype)
                * s
                * (1 if k.denominator == 1 else float(c) ** float(k)),
            )
    return None


def cancel(x: Node, rebuild: Rebuild) -> Node | None:
    """A function without zeros, or one that grows and stays below the line, that stands on both lines."""
    above, below = factors(x.inputs[0])[1], factors(x.inputs[1])[1]
    if not any(y in below and (never_zero(y) or y.op.name in GROWING) for y in above):
        return None
    number, powers = lines(x)
    return None if x in powers else fitting(x, whole(number, powers, x.type.dtype))


def exp_over_expm1(x: Node, rebuild: Rebuild) -> Node | None:
    """``exp(n*u)/expm1(u)**k`` is ``(-1)**n/(expm1(-u)**n * expm1(u)**(k - n))`` for 0 < n <= k: no overflow."""
    number, powers = lines(x)
    for e, j in powers.items():
        if e.op.name != "exp" or j != 1:
            continue
        for g, k in powers.items():
            n = multiple(e.inputs[0], g.inputs[0]) if g.op.name == "expm1" and k < 0 else None
            if n is None or n.denominator != 1 or not 0 < n <= -k:
                continue
            u = Expr(g.inputs[0])
            rest = {y: i for y, i in powers.items() if y is not e and y is not g}
            other = canonical(expm1(-u))
            rest[other] = rest.get(other, Fraction(0)) - n
            if -k > n:
                rest[g] = k + n
            return fitting(x, whole(number * (-1) ** int(n), rest, x.type.dtype))
    return None


def hyperbolic_quotient(x: Node, rebuild: Rebuild) -> Node | None:
    """``sinh(u)**a/cosh(u)**b`` with a power of tanh: both overflow where their quotient does not."""
    number, powers = lines(x)
    for s, j in powers.items():
        if s.op.name != "sinh":
            continue
        c = node(lookup("cosh"), s.inputs)
        k = powers.get(c, Fraction(0))
        if j * k >= 0:
            continue
        n = min(abs(j), abs(k)) * (1 if j > 0 else -1)
        rest = {**powers, s: j - n, c: k + n}
        t = tanh(Expr(s.inputs[0]))
        t = t if n == 1 else 1 / t if n == -1 else t ** float(n)
        return fitting(x, whole(number, rest, x.type.dtype) * t)
    return None


def scaled_erfc(x: Node, rebuild: Rebuild) -> Node | None:
    """``exp(v**2)*erfc(v)`` is erfcx(v), and ``exp(-v**2)/erfc(v)`` its reciprocal."""
    number, powers = lines(x)
    for e, j in powers.items():
        for g, k in powers.items():
            if e.op.name != "exp" or g.op.name not in ("erfc", "ndtr") or j != 1 or abs(k) != 1:
                continue
            v = Expr(g.inputs[0]) if g.op.name == "erfc" else Expr(g.inputs[0]) * -(0.5**0.5)
            (a, p), (b, q) = split(canonical(v * v)), split(e.inputs[0])
            if p is None or p is not q or abs(b / a - k) > Fraction(1, 2**50):
                continue
            rest = {y: i for y, i in powers.items() if y is not e and y is not g}
            scale = 0.5 if g.op.name == "ndtr" else 1.0
            f = scale * erfcx(v)
            return fitting(x, whole(number, rest, x.type.dtype) * (f if k == 1 else 1 / f))
    return None


def inverse_erfcx(x: Node, rebuild: Rebuild) -> Node | None:
    """``1/erfcx(u)`` by the inverse of Mills' ratio at ``-sqrt(2)*u``, which does not overflow where u is negative."""
    number, powers = lines(x)
    for g, k in powers.items():
        if g.op.name != "erfcx" or k >= 0 or k.denominator != 1:
            continue
        c, base = split(g.inputs[0])
        scale = _near_one(c * Fraction(-(2**0.5)))
        factor = _near_one(number * Fraction((pi / 2) ** 0.5) ** int(-k))
        v = Expr(constant_node(scale, x.type.dtype)) * (1.0 if base is None else Expr(base))
        rest = {y: j for y, j in powers.items() if y is not g}
        return fitting(x, whole(factor, rest, x.type.dtype) * inverse_mills(v) ** int(-k))
    return None


def _near_one(c: Fraction) -> Fraction:
    """`c`, or 1 or -1 where only rounding parts it from that."""
    return Fraction(1 if c > 0 else -1) if abs(abs(c) - 1) < Fraction(1, 2**50) else c


def sigmoid_difference(x: Node, rebuild: Rebuild) -> Node | None:
    """``c*sigmoid(u) - c*sigmoid(-u)`` is ``c*tanh(u/2)``, for any common factor c."""
    if not 2 <= len(x.inputs) <= 8 or sum("sigmoid" in {y.op.name for y in factors(t)[1]} for t in x.inputs) < 2:
        return None
    parts = [(t, *factors(t)) for t in x.inputs]
    for s, c, p in parts:
        for t, d, q in parts:
            if s is t or c != -d or (set(p) != set(q) and len(set(p) ^ set(q)) > 2):
                continue
            gap = {y: p.get(y, Fraction(0)) - q.get(y, Fraction(0)) for y in {**p, **q}}
            gap = {y: k for y, k in gap.items() if k}
            ups, downs = [y for y, k in gap.items() if k == 1], [y for y, k in gap.items() if k == -1]
            if (
                len(gap) != 2
                or len(ups) != 1
                or len(downs) != 1
                or ups[0].op.name != "sigmoid"
                or downs[0].op.name != "sigmoid"
            ):
                continue
            u = Expr(ups[0].inputs[0])
            if canonical(-u) is not downs[0].inputs[0]:
                continue
            shared = {y: min(k, q[y]) for y, k in p.items() if y in q}
            result = product(c, shared, x.type.dtype) * tanh(u / 2)
            for r in x.inputs:
                if r is not s and r is not t:
                    result = result + Expr(r)
            return fitting(x, result)
    return None
