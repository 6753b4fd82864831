"""Logarithms: of products and powers, of sums of exponentials, of quotients near 1, of functions near 1."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from math import log as log_of_number

from ..expression import Expr
from ..graph import Node
from .engine import RuleSet
from .factors import POSITIVE, Powers, function, lines, whole
from .pattern import Rule
from .polynomials import TooLarge, expression, plus, polynomial, well_conditioned
from .settling import canonical, fitting
from .terms import ONE, constant_node, number_of, split

Rebuild = Callable[[Node], Node]

exp, expm1, log, log1p, log2, log10 = (function(n) for n in ("exp", "expm1", "log", "log1p", "log2", "log10"))
sigmoid, softplus, logaddexp, log1mexp = (function(n) for n in ("sigmoid", "softplus", "logaddexp", "log1mexp"))
sin, cos, sinh, tanh = (function(n) for n in ("sin", "cos", "sinh", "tanh"))
absolute, where, erf, erfc = (function(n) for n in ("abs", "where", "erf", "erfc"))
ndtr, log_ndtr, log1p_ratio, xmlog1p, logcosh, arctanh = (
    function(n) for n in ("ndtr", "log_ndtr", "log1p_ratio", "xmlog1p", "logcosh", "arctanh")
)

RULES = [
    Rule(
        "log cosh of softplus",
        lambda x: (x + softplus(-2 * x) - log_of_number(2), logcosh(x)),
        at="add mul softplus",
    ),
    Rule(
        "log1p of a ratio less it",
        lambda x, y: (log1p_ratio(y, x) - y / x, -xmlog1p(y / x)),
        at="add div log1p_ratio",
    ),
    Rule("log tanh", lambda x: (log(tanh(x)), log1mexp(-2 * x) - softplus(-2 * x)), at="log tanh"),
    Rule("log cos", lambda x: (log(cos(x)), log1p(-2 * sin(x / 2) ** 2)), why="cos(x) is near 1", at="log cos"),
    Rule("log sinh", lambda x: (log(sinh(x)), x + log1mexp(-2 * x) - log_of_number(2)), at="log sinh"),
    Rule("log expm1", lambda x: (log(expm1(x)), x + log1mexp(-x)), at="log expm1"),
    Rule(
        "log erfc",
        lambda x: (log(erfc(x)), where(x < 1, log1p(-erf(x)), log_of_number(2) + log_ndtr(-(2**0.5) * x))),
        why="erfc underflows, and is near 1 for small x",
        at="log erfc",
    ),
    Rule("log ndtr", lambda x: (log(ndtr(x)), log_ndtr(x)), at="log ndtr"),
    Rule("log2 of 1 + x", lambda x: (log2(1 + x), log1p(x) / log_of_number(2)), at="log2 add"),
    Rule("log10 of 1 + x", lambda x: (log10(1 + x), log1p(x) / log_of_number(10)), at="log10 add"),
    Rule("sum of log1p", lambda x: (log1p(x) + log1p(-x), log1p(-(x**2))), at="add log1p"),
    Rule("artanh", lambda x: (log1p_ratio(2 * x, 1 - x), 2 * arctanh(x)), at="log1p_ratio add mul"),
    Rule("minus artanh", lambda x: (log1p_ratio(-2 * x, 1 + x), -2 * arctanh(x)), at="log1p_ratio add mul"),
    Rule("artanh of log1p", lambda x: (log1p(2 * x / (1 - x)), 2 * arctanh(x)), at="log1p add div mul"),
    Rule("softplus of logaddexp", lambda x: (logaddexp(x, 0), softplus(x)), at="logaddexp"),
]


def install(rules: RuleSet) -> None:
    """Adds the rules of this file."""
    rules.procedure("logarithm of a product", "log")(log_of_product)
    rules.procedure("logarithm of exponentials", "log")(log_of_exponentials)
    rules.procedure("logarithm of a quotient", "log")(log_of_quotient)
    rules.add(RULES)


def log_of_product(x: Node, rebuild: Rebuild) -> Node | None:
    """Exponentials and powers come out of a logarithm; so does the number before a function that has a logarithm of
    its own."""
    (y,) = x.inputs
    if y.op.name == "pow":
        return _log_of_power(x, y)
    number, powers = lines(y)
    if number == Fraction(1, 2) and list(powers.values()) == [ONE] and next(iter(powers)).op.name == "erfc":
        return fitting(x, log_ndtr(-(2**0.5) * Expr(next(iter(powers)).inputs[0])))
    if number == 1 and len(powers) == 1 and (k := next(iter(powers.values()))).denominator != 1:
        return fitting(x, float(k) * log(Expr(next(iter(powers)))))
    if number == 2 and list(powers.values()) == [ONE] and next(iter(powers)).op.name == "sigmoid":
        u = Expr(next(iter(powers)).inputs[0])
        return fitting(x, where(u > -1, log1p(tanh(u / 2)), log_of_number(2) - softplus(-u)))
    if list(powers.values()) == [-ONE] and abs(number) == 1:
        return fitting(x, -log(float(number) * Expr(next(iter(powers)))))
    if y.op.name not in ("mul", "div") or number <= 0:
        return None
    signs = all(_positive(g) for g in powers)
    out = [g for g in powers if g.op.name == "exp" or signs or (_alone(g, powers) and g.op.name in ("sinh", "expm1"))]
    if number != 1 and not out and len(powers) == 1:
        return _scaled(x, number, *next(iter(powers.items())))
    if not out:
        return None
    total = reduce(lambda a, b: a + b, [float(powers[g]) * log(Expr(g)) for g in out])
    rest = {g: k for g, k in powers.items() if g not in out}
    if not rest:
        return fitting(x, total + (ln(number, x.type.dtype) if number != 1 else 0.0))
    return fitting(x, total + log(whole(number, rest, x.type.dtype)))


def _positive(g: Node) -> bool:
    return (g.inputs[0] if g.op.name == "pow" else g).op.name in POSITIVE


def _scaled(x: Node, number: Fraction, g: Node, k: Fraction) -> Node | None:
    """The logarithm of a multiple of a sum of exponentials."""
    if g.op.name != "add" or abs(k) != 1:
        return None
    total = canonical(log(Expr(g)))
    if total.op.name in ("log", "log1p"):
        return None
    return fitting(x, float(k) * Expr(total) + ln(number, x.type.dtype))


def ln(c: Fraction, dtype: str) -> Expr:
    """The logarithm of a positive number, such that those of c and 1/c cancel exactly."""
    value = Fraction(log_of_number(c)) if c >= 1 else -Fraction(log_of_number(1 / c))
    return Expr(constant_node(value, dtype))


def _alone(g: Node, powers: Powers) -> bool:
    return len(powers) == 1 and abs(powers[g]) == 1


def _log_of_power(x: Node, y: Node) -> Node | None:
    base, exponent = y.inputs
    k = number_of(exponent)
    if base.op.name in POSITIVE or (base.op.name == "einsum" and canonical(log(Expr(base))).op.name == "logsumexp"):
        return fitting(x, Expr(exponent) * log(Expr(base)))
    if k is None or not k:
        return None
    if k.denominator != 1 or k % 2:
        return fitting(x, float(k) * log(Expr(base)))
    if base.op.name == "add" and any(number_of(t) == 1 for t in base.inputs):
        near = where(Expr(base) > 0.5, log1p(Expr(base) - 1), log(absolute(Expr(base))))
        return fitting(x, float(k) * near)
    return fitting(x, float(k) * log(absolute(Expr(base))))


def log_of_exponentials(x: Node, rebuild: Rebuild) -> Node | None:
    """The logarithm of a sum of positive multiples of exponentials, and of a difference of two."""
    (y,) = x.inputs
    if y.op.name != "add" or len(y.inputs) > 8:
        return None
    found = [log_of_term(t, x.type.dtype) for t in y.inputs]
    numbers = {split(t)[0] for t in y.inputs}
    c = numbers.pop()
    if not numbers and c > 0 and c != 1 and all(t is not None for t in found):
        whole_terms = [canonical(Expr(constant_node(1 / c, x.type.dtype)) * Expr(t)) for t in y.inputs]
        total = reduce(lambda a, b: a + b, map(Expr, whole_terms))
        return fitting(x, ln(c, x.type.dtype) + log(total))
    if all(t is not None for t in found):
        total = reduce(logaddexp, [t for t in found if t is not None])
        return fitting(x, total) if any(number_of(t) is None for t in y.inputs) else None
    if len(found) != 2 or all(t is None for t in found):
        return None
    positive, other = (0, 1) if found[0] is not None else (1, 0)
    minus = log_of_term(canonical(-Expr(y.inputs[other])), x.type.dtype)
    if minus is None:
        return None
    a = found[positive]
    assert a is not None
    return fitting(x, a + log1mexp(minus - a))


def log_of_term(t: Node, dtype: str) -> Expr | None:
    """The logarithm of a positive term that is a number, a multiple of an exponential, or a sum of exponentials."""
    c, base = split(t)
    if c <= 0:
        return None
    number = ln(c, dtype)
    if base is None:
        return number
    if base.op.name == "exp":
        u = Expr(base.inputs[0])
        return u if c == 1 else u + number
    if base.op.name == "einsum":
        total = Expr(canonical(log(Expr(base))))
        if total.node.op.name == "logsumexp":
            return total if c == 1 else total + number
    return None


def log_of_quotient(x: Node, rebuild: Rebuild) -> Node | None:
    """``log(a/b)`` where a - b is known exactly."""
    (y,) = x.inputs
    if y.op.name != "div":
        return None
    a, b = y.inputs
    try:
        p, q = polynomial(a), polynomial(b)
    except TooLarge:
        return None
    d = plus(p, q, -ONE)
    if not d or len(d) > (len(p) + len(q)) / 2 or not set(p) & set(q) or not well_conditioned(d):
        return None
    if all(v < 0 for v in d.values()):
        return fitting(x, -log1p_ratio(expression({m: -v for m, v in d.items()}, x.type.dtype), Expr(a)))
    return fitting(x, log1p_ratio(expression(d, x.type.dtype), Expr(b)))
