"""Matrix products of our own: blocks of the result in registers, operands packed into panels that stay in cache.

    void product(ptr c, i64 ldc, ptr a, i64 ai, i64 ap, ptr b, i64 bp, i64 bj, i64 m, i64 n, i64 k, i1 add, i1 half,
                 ptr s, i64 sp)

computes ``c[i*ldc + j] (+)= sum_p s[p*sp] * a[i*ai + p*ap] * b[p*bp + j*bj]``, where `s` may be null for ones; with
`half` only the blocks that touch what lies on or below the diagonal, which is half of the work for a symmetric
result.  The loops are those of Goto and van de Geijn (*Anatomy of High-Performance Matrix Multiplication*, ACM TOMS
2008) as far as products inside of tiles need them: a block of the left operand for the second-level cache, a panel of
the right one for the first.
"""

from __future__ import annotations

from functools import lru_cache

from ..records import record
from .builder import BYTES, SCALAR, constant, vector
from .loop_writer import LoopWriter

DEPTH, HEIGHT, BREADTH = 160, 144, 64
"""The summed elements of a panel; the most rows and columns of the packed blocks, multiples of those of a block."""
ROWS = {64: 12, 32: 6, 16: 6}
"""Rows of a block of the result, by the bytes of a vector register; its columns are two registers wide."""

WHOLE = (
    "ptr %c, i64 %ldc, ptr %a, i64 %ai, i64 %ap, ptr %b, i64 %bp, i64 %bj, i64 %m, i64 %n, i64 %k, i1 %add, i1 %half, "
    "ptr %s, i64 %sp"
)


@record(frozen=True, slots=True)
class Shape:
    """A block of `rows` times `columns` elements of the result, in vectors of `lanes`."""

    dtype: str
    lanes: int
    rows: int

    @property
    def columns(self) -> int:
        return 2 * self.lanes

    def name(self, part: str) -> str:
        """The name of a function of these blocks."""
        return f"product.{part}.{self.dtype}.v{self.lanes}"


def shape(dtype: str, lanes: int) -> Shape:
    """The blocks for vectors of `lanes` elements."""
    return Shape(dtype, lanes, ROWS[max(16, lanes * BYTES[dtype])])


@lru_cache(maxsize=16)
def packed_product(dtype: str, lanes: int, attributes: str) -> str:
    """The module that defines ``product.whole.DTYPE.vLANES``, with `attributes` on every function.

    It is one of its own since it is the same for all programs: its code is made once for a machine.
    """
    own = shape(dtype, lanes)
    packs = [_pack(own, width) for width in sorted({own.rows, own.columns})]
    attribute = f"attributes #0 = {{ nounwind noinline {attributes} }}\n"
    return "\n".join([*packs, _block(own, 1), _block(own, 2), _whole(own), attribute])


def declaration(dtype: str, lanes: int) -> str:
    """The line by which another module knows ``product.whole.DTYPE.vLANES``."""
    types = ", ".join(parameter.split(" ")[0] for parameter in WHOLE.split(", "))
    return f"declare void @{shape(dtype, lanes).name('whole')}({types})"


def _pack(own: Shape, width: int) -> str:
    """``pack(to, from, across, along, k, have, s, sp)``: panels of `width` elements across, `have` together.

    Their lines are multiplied by the elements of `s`, the last panel is filled up with zeros.  Where elements across
    are neighbours all panels are filled line by line.
    """
    w = LoopWriter(own.dtype)
    partial = w.emit(f"urem i64 %have, {width}")
    full = w.emit(f"sub i64 %have, {partial}")
    near = w.emit("icmp eq i64 %across, 1")
    with w.only_if(near), w.loop("%k", 1) as p:
        line, first, scale = w.place("%from", (p, "%along")), w.place("%to", (p, str(width))), _scale(w, p)
        with w.loop(full, width) as r:
            _move(w, own.dtype, width, w.place(first, (r, "%k")), w.place(line, (r, "1")), scale)
    with w.only_if(w.emit(f"xor i1 {near}, true")), w.loop(full, width) as r:
        lines = [w.place("%from", (w.emit(f"add i64 {r}, {k}"), "%across")) for k in range(width)]
        first = w.place("%to", (r, "%k"))
        with w.loop("%k", 1) as p:
            offset, to, scale = w.emit(f"mul i64 {p}, %along"), w.place(first, (p, str(width))), _scale(w, p)
            for k, line in enumerate(lines):
                _move(w, own.dtype, 1, w.place(to, (str(k), "1")), w.place(line, (offset, "1")), scale)
    with w.only_if(w.emit(f"icmp sgt i64 {partial}, 0")):
        first, source = w.place("%to", (full, "%k")), w.place("%from", (full, "%across"))
        with w.loop("%k", 1) as p:
            to, line, scale = w.place(first, (p, str(width))), w.place(source, (p, "%along")), _scale(w, p)
            for k in range(width):
                there = w.emit(f"icmp slt i64 {k}, {partial}")
                place = w.emit(f"select i1 {there}, ptr {w.place(line, (str(k), '%across'))}, ptr {line}")
                value = w.emit(f"fmul {w.scalar} {w.emit(f'load {w.scalar}, ptr {place}')}, {scale}")
                value = w.emit(f"select i1 {there}, {w.scalar} {value}, {w.scalar} {constant(0.0, own.dtype)}")
                w.do(f"store {w.scalar} {value}, ptr {w.place(to, (str(k), '1'))}")
    parameters = "ptr noalias %to, ptr %from, i64 %across, i64 %along, i64 %k, i64 %have, ptr %s, i64 %sp"
    return w.text(own.name(f"pack{width}"), parameters)


