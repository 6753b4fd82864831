"""Value numbering: what a very large formula of scalars computes twice is computed once.

Formulas written out by programs, and their derivatives above all, hold the same product in several spellings:
``(a*b)*c`` and ``c*a*b``, ``2*d*r`` and ``-(r*d)``, ``(1/s)/s`` and ``1/s**2``.  So each value is known by its sign and
by a coefficient and integer powers of what is no product.  A value that is there already is taken, by a multiple if
need be; any other is computed as it was written, so that no formula becomes longer.  Like terms of one sum are
collected.  Time is linear in the number of operations.

Equal factors above and below the line are left alone (x/x is NaN at 0), as are terms that cancel.  Where the reciprocal
of a divisor is at hand, a quotient is a product with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ..compiler.types import ArrayType
from ..graph import Node, lookup, node
from ..ops.leaves import CONSTANT
from .terms import constant_node, number_of

SCALAR = ArrayType("f64")
MOST = 6
"""Products of more different factors are known by their two operands."""
MODERATE = 1e30
"""Coefficients beyond it, or below its reciprocal, stay where they are."""
Powers = tuple[tuple[int, int], ...]
"""The numbers of factors and their powers, in the order of the numbers."""
Value = tuple[int, Node]
"""A sign, and the node of which the value is so many times."""


def numbered_values(order: Iterable[Node], roots: Sequence[Node]) -> list[Node]:
    """`roots`, whose nodes are `order`, with equal values computed once."""
    numbering = _Numbering()
    for x in order:
        numbering.values[x] = numbering.value(x)
    return [numbering.written(numbering.values[root]) for root in roots]


class _Numbering:
    """`forms` has the coefficient (positive) and powers of each node that stands for a value; `known` the first node
    with given powers; `multiples` those with a coefficient besides; `wholes` the numbers of products that powers are
    taken of; `pairs` and `sums` other operations."""

    def __init__(self) -> None:
        self.values: dict[Node, Value] = {}
        self.forms: dict[Node, tuple[float, Powers]] = {}
        self.known: dict[Powers, Node] = {}
        self.multiples: dict[tuple[Powers, float], Node] = {}
        self.pairs: dict[tuple[str, Node, Node], Node] = {}
        self.sums: dict[tuple[tuple[Powers, float], ...], Value] = {}
        self.wholes: dict[Node, int] = {}
        self.numbers: dict[float, Node] = {}
        self.negatives: dict[Node, Node] = {}
        self.mul, self.add, self.sub, self.div = lookup("mul"), lookup("add"), lookup("sub"), lookup("div")

    def value(self, x: Node) -> Value:
        """The value of `x`, those of whose inputs are known."""
        if not x.inputs:
            return self.constant(x) if x.op is CONSTANT else (1, self.atom(x))
        if x.type is SCALAR or x.type == SCALAR:
            match x.op.name:
                case "mul":
                    return self.product(x)
                case "add" | "sub" | "neg":
                    return self.sum(x)
                case "div":
                    return self.quotient(x)
                case "pow":
                    return self.power(x)
        return 1, self.atom(self.same(x))

    def same(self, x: Node) -> Node:
        """The operation of `x` on the values of its inputs."""
        values = self.values
        inputs = tuple([value[1] if (value := values[i])[0] > 0 else self.written(value) for i in x.inputs])
        return x if inputs == x.inputs else node(x.op, inputs, x.params)

    def written(self, value: Value) -> Node:
        """The node of a value."""
        sign, unit = value
        if sign > 0:
            return unit
        if unit not in self.negatives:
            minus = unit.op is CONSTANT
            self.negatives[unit] = (
                self.number(-self.forms[unit][0]) if minus else node(self.mul, (self.number(-1.0), unit))
            )
        return self.negatives[unit]

    def number(self, value: float) -> Node:
        """The constant `value`."""
        found = self.numbers.get(value)
        if found is None:
            found = self.numbers[value] = constant_node(value, "f64")
        return found

    # ---- what values are known by

    def atom(self, x: Node) -> Node:
        """Makes `x` a factor of its own, whatever it is."""
        return self.enter(x, 1.0, ((len(self.forms), 1),))

    def enter(self, x: Node, k: float, powers: Powers) -> Node:
        if x in self.forms:
            return x
        self.forms[x] = k, powers
        self.known.setdefault(powers, x)
        self.multiples.setdefault((powers, k), x)
        return x

    def constant(self, x: Node) -> Value:
        number = number_of(x) if x.type == SCALAR else None
        if not number or not _moderate(k := abs(float(number))):
            return 1, self.atom(x)
        positive = x if number > 0 else self.number(k)
        return (1 if number > 0 else -1), self.enter(positive, k, ())

    def multiple(self, k: float, powers: Powers) -> Node | None:
        """The node for `k` times `powers`, if one with these powers is known and its multiple exact."""
        found = self.multiples.get((powers, k))
        if found is not None or not powers:
            return found if found is not None else self.enter(self.number(k), k, ())
        first = self.known.get(powers)
        if first is None:
            return None
        ratio = k / self.forms[first][0]
        if not _exact(self.forms[first][0]):
            return None
        return self.enter(node(self.mul, (self.number(ratio), first)), k, powers)

    def pair(self, name: str, a: Node, b: Node, x: Node) -> Node:
        """`x`, which is the operation called `name` on `a` and `b`, or what is known as the same."""
        found = self.pairs.setdefault((name, a, b), x)
        return self.atom(found)

    # ---- products

    def product(self, x: Node) -> Value:
        sign, k, factors = 1, 1.0, list[Node]()
        for i in x.inputs:
            s, unit = self.values[i]
            sign *= s
            if unit.op is CONSTANT and not self.forms[unit][1]:
                k *= self.forms[unit][0]
            else:
                factors.append(unit)
        if not _moderate(k):
            return 1, self.atom(self.same(x))
        result = factors[0] if factors else None
        for unit in factors[1:]:
            assert result is not None
            result = self.times(result, unit)
        return sign, self.scaled(k, result)

    def scaled(self, k: float, unit: Node | None) -> Node:
        """`k` times a value, 1 if it is None."""
        if k == 1 and unit is not None:
            return unit
        number = self.number(k)
        if unit is None:
            return self.enter(number, k, ())
        own, powers = self.forms[unit]
        if not _moderate(k * own):
            return self.pair("mul", number, unit, node(self.mul, (number, unit)))
        found = self.multiple(k * own, powers) if _exact(own) or _exact(k) else None
        return found if found is not None else self.enter(node(self.mul, (number, unit)), k * own, powers)

    def times(self, a: Node, b: Node) -> Node:
        (k, above), (m, below) = self.forms[a], self.forms[b]
        powers = _merged(above, below, 1)
        if powers is None or not _moderate(k * m) or not (_exact(k) or _exact(m)):
            known = self.pairs.get(("mul", b, a))
            return self.atom(known) if known is not None else self.pair("mul", a, b, node(self.mul, (a, b)))
        found = self.multiple(k * m, powers)
        return found if found is not None else self.enter(node(self.mul, (a, b)), k * m, powers)

    def quotient(self, x: Node) -> Value:
        (s, a), (t, b) = self.values[x.inputs[0]], self.values[x.inputs[1]]
        (k, above), (m, below) = self.forms[a], self.forms[b]
        powers = _merged(above, below, -1)
        if powers is None or not below or not _exact(m) or not _moderate(k / m):
            return s * t, self.pair("div", a, b, node(self.div, (a, b)))
        found = self.multiple(k / m, powers)
        if found is None and above:
            inverse = self.multiple(1 / m, tuple([(base, -p) for base, p in below]))
            found = None if inverse is None else self.enter(node(self.mul, (a, inverse)), k / m, powers)
        return s * t, found if found is not None else self.enter(node(self.div, (a, b)), k / m, powers)

    def power(self, x: Node) -> Value:
        sign, base = self.values[x.inputs[0]]
        exponent = number_of(x.inputs[1])
        if exponent is None or exponent.denominator != 1 or not 0 < abs(exponent) <= MOST or base.op is CONSTANT:
            return 1, self.atom(self.same(x))
        p, (k, powers) = int(exponent), self.forms[base]
        if k != 1 or len(powers) != 1:
            powers = ((self.wholes.setdefault(base, -1 - len(self.wholes)), 1),)
        raised = tuple([(b, q * p) for b, q in powers])
        found = self.multiple(1.0, raised)
        if found is None:
            found = self.enter(node(x.op, (base, x.inputs[1]), x.params), 1.0, raised)
        return sign if p % 2 else 1, found

    # ---- sums

    def sum(self, x: Node) -> Value:
        terms: dict[Powers, float] = {}
        units: dict[Powers, Node] = {}
        for i, sign in zip(x.inputs, SIGNS.get(x.op.name, (1,) * len(x.inputs)), strict=True):
            s, unit = self.values[i]
            k, powers = self.forms[unit]
            if powers not in terms:
                terms[powers], units[powers] = s * sign * k, unit
                continue
            terms[powers] += s * sign * k
            found = self.multiple(abs(terms[powers]), powers) if _moderate(abs(terms[powers])) else None
            if found is None:
                return 1, self.atom(self.same(x))
            units[powers] = found
        for powers in [p for p, unit in units.items() if unit.op is CONSTANT and number_of(unit) == 0]:
            if len(terms) > 1:
                del terms[powers], units[powers]
        if len(terms) == 1:
            (c,), (unit,) = terms.values(), units.values()
            return (1 if c > 0 else -1), unit
        return self.summed(x, terms, units)

    def summed(self, x: Node, terms: dict[Powers, float], units: dict[Powers, Node]) -> Value:
        """The sum of several unlike terms; it is known whatever the order and up to its sign."""
        key = tuple(sorted(terms.items()))
        lead = 1 if key[0][1] > 0 else -1
        if lead < 0:
            key = tuple([(powers, -c) for powers, c in key])
        known = self.sums.get(key)
        if known is not None:
            return known[0] * lead, known[1]
        sign = 1 if max(terms.values()) > 0 else -1
        parts = [(sign if terms[powers] > 0 else -sign, unit) for powers, unit in units.items()]
        if x.op is self.sub and [s for s, _ in parts] == [1, -1]:
            made = node(x.op, (parts[0][1], parts[1][1]))
        else:
            made = node(self.add, tuple(map(self.written, parts)))
        self.sums[key] = sign * lead, self.atom(made)
        return sign, made


SIGNS = {"sub": (1, -1), "neg": (-1,)}
"""How the operands of sums enter where it is not with their own sign."""


def _exact(k: float) -> bool:
    """Whether products and quotients with `k`, a power of two, are exact."""
    return math.frexp(k)[0] == 0.5


def _moderate(k: float) -> bool:
    return 1 / MODERATE < k < MODERATE


def _merged(a: Powers, b: Powers, sign: int) -> Powers | None:
    """The powers of a product (of a quotient if `sign` is -1); None where factors meet above and below the line."""
    found = dict(a)
    for base, p in b:
        p *= sign
        old = found.get(base, 0)
        if old * p < 0:
            return None
        found[base] = old + p
    return tuple(sorted(found.items())) if len(found) <= MOST else None


__all__ = ["numbered_values"]
