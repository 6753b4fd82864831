"""C functions around a kernel for arrays of fixed sizes: scalars by value, arrays as pointers.

    double ADDRESS(double x, const double *w)                    one scalar result
    int64_t ADDRESS(double x, const double *w, double *result…)  any other results; 0 if all is well

The first gives NaN where the second gives another number than 0: an index was out of range.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..types import ArrayType
from .builder import BYTES, MEMORY
from .control import Writer

ADDRESS, POINTS, FILTER = "symgrad.address", "symgrad.points", "symgrad.filter"
KERNEL, SIZES, GIVEN = "symgrad.handle.kernel", "symgrad.handle.sizes", "symgrad.handle.given"
LARGEST_ON_STACK = 2**14
"""Bytes of temporary memory; more are taken from the heap."""


class Handle:
    """Writes the functions for arguments and results of the given types."""

    def __init__(
        self, inputs: Sequence[ArrayType], outputs: Sequence[ArrayType], places: Sequence[int], table: int
    ) -> None:
        self.inputs, self.outputs, self.places, self.table = inputs, outputs, places, table
        self.returns = len(outputs) == 1 and not outputs[0].shape and outputs[0].dtype in ("f64", "f32")
        self.result = MEMORY[outputs[0].dtype] if self.returns else "i64"
        self.arguments = [f"{'ptr' if x.shape else MEMORY[x.dtype]} %a{k}" for k, x in enumerate(inputs)]
        self.arguments += [] if self.returns else [f"ptr %r{k}" for k in range(len(outputs))]

    @property
    def of_points(self) -> bool:
        """Whether this is a double of doubles."""
        return self.result == "double" and all(x == ArrayType("f64") for x in self.inputs)

    @property
    def of_vector(self) -> bool:
        """Whether this is a double of one vector."""
        return self.result == "double" and [(x.dtype, x.rank) for x in self.inputs] == [("f64", 1)]

    def text(
        self, given: Sequence[int], temporaries: Sequence[tuple[int, int]], scratch: int, needed: int
    ) -> str:
        """The IR: constants stand at the places `given`, temporaries at offsets of `needed` bytes of memory."""
        parts = [
            f'declare i64 @"{KERNEL}"(ptr, ptr, ptr)',
            f'@"{SIZES}" = external global i8',
            *(f'@"{GIVEN}{k}" = external global i8' for k in range(len(given))),
            "declare ptr @PyMem_RawMalloc(i64)\ndeclare void @PyMem_RawFree(ptr)",
            self._address(given, temporaries, scratch, needed),
        ]
        parts += [self._points()] if self.of_points or self.of_vector else []
        parts += [self._filter()] if self.of_vector else []
        return "\n".join(parts)

    def _address(
        self, given: Sequence[int], temporaries: Sequence[tuple[int, int]], scratch: int, needed: int
    ) -> str:
        f = Writer(f'{self.result} @"{ADDRESS}"({", ".join(self.arguments)})', "failed")
        table = f.at_entry(f"alloca ptr, i64 {self.table + 1}, align 16")
        f.store("ptr", "null", table, self.table)
        for k, x in enumerate(self.inputs):
            pointer = f"%a{k}"
            if not x.shape:
                pointer = f.at_entry(f"alloca {MEMORY[x.dtype]}, align 8")
                f.do(f"store {MEMORY[x.dtype]} %a{k}, ptr {pointer}")
            f.store("ptr", pointer, table, self.places[k])
        results = [f.at_entry(f"alloca {self.result}, align 8")] if self.returns else [
            f"%r{k}" for k in range(len(self.outputs))
        ]  # fmt: skip
        first: dict[int, str] = {}
        own = list(zip(results, self.places[len(self.inputs) :], self.outputs, strict=True))
        for pointer, place, _ in own:
            if first.setdefault(place, pointer) is pointer:
                f.store("ptr", pointer, table, place)
        for k, place in enumerate(given):
            f.store("ptr", f'@"{GIVEN}{k}"', table, place)
        large = needed > LARGEST_ON_STACK
        memory = "null"
        if needed:
            memory = f.emit(f"call ptr @PyMem_RawMalloc(i64 {needed})") if large else f.at_entry(
                f"alloca i8, i64 {needed}, align 64"
            )  # fmt: skip
            if large:
                f.require(f.differs("ptr", memory, "null"))
            start = f.emit(f"ptrtoint ptr {memory} to i64")
            aligned = f.emit(f"and i64 {f.emit(f'add i64 {start}, 63')}, -64")
            base = f.emit(f"inttoptr i64 {aligned} to ptr")
            for place, offset in temporaries:
                f.store("ptr", f.place(base, offset, "i8"), table, place)
            f.store("ptr", f.place(base, scratch, "i8"), table, self.table)
        status = f.emit(f'call i64 @"{KERNEL}"(ptr {table}, ptr @"{SIZES}", ptr null)')
        if large:
            f.do(f"call void @PyMem_RawFree(ptr {memory})")
        f.require(f.same("i64", status, 0))
        for pointer, place, type_ in own:
            if first[place] is not pointer:
                count = BYTES[type_.dtype] * prod(type_.shape)
                f.do(f"call void @llvm.memcpy.p0.p0.i64(ptr {pointer}, ptr {first[place]}, i64 {count}, i1 false)")
        f.do(f"ret {self.result} {f.load(self.result, results[0]) if self.returns else '0'}")
        f.label("failed")
        f.do(f"ret {self.result} {'0x7FF8000000000000' if self.returns else '1'}")
        return f.text()

    def _points(self) -> str:
        """``double (int, double *)``: all scalars, or the only vector."""
        f = Writer(f'double @"{POINTS}"(i32 %count, ptr %x)')
        several = [f"double {f.load('double', '%x', k)}" for k in range(len(self.inputs))] if self.of_points else []
        arguments = ["ptr %x"] if self.of_vector else several
        value = f.emit(f'call double @"{ADDRESS}"(' + ", ".join(arguments) + ")")
        f.do(f"ret double {value}")
        return f.text()

    def _filter(self) -> str:
        """``int (double *, intptr_t, double *, void *)``: the vector, its length, the result; 0 for another length."""
        f = Writer(f'i32 @"{FILTER}"(ptr %x, i64 %count, ptr %result, ptr %data)')
        f.require(f.same("i64", "%count", str(self.inputs[0].shape[0])))
        value = f.emit(f'call double @"{ADDRESS}"(ptr %x)')
        f.do(f"store double {value}, ptr %result")
        f.do("ret i32 1")
        f.label("no")
        f.do("ret i32 0")
        return f.text()


__all__ = ["ADDRESS", "FILTER", "GIVEN", "KERNEL", "POINTS", "SIZES", "Handle"]
