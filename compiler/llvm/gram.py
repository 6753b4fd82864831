"""``X.T @ diag(s) @ X`` by halves, without packing: blocks of the result in registers, X read where it stands.

    void gram(ptr c, i64 ldc, ptr x, i64 xp, ptr s, i64 sp, i64 m, i64 k, i1 add)

computes ``c[i*ldc + j] (+)= sum_p s[p*sp] * x[p*xp + i] * x[p*xp + j]`` on and below the diagonal, and some of what
lies above; `s` may be null for ones.  X has at least as many columns as a vector has lanes.

A few lines of X, those that the first-level cache holds, are used for all blocks before the next ones, which are
fetched meanwhile.  Next to the multiply-adds of a narrow X (n columns: n/2 for each element) copying it into panels, as
products of other matrices do, would cost a quarter more; only a few columns at a time are multiplied by `s`, for the
blocks of as many rows.  A row that is left over takes as many columns at once as there are registers, and columns that
do not fill a vector are the last lanes of one that ends with them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from .builder import constant, vector
from .loop_writer import LoopWriter
from .packed import Shape, shape

DEPTH = 64
"""Lines of X at a time."""
ROWS = {64: 8, 32: 4, 16: 4}
"""Rows of a block of the result, by the bytes of a vector register; its columns are three registers wide."""
IN_FLIGHT = 8
"""Multiply-adds that must be under way for the units to be busy."""
PARAMETERS = "ptr %c, i64 %ldc, ptr %x, i64 %xp, ptr %s, i64 %sp, i64 %m, i64 %k, i1 %add"
BLOCK = "ptr %a, i64 %ap, ptr %b, i64 %bp, i64 %k, ptr %c, i64 %ldc, i1 %add, i64 %from, ptr %next, i64 %bytes"


def gram_name(dtype: str, lanes: int) -> str:
    """The name of the function for vectors of `lanes`."""
    return shape(dtype, lanes).name("gram")


def gram_declaration(dtype: str, lanes: int) -> str:
    """The line by which another module knows it."""
    types = ", ".join(parameter.split(" ")[0] for parameter in PARAMETERS.split(", "))
    return f"declare void @{gram_name(dtype, lanes)}({types})"


@lru_cache(maxsize=16)
def gram_product(dtype: str, lanes: int, attributes: str) -> str:
    """The module that defines it, with `attributes` on every function."""
    own = shape(dtype, lanes)
    rows = ROWS[max(16, lanes * LoopWriter(dtype).bytes)]
    blocks = [_block(own, r, v) for r in _heights(rows) for v in _widths(rows, r)]
    scaled = [_scaled(own, r) for r in _heights(rows)]
    attribute = f"attributes #0 = {{ nounwind noinline {attributes} }}\n"
    return "\n".join([*blocks, *scaled, _whole(own, rows), attribute])


def _heights(rows: int) -> list[int]:
    """Rows of blocks: the usual number, and less for what is left over."""
    return [rows >> k for k in range(rows.bit_length())]


def _widths(most: int, rows: int) -> list[int]:
    """Registers across blocks of `rows` rows, falling to 1: as many as `most` rows of three have together."""
    if rows == most:
        return [3, 2, 1]
    widest = min(12, 3 * most // rows)
    return [width for width in (12, 6, 3, 1) if width <= widest]


def _block(own: Shape, rows: int, vectors: int) -> str:
    """Adds one block of the result; of one that is a single vector wide only the lanes from `from` on.

    For each line `bytes` more from `next` on are fetched.
    """
    w, type_ = LoopWriter(own.dtype), vector(LoopWriter(own.dtype).scalar, own.lanes)
    zero = constant(0.0, own.dtype, own.lanes)
    copies = max(1, min(4, IN_FLIGHT // (rows * vectors)))
    cells = [(r, v) for r in range(rows) for v in range(vectors)]
    totals = [{cell: w.allocate(type_, zero) for cell in cells} for _ in range(copies)]

    def multiply_add(slot: str, x: str, y: str) -> None:
        old = w.emit(f"load {type_}, ptr {slot}")
        new = w.instruction("muladd", own.dtype, own.dtype, own.lanes, [x, y, old])
        w.do(f"store {type_} {new}, ptr {slot}")

    def line(p: str, total: dict[tuple[int, int], str]) -> None:
        place = w.emit(f"getelementptr i8, ptr %next, i64 {w.emit(f'mul i64 {p}, %bytes')}")
        w.do(f"call void @llvm.prefetch.p0(ptr {place}, i32 0, i32 3, i32 1)")
        left, right = w.place("%a", (p, "%ap")), w.place("%b", (p, "%bp"))
        across, down = range(vectors), range(rows)
        # Whichever are fewer stay in registers while the others pass.
        if rows < vectors:
            kept = [_row(w, own, left, r) for r in down]
            for v in across:
                column = _vector(w, own, type_, right, v)
                for r in down:
                    multiply_add(total[r, v], kept[r], column)
        else:
            kept = [_vector(w, own, type_, right, v) for v in across]
            for r in down:
                row = _row(w, own, left, r)
                for v in across:
                    multiply_add(total[r, v], row, kept[v])

    full = w.multiple("%k", copies)
    with w.loop(full, copies) as p:
        for k, total in enumerate(totals):
            line(w.emit(f"add i64 {p}, {k}"), total)
    if copies > 1:
        with w.loop("%k", 1, start=full) as p:
            line(p, totals[0])
    mask = ""
    if vectors == 1:
        counting = f"<{', '.join(f'i64 {k}' for k in range(own.lanes))}>"
        mask = w.emit(f"icmp sge <{own.lanes} x i64> {counting}, {w.splat('%from', 'i64', own.lanes)}")
    bits = f"<{own.lanes} x i{8 * w.bytes}>"
    kept_bits = w.emit(f"select i1 %add, {bits} splat (i{8 * w.bytes} -1), {bits} zeroinitializer")
    for r, v in cells:
        found = [w.emit(f"load {type_}, ptr {each[r, v]}") for each in totals]
        more = w.instruction("add", own.dtype, own.dtype, own.lanes, found)
        slot = w.place("%c", (str(r), "%ldc"), (str(v * own.lanes), "1"))
        old = w.emit(f"load {type_}, ptr {slot}, align {w.bytes}")
        word = w.emit(f"and {bits} {w.emit(f'bitcast {type_} {old} to {bits}')}, {kept_bits}")
        kept = w.emit(f"bitcast {bits} {word} to {type_}")
        new = w.instruction("add", own.dtype, own.dtype, own.lanes, [kept, more])
        if mask:
            new = w.emit(f"select <{own.lanes} x i1> {mask}, {type_} {new}, {type_} {old}")
        w.do(f"store {type_} {new}, ptr {slot}, align {w.bytes}")
    return w.text(own.name(f"gram{rows}x{vectors}"), BLOCK)


def _vector(w: LoopWriter, own: Shape, type_: str, base: str, v: int) -> str:
    return w.emit(f"load {type_}, ptr {w.place(base, (str(v * own.lanes), '1'))}, align {w.bytes}")


def _row(w: LoopWriter, own: Shape, base: str, r: int) -> str:
    return w.splat(w.emit(f"load {w.scalar}, ptr {w.place(base, (str(r), '1'))}"), own.dtype, own.lanes)


def _scaled(own: Shape, rows: int) -> str:
    """``scaled(to, x, xp, s, sp, depth)``: `rows` columns of `x`, its lines times the elements of `s`."""
    w = LoopWriter(own.dtype)
    type_ = vector(w.scalar, rows)

    def line(p: str) -> None:
        value = w.emit(f"load {type_}, ptr {w.place('%x', (p, '%xp'))}, align {w.bytes}")
        factor = w.splat(w.emit(f"load {w.scalar}, ptr {w.place('%s', (p, '%sp'))}"), own.dtype, rows)
        value = w.emit(f"fmul {type_} {factor}, {value}")
        w.do(f"store {type_} {value}, ptr {w.place('%to', (p, str(rows)))}, align {w.bytes}")

    together = w.multiple("%depth", 4)
    with w.loop(together, 4) as p:
        for k in range(4):
            line(w.emit(f"add i64 {p}, {k}"))
    with w.loop("%depth", 1, start=together) as p:
        line(p)
    return w.text(own.name(f"scaled{rows}"), "ptr noalias %to, ptr %x, i64 %xp, ptr %s, i64 %sp, i64 %depth")


class _Factors(NamedTuple):
    """Lines of X and their number, the left factor of some rows and how far its lines are apart, and whether to add to
    what is there."""

    lines: str
    depth: str
    left: str
    apart: str
    add: str


class _Strips(LoopWriter):
    """The blocks of some rows of the result, one after the other from the left to the diagonal."""

    def __init__(self, own: Shape, rows: int) -> None:
        super().__init__(own.dtype)
        self.own, self.rows = own, rows
        self.bytes_each = self.fetches()
        self.ahead = self.allocate("ptr", "%x")
        self.panel = self.at_entry(f"alloca [{DEPTH * rows} x {self.scalar}], align 64")
        self.plain = self.emit("icmp eq ptr %s, null")

    def fetches(self) -> str:
        """The bytes to fetch with each line of a block, so that together they are the next lines of X; none where other
        things stand between those.
        """
        down = self.emit(f"add i64 {self.emit(f'udiv i64 %m, {self.rows}')}, 1")
        across = self.emit(f"add i64 {self.emit(f'udiv i64 %m, {6 * self.own.lanes}')}, 1")
        bytes_ = self.emit(f"mul i64 %xp, {self.bytes}")
        blocks = self.emit(f"mul i64 {down}, {across}")
        found = self.emit(f"add i64 {self.emit(f'udiv i64 {bytes_}, {blocks}')}, 1")
        return self.emit(f"select i1 {self.emit('icmp eq i64 %xp, %m')}, i64 {found}, i64 0")

    def block(self, rows: int, vectors: int, factors: _Factors, row: str, column: str, tail: str) -> None:
        """A call of a block at a row and a column of the result."""
        lines, depth, left, apart, add = factors
        ahead = self.emit(f"load ptr, ptr {self.ahead}")
        bytes_ = self.emit(f"mul i64 {self.bytes_each}, {depth}")
        self.do(f"store ptr {self.emit(f'getelementptr i8, ptr {ahead}, i64 {bytes_}')}, ptr {self.ahead}")
        c, right = self.place("%c", (row, "%ldc"), (column, "1")), self.place(lines, (column, "1"))
        operands = f"ptr {left}, i64 {apart}, ptr {right}, i64 %xp, i64 {depth}, ptr {c}, i64 %ldc, i1 {add}"
        self.do(
            f"call void @{self.own.name(f'gram{rows}x{vectors}')}"
            f"({operands}, i64 {tail}, ptr {ahead}, i64 {self.bytes_each})"
        )

    def strip(self, rows: int, lines: str, first: str, depth: str, add: str, row: str) -> None:
        """The blocks of `rows` rows from `row` on, by lines of X, of which `first` is the number."""
        factors = self.factors(rows, lines, first, depth, add, row)
        lanes = self.own.lanes
        wide = self.multiple(self.emit(f"add i64 {row}, {rows + lanes - 1}"), lanes)
        beyond = self.emit(f"icmp sgt i64 {wide}, %m")
        whole = self.emit(f"select i1 {beyond}, i64 {self.emit(f'sub i64 {wide}, {lanes}')}, i64 {wide}")
        done = "0"
        for vectors in _widths(self.rows, rows):
            left_over = self.emit(f"sub i64 {whole}, {done}")
            stop = self.emit(f"add i64 {done}, {self.multiple(left_over, vectors * lanes)}")
            with self.loop(stop, vectors * lanes, start=done) as column:
                self.block(rows, vectors, factors, row, column, "0")
            done = stop
        with self.only_if(beyond):
            column = self.emit(f"sub i64 %m, {lanes}")
            self.block(rows, 1, factors, row, column, self.emit(f"sub i64 {whole}, {column}"))

    def factors(self, rows: int, lines: str, first: str, depth: str, add: str, row: str) -> _Factors:
        """What the blocks of these rows multiply: columns of X where they stand, or scaled in the panel."""
        columns = self.place(lines, (row, "1"))
        with self.only_if(self.emit(f"xor i1 {self.plain}, true")):
            scale = self.place("%s", (first, "%sp"))
            operands = f"ptr {self.panel}, ptr {columns}, i64 %xp, ptr {scale}, i64 %sp, i64 {depth}"
            self.do(f"call void @{self.own.name(f'scaled{rows}')}({operands})")
        left = self.emit(f"select i1 {self.plain}, ptr {columns}, ptr {self.panel}")
        apart = self.emit(f"select i1 {self.plain}, i64 %xp, i64 {rows}")
        return _Factors(lines, depth, left, apart, add)


def _whole(own: Shape, rows: int) -> str:
    w = _Strips(own, rows)
    with w.loop("%k", DEPTH, once=True) as p:
        depth = w.least(w.emit(f"sub i64 %k, {p}"), str(DEPTH))
        add = w.emit(f"or i1 %add, {w.emit(f'icmp sgt i64 {p}, 0')}")
        lines = w.place("%x", (p, "%xp"))
        w.do(f"store ptr {w.place(lines, (depth, '%xp'))}, ptr {w.ahead}")
        with w.loop(w.multiple("%m", rows), rows) as row:
            w.strip(rows, lines, p, depth, add, row)
        for fewer in _heights(rows)[1:]:
            with w.only_if(w.emit(f"icmp ne i64 {w.emit(f'and i64 %m, {fewer}')}, 0")):
                w.strip(fewer, lines, p, depth, add, w.multiple("%m", 2 * fewer))
    return w.text(own.name("gram"), PARAMETERS)
