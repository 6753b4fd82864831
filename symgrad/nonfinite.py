"""`trace_nan`: where a formula or its derivative first became NaN or infinite, in the user's own text.

What is traced is what is computed: the canonical, stable form, node by node in NumPy.  From a result that is not finite
the trace goes back through what is not finite, so that an infinity that did no harm (a branch that was not taken, an
exponential that vanished in a sum) is not blamed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import interpreter
from .broadcasting import over_points, spread
from .compiler.types import is_float
from .errors import SymgradError
from .expression import Expr, symbol_name, symbols_of
from .formula import Formula, derived
from .graph import Node, postorder
from .places import Place, places
from .rewrite.canonical import canonicalise
from .show.text import text

Array = np.ndarray[Any, Any]
Values = Mapping[Node, Array]

ADVICE: dict[tuple[str, str], str] = {
    ("log", "a logarithm of 0"): "where {0} may be 0, write xlogy(k, {0}) for k*log({0}), or log(maximum({0}, 1e-300))",
    ("log", "a logarithm of a negative number"): "log({0}) has a value for {0} > 0 only: "
    "check its sign, or write log(abs({0})) if that is meant",
    ("log1p", ""): "log(1 + {0}) has a value for {0} > -1 only",
    ("sqrt", ""): "a root has a value for {0} >= 0 only: write sqrt(maximum({0}, 0)) if rounding made it negative",
    ("exp", ""): "the exponential overflows beyond 709.78: work with its logarithm (logsumexp, softplus, logaddexp), "
    "or subtract the largest exponent",
    ("sinh", ""): "overflows beyond 710.47: work with its logarithm",
    ("cosh", ""): "overflows beyond 710.47: logcosh({0}) is log(cosh({0})) without overflow",
    ("div", "a division by 0"): "select the value there: where({1} != 0, {0}/{1}, …)",
    ("div", "0 divided by 0"): "select the limit there: where({1} != 0, {0}/{1}, …)",
    ("pow", ""): "a power with a base of 0 or less: write where({0} > 0, {0}**{1}, …), or keep the base positive",
    ("arcsin", ""): "has a value between -1 and 1 only: write clip({0}, -1, 1) if rounding led outside",
    ("arccos", ""): "has a value between -1 and 1 only: write clip({0}, -1, 1) if rounding led outside; for the angle "
    "between vectors, arctan2 loses no digits",
    ("arctanh", ""): "is infinite at -1 and 1",
    ("add", "infinities of opposite signs"): "two infinite terms cancel: subtract before they overflow",
    ("add", "an overflow"): "scale the terms",
    ("mul", "0 times infinity"): "select instead of multiplying by a mask: where(condition, value, 0); "
    "xlogy(x, y) is x*log(y) with 0 at x = 0",
    ("mul", "an overflow"): "add logarithms instead of multiplying: exp(log(a) + log(b))",
    ("einsum", ""): "add logarithms, or scale the operands",
}
"""What to do about an operation and what is wrong ("" stands for anything)."""
SLOPES: dict[str, str] = {
    "sqrt": "a root has an infinite slope at 0: where({0} > 0, sqrt({0}), 0) has the slope 0 there, "
    "and sqrt({0} + 1e-300) a finite one",
    "pow": "a power below 1 has an infinite slope at 0: where({0} > 0, {0}**{1}, 0) has the slope 0 there",
    "log": "the slope of a logarithm is infinite at 0: where({0} > 0, log({0}), 0) has the slope 0 there",
    "arcsin": "its slope is infinite at -1 and 1: clip({0}, -1, 1) has the slope 0 outside",
    "arccos": "its slope is infinite at -1 and 1: clip({0}, -1, 1) has the slope 0 outside",
}
"""What to do where the derivative of an operation of the formula is what is infinite."""


@dataclass(frozen=True)
class Nonfinite:
    """What `trace_nan` found; falsy if all is finite.

    `place` is the part of the user's text, `what` the value that came out, `index` where in an array, `inputs` the
    values that went in by their text, `reason` and `advice` what happened and what helps, as far as it is known.
    `where` says whether that was in the value or in a derivative."""

    place: Place | None = None
    what: str = ""
    where: str = ""
    index: tuple[int, ...] = ()
    inputs: tuple[tuple[str, float], ...] = ()
    reason: str = ""
    advice: str = ""

    def __bool__(self) -> bool:
        return self.place is not None

    def __str__(self) -> str:
        if self.place is None:
            return "everything is finite"
        at = f" at index {list(self.index)}" if self.index else ""
        lines = [f"{self.place.title} became {self.what}{at}, in the {self.where}", str(self.place)]
        if self.inputs:
            lines.append("    with " + ", ".join(f"{name} = {value!r}" for name, value in self.inputs))
        if self.reason:
            lines.append(f"    this is {self.reason}")
        if self.advice:
            lines.append(f"    {self.advice}")
        return "\n".join(lines)

    __repr__ = __str__


def trace(formula: Formula, values: Values, sizes: Mapping[str, int]) -> Nonfinite:
    """The first part of `formula`, or else of its gradient if it has one, that became NaN or infinite for `values`.

    >>> import symgrad as sg
    >>> f = sg.compile(sg.parse("2*log(x - 1)", x=""))
    >>> print(f.trace_nan(1.0))
    log(x - 1) became -inf, in the value
        2*log(x - 1)
          ^^^^^^^^^^
        with x - 1 = 0.0
        this is a logarithm of 0
        where x - 1 may be 0, write xlogy(k, x - 1) for k*log(x - 1), or log(maximum(x - 1, 1e-300))
    """
    where = "value" if formula.origin is None else formula.origin[0]
    found = Nonfinite()
    for f in _with_gradient(formula):
        found = found or _traced(f, values, sizes, where if f is formula else "gradient")
    return found


def trace_points(formula: Formula, labels: Sequence[str], arrays: Sequence[Array]) -> Nonfinite:
    """The same for a formula of scalars at many points: at the first point where anything is not finite."""
    symbols = formula.symbols
    points = spread(labels, arrays)
    for f in _with_gradient(formula):
        roots, fresh = over_points(canonicalise(f.nodes), symbols, points.many)
        with np.errstate(all="ignore"):
            found = interpreter.run(roots, dict(zip(fresh, points.arrays, strict=True)), {"points": points.count})
        bad = np.zeros(points.count, bool)
        for a in found:
            bad |= ~np.isfinite(a).reshape(points.count, -1).all(axis=1)
        if bad.any():
            k = int(np.argmax(bad))
            at = [a[k] if varies else a for a, varies in zip(points.arrays, points.many, strict=True)]
            there = trace(formula, dict(zip(symbols, map(np.asarray, at), strict=True)), {})
            return replace(there, index=tuple(int(i) for i in np.unravel_index(k, points.shape)))
    return Nonfinite()


def _with_gradient(formula: Formula) -> Iterator[Formula]:
    """The formula and, if it has one, its gradient."""
    yield formula
    if formula.origin is None:
        with suppress(SymgradError):
            yield derived(formula, "grad")


def _traced(formula: Formula, values: Values, sizes: Mapping[str, int], where: str) -> Nonfinite:
    roots = canonicalise(formula.nodes)
    order = postorder(roots)
    with np.errstate(all="ignore"):
        known = dict(zip(order, interpreter.run(order, values, sizes), strict=True))
    guilty = _guilty(roots, known)
    if guilty is None:
        return Nonfinite()
    return _report(guilty, known, _place(guilty, known, places(formula)), where)


def _place(x: Node, known: Values, found: Mapping[Node, Place]) -> Place:
    """The place of a node; where a derivative divides by 0, the place of the factor that is 0, which tells more."""
    place = found[x]
    if not place.order or x.op.name != "div":
        return place
    zero = x.inputs[1]
    while zero.op.name == "mul":
        zero = next((i for i in zero.inputs if not known[i].all()), zero.inputs[-1])
    if known[zero].all():
        return place
    at = found.get(zero, place)
    return Place(at.source, at.span, place.order)


def _guilty(roots: Sequence[Node], known: Values) -> Node | None:
    """The first node that is not finite though all that counts in its inputs is, below a root that is not."""
    reached = {x for x in roots if not _finite(known[x])}
    order = postorder(roots)
    for x in reversed(order):
        if x in reached:
            reached.update(i for i, counts in zip(x.inputs, _counting(x, known), strict=True) if not _finite(counts))
    for x in order:
        if x in reached and all(_finite(a) for a in _counting(x, known)):
            return x
    return None


def _finite(a: Array) -> bool:
    return a.dtype.kind != "f" or bool(np.isfinite(a).all())


def _counting(x: Node, known: Values) -> list[Array]:
    """The inputs of a node; of a selection the elements that it takes."""
    inputs = [known[i] for i in x.inputs]
    if x.op.name == "where":
        c, a, b = np.broadcast_arrays(*inputs)
        return [inputs[0], a[c], b[~c]]
    if x.op.name == "mask":
        c, a = np.broadcast_arrays(*inputs)
        return [inputs[0], a[c]]
    return inputs


def _report(x: Node, known: Values, place: Place, where: str) -> Nonfinite:
    value = known[x]
    index = tuple(int(k) for k in np.argwhere(~np.isfinite(value))[0]) if value.ndim else ()
    inputs = [(i, _element(known[i], index, value.ndim)) for i in x.inputs if is_float(i.type.dtype)]
    shown = tuple((_text(i), v) for i, v in inputs if v is not None and i.op.name != "constant")
    what = _what(float(value[index]))
    reason = _reason(x.op.name, [v for _, v in inputs if v is not None], float(value[index]))
    if x.op.name == "symbol":
        return Nonfinite(place, what, where, index, (), "an argument that is not finite already")
    return Nonfinite(place, what, where, index, shown, reason, _advice(x, place, reason))


def _what(value: float) -> str:
    return "NaN" if np.isnan(value) else "inf" if value > 0 else "-inf"


def _text(x: Node) -> str:
    return symbol_name(x) if x.op.name == "symbol" else text(Expr(x, tuple(symbols_of([x]))))


def _element(a: Array, index: tuple[int, ...], rank: int) -> float | None:
    """The element of an operand that goes into the element `index` of an elementwise result; None if none is known."""
    if not a.ndim:
        return float(a)
    if a.ndim > rank:
        return None
    own = index[rank - a.ndim :]
    if any(k >= n and n != 1 for k, n in zip(own, a.shape, strict=True)):
        return None
    return float(a[tuple(0 if n == 1 else k for k, n in zip(own, a.shape, strict=True))])


def _reason(name: str, inputs: Sequence[float], result: float) -> str:
    if name == "log" and inputs:
        return "a logarithm of 0" if inputs[0] == 0 else "a logarithm of a negative number"
    if name == "div" and len(inputs) == 2:
        return ("0 divided by 0" if inputs[0] == 0 else "a division by 0") if inputs[1] == 0 else "an overflow"
    if name in ("exp", "sinh", "cosh", "mul", "add", "einsum", "norm", "exp2") and not np.isnan(result):
        return "an overflow"
    if name == "pow" and len(inputs) == 2:
        if inputs[0] == 0 and inputs[1] < 0:
            return "a division by 0"
        return "an overflow" if np.isinf(result) else "a power of a negative number that is no integer"
    if name in ("sqrt", "arcsin", "arccos", "arccosh", "arctanh", "log1p", "gammaln", "logdet") and np.isnan(result):
        return "outside its domain"
    return ""


def _advice(x: Node, place: Place, reason: str) -> str:
    """What helps, with the parts of the user's text."""
    if place.order:
        user = next((n for n in _OUTER if place.text.startswith(f"{n}(")), "pow" if "**" in place.text else "")
        inner = place.text[len(user) + 1 : -1] if user in _OUTER else place.text.partition("**")[0]
        exponent = place.text.partition("**")[2] if user == "pow" else ""
        return SLOPES.get(user, "").replace("{0}", inner).replace("{1}", exponent)
    template = ADVICE.get((x.op.name, reason), ADVICE.get((x.op.name, ""), ""))
    for k, i in enumerate(x.inputs):
        template = template.replace(f"{{{k}}}", _text(i))
    return template


_OUTER = ("sqrt", "log", "arcsin", "arccos")

__all__ = ["Nonfinite", "trace", "trace_points"]
