"""Results that are zero but on a diagonal are written there alone.

``out[i, j, k, l] = mask(i = k, v[i, j, l])`` visits every element to find that most are zero.  Where nothing but the
caller reads such an array it is a scatter instead: zeros, and one write for each element of the diagonal, band of
blocks or whatever the equal axes leave.  A finite constant factor is multiplied into those elements; the zeros have no
sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite

from ..dependences import all_reads
from ..index import Assign, Axis, AxisValue, Call, Const, Expr, Load, Program, Reduce
from ..records import record
from ..substitution import substituted


def scatter_diagonals(program: Program) -> Program:
    """`program` with its sparse outputs written where they are not zero."""
    read = all_reads(program.statements)
    makers = {s.target: s for s in program.statements if isinstance(s, Assign) and s.at is None}
    alone = {name for name in program.outputs if name not in read}
    statements = tuple(
        _scattered(s, makers) if isinstance(s, Assign) and s.target in alone and s.at is None else s
        for s in program.statements
    )
    return replace(program, statements=statements)


@record(frozen=True, slots=True)
class _Diagonal:
    """What stands where the pairs of axes are equal."""

    pairs: tuple[tuple[str, str], ...]
    value: Expr


def _scattered(statement: Assign, makers: Mapping[str, Assign]) -> Assign:
    found = _diagonal(statement, makers)
    if found is None or not found.pairs:
        return statement
    same: dict[str, str] = {}
    for one, other in found.pairs:
        first, second = (_first(same, name) for name in (one, other))
        if first != second:
            same[second] = first
    names: dict[str, Expr] = {axis.name: AxisValue(_first(same, axis.name)) for axis in statement.axes}
    axes = tuple(axis for axis in statement.axes if axis.name not in same)
    at = tuple(names[axis.name] for axis in statement.axes)
    return replace(statement, axes=axes, value=substituted(found.value, names), at=at)


def _first(same: Mapping[str, str], name: str) -> str:
    while name in same:
        name = same[name]
    return name


def _diagonal(statement: Assign, makers: Mapping[str, Assign]) -> _Diagonal | None:
    """The equal axes under which the value stands, and the value; constant factors are looked through."""
    pairs: list[tuple[str, str]] = []
    factors: list[Expr] = []
    axes = {axis.name: axis for axis in statement.axes}
    value = statement.value
    while not isinstance(value, Reduce):
        match value:
            case Call("mask", (condition, inner)) if (pair := _equal_axes(condition, axes)) is not None:
                pairs.append(pair)
                value = inner
            case Call("cast.f64" | "cast.f32" | "cast.i64", (condition,)) if (
                pair := _equal_axes(condition, axes)
            ) is not None:
                pairs.append(pair)
                value = Const(1 if statement.type.dtype == "i64" else 1.0, statement.type.dtype)
            case Call("mul", (Const(number) as factor, inner)) | Call("mul", (inner, Const(number) as factor)) if (
                isfinite(number)
            ):
                factors.append(factor)
                value = inner
            case Load(array, index) if _is_sparse(makers.get(array), statement, index):
                maker = makers[array]
                value = maker.value
                places = {axis.name: part for axis, part in zip(maker.axes, index, strict=True)}
                assert not isinstance(value, Reduce)
                value = substituted(value, places)
            case _:
                break
    else:
        return None
    return _Diagonal(tuple(pairs), Call("mul", (*factors, value)) if factors else value)


def _is_sparse(maker: Assign | None, statement: Assign, index: tuple[Expr, ...]) -> bool:
    """Whether `maker` defines an array of the same axes by a selection or a product, which may be read here."""
    if maker is None or maker.type != statement.type or index != tuple(AxisValue(a.name) for a in statement.axes):
        return False
    return isinstance(maker.value, Call) and maker.value.op in ("mask", "mul", "cast.f64", "cast.f32", "cast.i64")


def _equal_axes(condition: Expr, axes: Mapping[str, Axis]) -> tuple[str, str] | None:
    match condition:
        case Call("eq", (AxisValue(one), AxisValue(other))) if one in axes and other in axes and one != other:
            return (one, other) if axes[one].size == axes[other].size else None
        case _:
            return None


__all__ = ["scatter_diagonals"]
