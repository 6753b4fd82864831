"""The matrix exponential by scaling and squaring with the diagonal Padé approximant of order 13.

Al-Mohy and Higham, *A new scaling and squaring algorithm for the matrix exponential*, SIAM J. Matrix Anal. Appl. 31,
2009, algorithm 6.1 without its lower orders, with exact 1-norms of powers.  Matrices stored by rows are the transposes
of LAPACK's, and the exponential of a transpose is the transpose of the exponential, so that nothing is transposed.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, factorial

from .routine_writer import RoutineWriter
from .routines_registry import routine

ORDER, BOUND = 13, 4.25
PADE = [float(factorial(2 * ORDER - k) * comb(ORDER, k) // factorial(ORDER)) for k in range(ORDER + 1)]
LOST = 1 / (comb(2 * ORDER, ORDER) * factorial(2 * ORDER + 1))
"""The first coefficient of the error's series."""


@routine("expm")
def expm(w: RoutineWriter) -> None:
    *lead, rows, _ = w.types[0].shape
    n = w.size(rows)
    w.require_sides(n)
    square = w.times(n, n)
    with w.batch(lead, (w.inputs[0], lead, square), (w.outputs[0], lead, square)) as (source, target):
        _Exponential(w, n, square).write(source, target)


class _Exponential:
    def __init__(self, w: RoutineWriter, n: str, square: str) -> None:
        self.w, self.n, self.square = w, n, square
        self.a, self.a2, self.a4, self.a6, self.u, self.v, self.t, self.row, self.next, self.pivots = w.work

    def write(self, source: str, target: str) -> None:
        w = self.w
        w.copied(source, self.a, self.square)
        for name, left, right in ((self.a2, self.a, self.a), (self.a4, self.a2, self.a2), (self.a6, self.a4, self.a2)):
            w.gemm(name, left, right, self.n)
        halvings = self.halvings()
        for power, name in ((1, self.a), (2, self.a2), (4, self.a4), (6, self.a6)):
            self.scale(name, halvings, power)
        self.approximant(target)
        with w.each(halvings):
            w.gemm(self.t, target, target, self.n)
            w.copied(self.t, target, self.square)

    # ---- how often it is halved

    def halvings(self) -> str:
        """For numbers alone; what is infinite or NaN is given up."""
        w = self.w
        w.gemm(self.t, self.a4, self.a4, self.n)
        d8 = self.root(self.norm(self.t), 8)
        w.gemm(self.t, self.a4, self.a6, self.n)
        d10 = self.root(self.norm(self.t), 10)
        d6 = self.root(self.norm(self.a6), 6)
        larger = [w.emit(f"call double @llvm.maxnum.f64(double {x}, double {d8})") for x in (d6, d10)]
        bound = w.emit(f"call double @llvm.minnum.f64(double {larger[0]}, double {larger[1]})")
        w.require(w.emit(f"fcmp olt double {bound}, 1.0e200"))
        steps = self.up(self.log2(w.emit(f"fdiv double {bound}, {BOUND}")))
        return w.integer("add", steps, self.more(steps))

    def more(self, steps: str) -> str:
        """Further halvings that the norm of ``abs(A)**27`` asks for, of A as it is scaled by then."""
        w = self.w
        factor = self.power_of_half(steps, 1)
        w.filled(w.number(1.0), self.row, self.n)
        largest = w.allocate("double", "0.0")
        total = w.allocate(w.scalar, w.number(0.0))
        with w.each(str(2 * ORDER + 1)):
            w.do(f"store double 0.0, ptr {largest}")
            with w.each(self.n) as j:
                w.do(f"store {w.scalar} {w.number(0.0)}, ptr {total}")
                with w.each(self.n) as i:
                    value = self.size_of(w.get(self.a, w.integer("add", w.integer("mul", j, self.n), i)))
                    term = w.float("fmul", w.float("fmul", value, factor), w.get(self.row, i))
                    w.do(f"store {w.scalar} {w.float('fadd', w.emit(f'load {w.scalar}, ptr {total}'), term)}, "
                         f"ptr {total}")  # fmt: skip
                value = w.emit(f"load {w.scalar}, ptr {total}")
                w.put(value, self.next, j)
                self.raise_to(largest, value)
            w.copied(self.next, self.row, self.n)
        norm = w.emit(f"fmul double {self.norm(self.a)}, {self.wide(factor)}")
        ratio = w.emit(f"fdiv double {w.emit(f'load double, ptr {largest}')}, {norm}")
        w.require(w.emit(f"fcmp ult double {ratio}, 1.0e300"))  # 0/0 is no ratio, and no more are needed
        unit = 2.0**-53 if w.dtype == "f64" else 2.0**-24
        scaled = w.emit(f"fmul double {ratio}, {LOST / unit!r}")
        some = w.emit(f"fcmp ogt double {scaled}, 1.0")
        safe = w.emit(f"select i1 {some}, double {scaled}, double 1.0")
        return self.up(w.emit(f"fdiv double {self.log2(safe)}, {2.0 * ORDER}"))

    def norm(self, name: str) -> str:
        """The largest sum of sizes of a column."""
        w = self.w
        largest, total = w.allocate("double", "0.0"), w.allocate(w.scalar, w.number(0.0))
        with w.each(self.n) as j:
            w.do(f"store {w.scalar} {w.number(0.0)}, ptr {total}")
            with w.each(self.n) as i:
                value = self.size_of(w.get(name, w.integer("add", w.integer("mul", j, self.n), i)))
                w.do(f"store {w.scalar} {w.float('fadd', w.emit(f'load {w.scalar}, ptr {total}'), value)}, ptr {total}")
            self.raise_to(largest, w.emit(f"load {w.scalar}, ptr {total}"))
        found = w.emit(f"load double, ptr {largest}")
        w.require(w.emit(f"fcmp olt double {found}, 0x7FF0000000000000"))
        return found

    def raise_to(self, largest: str, value: str) -> None:
        """Lets a number (an address) be `value` if that is larger or NaN."""
        w = self.w
        old, new = w.emit(f"load double, ptr {largest}"), self.wide(value)
        kept = w.emit(f"fcmp olt double {new}, {old}")
        w.do(f"store double {w.emit(f'select i1 {kept}, double {old}, double {new}')}, ptr {largest}")

    def size_of(self, value: str) -> str:
        return self.w.emit(f"call {self.w.scalar} @llvm.fabs.{self.w.dtype}({self.w.scalar} {value})")

    def wide(self, value: str) -> str:
        return self.w.emit(f"fpext float {value} to double") if self.w.dtype == "f32" else value

    def root(self, value: str, order: int) -> str:
        return self.w.instruction("pow", "f64", "f64", 1, [value, repr(1 / order)])

    def log2(self, value: str) -> str:
        return self.w.instruction("log2", "f64", "f64", 1, [value])

    def up(self, value: str) -> str:
        """The least integer that is not below a number, and not below 0."""
        w = self.w
        whole = w.emit(f"call double @llvm.ceil.f64(double {value})")
        return w.emit(f"fptosi double {w.emit(f'call double @llvm.maxnum.f64(double {whole}, double 0.0)')} to i64")

    # ---- the approximant

    def power_of_half(self, steps: str, power: int) -> str:
        """2**-(steps*power)."""
        w = self.w
        exponent = w.integer("sub", "1023", w.integer("mul", steps, power))
        bits = w.integer("shl", w.emit(f"call i64 @llvm.smax.i64(i64 {exponent}, i64 0)"), 52)
        value = w.emit(f"bitcast i64 {bits} to double")
        return w.emit(f"fptrunc double {value} to float") if w.dtype == "f32" else value

    def scale(self, name: str, steps: str, power: int) -> None:
        w, factor = self.w, self.power_of_half(steps, power)
        with w.each(self.square) as i:
            w.put(w.float("fmul", w.get(name, i), factor), name, i)

    def combined(self, target: str, terms: Sequence[tuple[float, str]], diagonal: float = 0.0, add: str = "") -> None:
        """``target = sum of c*matrix + diagonal*identity + add``."""
        w = self.w
        with w.each(self.square) as i:
            total = w.get(add, i) if add else w.number(0.0)
            for c, name in terms:
                total = w.float("fadd", total, w.float("fmul", w.number(c), w.get(name, i)))
            w.put(total, target, i)
        if diagonal:
            with w.each(self.n) as i:
                at = w.integer("mul", i, w.integer("add", self.n, 1))
                w.put(w.float("fadd", w.get(target, at), w.number(diagonal)), target, at)

    def approximant(self, target: str) -> None:
        """The solution of ``(V - U) X = V + U`` with the odd part U and the even part V."""
        w, b, even = self.w, PADE, (self.a6, self.a4, self.a2)
        self.combined(self.t, list(zip((b[13], b[11], b[9]), even, strict=True)))
        w.gemm(self.v, self.a6, self.t, self.n)
        self.combined(self.t, list(zip((b[7], b[5], b[3]), even, strict=True)), b[1], self.v)
        w.gemm(self.u, self.a, self.t, self.n)
        self.combined(self.t, list(zip((b[12], b[10], b[8]), even, strict=True)))
        w.gemm(self.v, self.a6, self.t, self.n)
        self.combined(self.v, list(zip((b[6], b[4], b[2]), even, strict=True)), b[0], self.v)
        self.combined(self.t, [(1.0, self.v), (-1.0, self.u)])
        self.combined(target, [(1.0, self.v), (1.0, self.u)])
        size = w.whole(self.n)
        w.must(w.lapack("gesv", size, size, self.t, size, self.pivots, target, size))
