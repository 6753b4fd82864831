"""The index language: what one element of each result is, never how to loop.

A `Program` is a flat list of statements in the order of their dependences.  An `Assign` defines every element of
one array by an expression over its axes, as in tensor index notation (Kjolstad et al., *The Tensor Algebra
Compiler*, OOPSLA 2017):

    t1[i < m] = add[k < n] mul(X[i, k], w[k])

Reading: for each i below m, t1[i] is the sum over k below n of X[i,k]*w[k].  An index is any int64 expression,
loads included, which is how slices (``x[i + 1]``), reversals (``x[n - 1 - i]``), reshapes and gathers (``x[k[i]]``)
are said without an operation of their own.  A statement holds one operation of the formula; a pass may merge
loops later, but never pastes one statement's expression into another's, so programs stay linear in the graph.

The records have no methods but equality; `text.py` prints and reads them, `verify.py` says when they are valid and
`interpreter.py` what they mean.
"""

from __future__ import annotations

import math
from dataclasses import field

from .records import record
from .types import ArrayType, Dim


@record(frozen=True, slots=True)
class Axis:
    """A loop variable that runs over 0 <= name < size."""

    name: str
    size: Dim


@record(frozen=True, slots=True, eq=False)
class Const:
    """A scalar constant; `value` is a float, int or bool that `dtype` represents exactly.

    Equal are constants of the same bits: 0.0 is not -0.0, NaN is itself."""

    value: float | int | bool
    dtype: str

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Const) or self.dtype != other.dtype:
            return False
        a, b = self.value, other.value
        if a != b:
            return a != a and b != b
        return bool(a) or math.copysign(1.0, a) == math.copysign(1.0, b)

    def __hash__(self) -> int:
        return hash((self.value if self.value == self.value else "nan", self.dtype))


@record(frozen=True, slots=True)
class AxisValue:
    """The current value of an axis, as i64."""

    name: str


@record(frozen=True, slots=True)
class SizeValue:
    """The number that a size has at run time, as i64."""

    size: Dim


@record(frozen=True, slots=True)
class Load:
    """One element of an array: as many i64 expressions as the array has axes, each within its size (checked at run
    time: IndexError).  What a `where` or `mask` around the load does not select is not read and may be out of range.
    A schedule marks with `checked` what it cannot prove to be within its size."""

    array: str
    index: tuple[Expr, ...]
    checked: bool = False


@record(frozen=True, slots=True)
class Call:
    """A scalar instruction of `scalars.py` applied to scalar expressions."""

    op: str
    args: tuple[Expr, ...]


Expr = Const | AxisValue | SizeValue | Load | Call


@record(frozen=True, slots=True)
class Reduce:
    """`body` combined over all values of `axes` with `op`: add, mul, min, max, and, or.  The empty reduction is the
    neutral element (min and max over nothing are refused at run time by whoever builds the program)."""

    op: str
    axes: tuple[Axis, ...]
    body: Expr


@record(frozen=True, slots=True)
class Assign:
    """Defines array `target`: for every value of `axes`, the element at those axes is `value`.

    With `at`, the element written is ``target[at]`` instead (a scatter): the array starts as the neutral element of
    `accumulate` (add, mul, min, max, and, or) and every write combines with what is there, in the order of the axes.
    Without `accumulate` the array starts as zero and the last write stays.
    """

    target: str
    type: ArrayType
    axes: tuple[Axis, ...]
    value: Expr | Reduce
    at: tuple[Expr, ...] | None = None
    accumulate: str | None = None


@record(frozen=True, slots=True)
class Loop:
    """Runs `body` `length` times, or while `condition` holds.

    `carried` are (name in body, initial array, name of the final value); `sliced` are (name in body, outer array)
    whose leading axis is indexed by the step; `stacked` are (name in body, outer array) that collect one value per step
    along a new leading axis.  Arrays of the outer program may be read by their own names.  Steps run backwards with
    `reverse` (`sliced` and `stacked` alike).  With `condition` (a bool scalar of the body computed from the carried
    values before the step), `length` is the largest number of steps and `stacked` is empty.
    """

    body: Program
    length: Dim
    carried: tuple[tuple[str, str, str], ...]
    next: tuple[str, ...]
    sliced: tuple[tuple[str, str], ...] = ()
    stacked: tuple[tuple[str, str], ...] = ()
    reverse: bool = False
    condition: str | None = None


@record(frozen=True, slots=True)
class Extern:
    """A routine that is not written in loops: `function` names a row of the extern table (LAPACK, sort, a callback).

    `params` are static (booleans, integers, strings); `targets` are (name, type) of the results."""

    function: str
    params: tuple[object, ...]
    inputs: tuple[str, ...]
    targets: tuple[tuple[str, ArrayType], ...]


Statement = Assign | Loop | Extern


@record(frozen=True, slots=True)
class Program:
    """Inputs with their types, statements in order, names of the outputs (an input may be an output)."""

    inputs: tuple[tuple[str, ArrayType], ...]
    statements: tuple[Statement, ...]
    outputs: tuple[str, ...]
    sizes: tuple[str, ...] = field(default=())
