"""Walking a SymPy expression: what every node's value is, without recursion.

A value is a number or an expression with named axes.  A summation index is such an axis: under ``Sum(x[i]*y[i], (i,
0, n - 1))`` the value of ``x[i]`` is the array x whose axis is called i, elementwise functions align axes by name,
and the sum removes one.  So index notation of any depth becomes array operations, which the canonical form turns
into einsums. Matrix expressions have axes of their own: SymPy's column n×1 is a vector here, and a value remembers
that it stands or lies.

Nothing calls SymPy's own traversals: they recurse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from .build import symbol
from .compiler.types import ArrayType, Dim, floordiv, max0, named, product
from .errors import ArgumentError, DTypeError, ShapeError
from .expression import FUNCTIONS, Expr, lift, size
from .ops.contraction import unit_axes
from .parser_numbers import Number, calculate, folded, is_number

Kind = str
"""scalar, column, row or matrix."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A bound index: it runs over `length` integers from `first` on; `number` orders axes, outer ones first."""

    number: int
    first: Dim
    length: Dim


@dataclass(frozen=True, slots=True)
class Value:
    """A number or an expression.  The axes of its array are those in `axes`, in the order of their numbers, then
    those of its `kind`."""

    value: Number | Expr
    axes: tuple[Axis, ...] = ()
    kind: Kind = "scalar"

    @property
    def expr(self) -> Expr:
        """The value as an expression."""
        return lift(self.value)


@dataclass(slots=True, eq=False)
class Scope:
    """What the symbols that one Sum, Lambda or FunctionMatrix binds stand for, once it is known."""

    parent: Scope | None
    bound: dict[Any, Callable[[], Value]] = field(default_factory=dict)
    axes: tuple[Axis, ...] = ()

    def find(self, x: Any) -> Value | None:
        """The value of a bound symbol, None for a free one."""
        scope: Scope | None = self
        while scope is not None:
            if x in scope.bound:
                return scope.bound[x]()
            scope = scope.parent
        return None

    def axis(self, x: Any) -> Axis | None:
        """The axis that a bound index stands for, None if it is not one."""
        value = self.find(x)
        return value.axes[0] if value is not None and len(value.axes) == 1 else None


Part = tuple[Any, Scope]
Handler = Callable[["Reader", Any, list[Value], list[Part]], Value]
Parts = Callable[["Reader", Any, Scope], list[Part]]
HANDLERS: dict[str, Handler] = {}
"""The value of an expression from those of its parts, by the name of its class or of one that it inherits from."""
PARTS: dict[str, Parts] = {}
"""What has a value in an expression, where that is not simply each of its arguments."""


def reads(*names: str, parts: Parts | None = None) -> Callable[[Handler], Handler]:
    """Registers the handler of some SymPy classes."""

    def add(f: Handler) -> Handler:
        for name in names:
            HANDLERS[name] = f
            if parts is not None:
                PARTS[name] = parts
        return f

    return add


def no_parts(reader: Reader, expr: Any, scope: Scope) -> list[Part]:
    """A leaf; the pair that a handler gets is the scope alone."""
    return []


class Reader:
    """Turns one SymPy expression into a value.  `symbols` are those declared and met so far, by name; `sizes` the
    names that occur as sizes."""

    def __init__(self, types: dict[str, ArrayType], sizes: frozenset[str]) -> None:
        self.symbols = {name: symbol(name, type_) for name, type_ in types.items()}
        self.sizes = sizes
        self.originals: dict[str, Any] = {}
        self.numbers = count()
        self.known: dict[tuple[int, int], Value] = {}
        self.kept: list[Any] = []
        self.scope = Scope(None)

    def read(self, root: Any) -> Value:
        """The value of `root`."""
        top = Scope(None)
        stack: list[tuple[Any, Scope, list[Part] | None]] = [(root, top, None)]
        while stack:
            expr, scope, parts = stack.pop()
            key = id(expr), id(scope)
            if key in self.known:
                continue
            if parts is None:
                if _lookup(expr, HANDLERS) is None:
                    raise ArgumentError(f"from_sympy: {type(expr).__name__} cannot be read")
                parts = (_lookup(expr, PARTS) or every_argument)(self, expr, scope)
                self.kept += (expr, scope)
                stack.append((expr, scope, parts))
                stack += [(part, inner, None) for part, inner in reversed(parts)]
            else:
                self.scope = scope
                values = [self.value(part) for part in parts]
                self.known[key] = _lookup(expr, HANDLERS)(self, expr, values, parts)
        return self.known[id(root), id(top)]

    def value(self, part: Part) -> Value:
        """The value of a part that has been read."""
        return self.known[id(part[0]), id(part[1])]

    def new_axis(self, first: Dim, length: Dim) -> Axis:
        """An axis that nothing else has."""
        return Axis(next(self.numbers), first, length)

    def variable(self, x: Any, name: str, type_: ArrayType) -> Expr:
        """The symbol called `name`; declared by the caller or of the type given.  ArgumentError if another is
        called so."""
        if self.originals.setdefault(name, x) != x:
            raise ArgumentError(f"from_sympy: two different symbols are called {name}")
        if name not in self.symbols:
            said = tuple(word for word in WORDS if getattr(x, f"is_{word}", None))
            self.symbols[name] = symbol(name, type_, said[:1] + (("integer",) if "integer" in said[1:] else ()))
        return self.symbols[name]


