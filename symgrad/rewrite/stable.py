"""Same value, fewer lost digits: rules applied to every value and every derivative, at every optimisation level.

Each rule replaces a spelling that loses digits or overflows by one that does not, and is local and safe: on the domain
of the left side both sides have the same value.  They stand before differentiation too, so that the derivative is that
of the stable form.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from ..expression import FUNCTIONS, Expr
from ..graph import Node, lookup, node
from . import (
    stable_angles,
    stable_common,
    stable_conditions,
    stable_differences,
    stable_divergences,
    stable_exponentials,
    stable_logarithms,
    stable_powers,
    stable_products,
    stable_removable,
    stable_roots,
    stable_softmax,
    stable_spectral,
    stable_sums,
)
from .engine import FUEL, RuleSet
from .pattern import Rule
from .settling import SETTLED, canonical, fitting, settle, with_settled_inputs
from .terms import ONE, split

STABLE = RuleSet("stable")


def _f(name: str) -> Callable[..., Any]:
    return lambda *args: FUNCTIONS[name](*args)


exp, expm1, log, log1p, sqrt = _f("exp"), _f("expm1"), _f("log"), _f("log1p"), _f("sqrt")
sigmoid, softplus, tanh, sinh, cosh = _f("sigmoid"), _f("softplus"), _f("tanh"), _f("sinh"), _f("cosh")
sin, cos, erf, erfc = _f("sin"), _f("cos"), _f("erf"), _f("erfc")
hypot, logaddexp, log1mexp, logcosh, absolute = _f("hypot"), _f("logaddexp"), _f("log1mexp"), _f("logcosh"), _f("abs")

STABLE.add([
    Rule(
        "softplus",
        lambda x: (log(1 + exp(x)), softplus(x)),
        why="exp(x) overflows, 1 + exp(x) loses a small exp(x)",
        at="log add exp",
    ),
    Rule("softplus of log1p", lambda x: (log1p(exp(x)), softplus(x)), at="log1p exp"),
    Rule("log sigmoid", lambda x: (log(sigmoid(x)), -softplus(-x)), why="sigmoid underflows", at="log sigmoid"),
    Rule("log1mexp", lambda x: (log(-expm1(x)), log1mexp(x)), at="log expm1 mul"),
    Rule("log1mexp of log1p", lambda x: (log1p(-exp(x)), log1mexp(x)), at="log1p exp mul"),
    Rule("logaddexp", lambda x, y: (log(exp(x) + exp(y)), logaddexp(x, y)), at="log add exp"),
    Rule(
        "log cosh",
        lambda x: (log(cosh(x)), logcosh(x)),
        why="cosh overflows; log cosh is x**2/2 near 0",
        at="log cosh",
    ),
    Rule("log exp", lambda x: (log(exp(x)), x), why="exp(x) overflows", at="log exp"),
    Rule("log1p", lambda x: (log(1 + x), log1p(x)), at="log add"),
    Rule("log of a root", lambda x: (log(sqrt(x)), log(x) / 2), exact=False, at="log sqrt"),
    Rule("exp of log1p", lambda x: (exp(log1p(x)), 1 + x), exact=False, at="exp log1p"),
    Rule("complement of sigmoid", lambda x: (1 - sigmoid(x), sigmoid(-x)), at="add mul sigmoid"),
    Rule("sigmoid of a sum", lambda x: (sigmoid(x) + sigmoid(-x), 1 + 0 * x), at="add sigmoid"),
    Rule("expm1", lambda x: (exp(x) - 1, expm1(x)), at="add exp"),
    Rule("minus expm1", lambda x: (1 - exp(x), -expm1(x)), at="add exp mul"),
    Rule("complement of erf", lambda x: (1 - erf(x), erfc(x)), at="add erf mul"),
    Rule("complement of erfc", lambda x: (1 - erfc(x), erf(x)), at="add erfc mul"),
    Rule("erfc reflected", lambda x: (1 + erf(x), erfc(-x)), at="add erf"),
    Rule("cosh", lambda x: (exp(x) + exp(-x), 2 * cosh(x)), at="add exp"),
    Rule("sinh", lambda x: (exp(x) - exp(-x), 2 * sinh(x)), why="exp(x) - exp(-x) cancels near 0", at="add exp mul"),
    Rule("half cosh", lambda x: (exp(x) / 2 + exp(-x) / 2, cosh(x)), at="add exp mul"),
    Rule("half sinh", lambda x: (exp(x) / 2 - exp(-x) / 2, sinh(x)), at="add exp mul"),
    Rule("versine", lambda x: (1 - cos(x), 2 * sin(x / 2) ** 2), at="add cos mul"),
    Rule("cosh - 1", lambda x: (cosh(x) - 1, 2 * sinh(x / 2) ** 2), at="add cosh"),
    Rule(
        "sech squared",
        lambda x: (1 - tanh(x) ** 2, 1 / cosh(x) ** 2),
        why="tanh is 1 to all digits beyond 19",
        at="add mul pow",
    ),
    Rule("sigmoid times exp", lambda x: (sigmoid(-x) * exp(x), sigmoid(x)), at="mul exp sigmoid"),
    Rule("tanh", lambda x: (sinh(x) / cosh(x), tanh(x)), at="div cosh sinh"),
    Rule("hypot", lambda x, y: (sqrt(x**2 + y**2), hypot(x, y)), why="squares over- and underflow", at="sqrt add pow"),
    Rule("hypot with one", lambda x: (sqrt(1 + x**2), hypot(1, x)), at="sqrt add pow"),
    Rule("root of a square", lambda x: (sqrt(x**2), absolute(x)), at="sqrt pow"),
    Rule("even power of abs", lambda x: (absolute(x) ** 2, x**2), at="pow abs"),
])  # fmt: skip


@STABLE.procedure("logsumexp", "log")
def _logsumexp(x: Node, rebuild: Callable[[Node], Node]) -> Node | None:
    """``log(sum(exp(x)))`` over whole axes; scalar factors come out as logarithms."""
    c, total = split(x.inputs[0])
    divisor: Node | None = None
    if total is not None and total.op.name == "div" and not total.inputs[1].type.shape:
        total, divisor = total.inputs
        d, total = split(total)
        c = c * d
    if total is None or total.op.name != "einsum" or len(total.inputs) != 1 or c <= 0:
        return None
    (labels,), out, extra = total.params
    source = _exponent(total.inputs[0])
    if source is None or extra or tuple(k for k in labels if k in out) != out or len(set(labels)) < len(labels):
        return None
    axes = tuple(p - len(labels) for p, k in enumerate(labels) if k not in out)
    if not axes or len(source.type.shape) != len(labels):
        return None
    result = Expr(node(lookup("logsumexp"), (source,), (axes,)))
    if c != Fraction(1):
        result = result + float(FUNCTIONS_LOG(c))
    if divisor is not None:
        result = result - FUNCTIONS["log"](Expr(divisor))
    return canonical(result)


def FUNCTIONS_LOG(c: Fraction) -> float:
    """The logarithm of a positive rational."""
    import math

    return (
        math.log(c.numerator) - math.log(c.denominator)
        if c.numerator < 2**900 and c.denominator < 2**900
        else math.log(float(c))
    )


def _exponent(x: Node) -> Node | None:
    """The x of ``exp(x)``, and of ``exp(x)`` masked or selected against zero, with -inf where it is zero."""
    if x.op.name == "exp":
        return x.inputs[0]
    if x.op.name == "sigmoid":
        return canonical(-FUNCTIONS["softplus"](-Expr(x.inputs[0])))
    if x.op.name == "where" and x.inputs[1].op.name == "exp" and split(x.inputs[2]) == (Fraction(0), None):
        c, a = Expr(x.inputs[0]), Expr(x.inputs[1].inputs[0])
        return canonical(FUNCTIONS["where"](c, a, -float("inf")))
    if x.op.name == "mask" and x.inputs[1].op.name == "exp":
        return canonical(FUNCTIONS["where"](Expr(x.inputs[0]), Expr(x.inputs[1].inputs[0]), -float("inf")))
    return None


@STABLE.procedure("softmax", "div")
def _softmax(x: Node, rebuild: Callable[[Node], Node]) -> Node | None:
    """``exp(x)/sum(exp(x))`` with the sum over axes that are kept or that lead to a scalar."""
    numerator, denominator = x.inputs
    c, base = split(denominator)
    factors = numerator.inputs if numerator.op.name == "mul" else (numerator,)
    if base is None or base.op.name != "einsum" or len(base.inputs) != 1 or c != ONE:
        return None
    e = base.inputs[0]
    if e.op.name != "exp":
        return None
    if not base.type.shape and numerator.op.name == "einsum" and e in numerator.inputs:
        return _expectation(x, numerator, e)
    if not any(f is e for f in factors):
        return None
    (labels,), out, extra = base.params
    axes = tuple(p - len(labels) for p, k in enumerate(labels) if k not in out)
    units = [k for k, _ in extra]
    expected = [k if k in out else None for k in labels]
    shown = [None if k in units else k for k in out]
    if not axes or shown not in (expected, expected[len(expected) - len(shown) :]) or any(n != 1 for _, n in extra):
        return None
    if None not in shown and len(shown) != 0:
        return None
    s = node(lookup("softmax"), (e.inputs[0],), (axes,))
    rest = [f for f in factors if f is not e]
    return s if not rest else rebuild(node(lookup("mul"), (*rest, s)))


def _expectation(x: Node, numerator: Node, e: Node) -> Node | None:
    """``sum(w*exp(u))/sum(exp(u))`` is ``sum(w*softmax(u))``."""
    s = node(lookup("softmax"), e.inputs, (tuple(range(-len(e.type.shape), 0)),))
    inputs = tuple(s if i is e else i for i in numerator.inputs)
    return fitting(x, Expr(node(numerator.op, inputs, numerator.params))) if numerator.inputs.count(e) == 1 else None


@STABLE.procedure("log softmax", "log")
def _log_softmax(x: Node, rebuild: Callable[[Node], Node]) -> Node | None:
    (s,) = x.inputs
    if s.op.name != "softmax":
        return None
    return node(lookup("log_softmax"), s.inputs, s.params)


@STABLE.procedure("norm", "sqrt")
def _norm(x: Node, rebuild: Callable[[Node], Node]) -> Node | None:
    """``sqrt(sum(x**2))`` over whole axes is the norm."""
    (total,) = x.inputs
    if total.op.name != "einsum" or len(total.inputs) != 1:
        return None
    (labels,), out, extra = total.params
    square = total.inputs[0]
    if square.op.name != "pow" or split(square.inputs[1]) != (Fraction(2), None) or extra:
        return None
    if tuple(k for k in labels if k in out) != out or len(set(labels)) < len(labels):
        return None
    axes = tuple(p - len(labels) for p, k in enumerate(labels) if k not in out)
    base = square.inputs[0]
    return node(lookup("norm"), (base,), (axes,)) if axes and base.type == square.type else None


@STABLE.procedure("square of a norm", "pow")
def _norm_squared(x: Node, rebuild: Callable[[Node], Node]) -> Node | None:
    base, k = x.inputs
    if base.op.name != "norm" or split(k) != (Fraction(2), None):
        return None
    from ..ops.contraction import sum_

    return canonical(sum_(Expr(base.inputs[0]) ** 2, base.params[0]))


stable_conditions.install(STABLE)
stable_exponentials.install(STABLE)
stable_logarithms.install(STABLE)
stable_angles.install(STABLE)
stable_sums.install(STABLE)
stable_removable.install(STABLE)
stable_differences.install(STABLE)
stable_roots.install(STABLE)
stable_powers.install(STABLE)
stable_products.install(STABLE)
stable_spectral.install(STABLE)
stable_common.install(STABLE)
stable_divergences.install(STABLE)
stable_softmax.install(STABLE)


class _Nesting(threading.local):
    """The nodes whose stable forms are being made, each for the one before, in this thread."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []


_nesting = _Nesting()


def stabilise(x: Node, rebuild: Callable[[Node], Node], quick: bool = False) -> Node:
    """`x` in its stable form; its inputs are canonical and stable already.  `quick` leaves out what looks far into a
    formula, and remembers nothing, so that no result depends on what was canonicalised before.

    Raises RuntimeError with the last operations for rules that undo one another."""
    if len(_nesting.nodes) >= FUEL:
        last = ", ".join(n.op.name for n in _nesting.nodes[-6:])
        raise RuntimeError(f"rule set {STABLE.name} does not settle; last at: {last}")
    _nesting.nodes.append(x)
    try:
        result = STABLE.normalise(x if quick else with_settled_inputs(x), rebuild, quick=quick)
        if result is not x:
            result = settle(result)
    finally:
        _nesting.nodes.pop()
    if not quick:
        SETTLED.add(result)
    return result
