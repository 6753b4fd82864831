"""Sums of products in the cheapest order.

- A factor that the summation does not change is multiplied afterwards, also one that is known only after a pass over
  the data.
- Factors of few axes stand first, so that their product is computed outside of the loops that do not change it.
- In a product of two matrices with further factors (``X.T @ diag(d) @ X``), those are multiplied into one of the
  matrices first, so
  that a matrix product is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..index import Assign, Axis, AxisValue, Call, Expr, Load, Loop, Program, Reduce, Statement
from ..scalars import kind
from ..types import ArrayType


def order_products(program: Program) -> Program:
    """`program` with its sums of products in that order."""
    return replace(program, statements=_statements(program.statements))


def _statements(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
    result: list[Statement] = []
    for statement in statements:
        match statement:
            case Assign(value=Reduce("add", _, Call("mul", _))) if (
                statement.at is None and kind(statement.type.dtype) == "f"
            ):
                result += _ordered(statement)
            case Loop():
                result.append(replace(statement, body=order_products(statement.body)))
            case _:
                result.append(statement)
    return tuple(result)


def _ordered(statement: Assign) -> Iterator[Assign]:
    assert isinstance(statement.value, Reduce)
    axes = statement.value.axes
    factors = sorted(_factors(statement.value.body), key=lambda factor: len(_axes(factor)))
    reduced = {axis.name for axis in axes}
    inner = [factor for factor in factors if not reduced.isdisjoint(_axes(factor))]
    outer = [factor for factor in factors if reduced.isdisjoint(_axes(factor))]
    if not inner or not outer:
        yield from _folded(statement, factors)
        return
    target = f"{statement.target}.inner"
    used = set().union(*map(_axes, inner))
    kept = tuple(axis for axis in statement.axes if axis.name in used)
    total = Load(target, tuple(AxisValue(axis.name) for axis in kept))
    type_ = ArrayType(statement.type.dtype, tuple(axis.size for axis in kept))
    yield from _folded(Assign(target, type_, kept, replace(statement.value, body=_product(inner))), inner)
    yield replace(statement, value=Call("mul", (*outer, total)))


def _folded(statement: Assign, factors: list[Expr]) -> Iterator[Assign]:
    """The statement, with the small factors of a matrix product multiplied into its smaller matrix beforehand."""
    assert isinstance(statement.value, Reduce)
    matrices = [
        factor for factor in factors if isinstance(factor, Load) and len(_axes(factor)) == len(factor.index) == 2
    ]
    small = [factor for factor in factors if factor not in matrices]
    if len(matrices) == 2 and small and _axes(matrices[0]) != _axes(matrices[1]) and _small_fit(small, matrices):
        sizes: dict[str, Axis] = {axis.name: axis for axis in (*statement.axes, *statement.value.axes)}
        one = next(matrix for matrix in matrices if all(_axes(factor) <= _axes(matrix) for factor in small))
        other = matrices[0] if one is matrices[1] else matrices[1]
        assert isinstance(one, Load)
        own = tuple(sizes[part.name] for part in one.index if isinstance(part, AxisValue))
        target = f"{statement.target}.scaled"
        type_ = ArrayType(statement.type.dtype, tuple(axis.size for axis in own))
        yield Assign(target, type_, own, _product([*small, one]))
        factors = [Load(target, one.index), other]
    yield replace(statement, value=replace(statement.value, body=_product(factors)))


def _small_fit(small: list[Expr], matrices: list[Load]) -> bool:
    """Whether the other factors vary only with the axes of one of the matrices."""
    return any(all(_axes(factor) <= _axes(matrix) for factor in small) for matrix in matrices)


def _factors(expr: Expr) -> list[Expr]:
    return list(expr.args) if isinstance(expr, Call) and expr.op == "mul" else [expr]


def _product(factors: list[Expr]) -> Expr:
    return factors[0] if len(factors) == 1 else Call("mul", tuple(factors))


def _axes(expr: Expr) -> frozenset[str]:
    match expr:
        case AxisValue(name):
            return frozenset((name,))
        case Load(_, index):
            return frozenset().union(*map(_axes, index))
        case Call(_, args):
            return frozenset().union(*map(_axes, args))
        case _:
            return frozenset()
