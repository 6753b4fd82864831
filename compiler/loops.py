"""The loop language: how the elements are computed, with nothing left to decide.

A `For` with `lanes` W and `copies` J runs W*J consecutive iterations together, statement by statement: W of them side
by side in the lanes of vectors, J such groups in registers of their own (unroll and jam).  What does not fill W*J
iterations runs in steps of one vector, the last one masked.  The copies of a loop that is `apart` run through J equal
parts of the range side by side: memory is then read at J places at once, which is half as fast again as at one where
the data come from main memory (measured).  A value is as wide as it needs to be: what does not
depend on the vectorised axis stays a scalar, what does not depend on an unrolled one is computed once.

Expressions are those of the index language.  A `Load` may name a register (a `Let` or `Finish`), its indices then
being the unrolled axes of the Let or constants; a `checked` load is not proven to be within its array: an index out
of range sets the kernel's status and reads 0.  The value of a `Let` or `Store` may be a `Reduce`, which is unrolled.
"""

from __future__ import annotations

from collections.abc import Iterator

from .index import Axis, Call, Const, Expr, Load, Reduce
from .records import record
from .text import print_expr
from .types import ArrayType, Dim

Value = Expr | Reduce


@record(frozen=True, slots=True)
class Let:
    """Computes registers, one for each value of the (unrolled, constant) `axes`."""

    name: str
    axes: tuple[Axis, ...]
    value: Value


@record(frozen=True, slots=True)
class Store:
    """Writes an element, or combines with what stands there; a `checked` one is not written out of range."""

    array: str
    axes: tuple[Axis, ...]
    index: tuple[Expr, ...]
    value: Value
    accumulate: str | None = None
    checked: bool = False


@record(frozen=True, slots=True)
class Begin:
    """An accumulator in registers that starts as the neutral element, for each value of the unrolled `axes`.

    It has one part for each lane and each copy of the loops `over`, which stand between here and the `Accumulate`s;
    `lanes` is 1 where none of those loops is vectorised.
    """

    name: str
    axes: tuple[Axis, ...]
    op: str
    dtype: str
    lanes: int
    over: tuple[tuple[str, int], ...]


@record(frozen=True, slots=True)
class Accumulate:
    """Combines `value` into an accumulator; sums of products are contracted to multiply-adds."""

    name: str
    value: Value


@record(frozen=True, slots=True)
class Finish:
    """The register `name`: the accumulator's copies and lanes combined pairwise."""

    name: str
    accumulator: str


@record(frozen=True, slots=True)
class For:
    """Runs `body` for start <= axis < stop."""

    axis: str
    start: Dim
    stop: Dim
    body: tuple[Step, ...]
    lanes: int = 1
    copies: int = 1
    apart: bool = False


@record(frozen=True, slots=True)
class Fill:
    """Every element of `array` becomes `value`; with `prefix`, of the part at those leading indices."""

    array: str
    value: Const
    prefix: tuple[Expr, ...] = ()


@record(frozen=True, slots=True)
class Matrix:
    """A matrix in memory: the index of its first element, the number of elements between two rows and two columns."""

    array: str
    index: tuple[Expr, ...]
    down: Dim
    right: Dim


@record(frozen=True, slots=True)
class Product:
    """``target (+)= left @ right``: by BLAS where it is large, by packed panels of vectors of `lanes` in the middle, by
    the steps `otherwise` where it is small.

    With `scale`, a matrix of one column, ``target (+)= left @ diag(scale) @ right``, which is symmetric.
    `rows`, `columns` and `inner` are (start, stop) of the axes; `batch` are axes with start and stop for each value of
    which there is a product; `accumulate` adds to what is there.
    Of a `symmetric` result what lies on and below the diagonal is computed, and some of what lies above."""

    dtype: str
    rows: tuple[Dim, Dim]
    columns: tuple[Dim, Dim]
    inner: tuple[Dim, Dim]
    batch: tuple[tuple[str, Dim, Dim], ...]
    target: Matrix
    left: Matrix
    right: Matrix
    accumulate: bool
    symmetric: bool
    scale: Matrix | None
    lanes: int
    otherwise: tuple[Step, ...]


Step = Let | Store | Begin | Accumulate | Finish | For | Fill | Product


@record(frozen=True, slots=True)
class Nest:
    """A function of its own that runs `body`; it takes the arrays, sizes and steps that it names."""

    name: str
    body: tuple[Step, ...]


@record(frozen=True, slots=True)
class Run:
    """Calls the nest `name`."""

    name: str


@record(frozen=True, slots=True)
class Routine:
    """Has the extern routine `function` compute whole arrays; `number` is its place among the schedule's routines.

    Those that have machine code get memory to work in, the arrays `work`; the others are called back.
    """

    number: int
    function: str
    params: tuple[object, ...]
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    work: tuple[str, ...] = ()


@record(frozen=True, slots=True)
class Repeat:
    """Runs `body` for step = 0, 1, … (from the end with `reverse`), one after another; `StopUnless` leaves it."""

    step: str
    length: Dim
    reverse: bool
    body: tuple[Action, ...]


@record(frozen=True, slots=True)
class StopUnless:
    """Leaves the innermost Repeat if the bool scalar `array` is false."""

    array: str


