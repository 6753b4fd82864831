"""Terms: what is written on paper, before anyone chooses between text, LaTeX and NumPy.

`notation` turns nodes into terms, the renderers turn terms into characters.  Terms are interned within one `Terms`, so
what a formula shares is shared here too (and more: two einsums that both hold the product ``X @ w`` share its term).
Nothing recurses; a term only looks at its parts.

| form     | parts                  | data                                        |
|----------|------------------------|---------------------------------------------|
| name     |                        | (name, rank of the symbol)                  |
| number   |                        | (value >= 0 or nan, dtype, explicit)        |
| size     |                        | (size,)                                     |
| literal  |                        | (text,): a string argument                  |
| sum      | terms                  | signs, +1 or -1                             |
| negative | one                    |                                             |
| product  | factors                |                                             |
| quotient | numerator, denominator |                                             |
| power    | base, exponent         |                                             |
| binary   | two                    | (operator,): comparisons, logic, // and %   |
| not      | one                    |                                             |
| matmul   | factors of a chain     |                                             |
| transpose| one                    |                                             |
| index    | array, index arrays    | items: texts, or None for the next part     |
| list     | elements               |                                             |
| call     | arguments              | (name, ((keyword, text), ...))              |
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from ..compiler.types import Dim, Size

LARGEST = 1e9


class Term:
    """A part of a formula as it will be written; compare with ``is``.  `rank` is its number of axes, `degree` and
    `weight` decide the order of the terms of a sum, `polynomial` says that it is made of names, products and powers."""

    __slots__ = ("data", "degree", "form", "parts", "polynomial", "rank", "weight")

    def __init__(self, form: str, parts: tuple[Term, ...], data: tuple[Any, ...], rank: int) -> None:
        self.form, self.parts, self.data, self.rank = form, parts, data, rank
        self.degree, self.weight, self.polynomial = _measure(self)


def _measure(t: Term) -> tuple[float, float, bool]:
    if t.form == "name":
        return 1.0, 1.0, True
    if not t.parts:
        return 0.0, 0.0, t.form in ("number", "size")
    degrees = [p.degree for p in t.parts]
    weight = min(LARGEST, sum(p.weight for p in t.parts))
    polynomial = all(p.polynomial for p in t.parts)
    if t.form in ("product", "matmul"):
        return _bounded(sum(degrees)), weight, polynomial
    if t.form == "quotient":
        return _bounded(degrees[0] - degrees[1]), weight, polynomial and t.parts[1].form in ("number", "size")
    if t.form == "power":
        sign, exponent = signed(t.parts[1])
        whole = exponent.form == "number" and sign > 0 and float(exponent.data[0]).is_integer()
        factor = sign * float(exponent.data[0]) if exponent.form == "number" and exponent.data[0] < LARGEST else 1.0
        return _bounded(degrees[0] * factor), weight, polynomial and whole
    return max(degrees), weight, polynomial and t.form in ("negative", "transpose", "index")


def _bounded(degree: float) -> float:
    return max(-LARGEST, min(LARGEST, degree))


def signed(t: Term) -> tuple[int, Term]:
    """The sign of a term and the term without it."""
    return (-1, t.parts[0]) if t.form == "negative" else (1, t)


def factors_of(t: Term) -> tuple[Term, ...]:
    """The factors of a product, or the term itself."""
    return t.parts if t.form == "product" else (t,)


def is_one(t: Term) -> bool:
    """Whether the term is the number 1."""
    return t.form == "number" and t.data[0] == 1


class Terms:
    """Makes terms; equal ones are the same object."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Term] = {}
        self.counts: dict[Term, Dim] = {}
        """How many elements a term that is a sum over axes adds up, so that a quotient can be recognised as a mean."""
        self.symmetric: set[Term] = set()
        """Terms of matrices that are their own transposes by their form."""

    def make(self, form: str, parts: Iterable[Term] = (), data: tuple[Any, ...] = (), rank: int = 0) -> Term:
        """The term of this form, the existing one if there is one."""
        kept = tuple(parts)
        key = (form, data, rank, *map(id, kept))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Term(form, kept, data, rank)
        return found

    # ---- atoms

    def number(self, value: float, dtype: str = "f64", explicit: bool = False) -> Term:
        """A number; `explicit` where the context does not give its element type."""
        negative = not math.isnan(value) and math.copysign(1.0, value) < 0
        kind = type(value).__name__ if dtype == "bool" else dtype
        body = self.make("number", (), (abs(value) if negative else value, kind, explicit))
        return self.make("negative", (body,)) if negative else body

    def call(self, name: str, parts: Iterable[Term], rank: int, **keywords: str) -> Term:
        """``name(parts, keyword=text)``."""
        return self.make("call", parts, (name, tuple(keywords.items())), rank)

    def literal(self, text: str) -> Term:
        """An argument that is text already: a shape, a string."""
        return self.make("literal", (), (text,))

    def size(self, n: Dim) -> Term:
        """A size as a number."""
        return self.make("size", (), (n,)) if isinstance(n, Size) else self.number(n, "i64")

    # ---- arithmetic

    def negative(self, t: Term) -> Term:
        """``-t``; two signs cancel."""
        return t.parts[0] if t.form == "negative" else self.make("negative", (t,), (), t.rank)

    def sum(self, terms: Sequence[Term], rank: int) -> Term:
        """The sum of `terms` in the order in which a person would write them."""
        ordered = in_order([signed(t) for t in terms])
        if len(ordered) == 1:
            return terms[0]
        return self.make("sum", (t for _, t in ordered), tuple(s for s, _ in ordered), rank)

    def product(self, terms: Iterable[Term], rank: int | None = None) -> Term:
        """The elementwise product of `terms`: its sign in front, numbers and scalars first, equal factors as powers."""
        terms = list(terms)
        if any(_is_number_quotient(t) for t in terms):
            terms, below = self._numbers_spread(terms, [])
            if below:
                top = self.product(terms, rank)
                return self.quotient(top, self.product(below), top.rank)
        sign = 1
        found: dict[Term, int] = {}
        for t in terms:
            s, body = signed(t)
            sign *= s
            found[body] = found.get(body, 0) + 1
        factors = [t if n == 1 else self.power(t, self.number(n)) for t, n in found.items() if not is_one(t)]
        factors.sort(key=_factor_class)
        if rank is None:
            rank = max((t.rank for t in factors), default=0)
        if len(factors) < 2:
            body = factors[0] if factors else next(iter(found), self.number(1))
        else:
            body = self.make("product", factors, (), rank)
        return body if sign > 0 else self.negative(body)

    def power(self, base: Term, exponent: Term, rank: int | None = None) -> Term:
        """``base**exponent``."""
        return self.make("power", (base, exponent), (), max(base.rank, exponent.rank) if rank is None else rank)

    def quotient(self, numerator: Term, denominator: Term, rank: int) -> Term:
        """``numerator/denominator`` with its sign in front; a sum divided by the number of its terms is a mean."""
        (s, top), (t, bottom) = signed(numerator), signed(denominator)
        above, below = self._numbers_spread(factors_of(top), factors_of(bottom))
        above, below = self._means(above, below)
        top = self.product(above) if above else self.number(1)
        body = top if not below else self.make("quotient", (top, self.product(below)), (), rank)
        return body if s * t > 0 else self.negative(body)

    def number_quotient(self, top: Term, bottom: Term) -> Term:
        """A number that is written with a line, such as ``log(2)/3``, or a product with one: as a factor it is a factor
        of its parts, above and below the line."""
        if not is_one(bottom):
            sign, top = signed(top)
            body = self.make("quotient", (top, bottom), ("number",), top.rank)
            return body if sign > 0 else self.negative(body)
        return self.make("product", top.parts, ("number",), 0) if top.form == "product" else top

    def _numbers_spread(self, above: Iterable[Term], below: Iterable[Term]) -> tuple[list[Term], list[Term]]:
        """The factors above and below a line, with those of numbers that are quotients in their places."""
        sides: tuple[list[Term], list[Term]] = ([], [])
        for side, factors in enumerate((above, below)):
            for t in factors:
                s, body = signed(t)
                if _is_number_quotient(body):
                    top, bottom = body.parts if body.form == "quotient" else (body, None)
                    parts = [f for f in factors_of(top) if not is_one(f)]
                    if s < 0:
                        parts[:1] = [self.negative(parts[0] if parts else self.number(1))]
                    sides[side].extend(parts)
                    sides[1 - side].extend(factors_of(bottom) if bottom else ())
                else:
                    sides[side].append(t)
        return sides

    def _means(self, above: list[Term], below: list[Term]) -> tuple[list[Term], list[Term]]:
        for k, f in enumerate(above):
            count = self.counts.get(f)
            for d in below:
                if count is not None and d.form in ("size", "number") and d.data[0] == count:
                    above[k] = self.make("call", f.parts, ("mean", f.data[1]), f.rank)
                    below.remove(d)
                    break
        return above, below

    # ---- matrices

    def transpose(self, t: Term) -> Term:
        """``t.T``; vectors and diagonal matrices are their own transposes."""
        if t.rank < 2 or t in self.symmetric or (t.form == "call" and t.rank == 2 and t.data[0] in ("diag", "eye")):
            return t
        if t.form == "transpose":
            return t.parts[0]
        if t.form == "negative":
            return self.negative(self.transpose(t.parts[0]))
        if t.form == "call" and t.data[0] == "outer":
            return self.make("call", reversed(t.parts), t.data, 2)
        if t.form == "matmul" and t.rank == 2 and not any(p.form == "matmul" for p in t.parts):
            return self.chain(self.reversed_chain(t.parts))
        return self.make("transpose", (t,), (), t.rank)

    def reversed_chain(self, parts: Sequence[Term]) -> tuple[Term, ...]:
        """The factors of the transpose of a chain."""
        return tuple(self.transpose(t) for t in reversed(parts))

    def chain(self, parts: Sequence[Term]) -> Term:
        """The matrix product of matrices with a vector at either end; three and more transposes become one."""
        signs = math.prod(signed(t)[0] for t in parts)
        parts = tuple(signed(t)[1] for t in parts)
        if len(parts) == 1:
            body = parts[0]
        else:
            rank = (parts[0].rank > 1) + (parts[-1].rank > 1)
            if len(parts) > 2 and all(t.form == "transpose" for t in parts):
                body = self.make("transpose", (self.make("matmul", self.reversed_chain(parts), (), rank),), (), rank)
            else:
                body = self.make("matmul", parts, (), rank)
        return body if signs > 0 else self.negative(body)


