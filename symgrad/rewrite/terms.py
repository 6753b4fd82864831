"""Numbers in canonical sums and products: exact rational coefficients, and how they are written back.

Every finite float is a rational number, so coefficients are combined exactly and rounded once, when they are written
back: as a constant factor if a float holds them exactly, as a quotient of integers if those are exact (x/3 stays x/3),
and as the nearest float otherwise.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np

from ..compiler.types import DTYPES
from ..graph import Node, Params, lookup, node
from ..ops.leaves import CONSTANT

ONE = Fraction(1)
EXACT = 2**53
SHORT = 2**24
"""Larger denominators come from floats, not from people."""

ROOTS = {Fraction(math.sqrt(n)): n for n in range(2, 51) if math.isqrt(n) ** 2 != n}


def number_of(x: Node) -> Fraction | None:
    """The exact value of a finite scalar constant, None for anything else."""
    return None if x.op is not CONSTANT or x.params[1] else exact_value(x.params)


@lru_cache(maxsize=4096)
def exact_value(params: Params) -> Fraction | None:
    """The exact value of the scalar constant with these parameters if it is a finite number."""
    dtype, _, data = params
    assert isinstance(dtype, str) and isinstance(data, bytes)
    if dtype == "bool":
        return None
    value = np.frombuffer(data, DTYPES[dtype])[0].item()
    return Fraction(value) if math.isfinite(value) else None


def constant_node(value: float | int | Fraction, dtype: str) -> Node:
    """The scalar constant of `value` rounded to `dtype`."""
    kind = DTYPES[dtype]
    number = np.asarray(int(value) if dtype == "i64" else rounded(value), kind)
    return node(lookup("constant"), (), (dtype, (), number.tobytes()))


def rounded(value: float | int | Fraction) -> float:
    """The nearest float, infinite where there is none."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def is_exact(value: Fraction, dtype: str) -> bool:
    """Whether `dtype` holds `value` exactly."""
    if dtype == "i64":
        return value.denominator == 1
    number = DTYPES[dtype].type(rounded(value)).item()
    return math.isfinite(number) and Fraction(number) == value


def as_ratio(value: Fraction, dtype: str) -> tuple[Fraction, Fraction]:
    """`value` as a factor of the numerator and one of the denominator, both exact in `dtype` where that is possible."""
    if value.denominator == 1 or is_exact(value, dtype):
        return value, ONE
    limit = EXACT if dtype == "f64" else 2**24
    if abs(value.numerator) < limit and value.denominator < limit and _tells(value):
        # Where a float took part, powers of two are shared out so that both are of its size: 1/2.5 and not 2**51/….
        even = value.numerator & -value.numerator if value.denominator > SHORT else 1
        return Fraction(value.numerator, even), Fraction(value.denominator, even)
    return Fraction(DTYPES[dtype].type(rounded(value)).item()) if math.isfinite(rounded(value)) else value, ONE


def power_of(value: Fraction, k: int) -> Fraction:
    """``value**k``; an even power of the float nearest to the root of a small number is a power of that number."""
    if k % 2 == 0:
        for base, sign in ((abs(value), 1), (1 / abs(value), -1)) if value else ():
            if base in ROOTS:
                return Fraction(ROOTS[base]) ** (sign * k // 2)
    return value**k


def _tells(value: Fraction) -> bool:
    """Whether one side of the line is a short number; a quotient of two long ones is better read rounded."""
    return any(n // (n & -n) < SHORT for n in (abs(value.numerator), value.denominator) if n)


def split(x: Node) -> tuple[Fraction, Node | None]:
    """The numeric coefficient of a canonical node and what it multiplies (None for a number)."""
    name = x.op.name
    if name == "constant":
        value = number_of(x)
        return (ONE, x) if value is None else (value, None)
    if name == "mul":
        value = number_of(x.inputs[0])
        if value is None:
            return ONE, x
        rest = x.inputs[1:]
        return value, rest[0] if len(rest) == 1 else node(x.op, rest)
    if name == "div":
        return _split_quotient(x)
    if name == "mask":
        value, inner = split(x.inputs[1])
        if inner is not None and value != ONE:
            return value, node(x.op, (x.inputs[0], inner))
    return ONE, x


def _split_quotient(x: Node) -> tuple[Fraction, Node | None]:
    above, numerator = split(x.inputs[0])
    below, denominator = split(x.inputs[1])
    if below == 0 or (above == ONE and below == ONE) or (numerator is None and above == ONE and below == ONE):
        return ONE, x
    if numerator is None:
        if above == 1 and below == ONE:
            return ONE, x
        numerator = constant_node(1, x.type.dtype)
    value = above / below
    if denominator is None:
        return value, numerator
    return value, node(x.op, (numerator, denominator))

