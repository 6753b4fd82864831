"""Random valid programs with inputs for them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from symgrad.compiler.index import (
    Assign,
    Axis,
    AxisValue,
    Call,
    Const,
    Expr,
    Load,
    Loop,
    Program,
    Reduce,
    SizeValue,
    Statement,
)
from symgrad.compiler.types import ArrayType, Dim, evaluate, named

M, N = named("m"), named("n")
SIZES: tuple[Dim, ...] = (M, N, 3, 2, 1, N + 1)
UNARY = ("neg", "abs", "sin", "cos", "exp", "sign", "floor", "rint", "sqrt", "log1p")
BINARY = ("add", "mul", "sub", "min", "max", "div")
COMPARE = ("lt", "le", "gt", "ge", "eq", "ne")


class Maker:
    """Grows one program; `arrays` are the f64 arrays and `positions` the i64 ones that can be read so far."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.arrays: dict[str, ArrayType] = {}
        self.positions: dict[str, ArrayType] = {}
        self.statements: list[Statement] = []
        self.count = 0

    def shape(self, most: int = 3) -> tuple[Dim, ...]:
        return tuple(self.random.choice(SIZES) for _ in range(self.random.choice((0, 1, 1, 2, 2, most))))

    def name(self) -> str:
        self.count += 1
        return f"t{self.count}"

    def index(self, size: Dim, axes: tuple[Axis, ...], depth: int) -> Expr:
        """An index within `size`, from the axes that are there."""
        same = [axis for axis in axes if axis.size == size]
        choice = self.random.random()
        if same and choice < 0.8:
            return AxisValue(self.random.choice(same).name)
        if same and choice < 0.9:
            axis = self.random.choice(same)
            return Call("sub", (SizeValue(size - 1), AxisValue(axis.name)))
        shorter = [axis for axis in axes if axis.size == size - 1]
        if shorter and choice < 0.95:
            return Call("add", (AxisValue(shorter[0].name), Const(1, "i64")))
        fitting = [name for name, type_ in self.positions.items() if type_.rank == 1]
        if fitting and depth < 2 and axes and choice < 0.97:
            name = self.random.choice(fitting)
            inner = self.index(self.positions[name].shape[0], axes, depth + 1)
            return Call("mod", (Load(name, (inner,)), SizeValue(size)))
        return Call("mod", (AxisValue(axes[0].name), SizeValue(size))) if axes else Const(0, "i64")

    def load(self, axes: tuple[Axis, ...]) -> Expr:
        name = self.random.choice(list(self.arrays))
        return Load(name, tuple(self.index(size, axes, 0) for size in self.arrays[name].shape))

    def expr(self, axes: tuple[Axis, ...], depth: int) -> Expr:
        choice = self.random.random()
        if depth == 0 or choice < 0.25:
            return self.load(axes) if choice < 0.8 else Const(self.random.choice((0.5, -1.0, 2.0)), "f64")
        if choice < 0.45:
            op = self.random.choice(UNARY)
            inner = self.expr(axes, depth - 1)
            return Call(op, (Call("abs", (inner,)) if op in ("sqrt", "log1p") else inner,))
        if choice < 0.8:
            return Call(self.random.choice(BINARY), (self.expr(axes, depth - 1), self.expr(axes, depth - 1)))
        truth = Call(self.random.choice(COMPARE), (self.expr(axes, depth - 1), self.expr(axes, 0)))
        if choice < 0.9:
            return Call("where", (truth, self.expr(axes, depth - 1), self.expr(axes, depth - 1)))
        if choice < 0.95 and axes:
            return self.shifted(axes)
        return Call("mask", (truth, self.expr(axes, depth - 1)))

    def shifted(self, axes: tuple[Axis, ...]) -> Expr:
        """``x[i - 1]`` where that is within x, and zero elsewhere."""
        found = [(name, axis) for name, type_ in self.arrays.items() for axis in axes if type_.shape == (axis.size,)]
        if not found:
            return self.load(axes)
        name, axis = self.random.choice(found)
        before = Call("sub", (AxisValue(axis.name), Const(1, "i64")))
        return Call("mask", (Call("ge", (before, Const(0, "i64"))), Load(name, (before,))))

    def assign(self) -> None:
        axes = tuple(Axis(f"i{k}", size) for k, size in enumerate(self.shape()))
        target, kind = self.name(), self.random.random()
        if kind < 0.4:
            reduced = tuple(Axis(f"r{k}", self.random.choice(SIZES)) for k in range(self.random.choice((1, 1, 2))))
            op = self.random.choice(("add", "add", "add", "max", "min", "mul"))
            value: Expr | Reduce = Reduce(op, reduced, self.expr(axes + reduced, 2))
        else:
            value = self.expr(axes, 2)
        type_ = ArrayType("f64", tuple(axis.size for axis in axes))
        if kind > 0.92 and axes:
            size = self.random.choice(SIZES)
            at = Call("mod", (AxisValue(axes[0].name), SizeValue(size)))
            type_ = ArrayType("f64", (size,))
            self.statements.append(Assign(target, type_, axes, value, (at,), self.random.choice(("add", "max", None))))
        else:
            self.statements.append(Assign(target, type_, axes, value))
        self.arrays[target] = type_

    def loop(self) -> None:
        start = self.random.choice(list(self.arrays))
        sliceable = [name for name, type_ in self.arrays.items() if type_.shape and type_.shape[0] == M]
        inner = Maker(self.random.randrange(10**9))
        inner.count = self.count + 100
        carried, end, stack = self.name(), self.name(), self.name()
        body = [(carried, self.arrays[start])]
        sliced = []
        if sliceable:
            outer = self.random.choice(sliceable)
            sliced.append((self.name(), outer))
            body.append((sliced[0][0], ArrayType("f64", self.arrays[outer].shape[1:])))
        inner.arrays = dict(self.arrays) | dict(body)
        for _ in range(2):
            inner.assign()
        axes = tuple(Axis(f"c{k}", size) for k, size in enumerate(self.arrays[start].shape))
        after, kept = inner.name(), inner.statements[-1].target  # type: ignore[union-attr]
        mixed = Call("sin", (Call("add", (Load(carried, tuple(AxisValue(a.name) for a in axes)), inner.load(axes))),))
        inner.statements.append(Assign(after, self.arrays[start], axes, mixed))
        statement = Loop(
            Program(tuple(body), tuple(inner.statements), ()),
            M,
            ((carried, start, end),),
            (after,),
            tuple(sliced),
            ((kept, stack),),
            self.random.random() < 0.5,
        )
        self.count = inner.count
        self.statements.append(statement)
        self.arrays[end] = self.arrays[start]
        self.arrays[stack] = ArrayType("f64", (M, *inner.arrays[kept].shape))