def _factor_class(t: Term) -> tuple[int, int]:
    """Numbers, sizes, scalars, arrays; within these: names, powers of names, calls, whatever needs parentheses."""
    if t.form in ("number", "size"):
        return (0, t.form == "size")
    base = t.parts[0] if t.form == "power" else t
    while base.form in ("index", "transpose"):
        base = base.parts[0]
    kinds = {"name": 0, "number": 0, "size": 0, "sum": 1, "call": 2, "quotient": 1 if base is not t else -1}
    return (1 if t.rank == 0 else 2, kinds.get(base.form, 3))


def _is_number_quotient(t: Term) -> bool:
    body = signed(t)[1]
    return body.form in ("quotient", "product") and body.data == ("number",)


def halving(factors: list[Term]) -> tuple[int, list[Term]]:
    """The power of two (up to 1024) that a coefficient 1/2**k divides by, and the factors without it."""
    for k, t in enumerate(factors):
        sign, body = signed(t)
        if body.form == "number" and isinstance(body.data[0], float) and 0 < body.data[0] < 1:
            n = 1 / body.data[0]
            if n <= 1024 and math.frexp(n)[0] == 0.5:
                rest = factors[:k] + factors[k + 1 :]
                return sign * int(n), rest
    return 1, factors


# ---- the order of the terms of a sum

