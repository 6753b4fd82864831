"""Forms that `simplify` tries of sums and quotients with square roots: one polynomial over another, the roots brought
above the line by their conjugates, and what multiplies each root over what divides it.

What a stable form computes as ``x/(1 + sqrt(x + 1))`` has a derivative whose parts meet again only so: it is
``1/(2*sqrt(x + 1))``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from itertools import combinations

from ..expression import Expr
from ..graph import Node, lookup, node
from .canonical import canonicalise
from .division import divided
from .engine import Assumed
from .fractions import Fractions
from .polynomials import Polynomial, TooLarge, expression, plus, polynomial, raised, times
from .short_arrays import Form, form
from .terms import ONE, number_of, split

LARGEST, MOST, DEGREE = 60, 2, 4
"""The operations of the formulas that are looked at, the roots in them, and the powers."""
UNIT: Polynomial = {(): ONE}
Quotient = tuple[Polynomial, Polynomial]


@form("roots above the line", "add", "mul", "div")
def _roots(x: Node) -> Iterator[Form]:
    """``1/(1 + r) - x/(2*(1 + r)**2*r)`` with ``r = sqrt(x + 1)`` as ``1/(2*r)``."""
    if x.type.shape or x.type.dtype != "f64":
        return
    order = _arithmetic(x)
    roots = [n for n in order if n.op.name == "sqrt"]
    if not 0 < len(roots) <= MOST or len(order) > LARGEST or not _has_sum_of_roots(order, roots):
        return
    try:
        above, below = _quotient(order)
        for r in roots:
            above, below = _rationalised(above, below, r)
        found = [_term(*part) for part in _parted(above, below, roots)]
    except TooLarge:
        return
    total: Expr = reduce(lambda a, b: a + b, (Expr(t) for t, _ in found)) if found else Expr(x) * 0
    (made,) = canonicalise([total.node], stable=False)
    yield made, [a for _, assumed in found for a in assumed]


def _arithmetic(x: Node) -> list[Node]:
    """The nodes of sums, products, quotients and powers below `x`, and their operands, inputs first."""
    order: dict[Node, None] = {}
    stack = [(x, False)]
    while stack and len(order) <= LARGEST:
        y, done = stack.pop()
        if done:
            order[y] = None
        elif y not in order:
            inner = y.op.name in ("add", "mul", "div") or (y.op.name == "pow" and _power(y) is not None)
            stack.append((y, True))
            stack += [(i, False) for i in y.inputs[: 1 if y.op.name == "pow" else None]] if inner else []
    return list(order)


def _power(x: Node) -> int | None:
    k = number_of(x.inputs[1])
    return int(k) if k is not None and k.denominator == 1 and 0 < abs(k) <= DEGREE else None


def _has_sum_of_roots(order: list[Node], roots: list[Node]) -> bool:
    """Whether a root is a term of a sum: what stands alone is a power, and known as such."""
    return any(n.op.name == "add" and any(split(t)[1] in roots for t in n.inputs) for n in order)


def _quotient(order: list[Node]) -> Quotient:
    """The last node as one polynomial over another.  Raises TooLarge."""
    known: dict[Node, Quotient] = {}
    for n in order:
        value = number_of(n)
        parts = [known[i] for i in n.inputs if i in known]
        if value is not None:
            known[n] = ({(): value} if value else {}, UNIT)
        elif n.op.name == "add":
            known[n] = reduce(_added, parts)
        elif n.op.name == "mul":
            known[n] = reduce(lambda a, b: (times(a[0], b[0]), times(a[1], b[1])), parts)
        elif n.op.name == "div":
            (a, b), (c, d) = parts
            known[n] = times(a, d), times(b, c)
        elif n.op.name == "pow" and (k := _power(n)) is not None:
            a, b = raised(parts[0][0], abs(k)), raised(parts[0][1], abs(k))
            known[n] = (a, b) if k > 0 else (b, a)
        else:
            known[n] = {((n, 1),): ONE}, UNIT
    return known[order[-1]]


def _added(p: Quotient, q: Quotient) -> Quotient:
    (a, b), (c, d) = p, q
    if b == d:
        return plus(a, c), b
    if (more := divided(d, b)) is not None:
        return plus(times(a, more), c), d
    if (more := divided(b, d)) is not None:
        return plus(a, times(c, more)), b
    return plus(times(a, d), times(c, b)), times(b, d)


def _rationalised(above: Polynomial, below: Polynomial, root: Node) -> Quotient:
    """Both multiplied so that the root does not stand in the second."""
    plain = {m: v for m, v in below.items() if all(y is not root for y, _ in m)}
    if len(plain) == len(below):
        return above, below
    other = plus(plain, {m: v for m, v in below.items() if m not in plain}, -ONE)
    return times(above, other), times(below, other)


def _parted(
    above: Polynomial, below: Polynomial, roots: list[Node]
) -> Iterator[tuple[Polynomial, Polynomial, list[Node], list[Node]]]:
    """For each product of roots in the polynomial `above` what multiplies it, what divides it, and which of the roots
    stand above and below the line."""
    for n in range(len(roots) + 1):
        for chosen in combinations(roots, n):
            part: Polynomial = {
                tuple((y, k) for y, k in m if y not in chosen): v
                for m, v in above.items()
                if {y for y, _ in m if y in roots} == set(chosen)
            }
            if part:
                yield _reduced(part, below, list(chosen))


def _reduced(
    above: Polynomial, below: Polynomial, roots: list[Node]
) -> tuple[Polynomial, Polynomial, list[Node], list[Node]]:
    under: list[Node] = []
    for r in roots:
        rest = divided(below, polynomial(r.inputs[0]))
        if rest is not None:
            below, under = rest, [*under, r]
    whole, inverse = divided(above, below), divided(below, above)
    if whole is not None:
        above, below = whole, UNIT
    elif inverse is not None:
        above, below = UNIT, inverse
    return above, below, [r for r in roots if r not in under], under


def _term(above: Polynomial, below: Polynomial, over: list[Node], under: list[Node]) -> tuple[Node, Assumed]:
    top = reduce(lambda a, r: a * Expr(r), over, expression(above, "f64"))
    bottom = reduce(lambda a, r: a * Expr(r), under, expression(below, "f64"))
    (made,) = canonicalise([(top / bottom).node], stable=False)
    known = None if all(not m for m in below) else canonicalise([expression(below, "f64").node], stable=False)[0]
    assumed: Assumed = [] if known is None else [("not zero", known)]
    for shorter, _ in Fractions().candidates(made, signs=False):
        return shorter, assumed
    return made, assumed


@form("product of conjugates", "mul")
def _product_of_conjugates(x: Node) -> Iterator[Form]:
    """``(x + 1)*(1 - x)`` as ``1 - x**2``, also of equal powers."""
    powers = [(f, ONE) if f.op.name != "pow" else (f.inputs[0], number_of(f.inputs[1])) for f in x.inputs]
    sums = [(f, k, n) for (f, n), k in zip(powers, range(len(powers)), strict=True)
            if f.op.name == "add" and len(f.inputs) == 2 and not f.type.shape]  # fmt: skip
    for (f, i, n), (g, j, m) in combinations(sums, 2):
        if n is None or n != m:
            continue
        try:
            total = times(polynomial(f), polynomial(g))
        except TooLarge:
            continue
        if len(total) != 2:
            continue
        whole = expression(total, x.type.dtype) ** float(n) if n != 1 else expression(total, x.type.dtype)
        rest = [y for k, y in enumerate(x.inputs) if k not in (i, j)]
        (made,) = canonicalise([reduce(lambda p, y: p * Expr(y), rest, whole).node], stable=False)
        if made.type == x.type:
            yield made, []


@form("product of angles", "mul")
def _product_of_angles(x: Node) -> Iterator[Form]:
    """``(x*cos(u) - 2*sin(u))*sin(u)`` by the sine and cosine of 2*u."""
    for k, total in enumerate(x.inputs):
        for f in x.inputs if total.op.name == "add" and len(total.inputs) <= DEGREE else ():
            if f.op.name in TWICE:
                rest = [y for n, y in enumerate(x.inputs) if n != k and y is not f]
                terms = [_with_twice(t, f) for t in total.inputs]
                if all(t is not None for t in terms):
                    inner = reduce(lambda a, b: a + b, (t for t in terms if t is not None))
                    (made,) = canonicalise([inner.node], stable=False)
                    (made,) = canonicalise([reduce(lambda p, y: p * Expr(y), rest, Expr(made)).node], stable=False)
                    if made.type == x.type:
                        yield made, []


TWICE = {"sin": ("cos", -1), "cos": ("sin", 1), "sinh": ("cosh", 1), "cosh": ("sinh", 1)}
"""The other function of an angle, and the sign of the cosine of twice the angle in twice the square."""


def _with_twice(t: Node, f: Node) -> Expr | None:
    """``t*f`` for a term t with a factor that is the sine or cosine of the same angle as f."""
    other, sign = TWICE[f.op.name]
    factors = t.inputs if t.op.name == "mul" else (t,)
    twice = 2 * Expr(f.inputs[0])
    for k, g in enumerate(factors):
        if g.op.name not in (f.op.name, other) or g.inputs != f.inputs:
            continue
        rest = [Expr(y) for n, y in enumerate(factors) if n != k]
        if g is f:
            even = Expr(node(lookup("cosh" if "h" in f.op.name else "cos"), (twice.node,)))
            half = (sign * even + (-1 if f.op.name == "sinh" else 1)) / 2
        else:
            half = Expr(node(lookup("sinh" if "h" in f.op.name else "sin"), (twice.node,))) / 2
        return reduce(lambda a, b: a * b, rest, half)
    return None