@record(frozen=True, slots=True)
class Stream:
    """One pass over a long axis: `body` runs for one tile after the other.

    Nests of the body read the tile's ends as the sizes ``axis.start`` and ``axis.stop``.  `begin` fills the `partial`
    results with neutral elements; the range is halved down to leaves of ``axis.leaf`` rows, and `combine` adds the
    partial results of the right half (named ``….right``) to those of the left.  Tiles have ``axis.tile`` rows.
    `rows` are the arrays along the axis that the body reads or writes, by which the tiles are measured; a tile has
    `least` rows or more.
    """

    name: str
    axis: str
    length: Dim
    body: tuple[Run, ...]
    begin: str
    combine: str
    partial: tuple[str, ...]
    tiles: tuple[str, ...]
    rows: tuple[ArrayType, ...]
    least: int


Action = Run | Routine | Repeat | StopUnless | Stream


@record(frozen=True, slots=True)
class Schedule:
    """What a kernel does: `arrays` are inputs, outputs and temporaries in the order of the kernel's table of pointers.

    `shadows` are the right halves' partial results, which have the types of the left ones and are placed while
    running. `named` are the program's sizes, `sizes` those and the sizes of tiles, in the order of the kernel's table
    of sizes.
    """

    arrays: dict[str, ArrayType]
    shadows: dict[str, ArrayType]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    named: tuple[str, ...]
    sizes: tuple[str, ...]
    nests: tuple[Nest, ...]
    actions: tuple[Action, ...]
    routines: tuple[Routine, ...]


# ---- printing


def print_schedule(schedule: Schedule) -> str:
    """The loops as text for people and golden files."""
    lines = ["arrays " + ", ".join(f"{name}: {type_}" for name, type_ in schedule.arrays.items())]
    for nest in schedule.nests:
        lines.append(f"nest {nest.name}")
        for step in nest.body:
            lines += _step(step, "  ")
    lines.append("run")
    for action in schedule.actions:
        lines += _action(action, "  ")
    return "\n".join([*lines, ""])


def print_value(value: Value) -> str:
    """The text of a value; a checked load stands with a question mark."""
    match value:
        case Load(array, index, checked):
            return f"{array}{'?' * checked}[{', '.join(map(print_value, index))}]"
        case Call(op, args):
            return f"{op}({', '.join(map(print_value, args))})"
        case Reduce(op, axes, body):
            return f"{op}[{_axes(axes)}] {print_value(body)}"
        case _:
            return print_expr(value)


def _axes(axes: tuple[Axis, ...]) -> str:
    return ", ".join(f"{axis.name} < {axis.size}" for axis in axes)


def _step(step: Step, pad: str) -> Iterator[str]:
    match step:
        case Let(name, axes, value):
            yield f"{pad}{name}{f'[{_axes(axes)}]' if axes else ''} = {print_value(value)}"
        case Store(array, axes, index, value, accumulate, checked):
            unrolled = f" for {_axes(axes)}" if axes else ""
            place = f"{array}{'?' * checked}[{', '.join(map(print_value, index))}]"
            yield f"{pad}{place} {accumulate or ''}= {print_value(value)}{unrolled}"
        case Begin(name, axes, op, dtype, lanes, over):
            copies = "".join(f" x{count} {axis}" for axis, count in over)
            place, wide = f"[{_axes(axes)}]" if axes else "", f" lanes {lanes}" if lanes > 1 else ""
            yield f"{pad}begin {name}{place}: {op} {dtype}{wide}{copies}"
        case Accumulate(name, value):
            yield f"{pad}{name} <- {print_value(value)}"
        case Finish(name, accumulator):
            yield f"{pad}{name} = finish {accumulator}"
        case Fill(array, value, prefix):
            place = f"[{', '.join(map(print_value, prefix))}]" if prefix else ""
            yield f"{pad}fill {array}{place} = {print_value(value)}"
        case Product():
            names = [f"{m.array}{chr(39) * (m.down == 1)}" for m in (step.target, step.left, step.right)]
            names[1] += f" @ diag({step.scale.array})" if step.scale else ""
            op, way = "add" * step.accumulate, "packed halves" if step.symmetric else "gemm or panels"
            each = "".join(f" for {start} <= {axis} < {stop}" for axis, start, stop in step.batch)
            yield f"{pad}{names[0]} {op}= {names[1]} @ {names[2]}{each} by {way}, or if small"
            for inner in step.otherwise:
                yield from _step(inner, pad + "  ")
        case For(axis, start, stop, body, lanes, copies, apart):
            wide, together = f" lanes {lanes}" * (lanes > 1), f" copies {copies}" * (copies > 1)
            shape = wide + together + " apart" * apart
            yield f"{pad}for {start} <= {axis} < {stop}{shape}"
            for inner in body:
                yield from _step(inner, pad + "  ")


def _action(action: Action, pad: str) -> Iterator[str]:
    match action:
        case Run(name):
            yield f"{pad}run {name}"
        case Routine(number, function, _, inputs, targets):
            yield f"{pad}{', '.join(targets)} = routine {number} {function}({', '.join(inputs)})"
        case Stream(name, axis, length, nests, begin, combine, partial):
            yield f"{pad}stream {name} over {axis} < {length}: {', '.join(partial)} begin {begin}, combine {combine}"
            for run in nests:
                yield from _action(run, pad + "  ")
        case StopUnless(array):
            yield f"{pad}stop unless {array}"
        case Repeat(step, length, reverse, body):
            yield f"{pad}repeat {step} < {length}{' reverse' * reverse}"
            for inner in body:
                yield from _action(inner, pad + "  ")
