"""Quotients by the square of a hyperbolic cosine multiply by 1/cosh**2, which is a function of its own.

The derivative of tanh is written with it: as a function it has the exponential of tanh of the same argument, so that
both cost little more than one, and it neither overflows on the way nor loses digits as 1 - tanh**2 would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..index import Assign, AxisValue, Call, Const, Expr, Load, Loop, Program, Statement


def share_hyperbolic(program: Program) -> Program:
    """`program` with such quotients as products."""
    return replace(program, statements=tuple(_statements(program.statements)))


def _statements(statements: Sequence[Statement]) -> list[Statement]:
    cosines: dict[str, Assign] = {}
    squares: dict[str, str] = {}
    made: set[str] = set()
    result: list[Statement] = []
    for statement in statements:
        if isinstance(statement, Loop):
            result.append(replace(statement, body=share_hyperbolic(statement.body)))
            continue
        if isinstance(statement, Assign) and statement.at is None:
            match statement.value:
                case Call("cosh", _):
                    cosines[statement.target] = statement
                case Call("mul", (Load(x, index), Load(y, other))) if (
                    x == y and x in cosines and index == other == _plain(statement)
                ):
                    squares[statement.target] = x
                case Call("div", (numerator, Load(square, index))) if square in squares:
                    cosine = cosines[squares[square]]
                    name = f"{cosine.target}.sech"
                    if name not in made:
                        assert isinstance(cosine.value, Call)
                        made.add(name)
                        result.append(replace(cosine, target=name, value=replace(cosine.value, op="sech_squared")))
                    statement = replace(statement, value=_product(numerator, Load(name, index)))
        result.append(statement)
    return result


def _plain(statement: Assign) -> tuple[Expr, ...]:
    return tuple(AxisValue(axis.name) for axis in statement.axes)


def _product(x: Expr, y: Expr) -> Expr:
    match x:
        case Const(1.0):
            return y
        case _:
            return Call("mul", (x, y))
