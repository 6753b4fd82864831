"""Arithmetic of sizes: what is computed from size names alone is one `size` node, times a number.

`m*n` is the same node whether it was written, counted by a mean, or the length of a ravelled matrix.  A size has no
common factor and a positive first coefficient; the rest is a coefficient like any other, so that like terms are found.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd

from ..compiler.types import Dim, Size
from ..graph import Node, lookup, node

HIGHEST = 8
"""Powers of sizes are multiplied out up to this degree."""


def size_node(n: Size, dtype: str) -> Node:
    """The size `n` as a number."""
    return node(lookup("size"), (), (n, dtype))


def size_of(x: Node | None) -> Size | None:
    """The size that a node stands for, None if it is something else."""
    if x is None or x.op.name != "size":
        return None
    n = x.params[0]
    return n if isinstance(n, Size) else None


def primitive(n: Size) -> tuple[int, Size]:
    """The number and the size without a common factor whose product is `n`."""
    common = gcd(*(c for _, c in n.terms))
    if n.terms[0][1] < 0:
        common = -common
    return common, n if common == 1 else Size(tuple((monomial, c // common) for monomial, c in n.terms))


def add_sizes(
    collected: dict[Node | None, Fraction], constant: Fraction, dtype: str
) -> tuple[dict[Node | None, Fraction], Fraction]:
    """The terms and the constant of a sum, with sizes and whole numbers added up."""
    if not any(x is not None and x.op.name == "size" for x in collected):
        return collected, constant
    sizes = {x: c for x, c in collected.items() if size_of(x) is not None and c.denominator == 1}
    whole = constant.denominator == 1
    if not sizes or (len(sizes) == 1 and not (constant and whole)):
        return collected, constant
    total: Dim = int(constant) if whole else 0
    for x, c in sizes.items():
        n = size_of(x)
        assert n is not None
        total = total + int(c) * n
    rest = {x: c for x, c in collected.items() if x not in sizes}
    left = Fraction(0) if whole else constant
    if isinstance(total, int):
        return rest, left + total
    number, n = primitive(total)
    rest[size_node(n, dtype)] = Fraction(number)
    return rest, left


def multiply_sizes(powers: dict[Node, int], dtype: str) -> dict[Node, int]:
    """The factors of a product with those that are products of size names multiplied into one."""
    if not any(x.op.name == "size" for x in powers):
        return powers
    found = [(x, k, n) for x, k in powers.items() if (n := size_of(x)) is not None and len(n.terms) == 1]
    degree = sum(k * sum(power for _, power in n.terms[0][0]) for _, k, n in found)
    if not found or (len(found) == 1 and found[0][1] == 1) or degree > HIGHEST:
        return dict(powers)
    total: Dim = 1
    for _, k, n in found:
        for _ in range(k):
            total = total * n
    assert isinstance(total, Size)
    taken = {x for x, _, _ in found}
    return {**{x: k for x, k in powers.items() if x not in taken}, size_node(total, dtype): 1}
