"""Stores of short rows that vectors hold side by side.

Each lane of a vectorised loop may write a row of a few elements, one register for each; the rows of neighbouring lanes
lie one behind the other.  The registers are then shuffled into the order of memory and stored at once, which costs a
fraction of as many scattered elements.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..accesses import contiguous
from ..index import AxisValue, Const
from ..loops import Store
from .builder import BYTES, MEMORY, vector
from .expressions import Expressions


class Interleaving(Expressions):
    """Expressions and these stores."""

    def is_interleaved(self, step: Store) -> bool:
        """Whether the lanes write rows that lie one behind the other, each the unrolled axes of the step as a whole."""
        rank, type_ = len(step.axes), self.arrays[step.array]
        if not (rank and self.lanes > 1 and self.tail is None and type_.dtype != "bool"):
            return False
        if step.accumulate or step.checked or self.first_lane:
            return False
        whole = zip(step.axes, step.index[-rank:], type_.shape[-rank:], strict=True)
        if not all(part == AxisValue(axis.name) and axis.size == n for axis, part, n in whole):
            return False
        varying = {name for name, value in self.registers.items() if value.lanes > 1}
        return contiguous(step.index[:-rank], self.vector_axis, varying)

    def interleaved(self, step: Store) -> None:
        """Writes the rows of all lanes at once: elements of vectors side by side are put in the order of memory."""
        rank, type_, lanes = len(step.axes), self.arrays[step.array], self.lanes
        own = {axis.name for axis in step.axes}
        (part,) = self.contribution("", step.value)
        self.first_lane = True
        pointers = self.pointers(step.array, step.index[:-rank] + (Const(0, "i64"),) * rank)
        self.first_lane = False
        for at in self.coordinates(tuple(a for a in self.copies if a in {*pointers.axes, *part.axes} - own)):
            places = self.coordinates(tuple(axis.name for axis in step.axes))
            row = [self.wide(part, {**at, **place}, lanes) for place in places]
            kind = vector(MEMORY[type_.dtype], lanes * len(row))
            ref = self.side_by_side(row, type_.dtype, lanes)
            self.do(f"store {kind} {ref}, ptr {pointers.ref(at)}, align {BYTES[type_.dtype]}")

    def side_by_side(self, row: Sequence[str], dtype: str, lanes: int) -> str:
        """The first lanes of all vectors of `row`, then the second ones, and so on, as one vector."""
        element, parts, width = MEMORY[dtype], list(row), lanes
        while len(parts) > 1:
            pairs = zip(parts[::2], [*parts[1::2], "poison"], strict=False)
            kind, every = vector(element, width), ", ".join(f"i32 {k}" for k in range(2 * width))
            parts = [
                self.emit(f"shufflevector {kind} {a}, {kind} {b}, <{2 * width} x i32> <{every}>") for a, b in pairs
            ]
            width *= 2
        order = ", ".join(f"i32 {k * lanes + lane}" for lane in range(lanes) for k in range(len(row)))
        kind = vector(element, width)
        return self.emit(f"shufflevector {kind} {parts[0]}, {kind} poison, <{lanes * len(row)} x i32> <{order}>")
