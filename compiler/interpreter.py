"""The meaning of programs, in NumPy: what every pass must keep and every kernel must compute.

Each statement is evaluated over all values of its axes at once, an axis being an `arange` along its own dimension.
A load out of range is an IndexError, except where a `where` or `mask` does not select it: there it is not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .dependences import types_defined
from .externs import EXTERNS
from .index import Assign, Axis, AxisValue, Call, Const, Expr, Extern, Load, Loop, Program, Reduce, SizeValue, Statement
from .scalars import SCALARS, neutral
from .types import DTYPES, ArrayType, evaluate
from .verify import InvalidProgram

Array = Any
REDUCERS: dict[str, np.ufunc] = {
    "add": np.add,
    "mul": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
}


def interpret(program: Program, *arrays: Array, sizes: Mapping[str, int] | None = None) -> tuple[Array, ...]:
    """The outputs of `program` for `arrays`, one per input; `sizes` gives names that no input's shape shows."""
    numbers = dict(sizes or {})
    values: dict[str, Array] = {}
    for (name, type_), array in zip(program.inputs, arrays, strict=True):
        values[name] = np.asarray(array, DTYPES[type_.dtype])
        for size, number in zip(type_.shape, values[name].shape, strict=True):
            if not isinstance(size, int) and str(size).isidentifier():
                numbers.setdefault(str(size), number)
    for name, type_ in program.inputs:
        if values[name].shape != _shape(type_, numbers):
            raise ValueError(f"{name} is {type_} but has shape {values[name].shape}")
    with np.errstate(all="ignore"):
        _run(program.statements, values, numbers)
    return tuple(values[name] for name in program.outputs)


def _shape(type_: ArrayType, sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(evaluate(size, sizes) for size in type_.shape)


def _run(statements: Sequence[Statement], values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    for statement in statements:
        match statement:
            case Assign():
                values[statement.target] = _assign(statement, values, sizes)
            case Extern():
                results = EXTERNS[statement.function](statement.params, tuple(values[x] for x in statement.inputs))
                for (name, type_), result in zip(statement.targets, results, strict=True):
                    values[name] = np.asarray(result, DTYPES[type_.dtype]).reshape(_shape(type_, sizes))
            case Loop():
                _loop(statement, values, sizes)


def _loop(loop: Loop, values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    inner = dict(values)
    length = evaluate(loop.length, sizes)
    types = dict(loop.body.inputs) | dict(types_defined(loop.body.statements))
    stacks: dict[str, Array] = {}
    for name, start, _ in loop.carried:
        inner[name] = values[start]
    for step in reversed(range(length)) if loop.reverse else range(length):
        for name, array in loop.sliced:
            inner[name] = values[array][step]
        _run(loop.body.statements, inner, sizes)
        if loop.condition is not None and not inner[loop.condition]:
            break
        for name, array in loop.stacked:
            value = np.asarray(inner[name])
            stacks.setdefault(array, np.zeros((length, *value.shape), value.dtype))[step] = value
        following = [inner[name] for name in loop.next]
        for (name, _, _), value in zip(loop.carried, following, strict=True):
            inner[name] = value
    for name, _, end in loop.carried:
        values[end] = inner[name]
    for name, array in loop.stacked:
        if array not in stacks:
            stacks[array] = np.zeros((0, *_shape(types[name], sizes)), DTYPES[types[name].dtype])
        values[array] = stacks[array]


def _assign(statement: Assign, values: Mapping[str, Array], sizes: Mapping[str, int]) -> Array:
    value, axes = statement.value, statement.axes
    body = value.body if isinstance(value, Reduce) else value
    if isinstance(value, Reduce):
        axes = axes + value.axes
    shape = tuple(evaluate(axis.size, sizes) for axis in axes)
    grid = _Grid(values, sizes, axes, shape)
    result = np.broadcast_to(np.asarray(grid.value(body, None), DTYPES[statement.type.dtype]), shape)
    if isinstance(value, Reduce):
        dims = tuple(range(len(statement.axes), len(axes)))
        start = np.asarray(neutral(value.op, statement.type.dtype), result.dtype)[()]
        result = REDUCERS[value.op].reduce(result, axis=dims, initial=start, dtype=result.dtype)
    if statement.at is None:
        return np.array(result)
    return _scatter(statement, result, values, sizes)


def _scatter(statement: Assign, value: Array, values: Mapping[str, Array], sizes: Mapping[str, int]) -> Array:
    shape = tuple(evaluate(axis.size, sizes) for axis in statement.axes)
    grid = _Grid(values, sizes, statement.axes, shape)
    op = statement.accumulate
    start = neutral(op, statement.type.dtype) if op else 0
    target = np.full(_shape(statement.type, sizes), start, value.dtype)
    at = tuple(np.broadcast_to(grid.value(part, None), shape) for part in statement.at or ())
    for index, size in zip(at, target.shape, strict=True):
        if np.any((index < 0) | (index >= size)):
            raise IndexError(f"{statement.target} is written out of range")
    for position in np.ndindex(*shape):
        where = tuple(index[position] for index in at)
        target[where] = REDUCERS[op](target[where], value[position]) if op else value[position]
    return target


class _Grid:
    """Evaluates expressions over all values of some axes."""

    def __init__(
        self, values: Mapping[str, Array], sizes: Mapping[str, int], axes: Sequence[Axis], shape: tuple[int, ...]
    ):
        self.values, self.sizes, self.shape = values, sizes, shape
        self.dims = {axis.name: k for k, axis in enumerate(axes)}

    def value(self, expr: Expr, selected: Array | None) -> Array:
        """`expr` with dimensions that broadcast to the grid; `selected` says where it is needed (None: everywhere)."""
        match expr:
            case Const(number, dtype):
                return DTYPES[dtype].type(number)
            case AxisValue(name):
                k = self.dims[name]
                return np.arange(self.shape[k]).reshape([-1 if d == k else 1 for d in range(len(self.shape))])
            case SizeValue(size):
                return np.int64(evaluate(size, self.sizes))
            case Load(array, index):
                return self.load(array, [self.value(part, selected) for part in index], selected)
            case Call("where", (condition, yes, no)):
                c = self.value(condition, selected)
                return np.where(
                    c, self.value(yes, _both(selected, c)), self.value(no, _both(selected, np.logical_not(c)))
                )
            case Call("mask", (condition, x)):
                c = self.value(condition, selected)
                return SCALARS["mask"].numpy(c, self.value(x, _both(selected, c)))
            case Call(op, args):
                return SCALARS[op].numpy(*(self.value(arg, selected) for arg in args))

    def load(self, name: str, index: list[Array], selected: Array | None) -> Array:
        if name not in self.values:
            raise InvalidProgram(f"{name} is read before it is defined")
        array = self.values[name]
        inside = np.bool_(True)
        for part, size in zip(index, array.shape, strict=True):
            inside = inside & (part >= 0) & (part < size)
        if not np.all(inside if selected is None else inside | ~np.asarray(selected)) and 0 not in self.shape:
            raise IndexError(f"{name} is read out of range")
        if array.size == 0:
            return np.zeros(np.broadcast_shapes(*(np.shape(part) for part in index)), array.dtype)
        return array[tuple(np.clip(part, 0, size - 1) for part, size in zip(index, array.shape, strict=True))]


def _both(selected: Array | None, condition: Array) -> Array:
    return condition if selected is None else selected & condition