def in_order(terms: list[tuple[int, Term]]) -> list[tuple[int, Term]]:
    """Signed terms by falling degree, constants last, and a positive term first if there is one.

    A constant stands before terms that are no polynomials: ``1 + exp(x)``, but ``x**2 + 1``."""
    ordered = sorted(terms, key=lambda item: _sum_key(item[1]))
    constants = [k for k, (_, t) in enumerate(ordered) if t.form == "number"]
    if constants and ordered[constants[0]][0] > 0 and not any(t.polynomial for _, t in ordered[: constants[0]]):
        ordered.insert(0, ordered.pop(constants[0]))
    if ordered[0][0] < 0:
        first = next((k for k, (s, _) in enumerate(ordered) if s > 0), 0)
        ordered.insert(0, ordered.pop(first))
    return ordered


def _sum_key(t: Term) -> tuple[Any, ...]:
    constant = 2 if t.form == "number" else 1 if t.form == "size" else 0
    names = _monomial(t) if t.polynomial else ()
    return (constant, -t.degree, not t.polynomial, 0 if t.polynomial else -t.weight, names, _transposes(t))


def _transposes(t: Term) -> int:
    """How many factors are transposed: ``A + A.T``."""
    return sum(f.form == "transpose" for f in (t.parts if t.form in ("product", "matmul") else (t,)))


def _monomial(t: Term) -> tuple[str, ...]:
    """The names of a monomial, each as often as its power says (up to a length that order needs)."""
    names: list[str] = []
    if t.form == "quotient":
        t = t.parts[0]
    for f in (t.parts if t.form == "matmul" else factors_of(t))[:8]:
        base, count = (f.parts[0], int(f.parts[1].data[0])) if f.form == "power" and f.parts[1].data else (f, 1)
        while base.form in ("transpose", "index"):
            base = base.parts[0]
        if base.form == "name":
            names += [base.data[0]] * min(count, 8)
    return tuple(sorted(names))
