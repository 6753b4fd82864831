"""SymPy's matrix expressions.  Columns and rows are vectors that remember how they lie."""

from __future__ import annotations

from functools import reduce
from typing import Any

from .compiler.types import ArrayType, Dim
from .errors import ArgumentError, ShapeError
from .expression import FUNCTIONS, Expr, lift
from .parser_numbers import is_number
from .sympy_bridge_reading import (
    Axis,
    Part,
    Reader,
    Scope,
    Value,
    aligned,
    arithmetic,
    dimension,
    elementwise,
    no_parts,
    number,
    reads,
)  # fmt: skip
from .sympy_bridge_scalars import element, index_value

LARGEST_POWER = 64


def kind_of(rows: Dim, columns: Dim) -> str:
    """How a SymPy matrix of this shape is held."""
    if columns == 1:
        return "scalar" if rows == 1 else "column"
    return "row" if rows == 1 else "matrix"


def _shape(rows: Dim, columns: Dim) -> tuple[Dim, ...]:
    return {"scalar": (), "column": (rows,), "row": (columns,), "matrix": (rows, columns)}[kind_of(rows, columns)]


def _matrix(expr: Any, value: Value) -> Expr:
    """A value that must be a matrix."""
    if value.kind != "matrix" or value.axes:
        raise ShapeError(f"from_sympy: {type(expr).__name__} needs a matrix, got a {value.kind}")
    return value.expr


def _call(name: str, *args: Any) -> Expr:
    if name not in FUNCTIONS:
        raise ArgumentError(f"from_sympy: {name} is not among symgrad's functions")
    result: Expr = FUNCTIONS[name](*args)
    return result


# ---- leaves


