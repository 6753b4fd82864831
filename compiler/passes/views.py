"""Elements that are only moved are read where they are.

An array each element of which is one element of another array (a slice, a broadcast, a reshape), or a selection among
such (a concatenation), is a view: what loads from it loads from there instead, where the place is known to be within
the array and costs no more to compute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..affine import folded, polynomial, within
from ..dependences import types_defined
from ..index import Assign, Axis, AxisValue, Call, Const, Expr, Load, Loop, Program, Reduce, Statement
from ..substitution import mentions, substituted
from ..types import ArrayType, Dim

Sizes = Mapping[str, Dim]


def forward_views(program: Program) -> Program:
    """`program` with loads from views replaced by loads from what they show."""
    return replace(program, statements=Views(dict(program.inputs), {}).statements(program.statements))


class Views:
    """Knows the types of arrays, and the views among them with the statements that define them."""

    def __init__(self, types: dict[str, ArrayType], views: dict[str, Assign]) -> None:
        self.types, self.views = types, views

    def statements(self, statements: Sequence[Statement]) -> tuple[Statement, ...]:
        result: list[Statement] = []
        for statement in statements:
            match statement:
                case Assign():
                    new = self.assign(statement)
                    if new.at is None and _moves(new.value):
                        self.views[new.target] = new
                    result.append(new)
                case Loop():
                    result.append(self.loop(statement))
                case _:
                    result.append(statement)
            self.types.update(types_defined([statement]))
        return tuple(result)

    def loop(self, loop: Loop) -> Loop:
        own = dict(loop.body.inputs)
        outside = {name: view for name, view in self.views.items() if name not in own}
        inner = Views({**self.types, **own}, outside)
        body = replace(loop.body, statements=inner.statements(loop.body.statements))
        sliced = tuple((name, self.source(array)) for name, array in loop.sliced)
        carried = tuple((name, self.source(start), end) for name, start, end in loop.carried)
        inside = own.keys() | {name for name, _ in types_defined(body.statements)}
        moved = {name: inner.source(name) for name, _ in loop.stacked}
        stacked = tuple((moved[name] if moved[name] in inside else name, array) for name, array in loop.stacked)
        return replace(loop, body=body, sliced=sliced, carried=carried, stacked=stacked)

    def source(self, array: str) -> str:
        """The array that `array` shows as a whole, itself if none."""
        while array in self.views:
            view = self.views[array]
            own = tuple(AxisValue(axis.name) for axis in view.axes)
            if not isinstance(view.value, Load) or view.value.index != own:
                break
            if self.types[view.value.array].shape != view.type.shape:
                break
            array = view.value.array
        return array

    def assign(self, statement: Assign) -> Assign:
        """`statement` with its loads replaced, and without the reduction of single elements."""
        value = statement.value
        sizes: dict[str, Dim] = {axis.name: axis.size for axis in statement.axes}
        if isinstance(value, Reduce):
            sizes.update((axis.name, axis.size) for axis in value.axes)
            axes = tuple(axis for axis in value.axes if axis.size != 1)
            body = self.expr(value.body, sizes)
            value = Reduce(value.op, axes, body) if axes else body
        else:
            value = self.expr(value, sizes)
        at = None if statement.at is None else tuple(self.expr(part, sizes) for part in statement.at)
        return replace(statement, value=value, at=at)

    def expr(self, expr: Expr, sizes: Sizes) -> Expr:
        match expr:
            case Load(array, index):
                return self.load(Load(array, tuple(self.expr(part, sizes) for part in index)), sizes)
            case Call(op, args):
                return folded(Call(op, tuple(self.expr(arg, sizes) for arg in args)), sizes)
            case _:
                return folded(expr, sizes)

    def load(self, load: Load, sizes: Sizes) -> Load:
        """`load`, or where its element comes from."""
        while load.array in self.views:
            view = self.views[load.array]
            assert not isinstance(view.value, Reduce)
            if not all(
                self.known(part, axis, view.value, sizes) for part, axis in zip(load.index, view.axes, strict=True)
            ):
                break
            places = {axis.name: part for axis, part in zip(view.axes, load.index, strict=True)}
            found = folded(substituted(view.value, places), sizes)
            if not isinstance(found, Load):
                break
            if not all(part in load.index or polynomial(part, sizes) is not None for part in found.index):
                break
            load = found
        return load

    def known(self, part: Expr, axis: Axis, value: Expr, sizes: Sizes) -> bool:
        """Whether an index of a view may be used in what it shows: it is within the view's axis, or is checked as
        well there.
        """
        if axis.size == 1:
            return part == folded(AxisValue(axis.name), {axis.name: 1})
        found = polynomial(part, sizes)
        if found is not None and within(found, axis.size, sizes):
            return True
        if not isinstance(value, Load):
            return False
        shape = self.types[value.array].shape
        own = [k for k, each in enumerate(value.index) if mentions(each, {axis.name})]
        return len(own) == 1 and value.index[own[0]] == AxisValue(axis.name) and shape[own[0]] == axis.size


def _moves(value: Expr | Reduce, inside: bool = False) -> bool:
    """Whether a value is a load, or a selection of loads and constants."""
    match value:
        case Load():
            return True
        case Const():
            return inside
        case Call("where", (_, yes, no)):
            return _moves(yes, True) and _moves(no, True)
        case _:
            return False
