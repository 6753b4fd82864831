"""Linear algebra by LAPACK: systems, determinants, factorisations of the last two axes, for all leading positions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..types import Dim
from .routine_writer import RoutineWriter
from .routines_registry import routine


def _factored(w: RoutineWriter, source: str, a: str, pivots: str, n: str) -> str:
    """The LU factorisation of a matrix, and LAPACK's answer."""
    w.transposed(source, a, n, n)
    size = w.whole(n)
    return w.lapack("getrf", size, size, a, size, pivots)


@routine("inv")
def inv(w: RoutineWriter) -> None:
    """As the solution for the identity."""
    (*lead, rows, _), (a, b, pivots) = w.types[0].shape, w.work
    n = w.size(rows)
    w.require_sides(n)
    square = w.times(n, n)
    with w.batch(lead, (w.inputs[0], lead, square), (w.outputs[0], lead, square)) as (source, target):
        w.must(_factored(w, source, a, pivots, n))
        w.filled(w.number(0.0), b, square)
        with w.each(n) as i:
            w.put(w.number(1.0), b, w.integer("mul", i, w.integer("add", n, 1)))
        size = w.whole(n)
        w.must(w.lapack("getrs", w.letter("N"), size, size, a, size, pivots, b, size))
        w.transposed(b, target, n, n)


@contextmanager
def _right_sides(w: RoutineWriter, memory: str) -> Iterator[tuple[str, str, Callable[[], None]]]:
    """For every matrix on the left: where it begins, on how many columns it acts, and what copies the columns in.

    One matrix alone takes the columns of all right sides at once.  Afterwards the solutions are copied out."""
    a, b = w.types
    lead = w.results[0].shape[:-2]
    n, k = w.size(b.shape[-2]), w.size(b.shape[-1])
    block = w.times(n, k)
    w.require_sides(n)
    first = (w.inputs[0], a.shape[:-2], w.times(n, n))
    right, target = (w.inputs[1], b.shape[:-2], block), (w.outputs[0], lead, block)
    alone = a.rank == 2
    outer: tuple[Dim, ...] = () if alone else lead
    columns = w.times(k, *(w.size(x) for x in lead)) if alone else k
    w.require(w.emit(f"icmp slt i64 {columns}, {2**31 // 64}"))
    with w.batch(outer, first, (right[0], right[1] if not alone else (), block), (target[0], outer, block)) as starts:
        source, b_start, x_start = starts

        def pieces(body: Callable[[str, str, str], None]) -> None:
            if not alone:
                body(b_start, memory, x_start)
                return
            with w.batch(lead, right, target, (memory, lead, block)) as (one, other, column):
                body(one, column, other)

        def load() -> None:
            pieces(lambda given, column, _: w.transposed(given, column, n, k))

        with w.when(w.emit(f"icmp sgt i64 {columns}, 0")):
            yield source, columns, load
            pieces(lambda _, column, result: w.transposed(column, result, k, n))


@routine("solve")
def solve(w: RoutineWriter) -> None:
    a, b, pivots = w.work
    n = w.size(w.types[0].shape[-1])
    with _right_sides(w, b) as (source, columns, load):
        w.must(_factored(w, source, a, pivots, n))
        load()
        size = w.whole(n)
        w.must(w.lapack("getrs", w.letter("N"), size, w.whole(columns), a, size, pivots, b, size))


@routine("solve_triangular")
def solve_triangular(w: RoutineWriter) -> None:
    """The rows of a matrix are the columns of its transpose, so it need not be copied."""
    (b,) = w.work
    lower, transposed, unit = w.params
    n = w.size(w.types[0].shape[-1])
    letters = "U" if lower else "L", "N" if transposed else "T", "U" if unit else "N"
    with _right_sides(w, b) as (source, columns, load):
        load()
        size = w.whole(n)
        w.must(w.lapack("trtrs", *map(w.letter, letters), size, w.whole(columns), source, size, b, size))


# ---- determinants