@reads("MatrixSymbol", parts=no_parts)
def _symbol(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    rows, columns = map(dimension, expr.shape)
    x = reader.variable(expr, str(expr.name), ArrayType("f64", _shape(rows, columns)))
    kind = kind_of(rows, columns)
    if x.ndim == 2:
        kind = "matrix"
    if x.ndim > 2 or (x.ndim < 2 and kind == "matrix"):
        raise ArgumentError(f"from_sympy: {expr.name} is {x.type}, but a {rows}×{columns} matrix in SymPy")
    return Value(x, (), kind if x.ndim else "scalar")


@reads("Identity", parts=no_parts)
def _identity(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    return Value(_call("eye", dimension(expr.args[0])), (), "matrix")


@reads("ZeroMatrix", "OneMatrix", parts=no_parts)
def _filled(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    rows, columns = map(dimension, expr.shape)
    fill = "zeros" if type(expr).__name__ == "ZeroMatrix" else "ones"
    kind = kind_of(rows, columns)
    return number(fill == "ones") if kind == "scalar" else Value(_call(fill, _shape(rows, columns)), (), kind)


# ---- products


@reads("MatMul")
def _product(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    factors = [v for f, v in zip(expr.args, values, strict=True) if not f.is_Rational]
    result = reduce(_times, factors)
    for c in (f for f in expr.args if f.is_Rational):
        if abs(c.p) != 1:
            result = arithmetic("*", number(abs(int(c.p))), result)
        result = elementwise(FUNCTIONS["negative"], result) if c.p < 0 else result
        result = arithmetic("/", result, number(int(c.q))) if c.q != 1 else result
    return result


def _times(a: Value, b: Value) -> Value:
    if "scalar" in (a.kind, b.kind):
        return arithmetic("*", a, b)
    if a.kind == "column" and b.kind == "row":
        return Value(_call("outer", a.expr, b.expr), (), "matrix")
    if (a.kind, b.kind) in (("column", "matrix"), ("column", "column"), ("matrix", "row"), ("row", "row")):
        raise ShapeError(f"from_sympy: a {a.kind} times a {b.kind}: {a.expr.type} and {b.expr.type}")
    result = _call("matmul", a.expr, b.expr)
    kind = {0: "scalar", 2: "matrix"}.get(result.ndim, "row" if a.kind == "row" else "column")
    return Value(result, (), kind)


@reads("MatAdd")
def _sum(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    return elementwise(FUNCTIONS["add"], *values)


@reads("MatPow")
def _power(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    if values[0].kind == "scalar":
        return arithmetic("**", *values)
    base, exponent = _matrix(expr, values[0]), values[1].value
    if not isinstance(exponent, int) or abs(exponent) > LARGEST_POWER:
        raise ArgumentError(
            f"from_sympy: a matrix to the power {exponent}: only integers up to {LARGEST_POWER} are supported"
        )
    if exponent == 0:
        return Value(_call("eye", base.type.shape[0]), (), "matrix")
    product = reduce(lambda a, b: _call("matmul", a, b), [base] * abs(exponent))
    return Value(product if exponent > 0 else _call("inv", product), (), "matrix")


@reads("HadamardProduct")
def _hadamard(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    return elementwise(FUNCTIONS["multiply"], *values)


@reads("HadamardPower")
def _hadamard_power(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    return arithmetic("**", *values)


@reads("KroneckerProduct")
def _kronecker(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    return Value(reduce(lambda a, b: _call("kron", a, b), [_matrix(expr, v) for v in values]), (), "matrix")


# ---- functions of one matrix


@reads("Transpose", "Adjoint")
def _transpose(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    x = values[0]
    if x.kind == "matrix":
        return Value(_call("transpose", x.expr), (), "matrix")
    return Value(x.value, x.axes, {"row": "column", "column": "row", "scalar": "scalar"}[x.kind])


@reads("Inverse")
def _inverse(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    if values[0].kind == "scalar":
        return arithmetic("/", number(1), values[0])
    return Value(_call("inv", _matrix(expr, values[0])), (), "matrix")


@reads("Trace", "Determinant")
def _scalar(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    if values[0].kind == "scalar":
        return values[0]
    return Value(_call("trace" if type(expr).__name__ == "Trace" else "det", _matrix(expr, values[0])))


@reads("DiagMatrix", "DiagonalMatrix", "DiagonalOf")
def _diagonal(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    x = values[0]
    name = type(expr).__name__
    diagonal = x.expr if name == "DiagMatrix" and x.kind != "matrix" else _call("diagonal", _matrix(expr, x))
    return Value(diagonal, (), "column") if name == "DiagonalOf" else Value(_call("diag", diagonal), (), "matrix")


def _bound_to_elements(reader: Reader, expr: Any, scope: Scope) -> list[Part]:
    """The matrix, and the function's body in a scope where its variable is an element of the matrix."""
    f, matrix = expr.function, expr.expr
    inner = Scope(scope)
    state: list[Value] = []

    def elements() -> Value:
        if not state:
            found = reader.value((matrix, scope))
            axes = tuple(reader.new_axis(0, n) for n in found.expr.type.shape)
            inner.axes = axes
            state.append(Value(found.value, axes))
        return state[0]

    inner.bound[f.variables[0]] = elements
    return [(matrix, scope), (f.expr, inner)]


@reads("ElementwiseApplyFunction", parts=_bound_to_elements)
def _applied(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    matrix, body = values
    parts[1][1].find(expr.function.variables[0])
    return Value(spread(body, parts[1][1].axes), (), matrix.kind)


def spread(value: Value, axes: tuple[Axis, ...]) -> Expr:
    """The array of `value` over all of `axes`, repeated along those that it does not have.  ArgumentError for other
    axes."""
    if not set(value.axes) <= set(axes):
        raise ArgumentError("from_sympy: a matrix that depends on a summation index is not supported")
    return _call("broadcast_to", lift(aligned(value, axes)), tuple(a.length for a in axes))


def _bound_to_indices(reader: Reader, expr: Any, scope: Scope) -> list[Part]:
    inner = Scope(scope)
    rows, columns, f = expr.args
    for index, n in zip(f.variables, (rows, columns), strict=True):
        axis = reader.new_axis(0, dimension(n))
        inner.axes = (*inner.axes, axis)
        inner.bound[index] = index_value(axis)
    return [(f.expr, inner)]


@reads("FunctionMatrix", parts=_bound_to_indices)
def _function_matrix(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    result = spread(values[0], parts[0][1].axes)
    rows, columns = result.type.shape
    kind = kind_of(rows, columns)
    flat = {"column": (slice(None), 0), "row": (0, slice(None)), "scalar": (0, 0)}
    return Value(result[flat[kind]] if kind in flat else result, (), kind)


# ---- explicit matrices and their parts


def _entries(reader: Reader, expr: Any, scope: Scope) -> list[Part]:
    blocks = expr.args[0] if type(expr).__name__ == "BlockMatrix" else expr
    return [(entry, scope) for entry in blocks.flat()]


@reads("ImmutableDenseMatrix", "ImmutableSparseMatrix", "BlockMatrix", parts=_entries)
def _explicit(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    blocks = expr.args[0] if type(expr).__name__ == "BlockMatrix" else expr
    rows, columns = map(int, blocks.shape)
    if not values or any(v.axes for v in values):
        raise ArgumentError("from_sympy: an explicit matrix must have entries that depend on no summation index")
    table = [[values[r * columns + c] for c in range(columns)] for r in range(rows)]
    if all(v.kind == "scalar" for v in values):
        kind = kind_of(rows, columns)
        entries = [v.value for v in values]
        if kind == "scalar":
            return values[0]
        nested = entries if kind != "matrix" else [entries[r * columns : (r + 1) * columns] for r in range(rows)]
        return Value(
            _call("array", nested).astype("f64") if all(map(is_number, entries)) else _call("array", nested), (), kind
        )
    kinds = {v.kind for v in values}
    if (kinds == {"column"} and columns == 1) or (kinds == {"row"} and rows == 1):
        return Value(_call("concatenate", [v.expr for v in values], 0), (), kinds.pop())
    whole = [[_block(v) for v in row] for row in table]
    lines = [_call("concatenate", row, 1) for row in whole]
    return Value(_call("concatenate", lines, 0), (), "matrix")


def _block(v: Value) -> Expr:
    """A block as an array of two axes."""
    index = {"matrix": (), "column": (slice(None), None), "row": (None,), "scalar": (None, None)}[v.kind]
    return v.expr[index] if index else v.expr


@reads("MatrixElement")
def _element(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    matrix, indices = values[0], list(expr.args[1:])
    if matrix.kind == "scalar":
        return matrix
    if matrix.kind != "matrix":
        unit = 1 if matrix.kind == "column" else 0
        if values[1 + unit].value != 0:
            raise ArgumentError(f"from_sympy: index {indices[unit]} of a {matrix.kind}; only 0 is within it")
        del indices[unit]
        return element(matrix.expr, indices, [values[2 - unit]], reader.scope)
    return element(matrix.expr, indices, values[1:], reader.scope)


def _only_parent(reader: Reader, expr: Any, scope: Scope) -> list[Part]:
    return [(expr.args[0], scope)]


@reads("MatrixSlice", parts=_only_parent)
def _slice(reader: Reader, expr: Any, values: list[Value], parts: list[Part]) -> Value:
    cuts = [slice(dimension(first), dimension(stop), int(step)) for first, stop, step in expr.args[1:]]
    sliced = _matrix(expr, values[0])[tuple(cuts)]
    return Value(sliced, (), "matrix")


__all__ = ["kind_of", "spread"]