def _scale(w: LoopWriter, p: str) -> str:
    return w.emit(f"load {w.scalar}, ptr {w.place('%s', (p, '%sp'))}")


def _move(w: LoopWriter, dtype: str, width: int, target: str, source: str, scale: str) -> None:
    """`width` neighbours times `scale`."""
    type_ = vector(w.scalar, width)
    value = w.emit(f"load {type_}, ptr {source}, align {w.bytes}")
    value = w.emit(f"fmul {type_} {value}, {w.splat(scale, dtype, width)}")
    w.do(f"store {type_} {value}, ptr {target}, align {w.bytes}")


def _block(own: Shape, vectors: int) -> str:
    """``block(a, b, k, c, ldc, have_rows, have_columns, add)``: one block of the result, `vectors` registers wide."""
    w, type_ = LoopWriter(own.dtype), vector(SCALAR[own.dtype], own.lanes)
    zero, width = constant(0.0, own.dtype, own.lanes), vectors * own.lanes
    cells = [(r, v) for r in range(own.rows) for v in range(vectors)]
    totals = {cell: w.allocate(type_, zero) for cell in cells}
    with w.loop("%k", 1) as p:
        left, right = w.place("%a", (p, str(own.rows))), w.place("%b", (p, str(own.columns)))
        columns = [
            w.emit(f"load {type_}, ptr {w.place(right, (str(v * own.lanes), '1'))}, align {w.bytes}")
            for v in range(vectors)
        ]
        for r in range(own.rows):
            x = w.emit(f"load {w.scalar}, ptr {w.place(left, (str(r), '1'))}")
            row = w.splat(x, own.dtype, own.lanes)
            for v in range(vectors):
                old = w.emit(f"load {type_}, ptr {totals[r, v]}")
                new = w.instruction("muladd", own.dtype, own.dtype, own.lanes, [row, columns[v], old])
                w.do(f"store {type_} {new}, ptr {totals[r, v]}")
    found = {cell: w.emit(f"load {type_}, ptr {slot}") for cell, slot in totals.items()}
    here = {(r, v): (("%ldc", str(r)), (str(v * own.lanes), "1")) for r, v in cells}
    full = w.emit(
        f"and i1 {w.emit(f'icmp eq i64 %have_rows, {own.rows}')}, {w.emit(f'icmp eq i64 %have_columns, {width}')}"
    )
    with w.only_if(full):
        for cell in cells:
            slot = w.place("%c", *here[cell])
            old = w.emit(f"load {type_}, ptr {slot}, align {w.bytes}")
            kept = w.emit(f"select i1 %add, {type_} {old}, {type_} {zero}")
            new = w.instruction("add", own.dtype, own.dtype, own.lanes, [kept, found[cell]])
            w.do(f"store {type_} {new}, ptr {slot}, align {w.bytes}")
    with w.only_if(w.emit(f"xor i1 {full}, true")):
        edge = w.at_entry(f"alloca [{own.rows * width} x {w.scalar}], align 64")
        for r, v in cells:
            slot = w.place(edge, (str(r * width + v * own.lanes), "1"))
            w.do(f"store {type_} {found[r, v]}, ptr {slot}, align {w.bytes}")
        with w.loop("%have_rows", 1) as i, w.loop("%have_columns", 1) as j:
            slot = w.place("%c", (i, "%ldc"), (j, "1"))
            old = w.emit(f"load {w.scalar}, ptr {slot}")
            kept = w.emit(f"select i1 %add, {w.scalar} {old}, {w.scalar} {constant(0.0, own.dtype)}")
            more = w.emit(f"load {w.scalar}, ptr {w.place(edge, (i, str(width)), (j, '1'))}")
            w.do(f"store {w.scalar} {w.emit(f'fadd {w.scalar} {kept}, {more}')}, ptr {slot}")
    parameters = "ptr %a, ptr %b, i64 %k, ptr %c, i64 %ldc, i64 %have_rows, i64 %have_columns, i1 %add"
    return w.text(own.name(f"block{vectors}"), parameters)


