"""Element types, symbolic sizes and array types: the vocabulary that both packages share.

A size is an integer or a polynomial with integer coefficients in named sizes, closed under floor division and
``max(0, .)``, so that the length of every slice, concatenation, reshape and padding of arrays with unknown
sizes has an exact name.  Polynomials are kept in one normal form: two sizes are equal exactly when their
normal forms are, which is what makes ``n + 1 - 1`` the same size as ``n`` without a prover.  Two different names
never match; nothing here guesses.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from .records import record

DTYPES: dict[str, np.dtype[Any]] = {
    "f64": np.dtype(np.float64),
    "f32": np.dtype(np.float32),
    "i64": np.dtype(np.int64),
    "bool": np.dtype(np.bool_),
}
RANK = {"bool": 0, "i64": 1, "f32": 2, "f64": 3}


def is_float(dtype: str) -> bool:
    """Whether `dtype` is one of the floating-point element types."""
    return dtype in ("f64", "f32")


@record(frozen=True, slots=True)
class FloorDiv:
    """The atom ``numerator // denominator`` of a size polynomial."""

    numerator: Dim
    denominator: Dim

    def __str__(self) -> str:
        return f"{_factor(self.numerator)}//{_factor(self.denominator)}"


@record(frozen=True, slots=True)
class Max0:
    """The atom ``max(0, argument)`` of a size polynomial."""

    argument: Dim

    def __str__(self) -> str:
        return f"max(0, {self.argument})"


Atom = str | FloorDiv | Max0
Monomial = tuple[tuple[Atom, int], ...]


def _order(monomial: Monomial) -> tuple[int, str]:
    return (-sum(power for _, power in monomial), ".".join(f"{atom}^{power}" for atom, power in monomial))


@record(frozen=True, slots=True)
class Size:
    """A size that is not a plain integer: ``terms`` are (monomial, coefficient) in normal form.

    Arithmetic with integers and sizes returns an `int` as soon as the result is constant, so a value that
    has type `Size` always depends on at least one name.  Make one with `named`.
    """

    terms: tuple[tuple[Monomial, int], ...]

    def __add__(self, other: Dim) -> Dim:
        total = dict(self.terms)
        for monomial, c in _terms(other):
            total[monomial] = total.get(monomial, 0) + c
        return _normal(total)

    __radd__ = __add__

    def __neg__(self) -> Dim:
        return _normal({monomial: -c for monomial, c in self.terms})

    def __sub__(self, other: Dim) -> Dim:
        return self + -1 * other

    def __rsub__(self, other: Dim) -> Dim:
        return -1 * self + other

    def __mul__(self, other: Dim) -> Dim:
        total: dict[Monomial, int] = {}
        for left, c in self.terms:
            for right, d in _terms(other):
                monomial = _times(left, right)
                total[monomial] = total.get(monomial, 0) + c * d
        return _normal(total)

    __rmul__ = __mul__

    def __floordiv__(self, other: Dim) -> Dim:
        return floordiv(self, other)

    def __str__(self) -> str:
        text = ""
        for monomial, c in self.terms:
            alone = c == 1 and len(monomial) == 1 and monomial[0][1] == 1
            body = str(monomial[0][0]) if alone else "*".join(_power(atom, power) for atom, power in monomial)
            if body and abs(c) != 1:
                body = f"{abs(c)}*{body}"
            sign = (" - " if c < 0 else " + ") if text else ("-" if c < 0 else "")
            text += sign + (body or str(abs(c)))
        return text

    __repr__ = __str__


Dim = int | Size


def _power(atom: Atom, power: int) -> str:
    text = f"({atom})" if isinstance(atom, FloorDiv) else str(atom)
    return "*".join([text] * power)


def _factor(size: Dim) -> str:
    text = str(size)
    return text if isinstance(size, int) or text.isidentifier() else f"({text})"


def _terms(size: Dim) -> tuple[tuple[Monomial, int], ...]:
    if isinstance(size, Size):
        return size.terms
    return (((), size),) if size else ()


def _times(left: Monomial, right: Monomial) -> Monomial:
    powers = dict(left)
    for atom, power in right:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda item: str(item[0])))


def _normal(total: dict[Monomial, int]) -> Dim:
    kept = {monomial: c for monomial, c in total.items() if c}
    if not kept:
        return 0
    if len(kept) == 1 and () in kept:
        return kept[()]
    return Size(tuple(sorted(kept.items(), key=lambda item: _order(item[0]))))


