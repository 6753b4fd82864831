"""Division of polynomials in several variables: exact, and with a remainder by the leading term."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ..graph import Node
from .order import key
from .polynomials import Monomial, Polynomial

STEPS = 100
"""How many steps a term may take."""
ZERO = Fraction(0)


def divided(p: Polynomial, q: Polynomial) -> Polynomial | None:
    """``p / q`` where nothing is left over, otherwise None."""
    variables = sorted({y for m in (*p, *q) for y, _ in m}, key=key)
    rest = {_exponents(m, variables): v for m, v in p.items()}
    by = {_exponents(m, variables): v for m, v in q.items()}
    lead = max(by)
    found: dict[tuple[int, ...], Fraction] = {}
    for _ in range(len(p) * STEPS):
        if not rest:
            return {tuple((y, k) for y, k in zip(variables, m, strict=True) if k): v for m, v in found.items()}
        top = max(rest)
        m = tuple(a - b for a, b in zip(top, lead, strict=True))
        if min(m, default=0) < 0:
            return None
        v = found[m] = rest[top] / by[lead]
        for n, w in by.items():
            place = tuple(a + b for a, b in zip(m, n, strict=True))
            rest[place] = rest.get(place, ZERO) - v * w
            if not rest[place]:
                del rest[place]
    return None


def divmod_polynomials(p: Polynomial, q: Polynomial) -> tuple[Polynomial, Polynomial] | None:
    """Quotient and remainder by the leading term of `q`, variables in their order; None if that takes long."""
    variables = sorted({y for m in (*p, *q) for y, _ in m}, key=key)
    rest = {_exponents(m, variables): v for m, v in p.items()}
    by = {_exponents(m, variables): v for m, v in q.items()}
    lead = max(by)
    found: dict[tuple[int, ...], Fraction] = {}
    left: dict[tuple[int, ...], Fraction] = {}
    for _ in range(len(p) * STEPS):
        if not rest:
            break
        top = max(rest)
        m = tuple(a - b for a, b in zip(top, lead, strict=True))
        if min(m, default=0) < 0:
            left[top] = rest.pop(top)
            continue
        v = found[m] = rest[top] / by[lead]
        for n, w in by.items():
            place = tuple(a + b for a, b in zip(m, n, strict=True))
            rest[place] = rest.get(place, ZERO) - v * w
            if not rest[place]:
                del rest[place]
    if rest:
        return None
    back = [{tuple((y, k) for y, k in zip(variables, m, strict=True) if k): v for m, v in d.items()}
            for d in (found, left)]  # fmt: skip
    return back[0], back[1]


def _exponents(m: Monomial, variables: Sequence[Node]) -> tuple[int, ...]:
    powers = dict(m)
    return tuple(powers.get(y, 0) for y in variables)


__all__ = ["divided", "divmod_polynomials"]
