"""Rules of `simplify`: shorter formulas, equal wherever the original has a finite value.

Unlike the stable rules these may assume something, that a value is finite, not zero or positive; a rule names what it
assumes of its wildcards and `simplify` reports it.  Nothing that is compiled depends on such an assumption unless its
user compiles the simplified formula.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..expression import FUNCTIONS, Expr
from ..graph import Node, lookup, node
from .engine import RuleSet
from .pattern import Rule
from .terms import ONE, constant_node, number_of, split

SHORT = RuleSet("short")


def function(name: str) -> Callable[..., Any]:
    """The public function `name`, looked up when it is called."""
    return lambda *args: FUNCTIONS[name](*args)


exp, log, sqrt, sin, cos, tan, sinh, cosh, tanh, sigmoid, softplus, log1p, expm1, mask, sign, hypot = (
    function(n)
    for n in ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sigmoid", "softplus", "log1p",
              "expm1", "mask", "sign", "hypot")
)  # fmt: skip

SHORT.add([
    Rule("log of hypot", lambda x, y: (log(hypot(x, y)), log(x**2 + y**2) / 2), at="log hypot"),
    Rule("exp of log", lambda x: (exp(log(x)), x), assumes=("positive", "x"), at="exp log"),
    Rule("log of exp", lambda x: (log(exp(x)), x), at="log exp"),
    Rule("exp of expm1", lambda x: (1 + expm1(x), exp(x)), at="add expm1"),
    Rule("exp of log1p", lambda x: (exp(log1p(x)), 1 + x), at="exp log1p"),
    Rule("square of a root", lambda x: (sqrt(x) ** 2, x), assumes=("not negative", "x"), at="pow sqrt"),
    Rule("Pythagoras", lambda x: (sin(x) ** 2 + cos(x) ** 2, 1), assumes=("finite", "x"), at="add cos pow sin"),
    Rule(
        "Pythagoras scaled",
        lambda a, x: (a * sin(x) ** 2 + a * cos(x) ** 2, a),
        assumes=("finite", "x"),
        at="add mul pow",
    ),
    Rule(
        "hyperbolic Pythagoras",
        lambda x: (cosh(x) ** 2 - sinh(x) ** 2, 1),
        assumes=("finite", "x"),
        at="add cosh mul pow",
    ),
    Rule("cos of twice", lambda x: (cos(x) ** 2 - sin(x) ** 2, cos(2 * x)), at="add cos mul pow"),
    Rule("cos by half", lambda x: (2 * sin(x) ** 2, 1 - cos(2 * x)), at="mul pow sin"),
    Rule("cosh by half", lambda x: (2 * sinh(x) ** 2, cosh(2 * x) - 1), at="mul pow sinh"),
    Rule("cosh of twice", lambda x: (cosh(x) ** 2 + sinh(x) ** 2, cosh(2 * x)), at="add cosh pow sinh"),
    Rule("sinh of twice", lambda x: (2 * sinh(x) * cosh(x), sinh(2 * x)), at="mul cosh sinh"),
    Rule("half of sin of twice", lambda x: (sin(x) * cos(x), sin(2 * x) / 2), at="mul cos sin"),
    Rule("sin of twice", lambda x: (2 * sin(x) * cos(x), sin(2 * x)), at="mul cos sin"),
    Rule("tan", lambda a, x: (a * sin(x) / cos(x), a * tan(x)), at="div cos mul sin"),
    Rule("plain tan", lambda x: (sin(x) / cos(x), tan(x)), at="div cos sin"),
    Rule("secant", lambda x: (1 + tan(x) ** 2, 1 / cos(x) ** 2), at="add pow tan"),
    Rule("secant scaled", lambda a, x: (a + a * tan(x) ** 2, a / cos(x) ** 2), at="add mul pow"),
    Rule("half of an angle", lambda x: ((1 + tan(x) ** 2) / tan(x), 2 / sin(2 * x)), at="div add pow tan"),
    Rule("half of an angle", lambda a, x: (a / (tan(x) * cos(x) ** 2), 2 * a / sin(2 * x)), at="div mul pow tan"),
    Rule("cos times tan", lambda x: (cos(x) * tan(x), sin(x)), assumes=("not a pole", "x"), at="mul cos tan"),
    Rule("sum of exponentials", lambda x: (exp(x) + exp(-x), 2 * cosh(x)), at="add exp"),
    Rule("difference of exponentials", lambda x: (exp(x) - exp(-x), 2 * sinh(x)), at="add exp mul"),
    Rule("complement of tanh", lambda x: (sinh(x) / cosh(x) ** 2, tanh(x) / cosh(x)), at="div cosh pow sinh"),
    Rule("log of a quotient", lambda x, y: (log(x) - log(y), log(x / y)), assumes=("positive", "y"), at="add log mul"),
    Rule("log of a product", lambda x, y: (log(x) + log(y), log(x * y)), assumes=("positive", "y"), at="add log"),
    Rule("plain tanh", lambda x: (sinh(x) / cosh(x), tanh(x)), at="div cosh sinh"),
    Rule("product of exponentials", lambda x, y: (exp(x) * exp(y), exp(x + y)), at="mul exp"),
    Rule("exponential over exponential", lambda x, y: (exp(x) / exp(y), exp(x - y)), at="div exp"),
    Rule("reciprocal exponential", lambda x: (1 / exp(x), exp(-x)), at="div exp"),
    Rule("power of an exponential", lambda x: (exp(x) ** 2, exp(2 * x)), at="pow exp"),
    Rule("complement of sigmoid", lambda x: (sigmoid(x) + sigmoid(-x), 1), assumes=("finite", "x"), at="add sigmoid"),
    Rule("sigmoid times exp", lambda x: (sigmoid(-x) * exp(x), sigmoid(x)), at="mul exp sigmoid"),
    Rule("softplus difference", lambda x: (softplus(x) - softplus(-x), x), at="add mul softplus"),
    Rule("tanh from cosh", lambda x: (1 / cosh(x) ** 2, 1 - tanh(x) ** 2), at="div cosh pow"),
])  # fmt: skip


@SHORT.procedure("zero times", "mul", "div")
def _zero(x: Node, rebuild: Callable[[Node], Node]) -> tuple[Node, list[tuple[str, Node]]] | None:
    c, base = split(x)
    if c != 0 or base is None:
        return None
    from .canonical import build_sum

    return build_sum([], x.type), [("finite", f) for f in (base.inputs if base.op.name == "mul" else (base,))]


@SHORT.procedure("cancel", "div")
def _cancel(x: Node, rebuild: Callable[[Node], Node]) -> tuple[Node, list[tuple[str, Node]]] | None:
    """Equal factors above and below the line."""
    above, below = (powers_of(i) for i in x.inputs)
    shared = [b for b in above if b in below and number_of(b) is None]
    if not shared:
        return None
    from .canonical import Product

    product = Product()
    for side, sign in ((above, 1), (below, -1)):
        for b, k in side.items():
            rest = k - min(above.get(b, 0), below.get(b, 0)) if b in shared else k
            if rest:
                product.take(b, rest * sign, True)
    return product.build(x.type), [("not zero", b) for b in shared]


def powers_of(x: Node) -> dict[Node, int]:
    """The factors of a product with their whole powers."""
    found: dict[Node, int] = {}
    for f in x.inputs if x.op.name == "mul" else (x,):
        base, k = f, 1
        if (
            f.op.name == "pow"
            and (value := number_of(f.inputs[1])) is not None
            and value.denominator == 1
            and value > 0
        ):
            base, k = f.inputs[0], int(value)
        found[base] = found.get(base, 0) + k
    return found


@SHORT.procedure("cofactors", "div")
def _cofactors(x: Node, rebuild: Callable[[Node], Node]) -> tuple[Node, list[tuple[str, Node]]] | None:
    """``cofactor(A)/det(A)`` is ``inv(A).T``."""
    above, below = (set(i.inputs) if i.op.name == "mul" else {i} for i in x.inputs)
    for f in above:
        if f.op.name == "cofactor" and (det := node(lookup("det"), f.inputs)) in below:
            product = Expr(rebuild(node(lookup("inv"), f.inputs))).T
            for sign, side, gone in ((1, x.inputs[0], f), (-1, x.inputs[1], det)):
                for i in side.inputs if side.op.name == "mul" else (side,):
                    if i is not gone:
                        product = product * Expr(i) if sign > 0 else product / Expr(i)
            return product.canonical().node, [("invertible", f.inputs[0])]
    return None


@SHORT.procedure("half powers", "pow")
def _half_power(x: Node, rebuild: Callable[[Node], Node]) -> tuple[Node, list[tuple[str, Node]]] | None:
    base, k = x.inputs
    return (rebuild(node(lookup("sqrt"), (base,))), [("finite", base)]) if number_of(k) == ONE / 2 else None


@SHORT.procedure("even power of hypot", "pow")
def _even_power_of_hypot(x: Node, rebuild: Callable[[Node], Node]) -> Node | None:
    """``hypot(x, y)**4`` is ``(x**2 + y**2)**2``."""
    base, k = x.inputs[0], number_of(x.inputs[1])
    if base.op.name != "hypot" or k is None or k.denominator != 1 or k % 2:
        return None
    a, b = map(Expr, base.inputs)
    made = rebuild(((a**2 + b**2) ** float(k / 2)).node)
    return made if made.type == x.type else None


TANGENTS = {"tan": ("sin", "cos"), "tanh": ("sinh", "cosh")}


@SHORT.procedure("powers of sine and cosine", "mul", "div", near=TANGENTS)
def _powers_of_sine(x: Node, rebuild: Callable[[Node], Node]) -> tuple[Node, list[tuple[str, Node]]] | None:
    """``cosh(x)**2*tanh(x)**2`` as ``sinh(x)**2``: a tangent beside the sine or cosine is the quotient of both."""
    above, below = (powers_of(i) for i in (x.inputs if x.op.name == "div" else (x, constant_node(1, x.type.dtype))))
    for f in (*above, *below):
        if f.op.name not in TANGENTS:
            continue
        sine, cosine = (node(lookup(n), f.inputs) for n in TANGENTS[f.op.name])
        powers = {g: above.get(g, 0) - below.get(g, 0) for g in (sine, cosine, f)}
        k = powers[f]
        if powers[cosine] * k > 0 or powers[sine] * k < 0:
            from .canonical import Product

            product = Product()
            for side, sign in ((above, 1), (below, -1)):
                for g, n in side.items():
                    if g not in powers:
                        product.take(g, n * sign, True)
            for g, n in ((sine, powers[sine] + k), (cosine, powers[cosine] - k)):
                if n:
                    product.take(g, n, True)
            made = product.build(x.type)
            return (made, [("not a pole", f.inputs[0])]) if made.type == x.type else None
    return None


@SHORT.procedure("product of the others", "mul")
def _others(x: Node, rebuild: Callable[[Node], Node]) -> tuple[Node, list[tuple[str, Node]]] | None:
    """What the derivative of a product writes for the product of all other factors: ``prod(x)/x`` where none is 0."""
    sources = {j.inputs[0] for i in x.inputs for k in i.inputs for j in k.inputs if j.op.name == "cumprod"}
    for y in sources:
        whole = Expr(y).prod()
        vjp = whole.node.op.vjp
        if vjp is None or not whole.node.inputs:
            continue
        (found,) = vjp(Expr(constant_node(1, y.type.dtype)), whole, Expr(y))
        written = set(found.canonical().node.inputs)
        if found.canonical().node.op.name == "mul" and written <= set(x.inputs):
            rest = [i for i in x.inputs if i not in written]
            made = rebuild(node(lookup("div"), (rebuild(whole.node), y)))
            return rebuild(node(x.op, (*rest, made))) if rest else made, [("not zero", y)]
    return None


@SHORT.procedure("equal bases", "mul")
def _equal_bases(x: Node, rebuild: Callable[[Node], Node]) -> tuple[Node, list[tuple[str, Node]]] | None:
    """``x * x**y`` is ``x**(1 + y)``."""
    for p in x.inputs:
        if p.op.name == "pow" and number_of(p.inputs[1]) is None:
            for f in x.inputs:
                base, k = _single(f)
                if base is p.inputs[0] and f is not p:
                    exponent = rebuild(node(lookup("add"), (p.inputs[1], k)))
                    merged = rebuild(node(lookup("pow"), (base, exponent)))
                    rest = [g for g in x.inputs if g is not p and g is not f]
                    return rebuild(node(x.op, (*rest, merged))) if rest else merged, [("not zero", base)]
    return None


def _single(f: Node) -> tuple[Node, Node]:
    return (f.inputs[0], f.inputs[1]) if f.op.name == "pow" else (f, constant_node(1, f.type.dtype))


@SHORT.procedure("powers", "pow")
def _power_of_power(x: Node, rebuild: Callable[[Node], Node]) -> tuple[Node, list[tuple[str, Node]]] | None:
    base, k = x.inputs
    if base.op.name == "sqrt" and (value := number_of(k)) is not None and value.denominator == 1 and value % 2 == 0:
        half = node(lookup("pow"), (base.inputs[0], rebuild(node(lookup("mul"), (k, _half(k))))))
        return rebuild(half), [("not negative", base.inputs[0])]
    return None


def _half(k: Node) -> Node:
    return constant_node(ONE / 2, k.type.dtype)