def _whole(own: Shape) -> str:
    w = LoopWriter(own.dtype)
    left = w.at_entry(f"alloca [{HEIGHT * DEPTH} x {w.scalar}], align 64")
    right = w.at_entry(f"alloca [{(BREADTH + own.columns) * DEPTH} x {w.scalar}], align 64")
    one = w.allocate(w.scalar, constant(1, own.dtype))
    plain = w.emit("icmp eq ptr %s, null")
    factors, apart = w.emit(f"select i1 {plain}, ptr {one}, ptr %s"), w.emit(f"select i1 {plain}, i64 0, i64 %sp")
    with w.loop("%k", DEPTH, once=True) as p:
        depth = w.least(w.emit(f"sub i64 %k, {p}"), str(DEPTH))
        add = w.emit(f"or i1 %add, {w.emit(f'icmp sgt i64 {p}, 0')}")
        with w.loop("%m", HEIGHT) as i:
            height = w.least(w.emit(f"sub i64 %m, {i}"), str(HEIGHT))
            source = w.place("%a", (i, "%ai"), (p, "%ap"))
            scale = f"ptr {w.place(factors, (p, apart))}, i64 {apart}"
            pack = f"ptr {left}, ptr {source}, i64 %ai, i64 %ap, i64 {depth}, i64 {height}, {scale}"
            w.do(f"call void @{own.name(f'pack{own.rows}')}({pack})")
            with w.loop("%n", BREADTH) as j:
                breadth = w.least(w.emit(f"sub i64 %n, {j}"), str(BREADTH))
                touched = w.emit(f"icmp sgt i64 {w.emit(f'add i64 {i}, {height}')}, {j}")
                with w.only_if(w.emit(f"or i1 {touched}, {w.emit('xor i1 %half, true')}")):
                    source = w.place("%b", (p, "%bp"), (j, "%bj"))
                    pack = f"ptr {right}, ptr {source}, i64 %bj, i64 %bp, i64 {depth}, i64 {breadth}, ptr {one}, i64 0"
                    w.do(f"call void @{own.name(f'pack{own.columns}')}({pack})")
                    with w.loop(breadth, own.columns) as q:
                        _panel(w, own, (left, right), (p, i, j, q), (depth, height, breadth), add)
    return w.text(own.name("whole"), WHOLE, linkage="")


def _panel(
    w: LoopWriter,
    own: Shape,
    packed: tuple[str, str],
    at: tuple[str, str, str, str],
    sizes: tuple[str, str, str],
    add: str,
) -> None:
    """The blocks of the panel of columns that begins at j + q, each by a call."""
    (left, right), (_, i, j, q), (depth, height, breadth) = packed, at, sizes
    have = w.least(w.emit(f"sub i64 {breadth}, {q}"), str(own.columns))
    column = w.emit(f"add i64 {j}, {q}")
    second = w.place(right, (q, depth))
    with w.loop(height, own.rows) as r:
        down = w.least(w.emit(f"sub i64 {height}, {r}"), str(own.rows))
        row = w.emit(f"add i64 {i}, {r}")
        touched = w.emit(f"icmp sgt i64 {w.emit(f'add i64 {row}, {down}')}, {column}")
        with w.only_if(w.emit(f"or i1 {touched}, {w.emit('xor i1 %half, true')}")):
            first, place = w.place(left, (r, depth)), w.place("%c", (row, "%ldc"), (column, "1"))
            block = f"ptr {first}, ptr {second}, i64 {depth}, ptr {place}, i64 %ldc, i64 {down}, i64 {have}, i1 {add}"
            narrow = w.emit(f"icmp sle i64 {have}, {own.lanes}")
            with w.only_if(narrow):
                w.do(f"call void @{own.name('block1')}({block})")
            with w.only_if(w.emit(f"xor i1 {narrow}, true")):
                w.do(f"call void @{own.name('block2')}({block})")
