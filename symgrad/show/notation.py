"""From nodes to terms: every operation in the words and signs that a person uses for it.

The text of a term must parse back to the same canonical node.  What makes that subtle is element types: a literal and a
size are weak (they take the type of what stands beside them), so a literal is written out (``2.0``) only where nothing
beside it fixes its type, and a conversion is left out only where NumPy's rules would make the same one.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from ..compiler.types import RANK, ArrayType, is_float
from ..expression import FUNCTIONS, Expr, constant_value
from ..graph import Node, consumer_counts, postorder
from ..rewrite.symmetry import is_symmetric
from .arrays import Arrays
from .constants import named_number, ratio
from .terms import Term, Terms, factors_of, halving, signed

OPERATORS = {"floordiv": "//", "mod": "%"}
NESTING = {"add": "sum", "sub": "sum", "neg": "sum", "mul": "product"}
LONGEST_CONSTANT = 100


class Notation:
    """The terms of everything below `roots`: ``Notation(roots).of[node]``.  Constant arrays of more than `longest`
    elements are abbreviated."""

    def __init__(self, roots: Sequence[Node], longest: int = LONGEST_CONSTANT) -> None:
        self.terms, self.longest = Terms(), longest
        self.order = postorder(roots)
        self.of: dict[Node, Term] = {}
        self.uses = consumer_counts(self.order)
        for root in roots:
            self.uses[root] = self.uses.get(root, 0) + 1
        self._pi_is_taken = any(x.op.name == "symbol" and x.params[0] == "pi" for x in self.order)
        self._weak: set[Node] = set()
        self._results: dict[Node, tuple[Term, int]] = {}
        self._inner = self._inner_nodes()
        self._parts: dict[Node, list[tuple[int, Term]]] = {}
        arrays = Arrays(self)
        for x in self.order:
            t = self.of[x] = self._term(x, arrays)
            if t.form == "call" and x.op.name in ("inv", "cofactor") and is_symmetric(x):
                self.terms.symmetric.add(t)

    def _inner_nodes(self) -> set[Node]:
        """The sums that only a sum uses, and the products that only a product uses: they are written as part of it."""
        return {
            i
            for x in self.order
            if x.op.name in NESTING
            for i in x.inputs
            if self.uses[i] == 1 and NESTING.get(i.op.name) == NESTING[x.op.name]
        }

    def _term(self, x: Node, arrays: Arrays) -> Term:
        write = _WRITE.get(x.op.name)
        if write is not None:
            return write(self, x)
        if x in self._results:
            return self._result(x)
        found = arrays.term(x)
        if found is not None:
            return found
        return self._binary(x) if isinstance(x.op.text, str) and len(x.inputs) == 2 else self._call(x)

    # ---- operands

    def operands(self, x: Node) -> list[Term]:
        """The terms of the inputs of an elementwise operation, literals and conversions as short as the types allow."""
        inputs = x.inputs[1:] if x.op.name == "where" else x.inputs
        if not any(i.op.name in ("constant", "size", "cast") or i in self._weak for i in inputs):
            return [self.of[i] for i in x.inputs]
        wants_float = x.op.name == "div" or (len(inputs) == 1 and _converts(x))
        spelled = [self._spelled(i) for i in inputs]
        if all(weak for _, weak in spelled):
            self._weak.add(x)
        terms = [self.of[i] for i in inputs]
        for plain in (self._plain, self._plain_number):
            if _common(spelled, wants_float) == inputs[0].type.dtype:
                terms = [plain(i) for i in inputs]
                break
            spelled = [
                s if i.op.name in ("constant", "size") else (i.type.dtype, i in self._weak)
                for s, i in zip(spelled, inputs, strict=True)
            ]
        return [self.of[x.inputs[0]], *terms] if x.op.name == "where" else terms

    def _spelled(self, x: Node) -> tuple[str, bool]:
        """Element type and weakness of `x` when it is written without its type."""
        if x.op.name == "size":
            return "i64", True
        if x.op.name == "constant" and not x.type.shape:
            value = constant_value(x).item()
            return ("i64" if _whole(value) and x.type.dtype != "bool" else x.type.dtype), True
        if x.op.name == "cast":
            return x.inputs[0].type.dtype, x.inputs[0] in self._weak
        return x.type.dtype, x in self._weak

    def _plain(self, x: Node) -> Term:
        return self.of[x.inputs[0]] if x.op.name == "cast" else self._plain_number(x)

    def _plain_number(self, x: Node) -> Term:
        if x.op.name == "size":
            return self.terms.size(x.params[0])
        if x.op.name == "constant" and not x.type.shape:
            return self._number(constant_value(x).item(), x.type.dtype)
        if x.op.name == "mul" and x not in self._inner and all(_is_size(i) for i in x.inputs):
            return self.terms.product([self._plain_number(i) for i in x.inputs], 0)
        return self.of[x]

    def _number(self, value: Any, dtype: str, explicit: bool = False) -> Term:
        """A number; constants of mathematics as a person writes them, ``sqrt(2*pi)``."""
        found = named_number(abs(value)) if dtype == "f64" and isinstance(value, float) else None
        if found is not None and "pi" in found.name and self._pi_is_taken:
            return self.terms.literal(repr(value))
        if found is None:
            return self._ratio(value, dtype) or self.terms.number(value, dtype, explicit=explicit)
        number = self.terms.number
        name = number(found.argument)
        if found.function is not None:
            name = self.terms.call(found.function, [self._number(found.argument, dtype)], 0)
        over, under = number(found.over), number(found.under)
        top, bottom = (over, [under, name]) if found.below else (self.terms.product([over, name], 0), [under])
        body = self.terms.number_quotient(top, self.terms.product(bottom, 0))
        return body if value > 0 else self.terms.negative(body)

    def _ratio(self, value: Any, dtype: str) -> Term | None:
        """``2/3``, whose float has no end of decimals."""
        found = ratio(value) if dtype == "f64" and isinstance(value, float) else None
        if found is None:
            return None
        body = self.terms.number_quotient(self.terms.number(abs(found.numerator)), self.terms.number(found.denominator))
        return body if found > 0 else self.terms.negative(body)

    # ---- leaves

    def _symbol(self, x: Node) -> Term:
        return self.terms.make("name", (), (x.params[0],), x.type.rank)

    def _constant(self, x: Node) -> Term:
        array, dtype = constant_value(x), x.type.dtype
        if array.ndim == 0:
            plain = self._number(array.item(), dtype, dtype == "f64")
            return self._typed(plain, dtype) if dtype == "f32" else plain
        return self._typed(self._elements(array, dtype), dtype) if dtype == "f32" else self._elements(array, dtype)

    def _elements(self, array: Any, dtype: str) -> Term:
        if array.size > self.longest or not array.size:
            shape = ", ".join(map(str, array.shape))
            name = "constant" if array.size else "zeros"
            parts = [self.terms.literal(f"{dtype}[{shape}]" if array.size else f"({shape},)")]
            return self.terms.make("call", parts, (name, ()), array.ndim)
        rows: list[Term] = [self.terms.number(v.item(), dtype, explicit=dtype == "f64") for v in array.reshape(-1)]
        for n in array.shape[::-1]:
            rows = [self.terms.make("list", rows[k : k + n]) for k in range(0, len(rows), n)]
        return self.terms.call("array", rows, array.ndim)

    def _typed(self, t: Term, dtype: str) -> Term:
        """``astype(t, "dtype")``."""
        return self.terms.call("astype", [t, self.terms.literal(f'"{dtype}"')], t.rank)

    def _size(self, x: Node) -> Term:
        t = self.terms.size(x.params[0])
        return t if x.type.dtype == "i64" else self._typed(t, x.type.dtype)

    def _cast(self, x: Node) -> Term:
        return self._typed(self.of[x.inputs[0]], x.type.dtype)

    # ---- arithmetic

    def _sum(self, x: Node) -> Term:
        """The sum of everything that the sums, differences and signs below `x` add up."""
        signs = {"add": (1,) * len(x.inputs), "sub": (1, -1), "neg": (-1,)}[x.op.name]
        terms = self.operands(x) if x.op.name != "neg" else [self.of[x.inputs[0]]]
        parts = list(zip(signs, terms, strict=True))
        if x in self._inner:
            return self._postponed(x, parts)
        return self.terms.sum([t if k > 0 else self.terms.negative(t) for k, t in self._gathered(parts)], x.type.rank)

    def _mul(self, x: Node) -> Term:
        parts = [(1, t) for t in self._factors(x)]
        if x in self._inner:
            return self._postponed(x, parts)
        factors = [t for _, t in self._gathered(parts)]
        halves, rest = halving(factors) if len(factors) > 1 else (1, factors)
        body = self.terms.product(rest, x.type.rank)
        if halves == 1:
            return body
        body = self.terms.number_quotient(body, self.terms.number(abs(halves)))
        return body if halves > 0 else self.terms.negative(body)

    def _factors(self, x: Node) -> list[Term]:
        """The operands of a product or quotient.  A number stays in one piece if its parts would make another one: what
        ``1/pi*x`` begins with is not what ``x/pi`` is divided by."""
        return [
            self._in_one_piece(t) if _is_whole_piece(i) else t
            for i, t in zip(x.inputs, self.operands(x), strict=True)
        ]

    def _in_one_piece(self, t: Term) -> Term:
        sign, body = signed(t)
        if body.form != "quotient":
            return t
        whole = self.terms.make("quotient", body.parts, (), 0)
        return whole if sign > 0 else self.terms.negative(whole)

    def _postponed(self, x: Node, parts: list[tuple[int, Term]]) -> Term:
        self._parts[x] = parts
        return Term("inner", (), (x,), x.type.rank)

    def _gathered(self, parts: list[tuple[int, Term]]) -> list[tuple[int, Term]]:
        """Signed parts with those of inner sums or products in their places."""
        found = []
        pending = parts[::-1]
        while pending:
            sign, t = pending.pop()
            if t.form == "inner":
                pending += [(sign * k, p) for k, p in reversed(self._parts.pop(t.data[0]))]
            else:
                found.append((sign, t))
        return found

    def _div(self, x: Node) -> Term:
        top, bottom = self._factors(x)
        halves, rest = halving([top])
        if halves != 1 and not rest and bottom.form != "number":
            sign, body = signed(bottom)
            bottom = self.terms.product([self.terms.number(sign * halves), *factors_of(body)])
            top = self.terms.number(1)
        return self.terms.quotient(top, bottom, x.type.rank)

    def _pow(self, x: Node) -> Term:
        base, exponent = self.operands(x)
        return self.terms.power(base, exponent, x.type.rank)

    def _remainder(self, x: Node) -> Term:
        return self.terms.make("binary", self.operands(x), (OPERATORS[x.op.name],), x.type.rank)

    def _binary(self, x: Node) -> Term:
        """A comparison or ``&``, ``|``; of two that may be exchanged a number stands on the right."""
        parts = self.operands(x)
        if x.op.commutative:
            parts.sort(key=_is_number)
        return self.terms.make("binary", parts, (x.op.text,), x.type.rank)

    def _not(self, x: Node) -> Term:
        return self.terms.make("not", (self.of[x.inputs[0]],), (), x.type.rank)

    def _xor(self, x: Node) -> Term:
        return self.terms.call(x.op.name, [self.of[i] for i in x.inputs], x.type.rank)

    # ---- everything else

    def _call(self, x: Node) -> Term:
        """A call of the public function of the operation's name; static parameters are its further arguments."""
        elementwise = x.op.partials is not None or x.op.name == "where"
        parts = self.operands(x) if elementwise else [self.of[i] for i in x.inputs]
        if x.op.commutative:
            parts.sort(key=_is_number)
        name, arguments = spelling(x)
        front, keywords = written_arguments(name, arguments, x.inputs)
        call = self.terms.make("call", (*map(self.terms.literal, front), *parts), (name, keywords), x.type.rank)
        for k, result in enumerate(_several(name, x.inputs, arguments)):
            self._results[result] = (call, k)
        return self._result(x) if x in self._results else call

    def _result(self, x: Node) -> Term:
        """One of several results of a function."""
        whole, k = self._results[x]
        return self.terms.make("index", (whole,), (str(k),), x.type.rank)


