"""From a program to loops: what runs in which order, in which nests, and what is in memory.

Runs of assignments between loops and extern routines are scheduled together: their axes are aligned, they are fused
into groups, each group becomes a nest.  A `Loop` becomes a `Repeat` whose carried arrays stand in the memory of its
results; slices and stacks are views of the outer arrays at the current step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .alignment import align, all_axes, loads
from .dependences import all_reads, needed_for, reads_after, targets, types_defined
from .externs import NATIVE
from .fusion import fuse, stored_by, unrolled_axes
from .index import Assign, Axis, AxisValue, Call, Const, Extern, Load, Loop, Program, Statement
from .loops import Action, Fill, Nest, Repeat, Routine, Run, Schedule, StopUnless, Stream
from .matrices import MatrixProduct, is_symmetric, matrix_product, with_scales
from .nests import Context, Place, build_nest
from .scalars import neutral
from .stacking import Stack, unstacked
from .streaming import TILE, TILE_OF_PRODUCTS, collects, in_place, position, recomputed, stages, streamed_axis
from .types import ArrayType, Dim, named, names


def schedule(program: Program, vector_bytes: int, hint: Mapping[str, int] | None = None) -> Schedule:
    """The loops that compute `program` with vector registers of `vector_bytes`; `hint` are likely sizes."""
    scheduler = _Scheduler(vector_bytes, hint or {})
    scope = _Scope(dict(program.inputs), {})
    for name, type_ in program.inputs:
        scheduler.arrays[name] = type_
    actions = scheduler.statements(program.statements, scope, set(program.outputs))
    computed = [scope.places[name][0] if name in scope.places else name for name in program.outputs]
    return Schedule(
        scheduler.arrays,
        scheduler.shadows,
        tuple(name for name, _ in program.inputs),
        tuple(computed),
        _size_names(program),
        _size_names(program) + tuple(scheduler.tile_sizes),
        tuple(scheduler.nests),
        tuple(actions),
        tuple(scheduler.routines),
    )


def _size_names(program: Program) -> tuple[str, ...]:
    """Every size name, in the order of the inputs, then those given by name."""
    found: dict[str, None] = {}
    for _, type_ in program.inputs:
        for size in type_.shape:
            found.update(dict.fromkeys(sorted(names(size))))
    return tuple(found | dict.fromkeys(program.sizes))


class _Scope:
    """The arrays by the names that a program or the body of a loop uses, and where they are."""

    def __init__(self, types: dict[str, ArrayType], places: dict[str, Place], repeated: bool = False) -> None:
        self.types, self.places, self.repeated = types, places, repeated

    def inner(self) -> _Scope:
        """A scope for the body of a loop: it knows what is outside, and what it adds is unknown there."""
        return _Scope(dict(self.types), dict(self.places), True)


class _Scheduler:
    def __init__(self, vector_bytes: int, hint: Mapping[str, int]) -> None:
        self.vector_bytes, self.hint = vector_bytes, hint
        self.arrays: dict[str, ArrayType] = {}
        self.nests: list[Nest] = []
        self.routines: list[Routine] = []
        self.repeats = self.streams = 0
        self.shadows: dict[str, ArrayType] = {}
        self.tile_sizes: list[str] = []

    # ---- memory

    def allocate(self, name: str, type_: ArrayType) -> str:
        """A new array; its name is `name` unless that is taken."""
        free, count = name, 1
        while free in self.arrays:
            count += 1
            free = f"{name}.{count}"
        self.arrays[free] = type_
        return free

    # ---- statements

    def statements(self, statements: Sequence[Statement], scope: _Scope, needed: set[str]) -> list[Action]:
        """The actions of `statements`; `needed` are the names that are read after them."""
        actions: list[Action] = []
        later = reads_after(statements, needed)
        segment: list[Assign] = []
        for k, statement in enumerate(statements):
            if isinstance(statement, Assign):
                segment.append(statement)
            else:
                actions += self.segment(segment, scope, later[k])
                segment = []
                actions += (
                    self.extern(statement, scope) if isinstance(statement, Extern) else self.loop(statement, scope)
                )
        return actions + self.segment(segment, scope, needed)

    def segment(self, statements: list[Assign], scope: _Scope, needed: set[str]) -> list[Action]:
        """Nests for a run of assignments; outside of loops, in passes over the longest axis."""
        scope.types.update((statement.target, statement.type) for statement in statements)
        statements, stacks, needed = unstacked(statements, scope.types, needed)
        for stack in stacks:
            self.stack(stack, scope)
        aligned = align(statements, scope.types)
        unrolled = unrolled_axes(aligned)
        axis = None if scope.repeated else streamed_axis(aligned, unrolled, scope.types, self.hint, needed)
        if axis is None:
            return self.plain(aligned, scope, unrolled, needed)
        aligned = recomputed(aligned, axis, needed)
        scope.types.update((statement.target, statement.type) for statement in aligned)
        found, whole = stages(aligned, axis)
        for name, user in in_place(found, axis, needed, scope.places):
            scope.places[user] = scope.places[name] = self.allocate(name, scope.types[name]), ()
        actions: list[Action] = []
        for k, stage in enumerate(found):
            later = (
                needed | whole | all_reads([s for other in found[k + 1 :] for s in (*other.before, *other.streamed)])
            )
            actions += self.plain(stage.before, scope, unrolled, later | all_reads(stage.streamed))
            if stage.streamed:
                actions += self.stream(stage.streamed, axis, scope, unrolled, later)
        return actions

    def stack(self, stack: Stack, scope: _Scope) -> None:
        """Gives the rows of `stack` their places."""
        if stack.target not in scope.places:
            scope.places[stack.target] = self.allocate(stack.target, stack.type), ()
        buffer, prefix = scope.places[stack.target]
        for k, row in enumerate(stack.rows):
            scope.types[row] = ArrayType(stack.type.dtype, stack.type.shape[1:])
            scope.places[row] = buffer, (*prefix, Const(k, "i64"))

    def plain(
        self, statements: list[Assign], scope: _Scope, unrolled: frozenset[str], needed: set[str]
    ) -> list[Action]:
        """One nest after the other."""
        statements = with_scales(statements, scope.types, unrolled, needed, "")
        products = self.products(statements, scope, unrolled)
        groups = fuse(statements, unrolled, products)
        stored = stored_by(groups, needed)
        for statement in statements:
            self.give_place(statement, statement.type, scope, stored)
        context = Context(
            scope.types, self.arrays, scope.places, unrolled, self.vector_bytes, stored, products=products
        )
        actions: list[Action] = []
        for group in groups:
            actions.append(self.nest(group, context))
            actions += self.mirrored({s.target: products[s.target] for s in group if s.target in products}, scope)
        return actions

    def products(self, statements: list[Assign], scope: _Scope, unrolled: frozenset[str]) -> dict[str, MatrixProduct]:
        makers = {s.target: s for s in statements if s.at is None}
        found: dict[str, MatrixProduct] = {}
        for statement in statements:
            product = matrix_product(statement, scope.types, unrolled)
            if product is not None:
                symmetric = not product.batch and is_symmetric(product, makers)
                found[statement.target] = replace(product, symmetric=symmetric)
        return found

    def mirrored(self, products: Mapping[str, MatrixProduct], scope: _Scope) -> list[Action]:
        """Copies the lower halves of symmetric results, which are all that was computed, to the upper ones."""
        actions: list[Action] = []
        for name, product in products.items():
            if product.symmetric:
                type_, inner = scope.types[name], scope.inner()
                inner.places["mirror"] = scope.places[name]
                i, j = AxisValue("i"), AxisValue("j")
                value = Call("where", (Call("lt", (i, j)), Load(name, (j, i)), Load(name, (i, j))))
                axes = Axis("i", type_.shape[0]), Axis("j", type_.shape[1])
                actions += self.segment([Assign("mirror", type_, axes, value)], inner, {"mirror"})
        return actions

    def give_place(self, statement: Assign, type_: ArrayType, scope: _Scope, stored: frozenset[str]) -> None:
        if statement.target not in scope.places and (statement.target in stored or statement.at is not None):
            scope.places[statement.target] = self.allocate(statement.target, type_), ()

    def stream(
        self, statements: list[Assign], axis: str, scope: _Scope, unrolled: frozenset[str], needed: set[str]
    ) -> list[Action]:
        """A pass over `axis`; `needed` are the names that are read after it."""
        self.streams += 1
        label = f"{axis}.{self.streams}"
        start, stop, tile = (named(f"{label}.{part}") for part in ("start", "stop", "tile"))
        self.tile_sizes += [f"{label}.{part}" for part in ("tile", "leaf", "leaves", "threads")]
        statements = with_scales(statements, scope.types, unrolled, needed, axis)
        products = self.products(statements, scope, unrolled)
        products = {n: p if p.inner == axis else replace(p, symmetric=False) for n, p in products.items()}
        groups = fuse(statements, unrolled, products)
        stored = stored_by(groups, needed)
        shifted: dict[str, tuple[int, Dim]] = {}
        rows: dict[str, ArrayType] = {}
        for statement in statements:
            at, type_ = position(statement, axis), statement.type
            if at is not None and statement.target not in needed:
                type_ = ArrayType(type_.dtype, (*type_.shape[:at], tile, *type_.shape[at + 1 :]))
                shifted[statement.target] = at, start
            self.give_place(statement, type_, scope, stored)
            rows.update(self.along(statement, axis, stored, scope))
        partial = tuple(s.target for s in statements if position(s, axis) is None)
        length = next(own.size for s in statements for own in all_axes(s) if own.name == axis)
        context = Context(
            scope.types,
            self.arrays,
            scope.places,
            unrolled,
            self.vector_bytes,
            stored,
            {axis: (start, stop)},
            shifted,
            frozenset(partial),
            products,
        )
        begin, combine = self.partial_results([s for s in statements if s.target in partial], scope)
        body = tuple(self.nest(group, context) for group in groups)
        places = tuple(scope.places[name][0] for name in partial)
        after = self.mirrored(products, scope)
        return [
            Stream(
                label,
                axis,
                length,
                body,
                begin,
                combine,
                places,
                tuple(scope.places[name][0] for name in shifted if name in scope.places),
                tuple(rows.values()),
                TILE_OF_PRODUCTS if any(axis in (p.row, p.column, p.inner) for p in products.values()) else TILE,
            ),
            *after,
        ]

    def along(self, statement: Assign, axis: str, stored: frozenset[str], scope: _Scope) -> dict[str, ArrayType]:
        """One row of each array in memory that a statement reads or writes along `axis`."""
        found: dict[str, ArrayType] = {}
        own = Load(statement.target, tuple(AxisValue(each.name) for each in statement.axes))
        for load in (own, *loads(statement)) if statement.at is None else loads(statement):
            if load.array in stored or load.array in scope.places or load.array in self.arrays:
                type_ = scope.types[load.array]
                for k, part in enumerate(load.index):
                    if part == AxisValue(axis):
                        found[load.array] = ArrayType(type_.dtype, type_.shape[:k] + type_.shape[k + 1 :])
        return found

    def partial_results(self, statements: list[Assign], scope: _Scope) -> tuple[str, str]:
        """The nests that begin partial results and that combine two sets of them ('' where there are none)."""
        if not statements:
            return "", ""
        fills, combined = [], []
        inner = scope.inner()
        for statement in statements:
            array, op, type_ = scope.places[statement.target][0], collects(statement) or "", statement.type
            fills.append(Fill(array, Const(neutral(op, type_.dtype), type_.dtype)))
            self.shadows[f"{array}.right"] = inner.types[f"{array}.right"] = type_
            axes = tuple(Axis(f"c{k}", size) for k, size in enumerate(type_.shape))
            index = tuple(AxisValue(own.name) for own in axes)
            inner.places[f"{array}.both"] = array, ()
            inner.types[f"{array}.both"] = inner.types[array] = type_
            value = Call(op, (Load(array, index), Load(f"{array}.right", index)))
            combined.append(Assign(f"{array}.both", type_, axes, value))
        names_ = f"{len(self.nests)}.begin", f"{len(self.nests) + 1}.combine"
        aligned = align(combined, inner.types)
        unrolled = unrolled_axes(aligned)
        context = Context(
            inner.types, self.arrays, inner.places, unrolled, self.vector_bytes, frozenset(s.target for s in aligned)
        )
        steps = [step for group in fuse(aligned, unrolled) for step in build_nest("", group, context).body]
        self.nests += [Nest(names_[0], tuple(fills)), Nest(names_[1], tuple(steps))]
        return names_

    def nest(self, group: list[Assign], context: Context) -> Run:
        name = f"{len(self.nests)}.{group[-1].target}"
        self.nests.append(build_nest(name, group, context))
        return Run(name)

    def copies(self, pairs: Sequence[tuple[str, Place]], scope: _Scope) -> list[Action]:
        """Copies arrays to places, those of equal loops together; no place is one of the arrays."""
        inner = scope.inner()
        statements = []
        for k, (source, target) in enumerate(pairs):
            type_, name = scope.types[source], f"{source}.to.{k}"
            axes = tuple(Axis(f"i{d}", size) for d, size in enumerate(type_.shape))
            inner.places[name] = target
            statements.append(Assign(name, type_, axes, Load(source, tuple(AxisValue(axis.name) for axis in axes))))
        return self.segment(statements, inner, {statement.target for statement in statements}) if pairs else []

    def whole(self, name: str, scope: _Scope) -> tuple[list[Action], str]:
        """The array that holds `name` from its first element on, and what must be done to have it."""
        array, prefix = scope.places.get(name, (name, ()))
        if not prefix:
            return [], array
        buffer = self.allocate(name, scope.types[name])
        return self.copies([(name, (buffer, ()))], scope), buffer

    def extern(self, statement: Extern, scope: _Scope) -> list[Action]:
        actions: list[Action] = []
        inputs = []
        for name in statement.inputs:
            before, array = self.whole(name, scope)
            actions += before
            inputs.append(array)
        after: list[Action] = []
        targets = []
        for name, type_ in statement.targets:
            scope.types[name] = type_
            targets.append(self.allocate(name, type_))
            place = scope.places.get(name)
            scope.places[name] = targets[-1], ()
            if place is not None:
                after += self.copies([(name, place)], scope)
        memory = NATIVE.get(statement.function)
        needed = memory([scope.types[name] for name in statement.inputs]) if memory else ()
        work = tuple(self.allocate(f"{targets[0]}.w{k}", type_) for k, type_ in enumerate(needed))
        number = len(self.routines)
        self.routines.append(
            Routine(number, statement.function, statement.params, tuple(inputs), tuple(targets), work)
        )
        return [*actions, self.routines[-1], *after]

    # ---- loops

    def loop(self, loop: Loop, scope: _Scope) -> list[Action]:
        self.repeats += 1
        step = f"step.{self.repeats}"
        inner = scope.inner()
        inner.types.update(loop.body.inputs)
        begins: list[tuple[str, Place]] = []
        for name, start, end in loop.carried:
            scope.types[end] = inner.types[name]
            place = self.allocate(end, scope.types[end]), ()
            scope.places[end] = inner.places[name] = place
            begins.append((start, place))
        actions = self.copies(begins, scope)
        for name, array in loop.sliced:
            buffer, prefix = scope.places.get(array, (array, ()))
            inner.places[name] = buffer, (*prefix, AxisValue(step))
        defined = dict(types_defined(loop.body.statements))
        views: dict[str, str] = {}
        copies: list[tuple[str, Place]] = []
        for name, array in loop.stacked:
            type_ = defined.get(name) or inner.types[name]
            scope.types[array] = ArrayType(type_.dtype, (loop.length, *type_.shape))
            if array not in scope.places:
                scope.places[array] = self.allocate(array, scope.types[array]), ()
            buffer, prefix = scope.places[array]
            view: Place = buffer, (*prefix, AxisValue(step))
            if name in defined and views.setdefault(name, array) == array:
                inner.places[name] = view
            else:
                copies.append((name, view))
        body = self.body(loop, inner, copies)
        return [*actions, Repeat(step, loop.length, loop.reverse, tuple(body))]

    def body(self, loop: Loop, inner: _Scope, copies: Sequence[tuple[str, Place]]) -> list[Action]:
        """One step; `copies` are stacked values that are not computed in their place."""
        needed = {*loop.next, *(name for name, _ in loop.stacked)}
        statements = list(loop.body.statements)
        first: list[Action] = []
        if loop.condition is not None:
            wanted = needed_for(loop.condition, statements)
            early = [s for s in statements if not wanted.isdisjoint(targets(s))]
            statements = [s for s in statements if wanted.isdisjoint(targets(s))]
            first = self.statements(early, inner, needed | {loop.condition} | all_reads(statements))
            before, array = self.whole(loop.condition, inner)
            first += [*before, StopUnless(array)]
        actions = first + self.statements(statements, inner, needed)
        return actions + self.copies(copies, inner) + self.advance(loop, inner)

    def advance(self, loop: Loop, inner: _Scope) -> list[Action]:
        """Puts the next values in the place of the carried ones; those that are carried too are set aside."""
        carried = {name for name, _, _ in loop.carried}
        pairs = [(name, after) for (name, _, _), after in zip(loop.carried, loop.next, strict=True) if after != name]
        aside: dict[str, Place] = {}
        for _, after in pairs:
            if after in carried and after not in aside:
                name = f"{after}.aside"
                inner.types[name] = inner.types[after]
                aside[after] = inner.places[name] = self.allocate(name, inner.types[name]), ()
        actions = self.copies(list(aside.items()), inner)
        ends = [(f"{after}.aside" if after in aside else after, inner.places[name]) for name, after in pairs]
        return actions + self.copies(ends, inner)
