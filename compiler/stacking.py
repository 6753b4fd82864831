"""Arrays that are put together from others along a short leading axis: their rows are computed in their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .dependences import all_reads, reads
from .index import Assign, AxisValue, Call, Const, Load
from .passes.views import Views
from .records import record
from .types import ArrayType

MOST_ROWS = 64


@record(frozen=True, slots=True)
class Stack:
    """The array `target` whose row number k is the array ``rows[k]``."""

    target: str
    type: ArrayType
    rows: tuple[str, ...]


def unstacked(
    statements: Sequence[Assign], types: Mapping[str, ArrayType], needed: set[str]
) -> tuple[list[Assign], list[Stack], set[str]]:
    """`statements` without those that only stack, what they stacked, and what is needed then instead of `needed`.

    A row is an array that a statement defines and nothing else needs, or a copy under a new name.
    """
    views = Views(dict(types), {})
    read = all_reads(statements)
    kept: list[Assign] = []
    stacks: list[Stack] = []
    needed = set(needed)
    free = {s.target for s in statements if s.at is None} - needed
    for statement in views.statements(statements):
        assert isinstance(statement, Assign)
        rows = _rows(statement, views) if statement.target in needed and statement.target not in read else []
        if not rows:
            kept.append(statement)
            continue
        names = []
        for k, row in enumerate(rows):
            own = statement.axes[1:]
            whole = row.index == tuple(AxisValue(axis.name) for axis in own)
            if whole and row.array in free and types[row.array] == _row_type(statement):
                free.discard(row.array)
                names.append(row.array)
            else:
                names.append(f"{statement.target}.{k}")
                kept.append(Assign(names[-1], _row_type(statement), own, row))
        stacks.append(Stack(statement.target, statement.type, tuple(names)))
        needed = (needed - {statement.target}) | set(names)
    return _alive(kept, needed) if stacks else list(statements), stacks, needed


def _row_type(statement: Assign) -> ArrayType:
    return ArrayType(statement.type.dtype, statement.type.shape[1:])


def _rows(statement: Assign, views: Views) -> list[Load]:
    """The loads that give the rows of a selection along a short axis; none if it is something else."""
    if statement.at is not None or not isinstance(statement.value, Call) or not statement.axes:
        return []
    first, *rest = statement.axes
    if statement.value.op != "where" or not isinstance(first.size, int) or not 2 <= first.size <= MOST_ROWS or not rest:
        return []
    sizes = {axis.name: axis.size for axis in rest}
    index = tuple(AxisValue(axis.name) for axis in rest)
    found = [views.load(Load(statement.target, (Const(k, "i64"), *index)), sizes) for k in range(first.size)]
    return found if all(load.array != statement.target for load in found) else []


def _alive(statements: Sequence[Assign], needed: set[str]) -> list[Assign]:
    """The statements that what is needed depends on."""
    wanted, kept = set(needed), []
    for statement in reversed(statements):
        if statement.target in wanted:
            wanted |= reads(statement)
            kept.append(statement)
    return kept[::-1]
