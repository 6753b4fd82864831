"""What every pass may assume of a program and must preserve.

Names are defined once and before they are read; every operand has the type its instruction wants; a load has one i64
index per axis; axes of one statement have different names; a loop's parts fit together.  Whether an index is within
its size is known only at run time and checked there.
"""

from __future__ import annotations

from collections.abc import Mapping

from .index import Assign, Axis, AxisValue, Call, Const, Expr, Extern, Load, Loop, Program, Reduce, SizeValue, Statement
from .scalars import REDUCTIONS, kind, result_type
from .text import print_assign
from .types import DTYPES, ArrayType


class InvalidProgram(ValueError):
    """A program breaks a rule of the index language; the message says which, and in which statement."""


Types = dict[str, ArrayType]


def verify(program: Program) -> None:
    """InvalidProgram if `program` breaks a rule."""
    types: Types = {}
    for name, type_ in program.inputs:
        _define(types, name, type_)
    _statements(program.statements, types)
    for name in program.outputs:
        _defined(types, name, "the outputs")


def type_of(expr: Expr, arrays: Mapping[str, ArrayType], axes: frozenset[str] | set[str]) -> str:
    """The element type of `expr`; InvalidProgram if it is not well formed over `arrays` and the names in `axes`."""
    match expr:
        case Const(value, dtype):
            if dtype not in DTYPES:
                raise InvalidProgram(f"constant {value} has no type {dtype}")
            return dtype
        case AxisValue(name):
            if name not in axes:
                raise InvalidProgram(f"there is no axis {name} here")
            return "i64"
        case SizeValue():
            return "i64"
        case Load(array, index):
            if array not in arrays:
                raise InvalidProgram(f"{array} is read before it is defined")
            if len(index) != arrays[array].rank:
                raise InvalidProgram(f"{array} is {arrays[array]} but has {len(index)} indices")
            if any(type_of(part, arrays, axes) != "i64" for part in index):
                raise InvalidProgram(f"an index of {array} is not i64")
            return arrays[array].dtype
        case Call(op, args):
            try:
                return result_type(op, [type_of(arg, arrays, axes) for arg in args])
            except TypeError as error:
                raise InvalidProgram(str(error)) from None


def _define(types: Types, name: str, type_: ArrayType) -> None:
    if name in types:
        raise InvalidProgram(f"{name} is defined twice")
    if type_.dtype not in DTYPES:
        raise InvalidProgram(f"{name} has no element type {type_.dtype}")
    types[name] = type_


def _defined(types: Types, name: str, where: str) -> ArrayType:
    if name not in types:
        raise InvalidProgram(f"{name} is not defined, but {where} read it")
    return types[name]


def _statements(statements: tuple[Statement, ...], types: Types) -> None:
    for statement in statements:
        match statement:
            case Assign():
                try:
                    _assign(statement, types)
                except InvalidProgram as error:
                    raise InvalidProgram(f"{error}\n  in {print_assign(statement)}") from None
                _define(types, statement.target, statement.type)
            case Extern():
                for name in statement.inputs:
                    _defined(types, name, statement.function)
                for name, type_ in statement.targets:
                    _define(types, name, type_)
            case Loop():
                _loop(statement, types)


def _assign(statement: Assign, types: Types) -> None:
    value, axes = statement.value, statement.axes
    if isinstance(value, Reduce):
        axes, body = (*axes, *value.axes), value.body
        if value.op not in REDUCTIONS or not value.axes:
            raise InvalidProgram(f"{value.op} over {len(value.axes)} axes is no reduction")
    else:
        body = value
    names = _names(axes)
    dtype = type_of(body, types, names)
    if dtype != statement.type.dtype:
        raise InvalidProgram(f"the value is {dtype}, the target {statement.type.dtype}")
    if isinstance(value, Reduce):
        _reducible(value.op, dtype)
    if statement.at is None:
        if statement.accumulate is not None:
            raise InvalidProgram("only a scatter accumulates")
        if tuple(axis.size for axis in statement.axes) != statement.type.shape:
            raise InvalidProgram(f"the axes do not give {statement.type}")
        return
    if len(statement.at) != statement.type.rank:
        raise InvalidProgram(f"{statement.type} is written at {len(statement.at)} indices")
    if any(type_of(part, types, _names(statement.axes)) != "i64" for part in statement.at):
        raise InvalidProgram("an index of the target is not i64")
    if statement.accumulate is not None:
        _reducible(statement.accumulate, dtype)


def _reducible(op: str, dtype: str) -> None:
    if (
        op not in REDUCTIONS
        or (op in ("add", "mul") and kind(dtype) == "b")
        or (op in ("and", "or") and kind(dtype) == "f")
    ):
        raise InvalidProgram(f"there is no reduction {op} of {dtype}")


def _names(axes: tuple[Axis, ...]) -> set[str]:
    names = {axis.name for axis in axes}
    if len(names) != len(axes):
        raise InvalidProgram("two axes have one name")
    return names


def _loop(loop: Loop, types: Types) -> None:
    inner = dict(types)
    wanted = [name for name, _, _ in loop.carried] + [name for name, _ in loop.sliced]
    if [name for name, _ in loop.body.inputs] != wanted or loop.body.outputs or loop.body.sizes:
        raise InvalidProgram("a loop's body has the carried and the sliced names as inputs, and no outputs")
    for name, type_ in loop.body.inputs:
        _define(inner, name, type_)
    for name, array in loop.sliced:
        if _defined(types, array, "a loop") != ArrayType(inner[name].dtype, (loop.length, *inner[name].shape)):
            raise InvalidProgram(
                f"{name}: {inner[name]} is no slice of {array}: {types[array]} over {loop.length} steps"
            )
    _statements(loop.body.statements, inner)
    if len(loop.next) != len(loop.carried) or (loop.condition is not None and loop.stacked):
        raise InvalidProgram("a loop needs one next value for each carried one, and cannot stack under a condition")
    for (name, start, _), after in zip(loop.carried, loop.next, strict=True):
        if not inner[name] == _defined(types, start, "a loop") == _defined(inner, after, "a loop"):
            raise InvalidProgram(f"{name} starts as {types[start]} and goes on as {inner[after]}, but is {inner[name]}")
    if loop.condition is not None and _defined(inner, loop.condition, "a loop") != ArrayType("bool"):
        raise InvalidProgram(f"the condition {loop.condition} is {inner[loop.condition]}")
    for name, _, end in loop.carried:
        _define(types, end, inner[name])
    for name, array in loop.stacked:
        type_ = _defined(inner, name, "a loop")
        _define(types, array, ArrayType(type_.dtype, (loop.length, *type_.shape)))
