"""Nests as LLVM functions.  It transcribes the loop language and decides nothing.

Accumulators are allocated at the entry and left to LLVM's register promotion; a loop is tested before its first and
after each iteration; the copies of a loop that do not fill its last step run in a second, plainer version of the
body.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import assert_never

from ..index import Const
from ..loops import Accumulate, Begin, Fill, Finish, For, Let, Nest, Product, Step, Store
from ..scalars import neutral
from ..types import ArrayType, product
from .builder import BYTES, MEMORY, SCALAR, Value, constant, vector
from .products import Products


class NestEmitter(Products):
    """Emits the steps of one nest."""

    def __init__(self, arrays: Mapping[str, ArrayType], nest: Nest) -> None:
        super().__init__(arrays, frozenset(_written(nest.body)))
        self.accumulators: dict[str, tuple[Begin, Value]] = {}
        self.nest = nest

    def text(self) -> str:
        """The whole function; afterwards `used_arrays` and `used_numbers` are its parameters."""
        self.steps_of(self.nest.body)
        if self.status:
            old = self.emit(f"load i1, ptr {self.status}")
            flag = self.emit(f"zext i1 {old} to i64")
            before = self.emit("load i64, ptr %status")
            self.do(f"store i64 {self.emit(f'or i64 {before}, {flag}')}, ptr %status")
        lines = "\n".join([*self.entry, *self.lines])
        return (
            f"define internal void @nest.{self.nest.name}({self.parameters()}) #0 {{\nentry:\n{lines}\n  ret void\n}}"
        )

    def parameters(self) -> str:
        arrays = [f"ptr noalias {'' if name in self.written else 'readonly '}%a.{name}" for name in self.used_arrays]
        return ", ".join(
            [*arrays, *(f"i64 %n.{name}" for name in self.used_numbers), *["ptr noalias %status"] * bool(self.status)]
        )

    def arguments(self) -> str:
        """The same list at the place of the call."""
        arrays = [f"ptr %a.{name}" for name in self.used_arrays]
        return ", ".join(
            [*arrays, *(f"i64 %n.{name}" for name in self.used_numbers), *["ptr %status"] * bool(self.status)]
        )

    def steps_of(self, body: tuple[Step, ...]) -> None:
        for step in body:
            match step:
                case Let(name, axes, value):
                    with self.unrolling(axes):
                        self.registers[name] = self.value(value)
                    self.register_axes[name] = tuple(axis.name for axis in axes)
                    self.register_levels[name] = len(self.levels) - 1
                case Store():
                    with self.unrolling(step.axes):
                        self.store(step)
                case Begin():
                    self.begin(step)
                case Accumulate():
                    self.accumulate(step)
                case Finish(name, accumulator):
                    self.finish(name, accumulator)
                case For():
                    self.loop(step)
                case Fill():
                    self.fill(step)
                case Product():
                    self.product(step, partial(self.steps_of, step.otherwise))
                case _:
                    assert_never(step)

    # ---- memory

    def store(self, step: Store) -> None:
        if self.is_interleaved(step):
            self.interleaved(step)
            return
        dtype = self.arrays[step.array].dtype
        inside = self.inside(step.array, step.index) if step.checked else None
        neighbours, pointers = self.address(step.array, step.index)
        parts = self.contribution(step.accumulate or "", step.value)
        lanes = self.lanes if neighbours else pointers.lanes
        mask = self.tail if inside is None and lanes > 1 else inside
        own = pointers.axes if mask is None else self.joined(pointers, mask)
        every = self.copies if step.accumulate else self.joined(*parts)
        rest = tuple(axis for axis in every if axis not in own)
        for at in self.coordinates(own):
            pointer, kept = pointers.ref(at), None if mask is None else self.wide(mask, at, lanes)
            total = ""
            if step.accumulate:
                total = self._read(dtype, lanes, neighbours, pointer, kept)
            for more in self.coordinates(rest):
                place = {**at, **more}
                if step.accumulate:
                    total = self.accumulated(step.accumulate, total, parts, place, lanes)
                else:
                    total = self.wide(parts[0], place, lanes)
            self.write(dtype, neighbours, lanes, pointer, total, kept)

    def fill(self, step: Fill) -> None:
        """memset where the bytes are equal, a loop otherwise."""
        type_ = self.arrays[step.array]
        count = self.size(product(type_.shape[len(step.prefix) :]))
        rest = tuple(Const(0, "i64") for _ in type_.shape[len(step.prefix) :])
        pointer = self.pointers(step.array, step.prefix + rest).refs[()]
        if not step.value.value or type_.dtype == "bool":
            total = self.emit(f"mul i64 {count}, {BYTES[type_.dtype]}")
            self.do(f"call void @llvm.memset.p0.i64(ptr {pointer}, i8 {int(step.value.value)}, i64 {total}, i1 false)")
            return
        self.open()
        label = self.start_loop("0", count, 1)
        element = MEMORY[type_.dtype]
        place = self.emit(f"getelementptr inbounds {element}, ptr {pointer}, i64 %i{label}")
        self.do(f"store {element} {constant(step.value.value, type_.dtype)}, ptr {place}")
        self.end_loop(label, count, 1, 1, "0")
        self.close()

    # ---- accumulators

    def begin(self, step: Begin) -> None:
        lanes = self.lanes if self.vector_axis else step.lanes
        type_, start = vector(SCALAR[step.dtype], lanes), constant(neutral(step.op, step.dtype), step.dtype, lanes)
        with self.unrolling(step.axes), self.copied(step.over):
            axes = tuple(self.copies)
            refs = {tuple(at.values()): self.allocate(type_, start) for at in self.coordinates(axes)}
        self.accumulators[step.name] = step, Value(step.dtype, lanes, axes, refs)

    def accumulate(self, step: Accumulate) -> None:
        begin, slots = self.accumulators[step.name]
        type_ = vector(SCALAR[begin.dtype], slots.lanes)
        with self.unrolling(begin.axes):
            parts = self.contribution(begin.op, step.value)
            varying = {axis for part in parts for axis in part.axes} | set(slots.axes)
            for at in self.coordinates(tuple(axis for axis in self.copies if axis in varying)):
                slot = slots.ref(at)
                old = self.emit(f"load {type_}, ptr {slot}")
                new = self.accumulated(begin.op, old, parts, at, slots.lanes)
                if self.tail is not None and begin.lanes > 1:
                    new = self.emit(f"select <{slots.lanes} x i1> {self.tail.refs[()]}, {type_} {new}, {type_} {old}")
                self.do(f"store {type_} {new}, ptr {slot}")

    def finish(self, name: str, accumulator: str) -> None:
        begin, slots = self.accumulators[accumulator]
        inner = tuple(axis for axis, _ in begin.over)
        type_ = vector(SCALAR[begin.dtype], slots.lanes)
        refs = {}
        with self.unrolling(begin.axes):
            axes = tuple(axis for axis in self.copies if axis in slots.axes and axis not in inner)
            for at in self.coordinates(axes):
                with self.copied(begin.over):
                    places = [{**at, **more} for more in self.coordinates(inner)]
                parts = [self.emit(f"load {type_}, ptr {slots.ref(place)}") for place in places]
                refs[tuple(at.values())] = self.halved(begin, parts, slots.lanes)
        lanes = slots.lanes if begin.lanes == 1 else 1
        self.registers[name] = Value(begin.dtype, lanes, axes, refs)
        self.register_axes[name] = tuple(axis.name for axis in begin.axes)
        self.register_levels[name] = len(self.levels) - 1

    @contextmanager
    def copied(self, over: tuple[tuple[str, int], ...]) -> Iterator[None]:
        """Within, the loops `over` have their copies."""
        outer, self.copies = self.copies, {**self.copies, **dict(over)}
        yield
        self.copies = outer

    def halved(self, begin: Begin, parts: list[str], lanes: int) -> str:
        """Copies combined in pairs, then lanes too if the accumulator began outside of the vectorised loop."""
        while len(parts) > 1:
            pairs = zip(parts[::2], parts[1::2], strict=False)
            odd = parts[len(parts) & ~1 :]
            parts = [self.instruction(begin.op, begin.dtype, begin.dtype, lanes, list(pair)) for pair in pairs] + odd
        total = parts[0]
        while lanes > 1 and begin.lanes > 1:
            type_, half = vector(SCALAR[begin.dtype], lanes), lanes // 2
            if half == 1:
                one, two = (self.emit(f"extractelement {type_} {total}, i64 {k}") for k in range(2))
            else:
                low = ", ".join(f"i32 {k}" for k in range(half))
                high = ", ".join(f"i32 {k}" for k in range(half, lanes))
                one = self.emit(f"shufflevector {type_} {total}, {type_} poison, <{half} x i32> <{low}>")
                two = self.emit(f"shufflevector {type_} {total}, {type_} poison, <{half} x i32> <{high}>")
            lanes = half
            total = self.instruction(begin.op, begin.dtype, begin.dtype, lanes, [one, two])
        return total

    # ---- loops

    def loop(self, step: For) -> None:
        """The full steps, then what is left: vectors one at a time with the last one masked, or single iterations."""
        start, stop = self.size(step.start), self.size(step.stop)
        trip = step.stop - step.start if isinstance(step.stop, int) and isinstance(step.start, int) else None
        full = step.lanes * step.copies
        if trip == 0:
            return
        at = start
        if step.apart:
            at = self.parts(step, start, stop)
        elif trip is None or trip >= full:
            at = self.version(step, start, stop, full, step.copies, "" if trip != full else start)
        if (trip is not None and trip % full == 0) or full == 1:
            return
        if step.lanes == 1:
            self.version(step, at, stop, 1, 1, "")
        else:
            self.version(step, at, stop, step.lanes, 1, "", masked=True)

    def parts(self, step: For, start: str, stop: str) -> str:
        """One loop through the first of equal parts, whose copies run through the others; returns where these end."""
        with self.before():
            part = self.emit(f"sdiv i64 {self.emit(f'sub i64 {stop}, {start}')}, {step.copies}")
            places = tuple(self.emit(f"mul i64 {part}, {k}") for k in range(step.copies + 1))
            first, end = (self.emit(f"add i64 {start}, {place}") for place in (places[1], places[-1]))
        self.version(step, start, first, 1, step.copies, "", places)
        return end

    def version(
        self,
        step: For,
        start: str,
        stop: str,
        width: int,
        copies: int,
        once: str,
        places: tuple[str, ...] = (),
        masked: bool = False,
    ) -> str:
        """One loop of `width` iterations a step; returns where it ended.  `once` is the start of a single step,
        `places` say how far from one another the copies are where they are not neighbours.
        """
        slack = 1 if masked else width
        self.open()
        label = -1 if once else self.start_loop(start, stop, slack)
        position = once or f"%i{label}"
        outer = self.vector_axis, self.lanes, self.tail, self.rare
        if step.lanes > 1:
            self.vector_axis, self.lanes, self.tail = step.axis, step.lanes, None
        neighbours = tuple(str(k * step.lanes) for k in range(copies))
        self.positions[step.axis], self.steps[step.axis] = position, places or neighbours
        self.axis_levels[step.axis] = len(self.levels) - 1
        if copies > 1:
            self.copies[step.axis] = copies
        if masked:
            limit = Value("i64", 1, (), {(): stop})
            self.tail, self.rare = self.combine("lt", self.axis(step.axis), limit), True
        self.steps_of(step.body)
        self.copies.pop(step.axis, None)
        del self.positions[step.axis], self.axis_levels[step.axis]
        self.vector_axis, self.lanes, self.tail, self.rare = outer
        end = stop if once else self.end_loop(label, stop, slack, width, start)
        self.close()
        return end


def _written(body: tuple[Step, ...]) -> set[str]:
    found: set[str] = set()
    pending = list(body)
    while pending:
        step = pending.pop()
        if isinstance(step, Store | Fill):
            found.add(step.array)
        elif isinstance(step, Product):
            found.add(step.target.array)
            pending += step.otherwise
        elif isinstance(step, For):
            pending += step.body
    return found