WORDS = ("positive", "negative", "nonnegative", "nonzero", "integer", "real")
"""SymPy's assumptions that are properties of symbols, those that say more first."""


def every_argument(reader: Reader, expr: Any, scope: Scope) -> list[Part]:
    """All arguments, in the scope of the expression."""
    return [(part, scope) for part in expr.args]


def _lookup(expr: Any, table: dict[str, Any]) -> Any:
    return next((table[c.__name__] for c in type(expr).__mro__ if c.__name__ in table), None)


# ---- elementwise functions of values


def elementwise(f: Callable[..., Any], *values: Value) -> Value:
    """`f` of values: axes of the same name are aligned, matrices must be of one kind."""
    kinds = {v.kind for v in values} - {"scalar"}
    axes = tuple(sorted({a for v in values for a in v.axes}, key=lambda a: a.number))
    if len(kinds) > 1 or (kinds and axes):
        shown = " and ".join(sorted(kinds)) if len(kinds) > 1 else "matrices that depend on an index"
        raise ShapeError(f"from_sympy: {shown} do not go together elementwise")
    args = [aligned(v, axes) for v in values]
    return Value(folded(f(*args), args), axes, kinds.pop() if kinds else "scalar")


def aligned(v: Value, axes: Sequence[Axis]) -> Any:
    """The array of `v` with unit axes where other values have axes that it has not."""
    if not v.axes or v.axes == tuple(axes):
        return v.value
    first = axes.index(v.axes[0])
    return unit_axes(v.expr, [v.axes.index(a) if a in v.axes else None for a in axes[first:]])


def function(name: str, *values: Value) -> Value:
    """The function `name` of formulas, elementwise.  ArgumentError if there is none."""
    if name not in FUNCTIONS:
        raise ArgumentError(f"from_sympy: {name} is not among symgrad's functions")
    return elementwise(FUNCTIONS[name], *values)


_ARITHMETIC = {
    "+": "add", "-": "subtract", "*": "multiply", "/": "divide", "**": "power", "<": "less", "<=": "less_equal",
    ">": "greater", ">=": "greater_equal", "==": "equal", "!=": "not_equal",
}  # fmt: skip


def arithmetic(sign: str, a: Value, b: Value) -> Value:
    """``a sign b``, on numbers as Python does it."""
    if isinstance(a.value, Expr) or isinstance(b.value, Expr):
        return elementwise(FUNCTIONS[_ARITHMETIC[sign]], a, b)
    return Value(calculate(sign, a.value, b.value))


def number(value: Number) -> Value:
    """A number as a value."""
    return Value(value)


# ---- sizes


def dimension(expr: Any, depth: int = 0) -> Dim:
    """A SymPy integer expression as a size: integers, symbols, + - *, floor of a quotient and Max of two.  Raises
    ShapeError."""
    kind = type(expr).__name__
    if depth > 50:
        raise ShapeError("from_sympy: a size is nested too deeply")
    if expr.is_Integer:
        return int(expr)
    if kind in ("Symbol", "Dummy"):
        return named(expr.name)
    if kind in ("Add", "Mul"):
        parts = [dimension(a, depth + 1) for a in expr.args]
        total = parts[0]
        for part in parts[1:]:
            total = total + part if kind == "Add" else total * part
        return total
    if kind == "Pow" and expr.exp.is_Integer and 0 < expr.exp < 8:
        base = dimension(expr.base, depth + 1)
        return product((base,) * int(expr.exp))
    if kind == "floor":
        above, below = expr.args[0].as_numer_denom()
        return floordiv(dimension(above, depth + 1), dimension(below, depth + 1))
    if kind == "Max" and len(expr.args) == 2:
        less, more = (dimension(a, depth + 1) for a in expr.args)
        return less + max0(more - less)
    raise ShapeError(f"from_sympy: {kind} cannot be part of a size")


def size_value(n: Dim) -> Number | Expr:
    """A size as a number or an expression."""
    return n if isinstance(n, int) else size(n)


__all__ = [
    "FUNCTIONS", "Axis", "DTypeError", "Part", "Reader", "Scope", "Value", "aligned", "arithmetic", "dimension",
    "elementwise", "every_argument", "function", "is_number", "no_parts", "number", "reads", "size_value",
]  # fmt: skip
