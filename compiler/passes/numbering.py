"""Which statements of one body compute what another body computes, and statements with other names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..alignment import all_axes, rename
from ..index import Assign, Call, Expr, Extern, Load, Loop, Reduce, Statement


def matches(second: Iterable[Statement], first: Iterable[Statement], equal: Mapping[str, str]) -> dict[str, str]:
    """`equal` (names of the second body -> names of the first) with the targets of equal statements added."""
    known = {_key(s): s.target for s in first if isinstance(s, Assign)}
    found = dict(equal)
    for statement in second:
        if isinstance(statement, Assign):
            same = known.get(_key(renamed_assign(statement, found)))
            if same is not None:
                found[statement.target] = same
    return found


def _key(statement: Assign) -> Assign:
    """`statement` with its axes counted and without its name, the operands of a sum or product in one order."""
    names = {axis.name: f"#{k}" for k, axis in enumerate(all_axes(statement))}
    value = rename(statement, names).value
    body = value.body if isinstance(value, Reduce) else value
    if isinstance(body, Call) and body.op in ("add", "mul"):
        body = Call(body.op, tuple(sorted(body.args, key=repr)))
    value = replace(value, body=body) if isinstance(value, Reduce) else body
    return replace(rename(statement, names), target="", value=value)


def renamed(statement: Statement, names: Mapping[str, str]) -> Statement:
    """`statement` reading arrays by other names; what it defines keeps its names."""
    if not names:
        return statement
    match statement:
        case Assign():
            return renamed_assign(statement, names)
        case Extern(inputs=inputs):
            return replace(statement, inputs=tuple(names.get(name, name) for name in inputs))
        case Loop(body=body):
            own = {name for name, _ in body.inputs}
            inner = {old: new for old, new in names.items() if old not in own}
            return replace(
                statement,
                body=replace(body, statements=tuple(renamed(s, inner) for s in body.statements)),
                carried=tuple((name, names.get(start, start), end) for name, start, end in statement.carried),
                sliced=tuple((name, names.get(array, array)) for name, array in statement.sliced),
                next=tuple(inner.get(name, name) for name in statement.next),
                stacked=tuple((inner.get(name, name), array) for name, array in statement.stacked),
            )


def renamed_assign(statement: Assign, names: Mapping[str, str]) -> Assign:
    """The same for an assignment."""
    value, at = statement.value, statement.at
    new = _expr(value.body if isinstance(value, Reduce) else value, names)
    return replace(
        statement,
        value=Reduce(value.op, value.axes, new) if isinstance(value, Reduce) else new,
        at=None if at is None else tuple(_expr(part, names) for part in at),
    )


def _expr(expr: Expr, names: Mapping[str, str]) -> Expr:
    match expr:
        case Load(array, index, checked):
            return Load(names.get(array, array), tuple(_expr(part, names) for part in index), checked)
        case Call(op, args):
            return Call(op, tuple(_expr(arg, names) for arg in args))
        case _:
            return expr


def all_names(statements: Sequence[Statement]) -> set[str]:
    """Every name that `statements` define, in the bodies of loops too."""
    found: set[str] = set()
    pending = list(statements)
    while pending:
        match pending.pop():
            case Assign(target=target):
                found.add(target)
            case Extern(targets=targets):
                found |= {name for name, _ in targets}
            case Loop() as loop:
                found |= {name for name, _ in loop.body.inputs}
                found |= {end for _, _, end in loop.carried} | {array for _, array in loop.stacked}
                pending += loop.body.statements
    return found
