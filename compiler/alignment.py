"""Which axes of different statements are one loop.

An array that one statement defines along its own axes and another loads at plain axes ties the axes of both together;
so do two loads of one array.  The classes that arise are the loops that statements can share.  Two axes of one
statement are never one loop, so ``x[i]*x[j]`` ties x to the first of them only; an axis that runs over a part of an
array (a slice) is not tied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from .index import Assign, Axis, AxisValue, Call, Expr, Load, Reduce
from .types import ArrayType, Dim

Slot = tuple[str, int]  # an axis of an array
Own = tuple[int, str]  # an axis of a statement


def align(statements: Sequence[Assign], arrays: Mapping[str, ArrayType]) -> list[Assign]:
    """The statements with their axes renamed so that one name is one loop everywhere."""
    classes = _Classes()
    for k, statement in enumerate(statements):
        for axis in all_axes(statement):
            classes.add((k, axis.name), axis.size)
    for k, statement in enumerate(statements):
        if statement.at is None:
            for d, axis in enumerate(statement.axes):
                classes.tie((statement.target, d), (k, axis.name), axis.size)
    inside = {statement.target for statement in statements}
    for temporary in (True, False):
        for k, statement in enumerate(statements):
            sizes = {axis.name: axis.size for axis in all_axes(statement)}
            for load in loads(statement):
                if (load.array in inside) == temporary:
                    for d, (part, size) in enumerate(zip(load.index, arrays[load.array].shape, strict=True)):
                        if isinstance(part, AxisValue) and sizes.get(part.name) == size:
                            classes.tie((load.array, d), (k, part.name), size)
    classes.join_equal_sizes()
    names = classes.names()
    return [
        rename(statement, {axis.name: names[k, axis.name] for axis in all_axes(statement)})
        for k, statement in enumerate(statements)
    ]


class _Classes:
    """Disjoint sets of statement axes; each knows one representative per array axis that was tied to it."""

    def __init__(self) -> None:
        self.parent: dict[Own, Own] = {}
        self.members: dict[Own, dict[int, str]] = {}
        self.sizes: dict[Own, Dim] = {}
        self.slots: dict[Slot, Own] = {}

    def add(self, own: Own, size: Dim) -> None:
        self.parent[own], self.members[own], self.sizes[own] = own, {own[0]: own[1]}, size

    def find(self, own: Own) -> Own:
        while self.parent[own] != own:
            self.parent[own] = self.parent[self.parent[own]]
            own = self.parent[own]
        return own

    def tie(self, slot: Slot, own: Own, size: Dim) -> None:
        if slot not in self.slots:
            self.slots[slot] = own
            return
        a, b = self.find(self.slots[slot]), self.find(own)
        if a != b and self.sizes[a] == self.sizes[b]:
            self.join(a, b)

    def join(self, a: Own, b: Own) -> bool:
        """Makes two classes one, unless some statement has an axis in each; whether it did."""
        small, large = sorted((a, b), key=lambda root: len(self.members[root]))
        if any(k in self.members[large] for k in self.members[small]):
            return False
        self.parent[small] = large
        self.members[large].update(self.members.pop(small))
        return True

    def join_equal_sizes(self) -> None:
        """Makes classes one that nothing ties, so that loops over unrelated arrays of one length can be shared."""
        by_size: dict[Dim, list[Own]] = {}
        for own in self.parent:
            if self.find(own) == own:
                by_size.setdefault(self.sizes[own], []).append(own)
        for roots in by_size.values():
            taken: list[Own] = []
            for root in roots:
                if not any(self.join(self.find(other), root) for other in taken):
                    taken.append(root)

    def names(self) -> dict[Own, str]:
        """A name for every class: that of its first axis, with a number where two classes claim one."""
        chosen: dict[Own, str] = {}
        taken: set[str] = set()
        result = {}
        for own in self.parent:
            root = self.find(own)
            if root not in chosen:
                name, count = own[1], 1
                while name in taken:
                    count += 1
                    name = f"{own[1]}_{count}"
                chosen[root] = name
                taken.add(name)
            result[own] = chosen[root]
        return result


def all_axes(statement: Assign) -> tuple[Axis, ...]:
    """The axes of the target and of the reduction."""
    return statement.axes + (statement.value.axes if isinstance(statement.value, Reduce) else ())


def body_of(statement: Assign) -> Expr:
    """The scalar expression of a statement, inside its reduction if it has one."""
    return statement.value.body if isinstance(statement.value, Reduce) else statement.value


def loads(statement: Assign) -> Iterator[Load]:
    """Every load of a statement, those inside of indices too."""
    yield from loads_of(body_of(statement))
    for expr in statement.at or ():
        yield from loads_of(expr)


def loads_of(expr: Expr) -> list[Load]:
    """Every load in an expression, from left to right, before those inside of its indices."""
    found: list[Load] = []
    pending: list[Expr] = [expr]
    while pending:
        part = pending.pop()
        if isinstance(part, Load):
            found.append(part)
            pending += part.index[::-1]
        elif isinstance(part, Call):
            pending += part.args[::-1]
    return found


def rename(statement: Assign, names: Mapping[str, str]) -> Assign:
    """`statement` with its axes called by other names."""
    value = statement.value
    body = rename_expr(body_of(statement), names)
    return replace(
        statement,
        axes=_renamed(statement.axes, names),
        value=Reduce(value.op, _renamed(value.axes, names), body) if isinstance(value, Reduce) else body,
        at=None if statement.at is None else tuple(rename_expr(part, names) for part in statement.at),
    )


def _renamed(axes: tuple[Axis, ...], names: Mapping[str, str]) -> tuple[Axis, ...]:
    return tuple(Axis(names.get(axis.name, axis.name), axis.size) for axis in axes)


def rename_expr(expr: Expr, names: Mapping[str, str]) -> Expr:
    """`expr` with its axes called by other names."""
    match expr:
        case AxisValue(name):
            return AxisValue(names.get(name, name))
        case Load(array, index, checked):
            return Load(array, tuple(rename_expr(part, names) for part in index), checked)
        case Call(op, args):
            return Call(op, tuple(rename_expr(arg, names) for arg in args))
        case _:
            return expr
