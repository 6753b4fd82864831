"""What statements define and read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .alignment import loads
from .index import Assign, Extern, Loop, Statement
from .types import ArrayType


def targets(statement: Statement) -> set[str]:
    """The names that a statement defines."""
    match statement:
        case Assign():
            return {statement.target}
        case Extern():
            return {name for name, _ in statement.targets}
        case Loop():
            return {end for _, _, end in statement.carried} | {array for _, array in statement.stacked}


def reads(statement: Statement) -> set[str]:
    """The names that a statement reads, those in the body of a loop included."""
    match statement:
        case Assign():
            return {load.array for load in loads(statement)}
        case Extern():
            return set(statement.inputs)
        case Loop():
            inside = all_reads(statement.body.statements) | {start for _, start, _ in statement.carried}
            return inside | {array for _, array in statement.sliced} | set(statement.next)


def all_reads(statements: Iterable[Statement]) -> set[str]:
    """The names that any of `statements` reads."""
    return {name for statement in statements for name in reads(statement)}


def needed_for(name: str, statements: Sequence[Statement]) -> set[str]:
    """`name` and the names that it depends on, as far as `statements` define them."""
    wanted = {name}
    for statement in reversed(statements):
        if not wanted.isdisjoint(targets(statement)):
            wanted |= reads(statement)
    return wanted


def types_defined(statements: Sequence[Statement]) -> list[tuple[str, ArrayType]]:
    """Everything that `statements` define, with types."""
    found: list[tuple[str, ArrayType]] = []
    for statement in statements:
        match statement:
            case Assign():
                found.append((statement.target, statement.type))
            case Extern():
                found += statement.targets
            case Loop():
                types = dict(statement.body.inputs) | dict(types_defined(statement.body.statements))
                found += [(end, types[name]) for name, _, end in statement.carried]
                found += [
                    (a, ArrayType(types[n].dtype, (statement.length, *types[n].shape))) for n, a in statement.stacked
                ]
    return found


def reads_after(statements: Sequence[Statement], needed: set[str]) -> dict[int, set[str]]:
    """For each statement that is not an assignment, what it and everything after it reads."""
    found: dict[int, set[str]] = {}
    total = set(needed)
    for k in reversed(range(len(statements))):
        total |= reads(statements[k])
        if not isinstance(statements[k], Assign):
            found[k] = set(total)
    return found
