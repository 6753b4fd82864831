"""One nest of loops for a group of statements that run over the same loops.

The order of the loops, which of them is vectorised and which are unrolled and jammed follow from how the statements
move through memory.  There are three forms:

- the vectorised loop innermost: elementwise work, sums along rows (several rows at once), and sums along columns, which
  combine several rows into the result in memory;
- the reduced loops innermost, where a block of the result stands in registers (matrix products);
- no vector at all: scatters whose writes may collide, and programs of scalars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from .accesses import constant_along, contiguous
from .alignment import all_axes, body_of, loads_of
from .costs import functions, is_dear
from .index import Assign, Axis, AxisValue, Call, Const, Expr, Load, Reduce, SizeValue
from .loops import Accumulate, Begin, Fill, Finish, For, Let, Matrix, Nest, Product, Step, Store
from .matrices import MatrixProduct, axes_of
from .ranges import within
from .records import record
from .scalars import neutral
from .types import ArrayType, Dim
from .types import product as product_of

Place = tuple[str, tuple[Expr, ...]]
BYTES = {"f64": 8, "f32": 4, "i64": 8, "bool": 1}

FEW_FUNCTIONS, MANY_FUNCTIONS = 3, 16
"""Mathematical functions in a body: with fewer the processor begins the next iteration anyway, more are code that takes
long to compile and fills the registers."""


@dataclass(frozen=True)
class Context:
    """What the statements of a nest stand in.

    `arrays` are the types by the names that statements use, `memory` those of the schedule's arrays, `places` where
    in memory those arrays are (an array of the schedule and leading indices), `unrolled` the axes of constant size
    that have no loop, `stored` the targets that others read from memory. In a tile, `bounds` are the ends of the
    streamed loop, `shifted` the arrays that exist for one tile only (which of their axes begins where), and `partial`
    the results that other tiles add to.  `products` are the statements that BLAS could do.
    """

    arrays: Mapping[str, ArrayType]
    memory: Mapping[str, ArrayType]
    places: Mapping[str, Place]
    unrolled: frozenset[str]
    vector_bytes: int
    stored: frozenset[str]
    bounds: Mapping[str, tuple[Dim, Dim]] = field(default_factory=dict)
    shifted: Mapping[str, tuple[int, Dim]] = field(default_factory=dict)
    partial: frozenset[str] = frozenset()
    products: Mapping[str, MatrixProduct] = field(default_factory=dict)


@record(frozen=True, slots=True)
class Level:
    """One loop of the nest."""

    axis: str
    lanes: int = 1
    copies: int = 1


def build_nest(name: str, group: list[Assign], context: Context) -> Nest:
    """The nest that runs the statements of `group`, in their order, in each iteration."""
    builder = _Builder(group, context)
    steps = tuple(builder.steps())
    product = context.products.get(group[0].target)
    return Nest(name, (builder.product(product, steps),) if product else steps)


def loop_axes(statement: Assign, unrolled: frozenset[str]) -> tuple[Axis, ...]:
    """The axes of a statement that need loops."""
    return tuple(axis for axis in all_axes(statement) if axis.name not in unrolled)


def reduced_loops(statement: Assign, unrolled: frozenset[str]) -> tuple[Axis, ...]:
    """The reduced axes of a statement that need loops."""
    axes = statement.value.axes if isinstance(statement.value, Reduce) else ()
    return tuple(axis for axis in axes if axis.name not in unrolled)


class _Builder:
    def __init__(self, group: list[Assign], context: Context) -> None:
        self.group, self.context = group, context
        self.axes = {axis.name: axis.size for statement in group for axis in all_axes(statement)}
        self.local = {statement.target: statement for statement in group}
        self.reduced = {s.target: {axis.name for axis in reduced_loops(s, context.unrolled)} for s in group}
        self.order = self.choose_order()

    # ---- the order of the loops

    def choose_order(self) -> list[Level]:
        names: dict[str, None] = {}
        for statement in self.group:
            names.update((axis.name, None) for axis in loop_axes(statement, self.context.unrolled))
        if not names:
            return []
        if any(statement.at is not None for statement in self.group):
            return self.order_of_scatter(list(names))
        chosen = min(names, key=lambda axis: (self.cost(axis), -list(names).index(axis)))
        lanes = self.lanes(chosen)
        inner = set.intersection(*self.reduced.values())
        same = all(axes == inner for axes in self.reduced.values())
        free = [axis for axis in names if axis not in inner and axis != chosen]
        if inner and same and chosen not in inner and free:
            outer = [Level(axis, copies=4 if axis == free[-1] else 1) for axis in free]
            return [*outer, Level(chosen, lanes, 2), *(Level(axis) for axis in names if axis in inner)]
        outer_axes = [axis for axis in names if axis != chosen]
        jam = 4 if all(self.reduced.values()) and self.is_light(4) else 1
        outer = [Level(axis, copies=jam if axis == outer_axes[-1] else 1) for axis in outer_axes]
        return [*outer, Level(chosen, lanes, 1 if outer else self.vectors_together(chosen, lanes))]

    def order_of_scatter(self, names: list[str]) -> list[Level]:
        """Writes that may collide run one after the other; what neighbours write to neighbours does not."""
        (statement,) = self.group
        assert statement.at is not None
        if not isinstance(statement.value, Reduce):
            for axis in reversed(names):
                if contiguous(statement.at, axis):
                    outer = [Level(other) for other in names if other != axis]
                    return [*outer, Level(axis, self.lanes(axis), 1 if outer else self.vectors_together(axis, 4))]
        return [Level(axis) for axis in names]

    def vectors_together(self, axis: str, lanes: int) -> int:
        """How many vectors a loop that stands alone computes together.

        Four, with a part of each sum, where the body is light; two where it is a chain of mathematical functions longer
        than a processor looks ahead, so that two such chains wait at the same time.
        """
        if self.is_light(4):
            return 4
        size = self.axes[axis]
        long = not isinstance(size, int) or size >= 8 * lanes
        called = sum(self.unrolled_copies(s) * functions(body_of(s)) for s in self.group)
        return 2 if long and FEW_FUNCTIONS <= called <= MANY_FUNCTIONS else 1

    def unrolled_copies(self, statement: Assign) -> int:
        """How often a statement stands in the body."""
        return prod(a.size for a in all_axes(statement) if a.name in self.context.unrolled and isinstance(a.size, int))

    def is_light(self, statements: int) -> bool:
        """Whether copies of the body fit into the registers: few statements, no mathematics."""
        return len(self.group) <= statements and not any(is_dear(body_of(s)) for s in self.group)

    def cost(self, axis: str) -> float:
        """What an iteration costs when `axis` is vectorised: strided accesses cost most, part-filled vectors in
        proportion.
        """
        total = 0.0
        for statement in self.group:
            indices = [load.index for load in loads_of(body_of(statement)) if load.array not in self.local]
            if not self.reduced[statement.target]:
                indices.append(tuple(AxisValue(own.name) for own in statement.axes))
            for index in indices:
                total += 1 if contiguous(index, axis) else 0.5 if constant_along(index, axis) else 5
            total += axis in self.reduced[statement.target]
        size, lanes = self.axes[axis], self.context.vector_bytes // 8
        return total * (lanes / size if isinstance(size, int) and 0 < size < lanes else 1)

    def lanes(self, axis: str) -> int:
        """As many lanes as a vector register has for the widest type, or as the axis has elements."""
        width = max(BYTES[self.context.arrays[s.target].dtype] for s in self.group)
        for statement in self.group:
            for load in loads_of(body_of(statement)):
                width = max(width, BYTES[self.context.arrays[load.array].dtype])
        lanes, size = self.context.vector_bytes // max(width, 4), self.axes[axis]
        while isinstance(size, int) and lanes // 2 >= max(size, 1):
            lanes //= 2
        return lanes

    # ---- the body

    def steps(self) -> list[Step]:
        fills: list[Step] = []
        for statement in self.group:
            array, prefix = self.context.places.get(statement.target, (statement.target, ()))
            op = self.starts_with(statement)
            if op is not None and statement.target not in self.context.partial:
                dtype = statement.type.dtype
                start = Const(neutral(op, dtype) if op else 0, dtype)
                fills.append(self.fill(statement, start) or Fill(array, start, prefix))
        return fills + self.level(0)

    def fill(self, statement: Assign, start: Const) -> Step | None:
        """Loops that fill the tile's part of an array that is there as a whole; None if all of it is to be filled."""
        bounds = self.context.bounds
        if statement.at is not None or statement.target in self.context.shifted:
            return None
        if not any(axis.name in bounds for axis in statement.axes):
            return None
        array, prefix = self.context.places.get(statement.target, (statement.target, ()))
        index = tuple(AxisValue(axis.name) for axis in statement.axes)
        step: Step = Store(array, self.unrolled(statement.axes), prefix + index, start)
        for axis in reversed(statement.axes):
            if axis.name not in self.context.unrolled:
                first, last = bounds.get(axis.name, (0, axis.size))
                step = For(axis.name, first, last, (step,))
        return step

    def starts_with(self, statement: Assign) -> str | None:
        """The operation whose neutral element the target must hold before the nest ('' for zero), None if it need
        not.
        """
        if statement.at is not None:
            return statement.accumulate or ""
        if isinstance(statement.value, Reduce) and self.collects(statement):
            return statement.value.op
        return None

    def depth(self, statement: Assign) -> int | None:
        """The level outside of which the statement's accumulator stands: the innermost loops are reduced from there
        on; None if the innermost one is not.
        """
        reduced = self.reduced[statement.target]
        first = len(self.order)
        while first and self.order[first - 1].axis in reduced:
            first -= 1
        return first if first < len(self.order) else None

    def collects(self, statement: Assign) -> bool:
        """Whether loops outside of the accumulator, if there is one, are reduced too: parts are added in memory."""
        reduced = self.reduced[statement.target]
        return any(level.axis in reduced for level in self.order[: self.depth(statement)])

    def level(self, depth: int) -> list[Step]:
        if depth == len(self.order):
            return [step for statement in self.group for step in self.innermost(statement)]
        level = self.order[depth]
        own = [s for s in self.group if self.reduced[s.target] and self.depth(s) == depth]
        start, stop = self.context.bounds.get(level.axis, (0, self.axes[level.axis]))
        apart = level.copies > 1 and level.lanes == 1 and level.axis in self.context.bounds
        loop = For(level.axis, start, stop, tuple(self.level(depth + 1)), level.lanes, level.copies, apart)
        ends = [step for statement in own for step in self.end(statement)]
        return [*(self.begin(statement, depth) for statement in own), loop, *ends]

    def begin(self, statement: Assign, depth: int) -> Step:
        assert isinstance(statement.value, Reduce)
        inner = self.order[depth:]
        return Begin(
            f"{statement.target}.sum",
            self.unrolled(statement.axes),
            statement.value.op,
            statement.type.dtype,
            max(level.lanes for level in inner),
            tuple((level.axis, level.copies) for level in inner if level.copies > 1),
        )

    def end(self, statement: Assign) -> list[Step]:
        axes = self.unrolled(statement.axes)
        total = f"{statement.target}.total"
        value = Load(total, tuple(AxisValue(axis.name) for axis in axes))
        return [Finish(total, f"{statement.target}.sum"), self.store(statement, value, self.collects(statement))]

    def unrolled(self, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
        return tuple(axis for axis in axes if axis.name in self.context.unrolled)

    def innermost(self, statement: Assign) -> list[Step]:
        """What one iteration does for a statement."""
        value = self.expression(body_of(statement))
        if isinstance(statement.value, Reduce):
            rolled = self.unrolled(statement.value.axes)
            inner = Reduce(statement.value.op, rolled, value) if rolled else value
            if self.reduced[statement.target]:
                if self.depth(statement) is not None:
                    return [Accumulate(f"{statement.target}.sum", inner)]
                return [self.store(statement, inner, True)]
            return self.define(statement, inner)
        return self.define(statement, value)

    def define(self, statement: Assign, value: Expr | Reduce) -> list[Step]:
        """A register, and a store where others read it."""
        if statement.at is not None:
            return [self.store(statement, value, False)]
        axes = self.unrolled(statement.axes)
        register = Load(statement.target, tuple(AxisValue(axis.name) for axis in axes))
        steps: list[Step] = [Let(statement.target, axes, value)]
        if statement.target in self.context.stored:
            steps.append(self.store(statement, register, False))
        return steps

    def store(self, statement: Assign, value: Expr | Reduce, collect: bool) -> Store:
        """The write of an element; `collect` combines a part of a reduction with what is in memory."""
        array, prefix = self.context.places.get(statement.target, (statement.target, ()))
        axes = self.unrolled(statement.axes)
        if statement.at is not None:
            at = tuple(self.expression(part) for part in statement.at)
            safe = all(within(part, size, self.axes) for part, size in zip(at, statement.type.shape, strict=True))
            return Store(array, axes, prefix + at, value, statement.accumulate, not safe)
        index = self.in_tile(statement.target, tuple(AxisValue(axis.name) for axis in statement.axes))
        op = statement.value.op if isinstance(statement.value, Reduce) else None
        return Store(
            array, axes, prefix + index, value, op if collect or statement.target in self.context.partial else None
        )

    def product(self, product: MatrixProduct, otherwise: tuple[Step, ...]) -> Step:
        """The same by BLAS where that is quicker."""
        statement = self.group[0]
        ends = {axis: self.context.bounds.get(axis, (0, size)) for axis, size in self.axes.items()}
        target = Load(statement.target, tuple(AxisValue(axis.name) for axis in statement.axes))
        rows = self.merged(product.row, product, (target, product.left), product.right)
        columns = self.merged(product.column, product, (target, product.right), product.left)
        first = {axis: ends[axis][0] for axis in (*rows, *columns, product.inner)}
        return Product(
            statement.type.dtype,
            self.range_of(rows, ends),
            self.range_of(columns, ends),
            ends[product.inner],
            tuple((axis, *ends[axis]) for axis in product.batch if axis not in first),
            self.matrix(target, product.row, product.column, first),
            self.matrix(product.left, product.row, product.inner, first),
            self.matrix(product.right, product.inner, product.column, first),
            statement.target in self.context.partial,
            product.symmetric,
            None if product.scale is None else self.matrix(product.scale, product.inner, "", first),
            self.context.vector_bytes // BYTES[statement.type.dtype],
            otherwise,
        )

    def merged(self, axis: str, product: MatrixProduct, holders: tuple[Load, Load], other: Load) -> list[str]:
        """`axis` and the batch axes outside of it that run on where it ends, in all `holders`: they are one axis of
        longer matrices (``ij,jkl->ikl`` is one product, not k thin ones)."""
        found, length, alone = [axis], self.axes[axis], set(axes_of(other, self.axes) or ())
        strides = [self.strides(load) for load in holders]
        if product.symmetric or any(axis not in own for own in strides):
            return found
        while found[0] not in self.context.bounds:
            outer = next(
                (b for b in product.batch if b not in alone and b not in found
                 and all(b in own and own[b] == own[axis] * length for own in strides)),
                None,
            )  # fmt: skip
            if outer is None:
                break
            found, length = [outer, *found], self.axes[outer] * length
        return found

    def range_of(self, axes: Sequence[str], ends: Mapping[str, tuple[Dim, Dim]]) -> tuple[Dim, Dim]:
        """Start and stop of axes that are merged into one, the outermost first; only that one may be part of it."""
        inner = product_of(tuple(self.axes[axis] for axis in axes[1:]))
        start, stop = ends[axes[0]]
        return start * inner, stop * inner

    def strides(self, load: Load) -> dict[str, Dim]:
        """The number of elements between two neighbours along each axis of a load."""
        buffer, prefix = self.context.places.get(load.array, (load.array, ()))
        shape = self.context.memory[buffer].shape
        names = [axes_of(Load("", (part,)), self.axes) or [""] for part in load.index]
        return {own[0]: product_of(shape[k + 1 :]) for k, own in enumerate(names, len(prefix))}

    def matrix(self, load: Load, row: str, column: str, first: Mapping[str, Dim]) -> Matrix:
        """`load` as a matrix with rows along one axis and columns along another (or a single one); `first` is where its
        axes, and those merged with them, begin."""
        buffer, prefix = self.context.places.get(load.array, (load.array, ()))
        apart = self.strides(load)
        starts = {axis: SizeValue(start) for axis, start in first.items()}
        place = prefix + self.in_tile(load.array, tuple(_at(part, starts) for part in load.index))
        return Matrix(buffer, place, apart[row], apart[column] if column else 0)

    def in_tile(self, array: str, index: tuple[Expr, ...]) -> tuple[Expr, ...]:
        """`index` counted from the beginning of the tile where the array has only the tile's length."""
        if array not in self.context.shifted:
            return index
        at, start = self.context.shifted[array]
        return (*index[:at], Call("sub", (index[at], SizeValue(start))), *index[at + 1 :])

    def expression(self, expr: Expr) -> Expr:
        """`expr` with the places of its arrays and with the loads marked that are not proven to be within them."""
        match expr:
            case Load(array, index):
                parts = tuple(self.expression(part) for part in index)
                shape = self.context.arrays[array].shape
                if array in self.local:
                    own = self.local[array].axes
                    kept = (part for part, axis in zip(parts, own, strict=True) if axis.name in self.context.unrolled)
                    return Load(array, tuple(kept))
                safe = all(within(part, size, self.axes) for part, size in zip(parts, shape, strict=True))
                buffer, prefix = self.context.places.get(array, (array, ()))
                return Load(buffer, prefix + self.in_tile(array, parts), not safe)
            case Call(op, args):
                return Call(op, tuple(self.expression(arg) for arg in args))
            case _:
                return expr


def _at(expr: Expr, places: Mapping[str, Expr]) -> Expr:
    match expr:
        case AxisValue(name):
            return places.get(name, expr)
        case Call(op, args):
            return Call(op, tuple(_at(arg, places) for arg in args))
        case _:
            return expr