_WRITE: dict[str, Callable[[Notation, Node], Term]] = {
    "symbol": Notation._symbol, "constant": Notation._constant, "size": Notation._size, "cast": Notation._cast,
    "add": Notation._sum, "sub": Notation._sum, "mul": Notation._mul, "neg": Notation._sum, "div": Notation._div,
    "pow": Notation._pow, "floordiv": Notation._remainder, "mod": Notation._remainder,
    "logical_not": Notation._not, "logical_xor": Notation._xor,
}  # fmt: skip


def _converts(x: Node) -> bool:
    """Whether the public function of an elementwise operation turns integers into floats."""
    return x.op.partials is not None and is_float(x.type.dtype) and x.op.name not in ("neg", "stop_gradient")


def _whole(value: float) -> bool:
    return math.isfinite(value) and float(value).is_integer() and not (value == 0 and math.copysign(1, value) < 0)


def _common(spelled: Sequence[tuple[str, bool]], wants_float: bool) -> str:
    """The element type that operands of these types are computed in (see `expression.common_dtype`)."""
    strong = {d for d, weak in spelled if not weak}
    types = strong or {d for d, _ in spelled}
    best = "f64" if {"f32", "i64"} <= types else max(types, key=RANK.__getitem__)
    for d in ({d for d, weak in spelled if weak}) if strong else ():
        if RANK[d] > RANK[best] and not is_float(best):
            best = d
    return "f64" if wants_float and not is_float(best) else best


