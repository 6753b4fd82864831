"""Matrix products of our own: blocks of the result in registers, operands packed into panels that stay in cache.

    void product(ptr c, i64 ldc, ptr a, i64 ai, i64 ap, ptr b, i64 bp, i64 bj, i64 m, i64 n, i64 k, i1 add, i1 half)

computes ``c[i*ldc + j] (+)= sum_p a[i*ai + p*ap] * b[p*bp + j*bj]``; with `half` only the blocks that touch what lies
on or above the diagonal, which is half of the work for a symmetric result.  The loops are those of Goto and van de
Geijn (*Anatomy of High-Performance Matrix Multiplication*, ACM TOMS 2008) as far as products inside of tiles need them:
a block of the left operand for the second-level cache, a panel of the right one for the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from ..records import record
from .builder import BYTES, SCALAR, Function, constant, vector

DEPTH, HEIGHT, BREADTH = 192, 96, 64
"""The summed elements of a panel; the most rows and columns of the packed blocks, multiples of those of a block."""
ROWS = {64: 12, 32: 6, 16: 6}
"""Rows of a block of the result, by the bytes of a vector register; its columns are two registers wide."""

WHOLE = (
    "ptr %c, i64 %ldc, ptr %a, i64 %ai, i64 %ap, ptr %b, i64 %bp, i64 %bj, i64 %m, i64 %n, i64 %k, i1 %add, i1 %half"
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


class _Writer(Function):
    """A function with counted loops."""

    def __init__(self, own: Shape) -> None:
        super().__init__()
        self.scalar, self.bytes = SCALAR[own.dtype], BYTES[own.dtype]
        self.labels = 0

    def text(self, name: str, parameters: str, linkage: str = "internal ") -> str:
        lines = "\n".join([*self.entry, *self.lines])
        return f"define {linkage}void @{name}({parameters}) #0 {{\nentry:\n{lines}\n  ret void\n}}"

    @contextmanager
    def loop(self, stop: str, step: int, *, once: bool = False) -> Iterator[str]:
        """Runs what is emitted within for 0, step, … below `stop`; with `once` for 0 whatever `stop` is."""
        self.labels += 1
        k = self.labels
        slot = self.allocate("i64", "0")
        enter = "true" if once else self.emit(f"icmp sgt i64 {stop}, 0")
        self.do(f"br i1 {enter}, label %loop{k}, label %after{k}")
        self.label(f"loop{k}")
        at = self.emit(f"load i64, ptr {slot}")
        yield at
        after = self.emit(f"add i64 {at}, {step}")
        self.do(f"store i64 {after}, ptr {slot}")
        self.do(f"br i1 {self.emit(f'icmp slt i64 {after}, {stop}')}, label %loop{k}, label %after{k}")
        self.label(f"after{k}")

    @contextmanager
    def only_if(self, condition: str) -> Iterator[None]:
        """What is emitted within runs where `condition` holds."""
        self.labels += 1
        k = self.labels
        self.do(f"br i1 {condition}, label %yes{k}, label %no{k}")
        self.label(f"yes{k}")
        yield
        self.do(f"br label %no{k}")
        self.label(f"no{k}")

    def place(self, pointer: str, *terms: tuple[str, str]) -> str:
        """`pointer` moved by the sum of products of two numbers, in elements."""
        for x, y in terms:
            offset = self.emit(f"mul i64 {x}, {y}") if y != "1" else x
            pointer = self.emit(f"getelementptr {self.scalar}, ptr {pointer}, i64 {offset}")
        return pointer

    def least(self, x: str, y: str) -> str:
        return self.emit(f"call i64 @llvm.smin.i64(i64 {x}, i64 {y})")

    def move(self, target: str, source: str) -> None:
        value = self.emit(f"load {self.scalar}, ptr {source}")
        self.do(f"store {self.scalar} {value}, ptr {target}")


def _pack(own: Shape, width: int) -> str:
    """``pack(to, from, across, along, k, have)``: panels of `width` elements across, `have` together; the last is
    filled up with zeros.  Where the elements across are neighbours all panels are filled line by line.
    """
    w = _Writer(own)
    partial = w.emit(f"urem i64 %have, {width}")
    full = w.emit(f"sub i64 %have, {partial}")
    near = w.emit("icmp eq i64 %across, 1")
    with w.only_if(near), w.loop("%k", 1) as p:
        line, first = w.place("%from", (p, "%along")), w.place("%to", (p, str(width)))
        with w.loop(full, width) as r:
            to, source = w.place(first, (r, "%k")), w.place(line, (r, "1"))
            w.do(f"call void @llvm.memcpy.p0.p0.i64(ptr {to}, ptr {source}, i64 {width * w.bytes}, i1 false)")
    with w.only_if(w.emit(f"xor i1 {near}, true")), w.loop(full, width) as r:
        lines = [w.place("%from", (w.emit(f"add i64 {r}, {k}"), "%across")) for k in range(width)]
        first = w.place("%to", (r, "%k"))
        with w.loop("%k", 1) as p:
            offset, to = w.emit(f"mul i64 {p}, %along"), w.place(first, (p, str(width)))
            for k, line in enumerate(lines):
                w.move(w.place(to, (str(k), "1")), w.place(line, (offset, "1")))
    with w.only_if(w.emit(f"icmp sgt i64 {partial}, 0")):
        first, source = w.place("%to", (full, "%k")), w.place("%from", (full, "%across"))
        with w.loop("%k", 1) as p:
            to, line = w.place(first, (p, str(width))), w.place(source, (p, "%along"))
            for k in range(width):
                there = w.emit(f"icmp slt i64 {k}, {partial}")
                place = w.emit(f"select i1 {there}, ptr {w.place(line, (str(k), '%across'))}, ptr {line}")
                value = w.emit(f"load {w.scalar}, ptr {place}")
                value = w.emit(f"select i1 {there}, {w.scalar} {value}, {w.scalar} {constant(0.0, own.dtype)}")
                w.do(f"store {w.scalar} {value}, ptr {w.place(to, (str(k), '1'))}")
    return w.text(own.name(f"pack{width}"), "ptr noalias %to, ptr %from, i64 %across, i64 %along, i64 %k, i64 %have")


def _block(own: Shape, vectors: int) -> str:
    """``block(a, b, k, c, ldc, have_rows, have_columns, add)``: one block of the result, `vectors` registers wide."""
    w, type_ = _Writer(own), vector(SCALAR[own.dtype], own.lanes)
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
    w = _Writer(own)
    left = w.at_entry(f"alloca [{HEIGHT * DEPTH} x {w.scalar}], align 64")
    right = w.at_entry(f"alloca [{(BREADTH + own.columns) * DEPTH} x {w.scalar}], align 64")
    with w.loop("%k", DEPTH, once=True) as p:
        depth = w.least(w.emit(f"sub i64 %k, {p}"), str(DEPTH))
        add = w.emit(f"or i1 %add, {w.emit(f'icmp sgt i64 {p}, 0')}")
        with w.loop("%m", HEIGHT) as i:
            height = w.least(w.emit(f"sub i64 %m, {i}"), str(HEIGHT))
            source = w.place("%a", (i, "%ai"), (p, "%ap"))
            pack = f"ptr {left}, ptr {source}, i64 %ai, i64 %ap, i64 {depth}, i64 {height}"
            w.do(f"call void @{own.name(f'pack{own.rows}')}({pack})")
            with w.loop("%n", BREADTH) as j:
                breadth = w.least(w.emit(f"sub i64 %n, {j}"), str(BREADTH))
                under = w.emit(f"sub i64 {w.emit(f'add i64 {j}, {breadth}')}, {i}")
                touched = w.emit(f"icmp sgt i64 {under}, 0")
                with w.only_if(w.emit(f"or i1 {touched}, {w.emit('xor i1 %half, true')}")):
                    source = w.place("%b", (p, "%bp"), (j, "%bj"))
                    pack = f"ptr {right}, ptr {source}, i64 %bj, i64 %bp, i64 {depth}, i64 {breadth}"
                    w.do(f"call void @{own.name(f'pack{own.columns}')}({pack})")
                    with w.loop(breadth, own.columns) as q:
                        _panel(w, own, (left, right), (p, i, j, q), (depth, height, breadth), add)
    return w.text(own.name("whole"), WHOLE, linkage="")


def _panel(
    w: _Writer,
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
    # With `half` the rows from here on lie below the diagonal.
    under = w.emit(f"sub i64 {w.emit(f'add i64 {column}, {have}')}, {i}")
    rows = w.emit(f"select i1 %half, i64 {w.least(under, height)}, i64 {height}")
    second = w.place(right, (q, depth))
    with w.loop(rows, own.rows) as r:
        first = w.place(left, (r, depth))
        place = w.place("%c", (w.emit(f"add i64 {i}, {r}"), "%ldc"), (column, "1"))
        down = w.least(w.emit(f"sub i64 {height}, {r}"), str(own.rows))
        block = f"ptr {first}, ptr {second}, i64 {depth}, ptr {place}, i64 %ldc, i64 {down}, i64 {have}, i1 {add}"
        narrow = w.emit(f"icmp sle i64 {have}, {own.lanes}")
        with w.only_if(narrow):
            w.do(f"call void @{own.name('block1')}({block})")
        with w.only_if(w.emit(f"xor i1 {narrow}, true")):
            w.do(f"call void @{own.name('block2')}({block})")