@lru_cache(maxsize=4096)
def named(name: str) -> Size:
    """The size called `name`."""
    return Size(((((name, 1),), 1),))


def floordiv(a: Dim, b: Dim) -> Dim:
    """``a // b`` rounded towards minus infinity; exact quotients are divided out, also of some terms: ``(2*n + 3)//2``
    is ``n + 1``."""
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    if b == 1:
        return a
    quotient = _exact(a, b)
    if quotient is not None:
        return quotient
    whole: Dim = 0
    if isinstance(b, int):
        whole = _normal({monomial: c // b for monomial, c in _terms(a) if c % b == 0 or not monomial})
        a = a - b * whole
    if isinstance(a, int) and isinstance(b, int):
        return whole + a // b
    return whole + _normal({((FloorDiv(a, b), 1),): 1})


def _exact(a: Dim, b: Dim) -> Dim | None:
    """The polynomial a / b where b is one monomial that divides every term of a."""
    terms = _terms(b)
    if len(terms) != 1:
        return 1 if a == b else None
    monomial, c = terms[0]
    total: dict[Monomial, int] = {}
    for term, d in _terms(a):
        powers = dict(term)
        for atom, power in monomial:
            powers[atom] = powers.get(atom, 0) - power
        if d % c or any(power < 0 for power in powers.values()):
            return None
        total[tuple((atom, power) for atom, power in powers.items() if power)] = d // c
    return _normal(total)


def max0(size: Dim) -> Dim:
    """``max(0, size)``; a polynomial without negative coefficients is its own maximum."""
    if isinstance(size, int):
        return max(0, size)
    if all(c >= 0 for _, c in size.terms):
        return size
    return _normal({((Max0(size), 1),): 1})


def minimum(a: Dim, b: Dim) -> Dim:
    """The smaller of two sizes, as ``a - max(0, a - b)``."""
    return a - max0(a - b)


def product(sizes: tuple[Dim, ...]) -> Dim:
    """The product of `sizes` (1 for none): the number of elements of an array of that shape."""
    total: Dim = 1
    for size in sizes:
        total = total * size
    return total


def names(size: Dim) -> set[str]:
    """The size names that `size` depends on."""
    found: set[str] = set()
    pending: list[Dim] = [size]
    while pending:
        for monomial, _ in _terms(pending.pop()):
            for atom, _ in monomial:
                if isinstance(atom, str):
                    found.add(atom)
                elif isinstance(atom, FloorDiv):
                    pending += (atom.numerator, atom.denominator)
                else:
                    pending.append(atom.argument)
    return found


def evaluate(size: Dim, values: Mapping[str, int]) -> int:
    """The number that `size` is when each name has the value in `values` (KeyError for a missing name)."""
    return size if isinstance(size, int) else sum(c * _value(monomial, values) for monomial, c in size.terms)


def _value(monomial: Monomial, values: Mapping[str, int]) -> int:
    total = 1
    for atom, power in monomial:
        if isinstance(atom, str):
            number = values[atom]
        elif isinstance(atom, FloorDiv):
            number = evaluate(atom.numerator, values) // evaluate(atom.denominator, values)
        else:
            number = max(0, evaluate(atom.argument, values))
        total *= number**power
    return total


def substitute(size: Dim, values: Mapping[str, Dim]) -> Dim:
    """`size` with names replaced by other sizes; names not in `values` stay."""
    if isinstance(size, int):
        return size
    total: Dim = 0
    for monomial, c in size.terms:
        term: Dim = c
        for atom, power in monomial:
            if isinstance(atom, str):
                new = values.get(atom, named(atom))
            elif isinstance(atom, FloorDiv):
                new = floordiv(substitute(atom.numerator, values), substitute(atom.denominator, values))
            else:
                new = max0(substitute(atom.argument, values))
            for _ in range(power):
                term = term * new
        total = total + term
    return total


@record(frozen=True, slots=True)
class ArrayType:
    """The type of every value: an element type and a shape of sizes.  Prints as ``f64[m, n]``; a scalar as ``f64``."""

    dtype: str
    shape: tuple[Dim, ...] = ()

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]" if self.shape else self.dtype

    __repr__ = __str__
