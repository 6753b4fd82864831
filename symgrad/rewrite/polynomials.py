"""Small polynomials and quotients of them, with exact coefficients, over the nodes that they cannot look into.

They answer one question: what is left of a sum when its leading terms cancel?  A square root is known by its square.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import reduce
from math import gcd

from ..expression import FUNCTIONS, Expr
from ..graph import Node
from .factors import Powers, factors, product
from .order import key
from .settling import canonical
from .terms import ONE, constant_node, number_of, split

Monomial = tuple[tuple[Node, int], ...]
Polynomial = dict[Monomial, Fraction]
LARGEST, DEGREE, LEVELS, VARIABLES = 40, 6, 6, 4


class TooLarge(Exception):
    """The polynomial would have too many terms to be worth looking at."""


def plus(p: Polynomial, q: Polynomial, c: Fraction = ONE) -> Polynomial:
    """``p + c*q``."""
    total = dict(p)
    for m, v in q.items():
        total[m] = total.get(m, Fraction(0)) + c * v
    return {m: v for m, v in total.items() if v}


def _merged(m: Monomial, n: Monomial) -> Monomial:
    powers: dict[Node, int] = dict(m)
    for x, k in n:
        powers[x] = powers.get(x, 0) + k
    return tuple(sorted(powers.items(), key=lambda item: key(item[0])))


def times(p: Polynomial, q: Polynomial) -> Polynomial:
    """``p * q``, with squares of square roots resolved."""
    if len(p) * len(q) > LARGEST:
        raise TooLarge
    total: Polynomial = {}
    for m, a in p.items():
        for n, b in q.items():
            found = _merged(m, n)
            total[found] = total.get(found, Fraction(0)) + a * b
    return _without_squared_roots({m: v for m, v in total.items() if v})


def _without_squared_roots(p: Polynomial) -> Polynomial:
    if not any(k > 1 and square(x) is not None for m in p for x, k in m):
        return p
    total: Polynomial = {}
    for m, v in p.items():
        term: Polynomial = {
            tuple((x, 1 if square(x) is not None and k % 2 else k) for x, k in m if square(x) is None or k % 2): v
        }
        for x, k in m:
            inside = square(x)
            if inside is not None and k > 1:
                term = times(term, raised(inside, k // 2))
        total = plus(total, term)
    return total


def square(x: Node) -> Polynomial | None:
    """The square of a root as a polynomial; None for other nodes."""
    if x.op.name == "sqrt":
        return polynomial(x.inputs[0])
    if x.op.name == "abs":
        inside = polynomial(x.inputs[0])
        return times(inside, inside)
    if x.op.name == "hypot":
        a, b = (polynomial(i) for i in x.inputs)
        return plus(times(a, a), times(b, b))
    return None


def raised(p: Polynomial, k: int) -> Polynomial:
    """``p ** k`` for k >= 0."""
    if k > DEGREE:
        raise TooLarge
    return reduce(times, [p] * k, {(): ONE})


def polynomial(x: Node, levels: int = LEVELS) -> Polynomial:
    """A canonical node as a polynomial; what lies deeper than `levels` is not looked into.  Raises TooLarge."""
    value = number_of(x)
    if value is not None:
        return {(): value} if value else {}
    if levels and len(x.inputs) <= 8:
        if x.op.name == "add":
            return reduce(plus, (polynomial(i, levels - 1) for i in x.inputs))
        if x.op.name == "mul":
            return reduce(times, (polynomial(i, levels - 1) for i in x.inputs))
        if x.op.name == "pow" and (k := number_of(x.inputs[1])) is not None and k.denominator == 1 and 0 < k <= DEGREE:
            return raised(polynomial(x.inputs[0], levels - 1), int(k))
        if x.op.name in ("root_difference", "root_sum"):
            return _of_root(x, levels)
        c, base = split(x)
        if base is not None and c != ONE:
            return {m: c * v for m, v in polynomial(base, levels - 1).items()}
    return {((x, 1),): ONE}


def _of_root(x: Node, levels: int) -> Polynomial:
    """``sqrt(b**2 + d) - b`` by that root."""
    b, d = map(Expr, x.inputs)
    root = canonical(FUNCTIONS["sqrt"](b**2 + d))
    return plus({((root, 1),): ONE}, polynomial(x.inputs[0], levels - 1), ONE if x.op.name == "root_sum" else -ONE)


def expression(p: Polynomial, dtype: str) -> Expr:
    """The polynomial as a sum of products, with what all terms share in front; not canonical."""
    if not p:
        return Expr(constant_node(0, dtype))
    shared = _shared(p)
    number = content(p)
    terms = [product(v / number, _powers(_divided(m, shared)), dtype) for m, v in p.items()]
    total = reduce(lambda a, b: a + b, terms)
    return product(number, _powers(shared), dtype) * total


def content(p: Polynomial) -> Fraction:
    """The largest number that leaves whole coefficients, or that makes the only coefficient 1."""
    top = reduce(gcd, (v.numerator for v in p.values()))
    bottom = reduce(lambda a, b: a * b // gcd(a, b), (v.denominator for v in p.values()))
    content = Fraction(top, bottom)
    return -content if all(v < 0 for v in p.values()) else content


def _shared(p: Polynomial) -> Monomial:
    first, *others = (dict(m) for m in p)
    lowest = {x: min([k, *(m.get(x, 0) for m in others)]) for x, k in first.items()}
    return tuple((x, k) for x, k in lowest.items() if k)


def _divided(m: Monomial, n: Monomial) -> Monomial:
    less = dict(n)
    return tuple((x, k - less.get(x, 0)) for x, k in m if k > less.get(x, 0))


def _powers(m: Monomial) -> Powers:
    return {x: Fraction(k) for x, k in m}


# ---- sums over one denominator

Quotient = tuple[Polynomial, dict[Node, int]]


def quotient(x: Node) -> Quotient:
    """A canonical term as a polynomial over a product of nodes with their powers.  Raises TooLarge."""
    if x.op.name == "mul":
        parts = [quotient(i) for i in x.inputs]
        below: dict[Node, int] = {}
        for _, q in parts:
            for y, k in q.items():
                below[y] = below.get(y, 0) + k
        return reduce(times, (p for p, _ in parts)), below
    if x.op.name != "div":
        return polynomial(x), {}
    number, powers = factors(x.inputs[1])
    if not number or any(k.denominator not in (1, 2) for k in powers.values()):
        raise TooLarge
    lower: dict[Node, int] = {}
    for y, power in powers.items():
        root = y if power.denominator == 1 else _root_of(x.inputs[1], y)
        lower[root] = lower.get(root, 0) + int(power if power.denominator == 1 else 2 * power)
    return {m: v / number for m, v in polynomial(x.inputs[0]).items()}, lower


def _root_of(denominator: Node, y: Node) -> Node:
    """The node ``sqrt(y)`` among the factors of a denominator."""
    for g in denominator.inputs if denominator.op.name == "mul" else (denominator,):
        if g.op.name == "sqrt" and g.inputs[0] is y:
            return g
    raise TooLarge


def combined(parts: Sequence[Quotient]) -> tuple[Quotient, bool]:
    """The sum over a common denominator, and whether products that stand in several terms cancel.  Raises TooLarge."""
    below: dict[Node, int] = {}
    for _, q in parts:
        for y, k in q.items():
            below[y] = max(below.get(y, 0), k)
    total: Polynomial = {}
    met: set[Monomial] = set()
    for p, q in parts:
        for y, k in below.items():
            p = times(p, raised(polynomial(y), k - q.get(y, 0)))
        total = plus(total, p)
        met |= set(p)
    return (total, below), len(met) > len(total)


def well_conditioned(p: Polynomial) -> bool:
    """Whether the sum of the terms of `p` loses no more digits than its condition number says.

    It must have no multiple root in any of its few variables (tried with whole numbers for the others), nor must what
    is left where a variable is 0: ``(x - 1)**2 + z`` multiplied out cancels near x = 1 for small z."""
    if len(p) <= 2:
        return True
    variables = sorted({x for m in p for x, _ in m}, key=key)
    if len(variables) > VARIABLES:
        return False
    numbers = {y: 3 + 4 * k for k, y in enumerate(variables)}
    if not all(_squarefree(_univariate(p, x, numbers)) for x in variables):
        return False
    without = [{m: v for m, v in p.items() if all(y is not x for y, _ in m)} for x in variables]
    return all(well_conditioned(q) for q in without if q)


def _univariate(p: Polynomial, x: Node, numbers: Mapping[Node, int]) -> list[Fraction]:
    found: list[Fraction] = []
    for m, v in p.items():
        k = dict(m).get(x, 0)
        found += [Fraction(0)] * (k + 1 - len(found))
        found[k] += reduce(lambda a, item: a * numbers[item[0]] ** item[1], [i for i in m if i[0] is not x], v)
    while found and not found[0]:
        found.pop(0)
    return _trimmed(found)


def _trimmed(p: list[Fraction]) -> list[Fraction]:
    while p and not p[-1]:
        p.pop()
    return p


def _squarefree(p: list[Fraction]) -> bool:
    """Whether the polynomial with these coefficients, lowest first, has no factor in common with its derivative."""
    a, b = p, _trimmed([k * c for k, c in enumerate(p)][1:])
    while b:
        while len(a) >= len(b):
            c = a[-1] / b[-1]
            shift = len(a) - len(b)
            a = _trimmed([v - (c * b[k - shift] if k >= shift else 0) for k, v in enumerate(a)][:-1])
        a, b = b, a
    return len(a) <= 1
