"""Writes of a part of an array of zeros are reads: ``t[i + 1] = x[i]`` is ``t[j] = x[j - 1] where 1 <= j, else 0``.

So is the derivative of a slice written.  As reads they share the loops of what uses them, nothing is filled with zeros
beforehand, and no two tiles of a long axis give parts of one array that must be added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..affine import MARK, expression, folded, polynomial
from ..index import Assign, Axis, AxisValue, Call, Const, Expr, Load, Loop, Program, SizeValue, Statement
from ..scalars import kind
from ..substitution import substituted
from ..types import Dim, named, names


def read_parts(program: Program) -> Program:
    """`program` with such writes as reads, in the bodies of loops too."""
    return replace(program, statements=_statements(program.statements))


def _statements(statements: Sequence[Statement]) -> tuple[Statement, ...]:
    return tuple(map(_statement, statements))


def _statement(statement: Statement) -> Statement:
    match statement:
        case Loop(body=body):
            return replace(statement, body=replace(body, statements=_statements(body.statements)))
        case Assign(value=Load() as value, accumulate="add") if kind(statement.type.dtype) != "b":
            starts = _starts(statement)
            return statement if starts is None else _read(statement, value, starts)
        case _:
            return statement


def _starts(statement: Assign) -> list[Dim] | None:
    """Where the written part begins along each axis; None where it is no part with the axes in their order."""
    assert statement.at is not None
    if len(statement.at) != len(statement.axes):
        return None
    found: list[Dim] = []
    for axis, part in zip(statement.axes, statement.at, strict=True):
        place = polynomial(part, {})
        start = None if place is None else place - named(MARK + axis.name)
        if start is None or any(name.startswith(MARK) for name in names(start)):
            return None
        found.append(start)
    return found


def _read(statement: Assign, value: Load, starts: Sequence[Dim]) -> Assign:
    """`statement`, which writes `value` from `starts` on, as a selection of what it writes and zeros."""
    axes: list[Axis] = []
    places: dict[str, Expr] = {}
    inside: list[Expr] = []
    for axis, start, size in zip(statement.axes, starts, statement.type.shape, strict=True):
        if start == 0 and axis.size == size:
            axes.append(axis)
            continue
        axes.append(Axis(f"{axis.name}.whole", size))
        at = AxisValue(axes[-1].name)
        places[axis.name] = expression(named(MARK + at.name) - start)
        inside += [Call("ge", (at, _number(start))), Call("lt", (at, _number(start + axis.size)))]
    read = substituted(value, places)
    if inside:
        chosen = folded(Call("and", tuple(inside)), {axis.name: axis.size for axis in axes})
        zero = Const(0.0 if kind(statement.type.dtype) == "f" else 0, statement.type.dtype)
        read = Call("where", (chosen, read, zero))
    return Assign(statement.target, statement.type, tuple(axes), read)


def _number(size: Dim) -> Expr:
    return Const(size, "i64") if isinstance(size, int) else SizeValue(size)