@contextmanager
def _pivots(w: RoutineWriter) -> Iterator[tuple[str, str, str, Callable[[Callable[[str, str], None]], None]]]:
    """For every matrix: where the result goes, whether it is singular, the sign of its row changes (an address), and
    what runs over the pivots (number, value)."""
    (*lead, rows, _), (a, pivots) = w.types[0].shape, w.work
    n = w.size(rows)
    w.require_sides(n)
    with w.batch(lead, (w.inputs[0], lead, w.times(n, n)), (w.outputs[0], lead, "1")) as (source, target):
        answer = _factored(w, source, a, pivots, n)
        sign = w.allocate(w.scalar, w.number(1.0))

        def each(body: Callable[[str, str], None]) -> None:
            with w.each(n) as i:
                next_ = w.integer("add", i, 1)
                moved = w.differs("i32", w.get(pivots, i, "i32"), w.emit(f"trunc i64 {next_} to i32"))
                _turn(w, sign, moved)
                body(i, w.get(a, w.integer("mul", i, w.integer("add", n, 1))))

        yield target, w.emit(f"icmp sgt i32 {answer}, 0"), sign, each


def _turn(w: RoutineWriter, sign: str, condition: str) -> None:
    old = w.emit(f"load {w.scalar}, ptr {sign}")
    turned = w.emit(f"fneg {w.scalar} {old}")
    w.do(f"store {w.scalar} {w.emit(f'select i1 {condition}, {w.scalar} {turned}, {w.scalar} {old}')}, ptr {sign}")


@routine("det")
def det(w: RoutineWriter) -> None:
    """The product of the pivots; it gives up where that leaves the range of numbers, possibly on the way."""
    tiny, huge = ("1e-290", "1e290") if w.dtype == "f64" else ("1e-30", "1e30")
    with _pivots(w) as (target, singular, sign, each):
        total = w.allocate(w.scalar, w.number(1.0))

        def factor(_: str, pivot: str) -> None:
            w.do(f"store {w.scalar} {w.float('fmul', w.emit(f'load {w.scalar}, ptr {total}'), pivot)}, ptr {total}")

        each(factor)
        value = w.float("fmul", w.emit(f"load {w.scalar}, ptr {total}"), w.emit(f"load {w.scalar}, ptr {sign}"))
        size = w.emit(f"call {w.scalar} @llvm.fabs.{w.dtype}({w.scalar} {value})")
        inside = w.emit(f"fcmp oge {w.scalar} {size}, {w.number(float(tiny))}")
        inside = w.emit(f"and i1 {inside}, {w.emit(f'fcmp ole {w.scalar} {size}, {w.number(float(huge))}')}")
        w.require(w.emit(f"or i1 {inside}, {singular}"))
        w.put(w.emit(f"select i1 {singular}, {w.scalar} {w.number(0.0)}, {w.scalar} {value}"), target, "0")


@routine("logdet")
def logdet(w: RoutineWriter) -> None:
    with _pivots(w) as (target, singular, _, each):
        total = w.allocate(w.scalar, w.number(0.0))

        def term(_: str, pivot: str) -> None:
            size = w.emit(f"call {w.scalar} @llvm.fabs.{w.dtype}({w.scalar} {pivot})")
            log = w.instruction("log", w.dtype, w.dtype, 1, [size])
            w.do(f"store {w.scalar} {w.float('fadd', w.emit(f'load {w.scalar}, ptr {total}'), log)}, ptr {total}")

        each(term)
        value = w.emit(f"load {w.scalar}, ptr {total}")
        below = w.number(-float("inf"))
        w.put(w.emit(f"select i1 {singular}, {w.scalar} {below}, {w.scalar} {value}"), target, "0")


@routine("detsign")
def detsign(w: RoutineWriter) -> None:
    with _pivots(w) as (target, singular, sign, each):

        def turned(_: str, pivot: str) -> None:
            w.require(w.emit(f"fcmp ord {w.scalar} {pivot}, {pivot}"))
            _turn(w, sign, w.emit(f"fcmp olt {w.scalar} {pivot}, {w.number(0.0)}"))

        each(turned)
        value = w.emit(f"load {w.scalar}, ptr {sign}")
        w.put(w.emit(f"select i1 {singular}, {w.scalar} {w.number(0.0)}, {w.scalar} {value}"), target, "0")


# ---- factorisations

@routine("cholesky")
def cholesky(w: RoutineWriter) -> None:
    """Upper by columns is lower by rows."""
    *lead, rows, _ = w.types[0].shape
    n = w.size(rows)
    w.require_sides(n)
    square = w.times(n, n)
    with w.batch(lead, (w.inputs[0], lead, square), (w.outputs[0], lead, square)) as (source, target):
        w.symmetrised(source, target, n)
        size = w.whole(n)
        w.must(w.lapack("potrf", w.letter("U"), size, target, size))
        with w.each(n) as i, w.each(i) as j:
            w.put(w.number(0.0), target, w.integer("add", w.integer("mul", j, n), i))


