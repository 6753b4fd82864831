"""Index arithmetic in normal form: polynomials in axes and sizes, and what their bounds decide.

An axis stands in a polynomial as a size of its own, with a name that no size has.  A comparison, a quotient or a
selection whose outcome is the same for all values of the axes is replaced by it; so an element of a concatenation, of a
reshaped or a sliced array is known to be an element of what it was made from.
"""

from __future__ import annotations

from collections.abc import Mapping

from .index import AxisValue, Call, Const, Expr, Load, SizeValue
from .ranges import Range, never_negative
from .types import Dim, Size, floordiv, named, substitute

MARK = "@"
COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")


def polynomial(expr: Expr, axes: Mapping[str, Dim]) -> Dim | None:
    """`expr` as a polynomial, None where it is none; an axis of one element is 0."""
    match expr:
        case Const(value, "i64"):
            return int(value)
        case SizeValue(size):
            return size
        case AxisValue(name):
            return 0 if axes.get(name) == 1 else named(MARK + name)
        case Call("add" | "sub" | "mul" | "neg" as op, args):
            parts = [polynomial(arg, axes) for arg in args]
            known = [part for part in parts if part is not None]
            return _combined(op, known) if len(known) == len(parts) else None
        case _:
            return None


def _combined(op: str, parts: list[Dim]) -> Dim:
    total = parts[0] if op != "neg" else -1 * parts[0]
    for part in parts[1:]:
        total = total + part if op == "add" else total - part if op == "sub" else total * part
    return total


def expression(size: Dim) -> Expr:
    """The index expression of a polynomial: axes times their factors, then what has none."""
    rest: Dim = 0
    factors: dict[str, Dim] = {}
    for monomial, c in size.terms if isinstance(size, Size) else (((), size),):
        inside = [atom for atom, _ in monomial if isinstance(atom, str) and atom.startswith(MARK)]
        other: Dim = c
        for atom, power in monomial:
            if atom not in inside:
                other = other * Size(((((atom, power),), 1),))
        if inside:
            factors[inside[0]] = factors.get(inside[0], 0) + other
        else:
            rest = rest + other
    added: list[Expr] = []
    taken: list[Expr] = []
    for name, factor in factors.items():
        axis = AxisValue(name.removeprefix(MARK))
        negative = never_negative(-1 * factor)
        size = -1 * factor if negative else factor
        (taken if negative else added).append(axis if size == 1 else Call("mul", (axis, _number(size))))
    if rest != 0 or not added:
        added.append(_number(rest))
    result = added[0] if len(added) == 1 else Call("add", tuple(added))
    for part in taken:
        result = Call("sub", (result, part))
    return result


def _number(size: Dim) -> Expr:
    return Const(size, "i64") if isinstance(size, int) else SizeValue(size)


def bounds(size: Dim, axes: Mapping[str, Dim]) -> Range | None:
    """The least and the greatest value of a polynomial that is linear in `axes` (name -> size); None if it is not."""
    low, high = size, size
    if isinstance(size, Size):
        low = high = 0
        for monomial, c in size.terms:
            inside = [(atom, power) for atom, power in monomial if isinstance(atom, str) and atom.startswith(MARK)]
            term: Dim = Size(((monomial, c),)) if monomial else c
            if not inside:
                low, high = low + term, high + term
                continue
            (atom, power), *more = inside
            name = atom.removeprefix(MARK)
            if more or power != 1 or name not in axes:
                return None
            last = substitute(term, {atom: axes[name] - 1})
            low, high = (low, high + last) if c > 0 else (low + last, high)
    return Range(low, high)


def is_negative(size: Dim, axes: Mapping[str, Dim], *, strictly: bool = True) -> bool:
    """Whether `size` is proven to be below 0 (not above, unless `strictly`) wherever all of `axes` have elements."""
    return never_negative(_least(-1 * size - int(strictly), axes))


