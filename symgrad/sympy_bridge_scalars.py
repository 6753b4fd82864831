"""SymPy's scalar expressions: numbers, arithmetic, functions, relations, Piecewise, Sum and indexed arrays."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import cache, reduce
from typing import Any

from .compiler.types import ArrayType, Dim
from .errors import ArgumentError, DTypeError
from .expression import FUNCTIONS, Expr, lift
from .graph import OPS
from .ops.contraction import einsum_labels
from .parser_numbers import is_number
from .sympy_bridge_reading import (
    Axis,
    Part,
    Reader,
    Scope,
    Value,
    arithmetic,
    dimension,
    elementwise,
    function,
    no_parts,
    number,
    reads,
    size_value,
)  # fmt: skip

# ---- numbers and symbols


@reads("Integer", parts=no_parts)
def _integer(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    return number(_bounded(int(expr)))


def _bounded(n: int) -> int:
    if n.bit_length() > 1024:
        raise DTypeError("from_sympy: an integer of more than 300 digits")
    return n


@reads("Rational", parts=no_parts)
def _rational(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    return number(_bounded(int(expr.p)) / _bounded(int(expr.q)))


@reads("Float", "NumberSymbol", "Infinity", "NegativeInfinity", "NaN", parts=no_parts)
def _float(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    return number(float(expr))


@reads("ImaginaryUnit", "ComplexInfinity", parts=no_parts)
def _complex(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    raise DTypeError(f"from_sympy: {expr} is a complex number; symgrad computes with real numbers")


@reads("BooleanTrue", "BooleanFalse", parts=no_parts)
def _truth(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    return number(bool(expr))


@reads("Symbol", "Idx", parts=no_parts)
def _symbol(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    bound = reader.scope.find(expr)
    if bound is not None:
        return bound
    name = str(expr.name)
    if name not in reader.originals and (expr.is_commutative is False or expr.is_imaginary):
        what = "does not commute" if expr.is_commutative is False else "is imaginary"
        raise DTypeError(f"from_sympy: {name} {what}; symgrad computes with real numbers and matrices")
    if name in reader.sizes and name not in reader.symbols:
        return Value(size_value(dimension(expr)))
    found = reader.variable(expr, name, ArrayType("f64"))
    if found.ndim:
        raise ArgumentError(f"from_sympy: {name} is declared as {found.type}, but a SymPy Symbol is a scalar; "
                            "use MatrixSymbol or IndexedBase for arrays")  # fmt: skip
    return Value(found)


# ---- arithmetic


@reads("Add")
def _add(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    if all(is_number(v.value) for v in values):
        return reduce(lambda a, b: arithmetic("+", a, b), values)
    return elementwise(FUNCTIONS["add"], *values)


def _is_below(factor: Any) -> bool:
    return bool(factor.is_Pow and factor.exp.is_Rational and factor.exp.p < 0)


def _factors(reader: Reader, expr: Any, scope: Scope) -> list[Part]:
    return [(f.base if _is_below(f) else f, scope) for f in expr.args]


@reads("Mul", parts=_factors)
def _multiply(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    """Factors with negative exponents, and the denominators of rational numbers, stand below one line."""
    above: list[Value] = []
    below: list[Value] = []
    for factor, value in zip(expr.args, values, strict=True):
        if _is_below(factor):
            below.append(_power_of(value, -factor.exp))
        elif factor.is_Rational and not factor.is_Integer:
            above += [number(int(factor.p))] if factor.p != 1 else []
            below.append(number(int(factor.q)))
        else:
            above.append(value)
    result = _product(above) if above else number(1)
    return arithmetic("/", result, _product(below)) if below else result


def _product(values: list[Value]) -> Value:
    numbers = [v for v in values if is_number(v.value)]
    rest = [v for v in values if not is_number(v.value)]
    start = [reduce(lambda a, b: arithmetic("*", a, b), numbers)] if numbers else []
    if not rest:
        return start[0]
    if start and start[0].value == -1:
        return elementwise(FUNCTIONS["negative"], _product(rest))
    factors = start + rest
    return factors[0] if len(factors) == 1 else elementwise(FUNCTIONS["multiply"], *factors)


def _power_of(base: Value, exponent: Any) -> Value:
    """A power with a positive rational exponent."""
    if exponent == 1:
        return base
    if exponent.is_Integer:
        return arithmetic("**", base, number(_bounded(int(exponent))))
    if exponent.p == 1 and exponent.q == 2:
        return function("sqrt", base)
    return arithmetic("**", base, number(int(exponent.p) / int(exponent.q)))


@reads("Pow")
def _power(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    base, exponent = expr.args
    if _is_below(expr):
        return arithmetic("/", number(1), _power_of(values[0], -exponent))
    if exponent.is_Rational and exponent.p:
        return _power_of(values[0], exponent)
    if base.is_NumberSymbol and values[0].value == math.e:
        return function("exp", values[1])
    return arithmetic("**", *values)


# ---- functions

ALIKE = {
    "ceiling": "ceil", "loggamma": "gammaln", "Abs": "abs", "Mod": "mod", "re": "positive", "conjugate": "positive",
    "adjoint": "positive", "floor": "floor", "log": "log", "exp": "exp",
}  # fmt: skip
"""SymPy's names of functions to those of formulas, where no row of the operation table says it."""

