"""Numbers that a person writes by name: ``log(2)/3``, ``1/sqrt(2*pi)``, ``180/pi``.

A float is taken for such a number only if it is exactly what the written form gives when it is read back, by arithmetic
on floats and by the exact coefficients of canonical products alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from ..rewrite.terms import as_ratio

ROUNDED = 2
"""Units in the last place that arithmetic on a named number may have lost."""
LARGEST, UNENDING = 100, 15
"""What the numbers of a ratio may be, and how many characters its decimals have at least."""
SMALL = (1, 2, 3, 4, 5, 6, 8, 180)
NAMED: dict[str, tuple[float, str | None, float]] = {
    # name: its value, the function and its argument (None: a name of its own)
    "pi": (math.pi, None, math.pi),
    "exp(1)": (math.e, "exp", 1.0),
    **{f"sqrt({n})": (math.sqrt(n), "sqrt", float(n)) for n in (2, 3, 5)},
    **{f"log({n})": (math.log(n), "log", float(n)) for n in (2, 3, 10)},
    "sqrt(pi)": (math.sqrt(math.pi), "sqrt", math.pi),
    "sqrt(2*pi)": (math.sqrt(2 * math.pi), "sqrt", 2 * math.pi),
    "sqrt(2/pi)": (math.sqrt(2 / math.pi), "sqrt", 2 / math.pi),
    "log(pi)": (math.log(math.pi), "log", math.pi),
    "log(2*pi)": (math.log(2 * math.pi), "log", 2 * math.pi),
}


@dataclass(frozen=True)
class Named:
    """The number ``over*name/under``, or ``over/(under*name)`` if the name stands below the line."""

    over: int
    name: str
    under: int
    below: bool
    splits: bool
    """Whether a product keeps the number when its parts are separate factors and divisors."""

    @property
    def function(self) -> str | None:
        """The function whose value the name says, None for pi."""
        return NAMED[self.name][1]

    @property
    def argument(self) -> float:
        """What the function is taken of."""
        return NAMED[self.name][2]


@cache
def named_numbers() -> dict[float, Named]:
    """The positive floats that have a name, the shortest one each."""
    found: dict[float, Named] = {}
    ratios = sorted(((p, q) for p in SMALL for q in SMALL if math.gcd(p, q) == 1), key=lambda r: (sum(r), r))
    for below in (False, True):
        for p, q in ratios:
            for name, (value, _, _) in NAMED.items():
                exact = Fraction(p, q) / Fraction(value) if below else Fraction(value) * Fraction(p, q)
                read = p / (q * value) if below else p * value / q
                if float(exact) == read:
                    splits = not below and as_ratio(Fraction(p * value) / q, "f64") == (Fraction(read), Fraction(1))
                    found.setdefault(read, Named(p, name, q, below, splits))
    return found


def nearest_named(value: float) -> float:
    """The number with a name or the ratio of small numbers that rounding turned into `value`, at most two units in the
    last place away; `value` if there is none."""
    names = named_numbers()
    below = above = abs(value)
    for _ in range(ROUNDED + 1):
        for near in (below, above):
            if near in names or ratio(near) is not None:
                return math.copysign(near, value)
        below, above = math.nextafter(below, 0.0), math.nextafter(above, math.inf)
    return value


def ratio(value: float) -> Fraction | None:
    """The ratio of small numbers whose float `value` is, if its decimals do not end: ``1/3``, but 0.3."""
    if not math.isfinite(value) or abs(value) > LARGEST or len(repr(value)) < UNENDING:
        return None
    found = Fraction(value).limit_denominator(LARGEST)
    return found if found and float(found) == value and abs(found.numerator) <= LARGEST else None


def parted(value: float) -> tuple[float, float] | None:
    """What a product has above and below its line if `value` is written with one there: ``x/3``, ``x/(2*pi)``."""
    found = ratio(value)
    if found is not None:
        return float(found.numerator), float(found.denominator)
    name = named_number(abs(value))
    if name is None or not name.below:
        return None
    return math.copysign(name.over, value), name.under * NAMED[name.name][0]


def named_number(value: float) -> Named | None:
    """How a person writes `value`, a positive float, if that takes the name of a constant."""
    return named_numbers().get(value)
