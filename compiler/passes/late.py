"""Factors that are known only after a sum are pulled out of the sums that follow.

``g[j] = sum_i X[i, j] * (r[i] / s)`` with s itself a sum would need a second pass over X; it is the same as
``(sum_i X[i, j] * r[i]) / s``, which is summed in the first.  So is a mask that does not change along the summed axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..alignment import loads
from ..index import Assign, AxisValue, Call, Const, Expr, Load, Loop, Program, Reduce, Statement
from ..scalars import kind
from ..substitution import mentions, substituted
from ..types import ArrayType

Makers = dict[str, Assign]


def pull_late_factors(program: Program) -> Program:
    """`program` with late factors outside of its sums."""
    return replace(program, statements=_statements(program.statements))


def _statements(statements: Sequence[Statement]) -> tuple[Statement, ...]:
    makers: Makers = {}
    late: set[str] = set()
    result: list[Statement] = []
    for statement in statements:
        new: list[Statement] = [statement]
        if isinstance(statement, Loop):
            new = [replace(statement, body=replace(statement.body, statements=_statements(statement.body.statements)))]
        elif isinstance(statement, Assign):
            if isinstance(statement.value, Reduce) or any(load.array in late for load in loads(statement)):
                late.add(statement.target)
            if statement.at is None:
                makers[statement.target] = statement
                new = list(_pulled(statement, makers, late))
        result += new
    return tuple(result)


def _pulled(statement: Assign, makers: Makers, late: set[str]) -> list[Assign]:
    value = statement.value
    if not isinstance(value, Reduce) or value.op != "add" or kind(statement.type.dtype) != "f":
        return [statement]
    summed = {axis.name for axis in value.axes}
    factors = list(value.body.args) if isinstance(value.body, Call) and value.body.op == "mul" else [value.body]
    around: list[Call] = []
    for k in range(len(factors)):
        found = _split(factors[k], makers, summed, late)
        while found is not None:
            outer, factors[k] = found
            around.append(outer)
            found = _split(factors[k], makers, summed, late)
    if not around:
        return [statement]
    target = f"{statement.target}.early"
    body = factors[0] if len(factors) == 1 else Call("mul", tuple(factors))
    used = {axis.name for axis in statement.axes if mentions(body, {axis.name})}
    kept = tuple(axis for axis in statement.axes if axis.name in used)
    type_ = ArrayType(statement.type.dtype, tuple(axis.size for axis in kept))
    total: Expr = Load(target, tuple(AxisValue(axis.name) for axis in kept))
    early = Assign(target, type_, kept, replace(value, body=body))
    result: list[Assign] = [early]
    for number, outer in enumerate(reversed(around)):
        last = number == len(around) - 1
        name = statement.target if last else f"{target}.{number}"
        result.append(replace(statement, target=name, value=_filled(outer, total)))
        total = Load(name, tuple(AxisValue(axis.name) for axis in statement.axes))
    return result


HOLE = Load("", ())


def _filled(outer: Call, inner: Expr) -> Expr:
    return Call(outer.op, tuple(inner if arg is HOLE else arg for arg in outer.args))


def _split(factor: Expr, makers: Makers, summed: set[str], late: set[str]) -> tuple[Call, Expr] | None:
    """What is done to a factor that does not change along the summed axes and is known late, and the rest of it."""
    if not isinstance(factor, Load) or factor.array not in makers:
        return None
    maker = makers[factor.array]
    if not isinstance(maker.value, Call):
        return None
    places = {axis.name: part for axis, part in zip(maker.axes, factor.index, strict=True)}
    match substituted(maker.value, places):
        case Call("div", (x, by)) if _fixed(by, summed, late):
            return Call("div", (HOLE, by)), x
        case Call("mask", (condition, x)) if _fixed(condition, summed, late):
            return Call("mask", (condition, HOLE)), x
        case Call("where", (condition, Const(0.0) as zero, x)) if _fixed(condition, summed, late):
            return Call("where", (condition, zero, HOLE)), x
        case Call("mul", (x, y)) if _fixed(x, summed, late):
            return Call("mul", (x, HOLE)), y
        case Call("mul", (x, y)) if _fixed(y, summed, late):
            return Call("mul", (HOLE, y)), x
        case _:
            return None


def _fixed(expr: Expr, summed: set[str], late: set[str]) -> bool:
    return isinstance(expr, Load) and expr.array in late and not mentions(expr, summed)
