"""Whether a formula is 0, by a normal form: a sum of products of powers, over few functions that reduce no further.

Every operation that others say is written with these (`proving_basics`): circular and hyperbolic functions by
exponentials, extrema and branches by sizes, norms by sums, equations by inverses.  Then a formula is a sum of
monomials, with rational exponents, of *atoms*: symbols; exponentials of monomials, of real and of imaginary ones;
logarithms; sums below a line or under a root; functions of normal forms; array products of products.  Products are
multiplied out, exponentials of sums are products, logarithms of products are sums, and what remains below a line is
cleared at the end.  Then equal formulas have a difference without terms.

A proof may take for granted that what stands under a logarithm or an odd root is positive, and says so.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import reduce
from typing import Any

from .compiler.types import named
from .expression import FUNCTIONS, Expr
from .graph import Node, node, postorder
from .ops.contraction import einsum_node
from .proving_basics import basic, without_inverses
from .rewrite.assumptions import Assumptions, unvisited
from .rewrite.canonical import rebuild
from .rewrite.engine import Assumed
from .rewrite.polynomials import TooLarge
from .rewrite.terms import ONE, constant_node, number_of

Atom = Any
"""A node, or a kind with what it is of: ("sum", form), ("size", form), ("exp" or "turn", monomial), ("i",)."""
Monomial = tuple[tuple[Atom, Fraction], ...]
Form = dict[Monomial, Fraction]
Operand = tuple[Node, tuple[int, ...]]
MOST_TERMS, MOST_NODES, HIGHEST = 2000, 400, 8
HALF = Fraction(1, 2)
UNIT: Form = {(): ONE}
ODD = frozenset({"erf", "arctan", "arcsin", "erfinv", "cbrt"})


def vanishes(x: Node, facts: Assumptions) -> tuple[bool, Assumed]:
    """Whether the normal form of `x` has no terms, and what that takes for granted."""
    (x,) = basic([x])
    order = postorder([x])
    if len(order) > MOST_NODES:
        return False, []
    normal = _Normal(facts)
    try:
        for n in order:
            normal.of[n] = normal.form(n)
        return not normal.cleared(normal.of[x]), list(dict.fromkeys(normal.assumed))
    except TooLarge:
        return False, []


class _Normal:
    """The normal forms of the nodes of one formula, inputs first."""

    def __init__(self, facts: Assumptions) -> None:
        self.facts = facts
        self.of: dict[Node, Form] = {}
        self.places: dict[Atom, int] = {}
        self.assumed: Assumed = []
        self.functions: dict[Any, Node] = {}
        self.arguments: dict[frozenset[tuple[Monomial, Fraction]], Node] = {}
        """Of what the logarithms with these arguments are."""

    def form(self, x: Node) -> Form:
        """The normal form of a node whose inputs have theirs."""
        value = number_of(x)
        if value is not None:
            return {(): value} if value else {}
        parts = [self.of[i] for i in x.inputs]
        match x.op.name:
            case "add":
                return reduce(_plus, parts)
            case "mul":
                return reduce(self.times, parts)
            case "div":
                return self.times(parts[0], self.power(parts[1], -ONE, x.inputs[1]))
            case "pow" if (k := number_of(x.inputs[1])) is not None:
                return self.power(parts[0], k, x.inputs[0])
            case "sqrt":
                return self.power(parts[0], HALF, x.inputs[0])
            case "pow":
                self.assumed.append(("positive", x.inputs[0]))
                return self.exponential(self.times(parts[1], self.logarithm(parts[0], x.inputs[0])), "exp")
            case "exp":
                return self.exponential(parts[0], "exp")
            case "log":
                return self.logarithm(parts[0], x.inputs[0])
            case "sin" | "cos" if not x.type.shape:
                return self.wave(parts[0], x.op.name)
            case "abs":
                return self.size(parts[0], x.inputs[0])
            case "einsum":
                return self.contraction(x)
            case "size":
                names = str(x.params[0]).split("*")
                if len(names) > 1 and all(name.isidentifier() for name in names):
                    sizes = [node(x.op, (), (named(name), x.params[1])) for name in names]
                    return reduce(self.times, [self.monomial({n: ONE}) for n in sizes])
        return self.function(x, parts)

    # ---- arithmetic

    def monomial(self, powers: dict[Atom, Fraction]) -> Form:
        """A product of powers; ``i*i`` is -1."""
        number = ONE
        turns = powers.pop(("i",), Fraction(0)) % 4
        if turns >= 2:
            number, turns = -ONE, turns - 2
        if turns:
            powers[("i",)] = turns
        for a in powers:
            self.places.setdefault(a, len(self.places))
        found = sorted(((a, k) for a, k in powers.items() if k), key=lambda item: self.places[item[0]])
        return {tuple(found): number}

    def times(self, p: Form, q: Form) -> Form:
        """The product, multiplied out."""
        if len(p) * len(q) > MOST_TERMS:
            raise TooLarge
        total: Form = {}
        for m, v in p.items():
            for n, w in q.items():
                powers = dict(m)
                for a, k in n:
                    powers[a] = powers.get(a, Fraction(0)) + k
                for key, sign in self.monomial(powers).items():
                    _add(total, key, v * w * sign)
        return total

    def power(self, p: Form, k: Fraction, x: Node) -> Form:
        """``p**k``: multiplied out, for one term a monomial, else a power of the sum."""
        if k.denominator == 1 and 0 <= k <= HIGHEST:
            return reduce(self.times, [p] * int(k), UNIT)
        if not p:
            raise TooLarge
        number, common, rest = self.parted(p)
        if k.denominator != 1 and number < 0:
            number, rest = -number, {m: -v for m, v in rest.items()}
        powers: dict[Atom, Fraction] = {}
        for a, n in common:
            whole = n.denominator == 1 and n % 2 == 0
            if k.denominator % 2 == 0 and not _is_positive(a):
                if whole:
                    ((m, _),) = self.size({((a, ONE),): ONE}, x).items()
                    a = m[0][0]
                else:
                    self.assumed.append(("positive", a if isinstance(a, Node) else x))
            powers[a] = powers.get(a, Fraction(0)) + n * k
        if rest != UNIT:
            powers[("sum", frozenset(rest.items()))] = k
        ((m, sign),) = self.monomial(powers).items()
        scale = number**k.numerator if k.denominator == 1 else Fraction(float(number) ** float(k))
        root = Fraction(math.isqrt(number.numerator), math.isqrt(number.denominator)) if number > 0 else number
        if k.denominator == 2 and root**2 == number:
            scale = root**k.numerator
        return {m: sign * scale}

    def parted(self, p: Form) -> tuple[Fraction, Monomial, Form]:
        """A number, the powers that all terms share, and the rest, whose first coefficient is 1."""
        if len(p) == 1:
            ((m, v),) = p.items()
            return v, m, UNIT
        first = min(p, key=lambda m: [(self.places[a], k) for a, k in m])
        number = p[first]
        lowest = dict(first)
        for m in p:
            powers = dict(m)
            for a in {**lowest, **powers}:
                lowest[a] = min(lowest.get(a, Fraction(0)), powers.get(a, Fraction(0)))
        ((common, _),) = self.monomial({a: k for a, k in lowest.items() if a != ("i",)}).items()
        ((under, _),) = self.monomial({a: -k for a, k in common}).items()
        return number, common, self.times({m: v / number for m, v in p.items()}, {under: ONE})

    # ---- functions

    def exponential(self, p: Form, kind: str) -> Form:
        """``exp(p)``, or for "turn" ``exp(i*p)``: a product over the terms; logarithms give their arguments back."""
        if any(k[0] == "sum" for m in p for k, _ in m if isinstance(k, tuple)):
            return self.monomial({(kind, ((("form", frozenset(p.items())), ONE),)): ONE})
        found = UNIT
        for m, v in p.items():
            if kind == "exp" and len(m) == 1 and m[0][1] == 1 and isinstance(m[0][0], tuple) and m[0][0][0] == "log":
                inner = m[0][0][1]
                found = self.times(found, self.power(dict(inner), v, self.arguments[inner]))
            else:
                found = self.times(found, self.monomial({(kind, m): v}))
        return found

    def wave(self, p: Form, name: str) -> Form:
        """sin and cos by ``exp(i*u)``; quarters of a turn are powers of i."""
        p = dict(p)
        quarters = p.get((), Fraction(0)) / Fraction(math.pi / 2)
        shift = round(quarters)
        if shift and abs(quarters - shift) < Fraction(1, 10**12):
            del p[()]
        else:
            shift = 0
        turn = self.times(self.exponential(p, "turn"), self.monomial({("i",): Fraction(shift)}))
        back = self.exponential({m: -v for m, v in p.items()}, "turn")
        back = self.times(back, self.monomial({("i",): Fraction(-shift)}))
        if name == "cos":
            return {m: v / 2 for m, v in _plus(turn, back).items()}
        below = self.monomial({("i",): Fraction(3)})
        return {m: v / 2 for m, v in self.times(_plus(turn, {m: -v for m, v in back.items()}), below).items()}

    def logarithm(self, p: Form, x: Node) -> Form:
        """The sum of the logarithms of the factors."""
        if not p:
            raise TooLarge
        number, common, rest = self.parted(p)
        if number < 0 and rest != UNIT:
            number, rest = -number, {m: -v for m, v in rest.items()}
        if number <= 0:
            raise TooLarge
        total: Form = {(): Fraction(math.log(number))} if number != 1 else {}
        for a, k in common:
            if isinstance(a, tuple) and a[0] == "exp":
                total = _plus(total, {a[1]: k})
                continue
            if isinstance(a, tuple) and a[0] == "sum":
                inner = dict(a[1])
            else:
                inner = {((a, ONE),): ONE}
            if len(common) > 1 or k != 1 or number != 1:
                self.assumed.append(("positive", a if isinstance(a, Node) else x))
            total = _plus(total, {m: k * v for m, v in self._log(inner, a if isinstance(a, Node) else x).items()})
        return _plus(total, self._log(rest, x)) if rest != UNIT else total

    def _log(self, p: Form, x: Node) -> Form:
        inner = frozenset(p.items())
        self.arguments.setdefault(inner, x)
        return self.monomial({("log", inner): ONE})

    def size(self, p: Form, x: Node) -> Form:
        """``abs(p)``: the product of the sizes of the factors."""
        if not p:
            return {}
        number, common, rest = self.parted(p)
        powers: dict[Atom, Fraction] = {}
        for a, k in common:
            own = a if _is_positive(a) else ("size", frozenset({((a, ONE),): ONE}.items()))
            powers[own] = powers.get(own, Fraction(0)) + k
        if rest != UNIT:
            powers[("size", frozenset(rest.items()))] = ONE
        return {m: v * abs(number) for m, v in self.monomial(powers).items()}

    def function(self, x: Node, parts: list[Form]) -> Form:
        """A function of normal forms; an odd one of the argument whose first term is positive."""
        if not parts:
            return self.monomial({x: ONE})
        sign = ONE
        if x.op.name in ODD and parts[0] and self.parted(parts[0])[0] < 0:
            sign, parts = -ONE, [{m: -v for m, v in parts[0].items()}]
        key = (x.op.name, x.params, *(frozenset(p.items()) for p in parts))
        same = self.functions.setdefault(key, x)
        return {m: sign * v for m, v in self.monomial({same: ONE}).items()}

    # ---- array products

    def contraction(self, x: Node) -> Form:
        """An array product, multiplied out over the terms of its operands."""
        labels, out, extra = x.params
        terms: list[tuple[Fraction, list[Operand]]] = [(ONE, [])]
        for i, ls in zip(x.inputs, labels, strict=True):
            found = [(self._operands(m, i, ls), v) for m, v in self.of[i].items()]
            terms = [(v * w, [*before, *more]) for v, before in terms for more, w in found]
            if len(terms) > MOST_TERMS:
                raise TooLarge
        total: Form = {}
        for v, operands in terms:
            made = rebuild(einsum_node([a for a, _ in operands], [ls for _, ls in operands], out, dict(extra)))
            for m, w in self._read(without_inverses(made)).items():
                _add(total, m, v * w)
        return total

    def _operands(self, m: Monomial, like: Node, labels: tuple[int, ...]) -> list[Operand]:
        """The factors of a monomial with their labels, those of `like`, an operand with these labels."""
        ones = FUNCTIONS["broadcast_to"](Expr(constant_node(1, like.type.dtype)), like.type.shape)
        found: list[Operand] = []
        for a, k in m:
            count = int(k) if k.denominator == 1 and 0 < k <= HIGHEST else 1
            made = _atom_node(a) if count == k else _atom_node(a) ** float(k)
            n = len(like.type.shape) - made.ndim
            if made.shape != like.type.shape[n:]:
                made = FUNCTIONS["broadcast_to"](made, like.type.shape[n:])
            found += [(_built(made.node), labels[n:])] * count
        known = {label for _, ls in found for label in ls}
        return found if known == set(labels) else [*found, (_built(ones.node), labels)]

    def _read(self, x: Node) -> Form:
        """A canonical product: its factors are atoms."""
        value = number_of(x)
        if value is not None:
            return {(): value} if value else {}
        if x.op.name == "mul":
            return reduce(self.times, map(self._read, x.inputs))
        if x.op.name == "div":
            return self.times(self._read(x.inputs[0]), self.power(self._read(x.inputs[1]), -ONE, x.inputs[1]))
        if x.op.name == "pow" and (k := number_of(x.inputs[1])) is not None and k.denominator == 1:
            return self.power(self._read(x.inputs[0]), k, x.inputs[0])
        if x.op.name == "einsum":
            return self.monomial({x: ONE})
        for n in unvisited([x], self.of):
            self.of[n] = self.form(n)
        return self.of[x]

    # ---- the end

    def cleared(self, p: Form) -> Form:
        """`p` times what it is divided by, with the sums and squares of sizes multiplied out."""
        for _ in range(HIGHEST):
            powers = [item for m in p for item in m if isinstance(item[0], tuple) and item[0][0] in ("sum", "size")]
            left = [a for a, k in powers if not 0 <= k < _step(a)]
            if not left:
                return p
            p = self._without(p, max(left, key=lambda a: self.places[a]))
        raise TooLarge

    def _without(self, p: Form, atom: Atom) -> Form:
        """`p` times a power of the atom so that its exponents are not negative, and whole powers multiplied out."""
        step, inner = _step(atom), dict(atom[1])
        lowest = min(dict(m).get(atom, Fraction(0)) for m in p)
        shift = -Fraction(math.floor(lowest / step) * step)
        whole = inner if step == 1 else self.times(inner, inner)
        total: Form = {}
        for m, v in p.items():
            powers = dict(m)
            k = powers.pop(atom, Fraction(0)) + shift
            times, left = int(k // step), k % step
            if left:
                powers[atom] = left
            if times > HIGHEST:
                raise TooLarge
            part = {n: v * w for n, w in self.monomial(powers).items()}
            total = _plus(total, reduce(self.times, [whole] * times, part))
        return total


def _step(a: Atom) -> int:
    """The power of an atom that is a form without it: of a sum the first, of a size the square."""
    return 1 if a[0] == "sum" else 2


def _is_positive(a: Atom) -> bool:
    return isinstance(a, tuple) and a[0] in ("exp", "size")


def _atom_node(a: Atom) -> Expr:
    """What an atom stands for.  Raises TooLarge for one that stands for no real number."""
    if isinstance(a, Node):
        return Expr(a)
    if a[0] == "exp" and not any(isinstance(b, tuple) for b, _ in a[1]):
        exponent = reduce(lambda e, f: e * Expr(f[0]) ** float(f[1]), a[1], Expr(constant_node(1, "f64")))
        made: Expr = FUNCTIONS["exp"](exponent)
        return made
    if a[0] in ("sum", "size"):
        total = reduce(lambda e, f: e + f, (_monomial_node(m) * float(v) for m, v in dict(a[1]).items()))
        found: Expr = total if a[0] == "sum" else FUNCTIONS["abs"](total)
        return found
    raise TooLarge


def _monomial_node(m: Monomial) -> Expr:
    return reduce(lambda e, f: e * _atom_node(f[0]) ** float(f[1]), m, Expr(constant_node(1, "f64")))


def _built(x: Node) -> Node:
    from .rewrite.canonical import canonicalise

    return canonicalise([x], stable=False)[0]


def _add(total: Form, m: Monomial, v: Fraction) -> None:
    value = total.get(m, Fraction(0)) + v
    if value:
        total[m] = value
    else:
        total.pop(m, None)


def _plus(p: Form, q: Form) -> Form:
    total = dict(p)
    for m, v in q.items():
        _add(total, m, v)
    return total