def _is_size(x: Node) -> bool:
    return x.op.name == "size" or (x.op.name == "constant" and not x.type.shape and _whole(constant_value(x).item()))


def _is_whole_piece(x: Node) -> bool:
    if x.op.name != "constant" or x.type != ArrayType("f64"):
        return False
    value = constant_value(x).item()
    found = named_number(abs(value))
    return ratio(value) is not None if found is None else not found.splits


def _is_number(t: Term) -> bool:
    return signed(t)[1].form == "number"


# ---- calls

def spelling(x: Node) -> tuple[str, dict[str, Any]]:
    """The public function that makes a node from its inputs, and those of its arguments that are no inputs."""
    if callable(x.op.text):
        return x.op.text(x)
    if not x.params or x.op.name not in FUNCTIONS:
        return x.op.name, {}
    names = list(signature(x.op.name).parameters)[len(x.inputs) :]
    if "axis" in names and len(x.params) == 1:
        names = ["axis"]
    return x.op.name, dict(zip(names, x.params, strict=False))


@cache
def signature(name: str) -> inspect.Signature:
    """How the public function `name` is called."""
    return inspect.signature(FUNCTIONS[name])


def written_arguments(
    name: str, arguments: dict[str, Any], inputs: Sequence[Node]
) -> tuple[list[str], tuple[tuple[str, str], ...]]:
    """The texts of arguments that stand before the inputs, and of those behind them by name; defaults are left out."""
    if not arguments:
        return [], ()
    parameters = list(signature(name).parameters.values())
    front = [p.name for p in parameters[: len(arguments)] if p.name in arguments and p.default is p.empty]
    rank = inputs[0].type.rank if inputs else 0
    found = []
    for p in parameters:
        if p.name in arguments and p.name not in front:
            value = arguments[p.name]
            shown = axes_text(value, rank, p.default) if p.name == "axis" else text_of(value)
            if shown is not None and (p.name == "axis" or value != p.default):
                found.append((p.name, shown))
    return [text_of(arguments[n]) for n in front], tuple(found)