def _least(size: Dim, axes: Mapping[str, Dim]) -> Dim:
    """`size` with each name that an axis ``name + c`` keeps from being small counted from the least it can be."""
    least: dict[str, int] = {}
    for extent in axes.values():
        match extent:
            case Size(terms=((((str(name), 1),), 1), *rest)) if len(rest) <= 1 and (not rest or rest[0][0] == ()):
                least[name] = max(least.get(name, 0), 1 - (rest[0][1] if rest else 0))
            case _:
                pass
    return substitute(size, {name: named(name) + shift for name, shift in least.items()})


def within(size: Dim, extent: Dim, axes: Mapping[str, Dim]) -> bool:
    """Whether 0 <= size < extent for all values of `axes`, as far as that can be proven."""
    found = bounds(size, axes)
    return found is not None and (
        is_negative(-1 * found.low, axes, strictly=False) and is_negative(found.high - extent, axes)
    )


def folded(expr: Expr, axes: Mapping[str, Dim]) -> Expr:
    """`expr` with its index arithmetic in normal form and without selections that are decided."""
    match expr:
        case Load(array, index):
            return Load(array, tuple(folded(part, axes) for part in index))
        case Call("where", (condition, yes, no)):
            truth = folded(condition, axes)
            if isinstance(truth, Const):
                return folded(yes if truth.value else no, axes)
            return Call("where", (truth, folded(yes, axes), folded(no, axes)))
        case Call(op, args):
            return _call(op, tuple(folded(arg, axes) for arg in args), axes)
        case AxisValue():
            return expression(0) if axes.get(expr.name) == 1 else expr
        case _:
            return expr


def _call(op: str, args: tuple[Expr, ...], axes: Mapping[str, Dim]) -> Expr:
    if op in ("and", "or"):
        decisive = op == "or"
        left = [arg for arg in args if arg != Const(not decisive, "bool")]
        if Const(decisive, "bool") in left or not left:
            return Const(decisive if left else not decisive, "bool")
        return left[0] if len(left) == 1 else Call(op, tuple(left))
    parts = [polynomial(arg, axes) for arg in args]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return Call(op, args)
    if op in ("add", "sub", "mul", "neg"):
        return expression(_combined(op, known))
    if op in COMPARISONS:
        truth = _compared(op, known[0] - known[1], axes)
        return Call(op, args) if truth is None else Const(truth, "bool")
    if op in ("min", "max") and len(known) == 2:
        less = _compared("le", known[0] - known[1], axes)
        more = _compared("ge", known[0] - known[1], axes)
        if less or more:
            return expression(known[0] if bool(less) == (op == "min") else known[1])
    if op in ("floordiv", "mod"):
        found = _quotient(known[0], known[1], axes)
        if found is not None:
            return expression(found[op == "mod"])
    return Call(op, args)


def _compared(op: str, difference: Dim, axes: Mapping[str, Dim]) -> bool | None:
    """Whether a difference is below (above, …) 0, None if that is not known to be the same for all of `axes`."""
    found = bounds(difference, axes)
    if found is None:
        return None
    low, high = found
    below, negative = is_negative(high, axes, strictly=False), is_negative(high, axes)
    above, positive = is_negative(-1 * low, axes, strictly=False), is_negative(-1 * low, axes)
    table = {
        "lt": (negative, above),
        "le": (below, positive),
        "gt": (positive, below),
        "ge": (above, negative),
        "eq": (above and below, positive or negative),
        "ne": (positive or negative, above and below),
    }
    yes, no = table[op]
    return True if yes else False if no else None


def _quotient(x: Dim, divisor: Dim, axes: Mapping[str, Dim]) -> tuple[Dim, Dim] | None:
    """x // divisor and x % divisor where the terms that the divisor divides leave a rest within it."""
    quotient: Dim = 0
    rest: Dim = 0
    for monomial, c in x.terms if isinstance(x, Size) else (((), x),):
        term: Dim = Size(((monomial, c),)) if monomial else c
        part = floordiv(term, divisor) if divisor != 0 else 0
        if part * divisor == term:
            quotient = quotient + part
        else:
            rest = rest + term
    if isinstance(rest, int) and isinstance(divisor, int) and divisor > 0:
        quotient, rest = quotient + rest // divisor, rest % divisor
    return (quotient, rest) if within(rest, divisor, axes) else None