def random_program(seed: int, statements: int = 6) -> Program:
    """A program of f64 arrays with sizes m and n, an i64 input of positions, and possibly a loop."""
    maker = Maker(seed)
    inputs = [(f"x{k}", ArrayType("f64", maker.shape())) for k in range(3)]
    inputs += [("rows", ArrayType("f64", (M, N))), ("k", ArrayType("i64", (N,)))]
    maker.arrays = dict(inputs[:-1])
    maker.positions = {"k": inputs[-1][1]}
    for _ in range(statements):
        maker.loop() if maker.random.random() < 0.08 else maker.assign()
    made = [name for name in maker.arrays if name not in dict(inputs)]
    return Program(
        tuple(inputs), tuple(maker.statements), tuple(maker.random.sample(made, min(3, len(made)))), ("m", "n")
    )


def random_inputs(program: Program, seed: int, sizes: dict[str, int]) -> list[np.ndarray[Any, Any]]:
    """Arrays for `program`: standard normal numbers, and non-negative positions."""
    rng = np.random.default_rng(seed)
    arrays = []
    for _, type_ in program.inputs:
        shape = tuple(evaluate(size, sizes) for size in type_.shape)
        arrays.append(np.asarray(rng.standard_normal(shape) if type_.dtype == "f64" else rng.integers(0, 50, shape)))
    return arrays
