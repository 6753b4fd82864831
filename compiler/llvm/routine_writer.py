"""What the machine code of a routine is written with: its arrays and sizes, loops over batches, calls of LAPACK.

    i64 routine.NUMBER(ptr inputs ..., ptr results ..., ptr work ..., i64 sizes ...)

It gives 0, or 1 where it gives up: for empty matrices, sizes beyond 32 bits, and whatever LAPACK calls a failure.
LAPACK's matrices are stored by columns and ours by rows, so a matrix is copied transposed on its way there and back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from ..blas import GEMM, lapack
from ..loops import Routine
from ..types import ArrayType, Dim
from .builder import BYTES, MEMORY, SCALAR
from .control import Writer
from .vecmath_builder import literal

LARGEST_SIDE = 20_000
"""Of a matrix that is given to LAPACK: what it works in has fewer than 2**31 elements."""


class RoutineWriter(Writer):
    """The function of one routine; `sizes` are its arguments behind the arrays, in their order."""

    def __init__(self, routine: Routine, arrays: Mapping[str, ArrayType]) -> None:
        super().__init__("")
        self.name, self.params = f"routine.{routine.number}", routine.params
        self.inputs = [f"%in{k}" for k in range(len(routine.inputs))]
        self.outputs = [f"%out{k}" for k in range(len(routine.targets))]
        self.work = [f"%work{k}" for k in range(len(routine.work))]
        self.types = [arrays[name] for name in routine.inputs]
        self.results = [arrays[name] for name in routine.targets]
        self.dtype = self.types[0].dtype
        self.scalar, self.memory = SCALAR[self.dtype], MEMORY[self.dtype]
        self.sizes: dict[Dim, str] = {}

    def text(self) -> str:
        """The function's IR."""
        arrays = [f"ptr noalias {name}" for name in (*self.inputs, *self.outputs, *self.work)]
        self.head = f"internal i64 @{self.name}({', '.join([*arrays, *(f'i64 {n}' for n in self.sizes.values())])}) #0"
        return super().text()

    def finish(self) -> None:
        """Ends the function."""
        self.do("ret i64 0")
        self.label(self.refuse)
        self.do("ret i64 1")

    # ---- numbers

    def size(self, n: Dim) -> str:
        """The value of a size."""
        return str(n) if isinstance(n, int) else self.sizes.setdefault(n, f"%n{len(self.sizes)}")

    def integer(self, op: str, a: str, b: str | int) -> str:
        return self.emit(f"{op} i64 {a}, {b}")

    def times(self, *factors: str) -> str:
        """The product of sizes."""
        total = "1"
        for factor in factors:
            total = factor if total == "1" else total if factor == "1" else self.integer("mul", total, factor)
        return total

    def least(self, a: str, b: str) -> str:
        return self.emit(f"call i64 @llvm.smin.i64(i64 {a}, i64 {b})")

    def number(self, value: float) -> str:
        """A constant of the matrices' type."""
        return literal(value, self.scalar, 1)

    def float(self, op: str, a: str, b: str) -> str:
        return self.emit(f"{op} {self.scalar} {a}, {b}")

    def is_less(self, a: str, b: str) -> str:
        """Whether `a` comes before `b`: NaN comes last."""
        if self.dtype == "bool":
            return self.emit(f"icmp ult i8 {a}, {b}")
        if self.dtype == "i64":
            return self.emit(f"icmp slt i64 {a}, {b}")
        less = self.emit(f"fcmp olt {self.scalar} {a}, {b}")
        one, other = (self.emit(f"fcmp {c} {self.scalar} {x}, {x}") for c, x in (("ord", a), ("uno", b)))
        return self.emit(f"or i1 {less}, {self.emit(f'and i1 {one}, {other}')}")

    # ---- elements and loops

    def get(self, base: str, index: str, type_: str = "") -> str:
        return self.emit(f"load {type_ or self.memory}, ptr {self.place(base, index, type_ or self.memory)}")

    def put(self, value: str, base: str, index: str, type_: str = "") -> None:
        self.do(f"store {type_ or self.memory} {value}, ptr {self.place(base, index, type_ or self.memory)}")

    def part(self, base: str, index: str) -> str:
        """The address of an element."""
        return self.place(base, index, self.memory)

    @contextmanager
    def during(self, condition: Callable[[], str]) -> Iterator[None]:
        """What is written within runs as long as `condition`, which is written before it, holds."""
        test, inside, after = (self.fresh_label(name) for name in ("test", "while", "done"))
        self.do(f"br label %{test}")
        self.label(test)
        self.do(f"br i1 {condition()}, label %{inside}, label %{after}")
        self.label(inside)
        yield
        self.do(f"br label %{test}")
        self.label(after)

    @contextmanager
    def batch(self, lead: Sequence[Dim], *operands: tuple[str, Sequence[Dim], str]) -> Iterator[list[str]]:
        """What is written within runs for every position of the leading axes `lead`; gives where the part of each
        operand begins, which is a pointer, its own leading axes and the number of elements behind them."""
        with self.each(self.times(*map(self.size, lead))) as k:
            yield [self._offset(k, lead, *operand) for operand in operands]

    def _offset(self, k: str, lead: Sequence[Dim], base: str, own: Sequence[Dim], count: str) -> str:
        if tuple(own) == tuple(lead):
            return self.part(base, self.integer("mul", k, count))
        at, stride = "0", count
        for axis in reversed(range(len(lead))):
            n, place = self.size(lead[axis]), axis - (len(lead) - len(own))
            if place >= 0 and own[place] != 1:
                at = self.integer("add", at, self.integer("mul", self.integer("urem", k, n), stride))
                stride = self.integer("mul", stride, n)
            k = self.integer("udiv", k, n)
        return self.part(base, at)

    def transposed(self, source: str, target: str, rows: str, columns: str) -> None:
        """``target = source.T`` for a source of `rows` and `columns` stored by rows."""
        with self.each(rows) as i, self.each(columns) as j:
            value = self.get(source, self.integer("add", self.integer("mul", i, columns), j))
            self.put(value, target, self.integer("add", self.integer("mul", j, rows), i))

    def symmetrised(self, source: str, target: str, n: str) -> None:
        """``target = (source + source.T)/2``."""
        with self.each(n) as i, self.each(n) as j:
            across = self.integer("add", self.integer("mul", i, n), j)
            down = self.integer("add", self.integer("mul", j, n), i)
            total = self.float("fadd", self.get(source, across), self.get(source, down))
            self.put(self.float("fdiv", total, self.number(2.0)), target, across)

    def copied(self, source: str, target: str, count: str, dtype: str = "") -> None:
        """Copies `count` elements."""
        total = self.integer("mul", count, BYTES[dtype or self.dtype])
        self.do(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {total}, i1 false)")

    def filled(self, value: str, target: str, count: str) -> None:
        """Sets `count` elements."""
        with self.each(count) as i:
            self.put(value, target, i)

    # ---- LAPACK and BLAS

    def require_sides(self, *sizes: str) -> None:
        """Gives up unless a matrix has elements and suits 32 bits."""
        for n in dict.fromkeys(sizes):
            if n.isdigit():
                self.require(str(0 < int(n) <= LARGEST_SIDE).lower())
                continue
            self.require(self.emit(f"icmp ult i64 {self.integer('sub', n, 1)}, {LARGEST_SIDE}"))

    def whole(self, ref: str | int) -> str:
        """The address of a 32-bit copy of an integer."""
        return self.allocate("i32", self.emit(f"trunc i64 {ref} to i32"))

    def letter(self, letter: str) -> str:
        """The address of one character."""
        return self.allocate("i8", str(ord(letter)))

    def lapack(self, name: str, *arguments: str) -> str:
        """Calls a routine whose last argument, its answer, is added; gives the answer."""
        row = lapack(name, self.dtype)
        info = self.allocate("i32", "0")
        self._call(row.module, row.symbol, (*arguments, info))
        self.externs[f"{row.module}.{row.symbol}"] = row
        return self.emit(f"load i32, ptr {info}")

    def must(self, answer: str) -> None:
        """Gives up unless LAPACK's answer is 0."""
        self.require(self.same("i32", answer, 0))

    def gemm(self, target: str, left: str, right: str, n: str) -> None:
        """``target = left @ right`` for square matrices (of columns)."""
        row = GEMM[self.dtype]
        self.externs[f"{row.module}.{row.symbol}"] = row
        one, zero = (self.allocate(self.scalar, self.number(x)) for x in (1.0, 0.0))
        size, plain = self.whole(n), self.letter("N")
        self._call(
            row.module, row.symbol, (plain, plain, size, size, size, one, left, size, right, size, zero, target, size)
        )

    def _call(self, module: str, symbol: str, arguments: Sequence[str]) -> None:
        self.do(f'call void @"{module}.{symbol}"({", ".join(f"ptr {x}" for x in arguments)})')


__all__ = ["RoutineWriter"]