def text_of(value: Any) -> str:
    """A static argument as formula text."""
    return f'"{value}"' if isinstance(value, str) else str(value)


SEVERAL = re.compile(r"tuple|list|Any|\w+Result$")
"""The annotations of functions that may give several results."""


def _several(name: str, inputs: Sequence[Node], arguments: dict[str, Any]) -> list[Node]:
    """The nodes of the results of a function that gives several."""
    if name not in FUNCTIONS or not SEVERAL.match(str(signature(name).return_annotation)):
        return []
    if any("Callable" in str(p.annotation) for p in signature(name).parameters.values()):
        return []  # a loop is one result; it is not made again from its arrays
    found = FUNCTIONS[name](*map(Expr, inputs), **arguments)
    return [r.node for r in found] if isinstance(found, tuple | list) else []


def axes_text(axes: Any, rank: int, default: Any = None) -> str | None:
    """Axes counted from the right as users write them, counted from the left; None if they are the default."""
    several = [axes] if isinstance(axes, int) else list(axes)
    if (default is None and len(several) == rank) or several == [default]:
        return None
    counted = [a + rank for a in several]
    return str(counted[0]) if len(counted) == 1 else f"({', '.join(map(str, counted))})"


__all__ = ["Notation", "axes_text", "spelling"]
