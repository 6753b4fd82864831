"""What rows of the operation table use to say one element of their result in the index language."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .compiler.index import Axis, AxisValue, Call, Const, Expr, Load, Reduce, SizeValue
from .compiler.records import record
from .compiler.types import ArrayType, Dim
from .graph import Node


@record(frozen=True, slots=True)
class Operand:
    """An array of the program under construction."""

    name: str
    type: ArrayType

    def at(self, index: Sequence[Expr]) -> Expr:
        """The element at the trailing part of `index`; an axis of size 1 is broadcast."""
        shape = self.type.shape
        used = index[len(index) - len(shape) :]
        return Load(self.name, tuple(integer(0) if n == 1 else i for n, i in zip(shape, used, strict=True)))


@record(frozen=True, slots=True)
class Element:
    """One statement's right side: axes of the result, value, and for scatters where and how it accumulates."""

    axes: tuple[Axis, ...]
    value: Expr | Reduce
    at: tuple[Expr, ...] | None = None
    accumulate: str | None = None


@record(frozen=True, slots=True)
class Routine:
    """What `Op.lower` returns instead of an element: the whole result comes from one extern routine, a row of
    `compiler.externs.EXTERNS`, called with the node's inputs (C-contiguous arrays) and these static params."""

    function: str
    params: tuple[object, ...] = ()


@record(frozen=True, slots=True)
class Repetition:
    """What `Op.lower` returns for a loop: nodes inside its body that are carried, sliced, or stand for arrays from
    outside (in the order of the node's inputs), the carried values after a step, the results to stack, and the
    condition of a while loop.

    The node's result is the last carried values and the stacks, flattened, one behind the other."""

    carries: tuple[Node, ...]
    slices: tuple[Node, ...]
    outside: tuple[Node, ...]
    next: tuple[Node, ...]
    results: tuple[Node, ...]
    length: Dim
    reverse: bool
    condition: Node | None


@record(frozen=True, slots=True)
class Start:
    """What a running operation carries starts as: a scalar of a type, for every element of the other axes (or once)."""

    value: Expr
    dtype: str
    each: bool = True


@record(frozen=True, slots=True)
class Running:
    """What `Op.lower` returns for a loop along the last axis of its result: what is carried, and what it is after a
    step, from the carried scalars and the elements of the operands.  The result holds the first of the carried."""

    starts: tuple[Start, ...]
    step: Callable[[Sequence[Expr], Sequence[Expr]], Sequence[Expr]]
    reverse: bool


def integer(value: int) -> Const:
    """The i64 constant `value`."""
    return Const(value, "i64")


def axes_of(shape: Sequence[Dim], prefix: str = "i") -> tuple[Axis, ...]:
    """One axis per size, named `prefix` and a number."""
    return tuple(Axis(f"{prefix}{k}", n) for k, n in enumerate(shape))


def values(axes: Sequence[Axis]) -> list[Expr]:
    """The current values of `axes`, as an index."""
    return [AxisValue(a.name) for a in axes]


def number(size: Dim) -> Expr:
    """A size as an i64 expression."""
    return integer(size) if isinstance(size, int) else SizeValue(size)


def plus(a: Expr, b: Expr) -> Expr:
    """``a + b`` on indices, without adding zero."""
    if isinstance(b, Const) and b.value == 0:
        return a
    return b if isinstance(a, Const) and a.value == 0 else Call("add", (a, b))


def times(a: Expr, b: Expr) -> Expr:
    """``a * b`` on indices, without multiplying by one."""
    if isinstance(b, Const) and b.value == 1:
        return a
    return b if isinstance(a, Const) and a.value == 1 else Call("mul", (a, b))


def position(flat: Expr, shape: Sequence[Dim]) -> list[Expr]:
    """The index of element number `flat`, in row-major order, of an array of this shape."""
    index: list[Expr] = []
    for k in range(len(shape) - 1, -1, -1):
        if shape[k] == 1:
            index.append(integer(0))
        elif all(n == 1 for n in shape[:k]):
            index.append(flat)
            flat = integer(0)
        else:
            index.append(Call("mod", (flat, number(shape[k]))))
            flat = Call("floordiv", (flat, number(shape[k])))
    return index[::-1]