def _eigenvalues(w: RoutineWriter, vectors: bool) -> None:
    (*lead, rows, _), (a, memory, integers) = w.types[0].shape, w.work
    n = w.size(rows)
    w.require_sides(n)
    square = w.times(n, n)
    length = w.integer("add", n, square) if vectors else n
    with w.batch(lead, (w.inputs[0], lead, square), (w.outputs[0], lead, length)) as (source, target):
        w.symmetrised(source, a, n)
        size = w.whole(n)
        twice = w.integer("mul", w.integer("add", n, 3), w.integer("mul", n, 2))
        count, more = w.whole(w.integer("add", twice, 1)), w.whole(w.integer("add", w.integer("mul", n, 5), 3))
        letters = w.letter("V" if vectors else "N"), w.letter("L")
        w.must(w.lapack("syevd", *letters, size, a, size, target, memory, count, integers, more))
        if vectors:
            w.transposed(a, w.part(target, n), n, n)


@routine("eigh")
def eigh(w: RoutineWriter) -> None:
    _eigenvalues(w, vectors=True)


@routine("eigvalsh")
def eigvalsh(w: RoutineWriter) -> None:
    _eigenvalues(w, vectors=False)


def _singular_values(w: RoutineWriter, job: str) -> None:
    (*lead, rows, columns), (a, u, vh, memory, integers) = w.types[0].shape, w.work
    m, n = w.size(rows), w.size(columns)
    w.require_sides(m, n)
    k = w.least(m, n)
    left, right = (m, n) if job == "A" else (k, k)
    first, last = w.times(m, left), w.times(right, n)
    length = k if job == "N" else w.integer("add", w.integer("add", first, k), last)
    with w.batch(lead, (w.inputs[0], lead, w.times(m, n)), (w.outputs[0], lead, length)) as (source, target):
        w.transposed(source, a, m, n)
        s = target if job == "N" else w.part(target, first)
        square = w.integer("mul", w.times(k, k), 4)
        count = w.integer("add", square, w.integer("mul", w.integer("add", m, n), 10))
        down, across, short = w.whole(m), w.whole(n), w.whole(right)
        rest = (memory, w.whole(count), integers)
        w.must(w.lapack("gesdd", w.letter(job), down, across, a, down, s, u, down, vh, short, *rest))
        if job != "N":
            w.transposed(u, target, left, m)
            w.transposed(vh, w.part(s, k), n, right)


@routine("svd")
def svd(w: RoutineWriter) -> None:
    _singular_values(w, "S")


@routine("full_svd")
def full_svd(w: RoutineWriter) -> None:
    _singular_values(w, "A")


@routine("svdvals")
def svdvals(w: RoutineWriter) -> None:
    _singular_values(w, "N")


@routine("qr")
def qr(w: RoutineWriter) -> None:
    """Sizes that have no numbers are taken to be at least as many rows as columns; it gives up where they are not."""
    (*lead, rows, columns), (a, scales, memory) = w.types[0].shape, w.work
    m, n = w.size(rows), w.size(columns)
    w.require_sides(m, n)
    wide = isinstance(rows, int) and isinstance(columns, int) and rows < columns
    if not wide:
        w.require(w.emit(f"icmp sge i64 {m}, {n}"))
    k = m if wide else n
    first = w.times(m, k)
    length = w.integer("add", first, w.times(k, n))
    with w.batch(lead, (w.inputs[0], lead, w.times(m, n)), (w.outputs[0], lead, length)) as (source, target):
        w.transposed(source, a, m, n)
        down, across, short, count = w.whole(m), w.whole(n), w.whole(k), w.whole(w.integer("mul", n, 32))
        w.must(w.lapack("geqrf", down, across, a, down, scales, memory, count))
        upper = w.part(target, first)
        with w.each(k) as i, w.each(n) as j:
            value = w.get(a, w.integer("add", w.integer("mul", j, m), i))
            kept = w.emit(f"icmp sle i64 {i}, {j}")
            value = w.emit(f"select i1 {kept}, {w.scalar} {value}, {w.scalar} {w.number(0.0)}")
            w.put(value, upper, w.integer("add", w.integer("mul", i, n), j))
        w.must(w.lapack("orgqr", down, short, short, a, down, scales, memory, count))
        w.transposed(a, target, k, m)
