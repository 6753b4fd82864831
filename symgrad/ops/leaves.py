"""Symbols, constants, sizes, and conversions between element types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..compiler.index import Call, Const
from ..compiler.types import DTYPES, ArrayType, Dim, Size, evaluate, is_float
from ..element_types import element_type
from ..expression import Expr, cast, function, lift
from ..graph import Node, Op, Params, register
from ..indexing import Element, Operand, axes_of, number, values


def _symbol_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    type_ = params[1]
    assert isinstance(type_, ArrayType)
    return type_


def _constant_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    dtype, shape, _ = params
    assert isinstance(dtype, str) and isinstance(shape, tuple)
    return ArrayType(dtype, shape)


def _evaluate_constant(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    dtype, shape, data = params
    return np.frombuffer(data, DTYPES[dtype]).reshape(shape)


def _evaluate_size(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    n, dtype = params
    assert isinstance(n, int | Size) and isinstance(dtype, str)
    return DTYPES[dtype].type(evaluate(n, sizes))


def _lower_size(x: Node, operands: Sequence[Operand]) -> Element:
    n, dtype = x.params
    assert isinstance(n, int | Size)
    return Element((), number(n) if dtype == "i64" else Call(f"cast.{dtype}", (number(n),)))


def _lower_constant(x: Node, operands: Sequence[Operand]) -> Element:
    value = _evaluate_constant((), x.params, {}).item()
    return Element((), Const(value, x.type.dtype))


def _lower_cast(x: Node, operands: Sequence[Operand]) -> Element:
    axes = axes_of(x.type.shape)
    return Element(axes, Call(f"cast.{x.type.dtype}", (operands[0].at(values(axes)),)))


def _vjp_cast(g: Expr, y: Expr, x: Expr) -> Sequence[Expr | None]:
    return (cast(g, x.dtype) if is_float(x.dtype) and is_float(y.dtype) else None,)


SYMBOL = register(Op("symbol", _symbol_type, lambda *_: None, doc="A variable with a name and a type."))
CONSTANT = register(Op("constant", _constant_type, _evaluate_constant, _lower_constant, doc="Known numbers."))
SIZE = register(
    Op("size", lambda _, p: ArrayType(str(p[1])), _evaluate_size, _lower_size, doc="A size used as a number.")
)
CAST = register(
    Op("cast", lambda t, p: ArrayType(str(p[0]), t[0].shape),
       lambda a, p, s: np.asarray(a[0]).astype(DTYPES[p[0]]), _lower_cast, vjp=_vjp_cast, linear=True,
       doc="Conversion to another element type.")
)  # fmt: skip


@function("astype", method=True)
def astype(x: Any, dtype: Any) -> Expr:
    """`x` with elements converted to `dtype`: "f64", "f32", "i64", "bool" or a NumPy type."""
    return cast(lift(x), element_type(dtype, "astype"))


__all__ = ["CAST", "CONSTANT", "SIZE", "SYMBOL", "Dim", "astype"]
