"""Sums, products and quotients as one fraction in factored form, for `simplify`.

A ratio is a number and rational powers of factors: nodes that cannot be looked into, and sums, whose polynomials are
known.  Ratios multiply by adding powers.  A sum takes out what its terms share, puts the rest over one denominator, and
divides it by factors of the denominator where that leaves nothing over: ``1/(x**2 + 1) - 2*x**2/(x**2 + 1)**2`` becomes
``(1 - x**2)/(x**2 + 1)**2``.

Factors that cancel are assumed not to be zero, and what stands below an even root not to be negative; a result says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce

from ..compiler.types import ArrayType, named
from ..expression import FUNCTIONS, Expr
from ..graph import Node, lookup, node
from .canonical import rebuild
from .division import divided, divmod_polynomials
from .engine import Assumed
from .factors import NEVER_ZERO
from .order import key
from .pattern import reachable
from .polynomials import Monomial, Polynomial, TooLarge, content, plus, raised, times
from .terms import ONE, constant_node, number_of, split

Powers = dict[Node, Fraction]
FACTORS, TERMS, DEGREE = 10, 10, 12
ZERO = Fraction(0)


@dataclass
class Ratio:
    """A number times powers of factors, and what was assumed when powers cancelled."""

    number: Fraction
    powers: Powers
    assumed: Assumed = field(default_factory=list)


class Fractions:
    """The ratios of nodes, each found once; `polynomials` are those of the factors that are sums.  With `nonnegative`,
    which says what is not negative, roots of products and quotients are those of their factors where each has one."""

    def __init__(self, nonnegative: Callable[[Node], bool] | None = None) -> None:
        self.nonnegative = nonnegative
        self.known: dict[Node, Ratio] = {}
        self.polynomials: dict[Node, Polynomial] = {}

    def candidates(self, x: Node, *, signs: bool = True) -> Iterator[tuple[Node, Assumed]]:
        """Forms of `x` as one fraction: with its sums as they come out and, with `signs`, with signs and numbers
        moved."""
        if x.op.name not in ("add", "mul", "div", "pow"):
            return
        if self.nonnegative and reachable(x).isdisjoint(("sqrt", "pow")):
            return
        found = self.ratio(x)
        if len(found.powers) == 1 and x in found.powers:
            return
        for r in (found, *(self._signs(found) if signs else ())):
            made = self.build(r, x)
            if made is not None:
                yield made, found.assumed
        apart = self._divided_out(found, x) if signs else None
        if apart is not None:
            yield apart, found.assumed

    def _signs(self, r: Ratio) -> Iterator[Ratio]:
        """Equal ratios with a sum negated, or with the number multiplied into a sum."""
        sums = [f for f, k in r.powers.items() if k.denominator == 1 and 1 < len(self.polynomials.get(f, ())) < 7]
        for f in sums:
            others = {g: k for g, k in r.powers.items() if g is not f}
            turned = self._factor({m: -v for m, v in self.polynomials[f].items()}, f.type.dtype)
            if any(v < 0 for v in self.polynomials[f].values()):
                k = r.powers[f]
                yield _multiplied(Ratio(-r.number if k % 2 else r.number, others), Ratio(ONE, {turned: k}))
        lone = [f for f in sums if r.powers[f] == 1]
        if len(lone) == 1 and r.number.denominator == 1 and abs(r.number) != 1:
            (f,) = lone
            wide = self._factor({m: r.number * v for m, v in self.polynomials[f].items()}, f.type.dtype)
            others = {g: k for g, k in r.powers.items() if g is not f}
            yield _multiplied(Ratio(ONE, others), Ratio(ONE, {wide: ONE}))

    def _divided_out(self, r: Ratio, x: Node) -> Node | None:
        """``p/q**k`` by powers of q: ``(2*z**2 + 4*z + 3)/(z + 1)**2`` is ``2 + 1/(z + 1)**2``."""
        sums = {f: k for f, k in r.powers.items() if f in self.polynomials}
        if len(sums) != 2 or len(r.powers) != 2 or sorted(sums.values())[1] != 1 or min(sums.values()) >= 0:
            return None
        above, below = sorted(sums, key=lambda f: -sums[f])
        if sums[below].denominator != 1 or below.type != x.type:
            return None
        p, k, terms = self.polynomials[above], int(sums[below]), list[Node]()
        for _ in range(TERMS):
            divided_ = divmod_polynomials(p, self.polynomials[below]) if p else None
            if divided_ is None:
                break
            p, rest = divided_
            if rest:
                number = content(rest)
                whole = {m: v / number for m, v in rest.items()}
                powers: Powers = {below: Fraction(k)} if k else {}
                left = Ratio(ONE, {self._factor(whole, x.type.dtype): ONE}) if len(whole) > 1 else monomial(whole)
                made = self.build(_multiplied(Ratio(number * r.number, powers), left), x)
                if made is None:
                    return None
                terms.append(made)
            k += 1
        return _made("add", *terms) if len(terms) > 1 and not p else None

    # ---- reading

    def ratio(self, x: Node) -> Ratio:
        """The ratio of a canonical node.  Inputs first, without recursion."""
        stack = [x]
        while stack:
            y = stack[-1]
            if y in self.known:
                stack.pop()
                continue
            waiting = [i for i in _parts(y) if i not in self.known]
            if waiting:
                stack += waiting
                continue
            stack.pop()
            try:
                found = self._ratio(y)
            except TooLarge:
                found = Ratio(ONE, {y: ONE})
            found.assumed = list(dict.fromkeys(found.assumed))
            small = max(len(found.powers), len(found.assumed)) <= FACTORS
            self.known[y] = found if small else Ratio(ONE, {y: ONE})
        return self.known[x]

    def _ratio(self, x: Node) -> Ratio:
        value = number_of(x)
        if value is not None:
            return Ratio(value, {})
        parts = [self.known[i] for i in _parts(x)]
        match x.op.name:
            case "mul" if parts:
                return reduce(_multiplied, parts)
            case "div" if parts[1].number:
                return _multiplied(parts[0], _power(parts[1], -ONE))
            case "pow" | "sqrt" if parts:
                return self._raised(x, parts[0])
            case "exp":
                number, rest = split(x.inputs[0])
                if rest is not None and number != 1:
                    whole = node(x.op, (rest,))
                    return Ratio(ONE, {whole: number})
            case "einsum":
                return _square_of_norm(x)
            case "size":
                return _size(x)
            case "add" if parts and x.type.dtype != "i64":
                return self._sum(x, parts)
        return Ratio(ONE, {x: ONE})

    def _raised(self, x: Node, base: Ratio) -> Ratio:
        k = Fraction(1, 2) if x.op.name == "sqrt" else number_of(x.inputs[1])
        if k is None:
            return self._symbolic_power(x, base)
        if abs(k) > DEGREE or k.denominator > 4:
            raise TooLarge
        if k.denominator == 1:
            return _power(base, k)
        if len(base.powers) == 1 and base.number == 1 and all(p == 1 for p in base.powers.values()):
            return _power(base, k)
        if x.op.name == "sqrt" and base.number > 0 and self._has_roots(base):
            number = {} if base.number == 1 else {constant_node(base.number, x.type.dtype): k}
            assumed: Assumed = [*base.assumed, *(("not negative", f) for f in base.powers)]
            return Ratio(ONE, {**{f: p * k for f, p in base.powers.items()}, **number}, assumed)
        return Ratio(ONE, {x.inputs[0]: k})

    def _has_roots(self, base: Ratio) -> bool:
        """Whether each factor of what stands under a root is known to have one; the last does if the others do."""
        if self.nonnegative is None:
            return False
        unsure = [p for f, p in base.powers.items() if not self.nonnegative(f)]
        return not unsure or (len(unsure) == 1 and unsure[0] % 2 != 0)

    def _symbolic_power(self, x: Node, base: Ratio) -> Ratio:
        """``b**(k - 1)`` as ``b**k/b``, so that equal powers meet."""
        exponent = x.inputs[1]
        if exponent.op.name != "add":
            return Ratio(ONE, {x: ONE})
        numbers = [v for i in exponent.inputs if (v := number_of(i)) is not None and v.denominator == 1]
        rest = [i for i in exponent.inputs if number_of(i) is None]
        if len(numbers) != 1 or abs(numbers[0]) > DEGREE:
            return Ratio(ONE, {x: ONE})
        lower = rest[0] if len(rest) == 1 else node(exponent.op, tuple(rest))
        whole = node(x.op, (x.inputs[0], lower))
        return _multiplied(Ratio(ONE, {whole: ONE}), _power(base, numbers[0]))

    # ---- sums

    def _sum(self, x: Node, parts: Sequence[Ratio]) -> Ratio:
        """What the terms share, times the sum of what is left of them."""
        factors = dict.fromkeys(f for r in parts for f in r.powers)
        common = {f: min(r.powers.get(f, ZERO) for r in parts) for f in factors}
        rests = [Ratio(r.number, {f: r.powers.get(f, ZERO) - common[f] for f in factors}) for r in parts]
        if any(k.denominator != 1 or k > DEGREE for r in rests for k in r.powers.values()):
            raise TooLarge
        assumed = [a for r in parts for a in r.assumed]
        if any(f.type.shape != x.type.shape and f.type.shape for f in factors):
            opaque = self._total(rests, expand=False)
            wide = opaque
        else:
            opaque = self._total(rests, expand=False)
            wide = self._expanded(rests, opaque)
        total = wide if len(wide) <= self._written(opaque) else opaque
        if len(total) > TERMS:
            raise TooLarge
        powers = {f: k for f, k in common.items() if k}
        if not total:
            return Ratio(ZERO, {}, [*assumed, *(("finite", f) for f in factors)])
        for f, k in list(powers.items()):
            while k < 0 and f in self.polynomials and (quotient := divided(total, self.polynomials[f])) is not None:
                total, k = quotient, k + 1
                assumed.append(("not zero", f))
            powers[f] = k
        number = content(total)
        if total[min(total, key=lambda m: (len(m), [(key(y), k) for y, k in m]))] / number < 0:
            number = -number
        rest = {m: v / number for m, v in total.items()}
        shared, rest = _without_shared(rest)
        found = Ratio(number, {f: k for f, k in powers.items() if k}, assumed)
        found = _multiplied(found, Ratio(ONE, {y: Fraction(k) for y, k in shared}))
        if len(rest) > 1:
            found = _multiplied(found, Ratio(ONE, {self._factor(rest, x.type.dtype): ONE}))
        else:
            ((left, value),) = rest.items()
            found = _multiplied(found, Ratio(value, {y: Fraction(k) for y, k in left}))
        return found

    def _expanded(self, rests: Sequence[Ratio], otherwise: Polynomial) -> Polynomial:
        try:
            return self._total(rests, expand=True)
        except TooLarge:
            return otherwise

    def _total(self, rests: Sequence[Ratio], *, expand: bool) -> Polynomial:
        total: Polynomial = {}
        for r in rests:
            term: Polynomial = {(): r.number}
            for f, k in r.powers.items():
                if k:
                    known = self.polynomials.get(f) if expand else None
                    power: Polynomial = {((f, int(k)),): ONE} if known is None else raised(known, int(k))
                    term = times(term, power)
            total = plus(total, term)
        return total

    def _written(self, p: Polynomial) -> int:
        """How many terms stand in a polynomial and in the sums that are factors of its terms."""
        return sum(max(1, sum(len(self.polynomials.get(y, ())) for y, _ in m)) for m in p)

    def _factor(self, p: Polynomial, dtype: str) -> Node:
        """The sum that a polynomial is, as a factor."""
        made = _made("add", *(_term(m, v, dtype) for m, v in p.items()))
        self.polynomials.setdefault(made, p)
        return made

    # ---- writing

    def build(self, r: Ratio, x: Node) -> Node | None:
        """The canonical node of a ratio, None if it is not of the type of `x`."""
        dtype = x.type.dtype
        powers = _merged_powers(r.powers)
        above = [(f, k) for f, k in powers.items() if k > 0 or f.op.name == "exp"]
        below = [(f, -k) for f, k in powers.items() if k < 0 and f.op.name != "exp"]
        q = r.number.denominator
        top = _product(Fraction(r.number.numerator), above, dtype, self.nonnegative is not None)
        bottom = _product(Fraction(q), below, dtype, self.nonnegative is not None)
        made = top if not below and q == 1 else _made("div", top, bottom)
        made = made if made.type.shape else filled(made, x.type)
        return made if made.type == x.type else None


def _parts(x: Node) -> tuple[Node, ...]:
    """The nodes whose ratios make up that of `x`."""
    if x.op.name in ("add", "mul", "div") and len(x.inputs) <= TERMS:
        return x.inputs
    return x.inputs[:1] if x.op.name in ("pow", "sqrt") else ()


def _size(x: Node) -> Ratio:
    """``m*n`` by its names."""
    names_ = str(x.params[0]).split("*")
    if len(names_) == 1 or not all(name.isidentifier() for name in names_):
        return Ratio(ONE, {x: ONE})
    parts = [Ratio(ONE, {node(x.op, (), (named(name), x.params[1])): ONE}) for name in names_]
    return reduce(_multiplied, parts)


def filled(x: Node, type_: ArrayType) -> Node:
    """The canonical form of `x` repeated to the shape of `type_`."""
    return x if x.type.shape == type_.shape else rebuild(FUNCTIONS["broadcast_to"](Expr(x), type_.shape).node)


def _square_of_norm(x: Node) -> Ratio:
    """``sum(v**2)`` as the square of ``norm(v)``."""
    (labels, *others), out, extra = x.params
    (square, *rest) = x.inputs
    if out or extra or others or rest or square.op.name != "pow" or number_of(square.inputs[1]) != 2:
        return Ratio(ONE, {x: ONE})
    rank = len(square.type.shape)
    if len(set(labels)) < rank or square.inputs[0].type != square.type:
        return Ratio(ONE, {x: ONE})
    return Ratio(ONE, {node(lookup("norm"), (square.inputs[0],), (tuple(range(-rank, 0)),)): Fraction(2)})


def _made(name: str, *inputs: Node) -> Node:
    """The canonical form of an operation on canonical operands."""
    return rebuild(node(lookup(name), inputs)) if len(inputs) > 1 else inputs[0]


def _multiplied(a: Ratio, b: Ratio) -> Ratio:
    powers = dict(a.powers)
    assumed = [*a.assumed, *b.assumed]
    for f, k in b.powers.items():
        old = powers.get(f, ZERO)
        if old * k < 0 and f.op.name not in NEVER_ZERO:
            assumed.append(("not zero", f))
        powers[f] = old + k
    return Ratio(a.number * b.number, {f: k for f, k in powers.items() if k}, assumed)


def _power(a: Ratio, k: Fraction) -> Ratio:
    if a.number != 1 and k.denominator != 1:
        raise TooLarge
    number = a.number ** int(k) if a.number != 1 else ONE
    return Ratio(number, {f: p * k for f, p in a.powers.items()}, a.assumed)


def _without_shared(p: Polynomial) -> tuple[Monomial, Polynomial]:
    """The monomial that divides every term, and the terms without it."""
    first, *others = (dict(m) for m in p)
    lowest = {y: min([k, *(m.get(y, 0) for m in others)]) for y, k in first.items()}
    shared = {y: k for y, k in lowest.items() if k}
    left = {tuple((y, k - shared.get(y, 0)) for y, k in m if k > shared.get(y, 0)): v for m, v in p.items()}
    return tuple(shared.items()), left


def _merged_powers(powers: Powers) -> Powers:
    """Symbolic powers of a factor with its integer powers: ``b**k/b`` is ``b**(k - 1)`` where b is a factor itself;
    even powers of a norm as those of the sum of squares."""
    found: Powers = {}
    for f, k in powers.items():
        if f.op.name == "norm" and k.denominator == 1 and k % 2 == 0:
            square = _made("pow", f.inputs[0], constant_node(2, f.type.dtype))
            found[rebuild(FUNCTIONS["sum"](Expr(square)).node)] = k / 2
        else:
            found[f] = k
    for f, k in list(found.items()):
        if f.op.name == "pow" and k == 1 and f.inputs[0] in found and found[f.inputs[0]].denominator == 1:
            base, exponent = f.inputs
            extra = found.pop(base)
            del found[f]
            found[_made("pow", base, _made("add", exponent, constant_node(extra, base.type.dtype)))] = ONE
    return found


def _term(m: Monomial, v: Fraction, dtype: str) -> Node:
    return _product(v, [(y, Fraction(k)) for y, k in m], dtype)


def _product(number: Fraction, powers: Sequence[tuple[Node, Fraction]], dtype: str, join: bool = False) -> Node:
    """A number times powers; with `join`, square roots come under one root."""
    roots = [f for f, k in powers if join and k == Fraction(1, 2) and f.op.name != "exp"]
    made = [rebuild(node(lookup("sqrt"), (_made("mul", *roots),)))] if roots else []
    made += [_raised(f, k) for f, k in powers if f not in roots]
    return _times(number, _made("mul", *made)) if made else constant_node(number, dtype)


def _raised(f: Node, k: Fraction) -> Node:
    if k == 1:
        return f
    if f.op.name == "exp":
        return rebuild(node(f.op, (_times(k, f.inputs[0]),)))
    if k == Fraction(1, 2):
        return rebuild(node(lookup("sqrt"), (f,)))
    return _made("pow", f, constant_node(k, f.type.dtype))


def _times(k: Fraction, x: Node) -> Node:
    scaled = x if k.numerator == 1 else _made("mul", constant_node(k.numerator, x.type.dtype), x)
    return scaled if k.denominator == 1 else _made("div", scaled, constant_node(k.denominator, x.type.dtype))


def monomial(p: Polynomial) -> Ratio:
    """The ratio of a polynomial of one term."""
    ((m, v),) = p.items()
    return Ratio(v, {y: Fraction(k) for y, k in m})


__all__ = ["Fractions", "Ratio"]