INVERSES = {"sec": "cos", "csc": "sin", "cot": "tan", "sech": "cosh", "csch": "sinh", "coth": "tanh"}
OF_INVERSES = {
    "asec": "arccos",
    "acsc": "arcsin",
    "acot": "arctan",
    "asech": "arccosh",
    "acsch": "arcsinh",
    "acoth": "arctanh",
}


@cache
def named_functions() -> dict[str, str]:
    """SymPy's names of functions to those of formulas."""
    rows = {row.sympy: row.name for row in OPS.values() if row.sympy and row.name in FUNCTIONS}
    same = {name: name for name in FUNCTIONS}
    return {**same, **ALIKE, **rows}


@reads("Function")
def _function(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    name = type(expr).__name__
    if name in INVERSES:
        return arithmetic("/", number(1), function(INVERSES[name], *values))
    if name in OF_INVERSES:
        return function(OF_INVERSES[name], arithmetic("/", number(1), *values))
    found = named_functions().get(name)
    if found is None or any(c.__name__ == "AppliedUndef" for c in type(expr).__mro__):
        raise ArgumentError(f"from_sympy: the function {name} has no counterpart in symgrad")
    return function(found, *values)


BY_FORMULA: dict[str, Callable[..., Any]] = {
    "lowergamma": lambda f, a, x: f["gammainc"](a, x) * f["gamma"](a),
    "uppergamma": lambda f, a, x: f["gammaincc"](a, x) * f["gamma"](a),
    "erf2": lambda f, x, y: f["erf"](y) - f["erf"](x),
    "li": lambda f, x: f["expi"](f["log"](x)),
    "binomial": lambda f, n, k: f["binom"](n, k),
    "RisingFactorial": lambda f, x, k: f["poch"](x, k),
    "FallingFactorial": lambda f, x, k: f["poch"](x - k + 1, k),
    "harmonic": lambda f, x: f["digamma"](x + 1) + EULER,
    "Cbrt": lambda f, x: f["cbrt"](x),
    "Sqrt": lambda f, x: f["sqrt"](x),
    "fma": lambda f, x, y, z: x * y + z,
}
"""SymPy's functions that are formulas of others here."""
EULER = 0.5772156649015329


@reads(*BY_FORMULA)
def _by_formula(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    if len(values) != len(inspect.signature(BY_FORMULA[type(expr).__name__]).parameters) - 1:
        raise ArgumentError(f"from_sympy: {expr} with {len(values)} arguments has no counterpart in symgrad")
    return elementwise(lambda *xs: BY_FORMULA[type(expr).__name__](FUNCTIONS, *xs), *values)


def _worked_out(reader: Reader, expr: Any, scope: Scope) -> list[Part]:
    """What SymPy makes of it; it cannot differentiate functions that are not defined."""
    done = expr.doit()
    if type(done) is type(expr):
        raise ArgumentError(f"from_sympy: {type(expr).__name__} cannot be read: SymPy does not work {expr} out")
    return [(done, scope)]


@reads("Derivative", "Subs", parts=_worked_out)
def _as_worked_out(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    return values[0]


@reads("expint")
def _exponential_integral(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    if values[0].value != 1:
        raise ArgumentError(f"from_sympy: expint of order 1 alone has a counterpart, got {expr}")
    return function("exp1", values[1])


@reads("polylog")
def _dilogarithm(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    if values[0].value != 2:
        raise ArgumentError(f"from_sympy: polylog of order 2 alone has a counterpart, got {expr}")
    return function("spence", arithmetic("-", number(1), values[1]))


@reads("betainc_regularized")
def _incomplete_beta(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    a, b, low, high = values
    upper = elementwise(FUNCTIONS["betainc"], a, b, high)
    if low.value == 0:
        return upper
    return arithmetic("-", upper, elementwise(FUNCTIONS["betainc"], a, b, low))


@reads("LambertW")
def _lambert(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    branch = values[1].value if len(values) > 1 else 0
    if isinstance(branch, Expr):
        raise ArgumentError(f"from_sympy: the branch of {expr} must be a number")
    return elementwise(lambda x: FUNCTIONS["lambertw"](x, branch), values[0])


@reads("sinc")
def _sinc(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    return function("sinc", arithmetic("/", values[0], number(math.pi)))


@reads("frac")
def _fraction(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    return arithmetic("-", values[0], function("floor", values[0]))


@reads("Heaviside")
def _heaviside(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    x, at_zero = values
    positive = function("where", arithmetic(">", x, number(0)), number(1.0), number(0.0))
    return function("where", arithmetic("==", x, number(0)), at_zero, positive)


@reads("KroneckerDelta", parts=lambda reader, expr, scope: [(part, scope) for part in expr.args[:2]])
def _kronecker(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    return function("where", arithmetic("==", *values), number(1.0), number(0.0))


def _folding(name: str) -> Callable[..., Value]:
    def read(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
        return reduce(lambda a, b: function(name, a, b), values)

    return read


for _class, _name in {
    "Max": "maximum",
    "Min": "minimum",
    "And": "logical_and",
    "Or": "logical_or",
    "Xor": "logical_xor",
}.items():
    reads(_class)(_folding(_name))


@reads("Not")
def _not(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    return function("logical_not", *values)


_RELATIONS = {
    "Equality": "==", "Unequality": "!=", "StrictLessThan": "<", "LessThan": "<=", "StrictGreaterThan": ">",
    "GreaterThan": ">=",
}  # fmt: skip


@reads(*_RELATIONS)
def _relation(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    return arithmetic(_RELATIONS[type(expr).__name__], *values)


def _branches(reader: Reader, expr: Any, scope: Scope) -> list[Part]:
    """Branches and conditions; a branch that SymPy worked out as 1/0, of no sign, is no number."""
    import sympy

    parts = [part for pair in expr.args for part in pair.args]
    return [(sympy.nan if part is sympy.zoo else part, scope) for part in parts]


@reads("Piecewise", parts=_branches)
def _piecewise(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    """Nested selections; NaN where no condition holds."""
    result: Value | None = None
    for branch, condition in reversed(list(zip(values[::2], values[1::2], strict=True))):
        if condition.value is True:
            result = branch
        elif condition.value is not False:
            result = function("where", condition, branch, result or number(math.nan))
    return result or number(math.nan)


@reads("ITE")
def _choice(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    condition, yes, no = values
    return function("logical_or", function("logical_and", condition, yes),
                    function("logical_and", function("logical_not", condition), no))  # fmt: skip


# ---- sums over indices


def _limits(reader: Reader, expr: Any, scope: Scope) -> list[Part]:
    """The body, in a scope where every index is an axis; SymPy writes inner indices first."""
    inner = Scope(scope)
    for index, *bounds in reversed(expr.limits):
        if len(bounds) != 2 or any(b.is_infinite for b in bounds):
            raise ArgumentError(f"from_sympy: {type(expr).__name__} needs finite bounds for its index {index}")
        if any(scope.find(s) or inner.find(s) for b in bounds for s in _symbols(b)):
            raise ArgumentError(f"from_sympy: the bounds of the index {index} depend on another index")
        first, last = map(dimension, bounds)
        length: Dim = last - first + 1
        axis = reader.new_axis(first, max(length, 0) if isinstance(length, int) else length)
        inner.bound[index] = index_value(axis)
        inner.axes = (*inner.axes, axis)
    return [(expr.function, inner)]


def _symbols(bound: Any) -> list[Any]:
    found: list[Any] = []
    pending = [bound]
    while pending:
        x = pending.pop()
        found += [x] if x.is_Symbol else []
        pending += x.args
    return found


def index_value(axis: Axis) -> Callable[[], Value]:
    """What a bound index stands for, made when it is asked for."""

    def value() -> Value:
        steps = FUNCTIONS["arange"](axis.length)
        return Value(steps if axis.first == 0 else steps + lift(size_value(axis.first)), (axis,))

    return value


@reads("Sum", parts=_limits)
def _sum(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    return _reduced(FUNCTIONS["sum"], values[0], parts[0][1].axes, "*")


@reads("Product", parts=_limits)
def _product_over(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    return _reduced(FUNCTIONS["prod"], values[0], parts[0][1].axes, "**")


def _reduced(f: Callable[..., Expr], body: Value, gone: tuple[Axis, ...], repeat: str) -> Value:
    """`body` reduced over the axes `gone`; an axis that it does not have repeats it."""
    if body.kind != "scalar":
        raise ArgumentError("from_sympy: sums of matrices over an index are not supported; use matrix products")
    kept = tuple(a for a in body.axes if a not in gone)
    over = tuple(k - len(body.axes) for k, a in enumerate(body.axes) if a in gone)
    result = Value(f(body.expr, axis=over), kept) if over else body
    for axis in gone:
        if axis not in body.axes:
            result = arithmetic(repeat, result, Value(size_value(axis.length)))
    return result


# ---- elements of arrays


@reads("Indexed", parts=lambda reader, expr, scope: [(i, scope) for i in expr.args[1:]])
def _indexed(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    base, *indices = expr.args
    name = str(base.label) if hasattr(base, "label") else str(base)
    if name in reader.symbols:
        array = reader.variable(base, name, ArrayType("f64"))
    else:
        sizes = base.shape if getattr(base, "shape", None) is not None else None
        shape = tuple(map(dimension, sizes)) if sizes is not None else _guessed(name, indices, reader.scope)
        array = reader.variable(base, name, ArrayType("f64", shape))
    if array.ndim != len(indices):
        raise ArgumentError(f"from_sympy: {name} is {array.type}, but has {len(indices)} indices")
    return element(array, indices, values, reader.scope)


def _guessed(name: str, indices: list[Any], scope: Scope) -> tuple[Dim, ...]:
    """The shape of an array of which nothing is said, from indices that run from 0 to its last element."""
    axes = [scope.axis(i) for i in indices]
    if any(a is None or a.first != 0 for a in axes):
        raise ArgumentError(f'from_sympy: the shape of {name} is not known: declare it, from_sympy(…, {name}="n")')
    return tuple(a.length for a in axes if a is not None)


def element(array: Expr, indices: list[Any], values: list[Value], scope: Scope) -> Value:
    """``array[i, j]``: an axis for every bound index, a slice for a shifted one, an element for a number, else a
    gather."""
    labels: list[Axis] = []
    cuts: list[Any] = []
    gathers: list[tuple[int, Expr]] = []
    for index, value in zip(indices, values, strict=True):
        axis, shift = _shifted(index, scope)
        if axis is not None:
            first = axis.first + shift
            cuts.append(slice(first, first + axis.length))
            labels.append(axis)
        elif not value.axes:
            cuts.append(value.value)
        elif len(value.axes) == 1:
            gathers.append((len(labels), value.expr))
            cuts.append(slice(None))
            labels.append(value.axes[0])
        else:
            raise ArgumentError("from_sympy: an index made of several summation indices is not supported")
    result = FUNCTIONS["getitem"](array, tuple(cuts))
    for at, k in gathers:
        result = FUNCTIONS["take"](result, k, at)
    axes = tuple(sorted(set(labels), key=lambda a: a.number))
    if tuple(labels) != axes:
        result = einsum_labels([result], [[axes.index(a) for a in labels]], range(len(axes)))
    return Value(result, axes)


def _shifted(index: Any, scope: Scope) -> tuple[Axis | None, Dim]:
    """The axis and the shift of an index ``i`` or ``i + 2``; no axis for others."""
    terms = index.args if index.is_Add else (index,)
    axes = [a for t in terms if (a := scope.axis(t)) is not None]
    rest = [t for t in terms if scope.axis(t) is None]
    if len(axes) != 1 or any(scope.find(s) for t in rest for s in _symbols(t)):
        return None, 0
    shift: Dim = 0
    for t in rest:
        shift = shift + dimension(t)
    return axes[0], shift


__all__ = ["element", "index_value", "named_functions"]
