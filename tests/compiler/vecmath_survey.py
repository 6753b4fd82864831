"""Measures the vector mathematics at length: `python -m tests.compiler.vecmath_survey [name ...]`.

f64 on millions of points (functions without a long double screen on a hundred thousand); f32 functions of one argument
that do not just round the f64 code on every f32 there is, screened with that code, whose error does not show in f32
ulps.  mpmath judges the worst.
Writes what it finds into `compiler/llvm/vecmath_accuracy.py`, keeping the rows of other functions.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
from pathlib import Path

import numpy as np
from symgrad.compiler.llvm import vecmath_accuracy
from symgrad.compiler.llvm.vecmath import FUNCTIONS, definitions
from symgrad.compiler.llvm.vecmath_registry import BODIES

from tests.compiler.vecmath_harness import Worst, apply, engine_of, worst
from tests.compiler.vecmath_reference import QUICK, ROWS, points

TABLE = Path(__file__).parents[2] / "compiler/llvm/vecmath_accuracy.py"
SEEDS, COUNT = range(2, 10), {True: 300_000, False: 3_000}
CHUNKS = 1024


def sampled(name: str, dtype: str) -> Worst:
    """The worst of some millions of points, those of the test suite among them."""
    found, row = Worst(0.0), ROWS[name]
    for count, seed in [(QUICK, 1), *((COUNT, seed) for seed in SEEDS)]:
        for xs in points(row, FUNCTIONS[name], dtype, count[row.screen is not None], seed):
            found = max(found, worst(name, dtype, xs, apply(name, dtype, 8, *xs)), key=lambda w: w.ulps)
    return found


def scan(name: str) -> str:
    """IR of `void scan(i32 start, i32 end, ptr error, ptr at)`: the worst f32 among those bit patterns, 8 at a time.

    The exact value is the f64 code's, the ulp that of f32 numbers around it; a wrong NaN counts as infinity.
    """
    f, d, i, m = "<8 x float>", "<8 x double>", "<8 x i32>", "<8 x i1>"
    return f"""
define void @scan(i32 %start, i32 %end, ptr %error, ptr %at) {{
entry:
  %s0 = insertelement {i} poison, i32 %start, i32 0
  %s1 = shufflevector {i} %s0, {i} poison, {i} zeroinitializer
  %first = add {i} %s1, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  br label %loop
loop:
  %k = phi i32 [ %start, %entry ], [ %next, %loop ]
  %bits = phi {i} [ %first, %entry ], [ %more, %loop ]
  %worst = phi {d} [ zeroinitializer, %entry ], [ %larger, %loop ]
  %where = phi {i} [ zeroinitializer, %entry ], [ %there, %loop ]
  %x = bitcast {i} %bits to {f}
  %wide = fpext {f} %x to {d}
  %y = call {f} @vm.{name}.f32.v8({f} %x)
  %e = call {d} @vm.{name}.f64.v8({d} %wide)
  %r = fptrunc {d} %e to {f}
  %rbits = bitcast {f} %r to {i}
  %exponent = and {i} %rbits, splat (i32 2139095040)
  %unit = bitcast {i} %exponent to {f}
  %unit2 = fmul {f} %unit, splat (float 0x3E80000000000000)
  %small = fcmp olt {f} %unit2, splat (float 0x36A0000000000000)
  %ulp = select {m} %small, {f} splat (float 0x36A0000000000000), {f} %unit2
  %ulp2 = fpext {f} %ulp to {d}
  %y2 = fpext {f} %y to {d}
  %difference = fsub {d} %y2, %e
  %size = call {d} @llvm.fabs.v8f64({d} %difference)
  %ulps = fdiv {d} %size, %ulp2
  %ysize = call {f} @llvm.fabs.v8f32({f} %y)
  %rsize = call {f} @llvm.fabs.v8f32({f} %r)
  %yfinite = fcmp olt {f} %ysize, splat (float 0x7FF0000000000000)
  %rfinite = fcmp olt {f} %rsize, splat (float 0x7FF0000000000000)
  %finite = and {m} %yfinite, %rfinite
  %equal = fcmp oeq {f} %y, %r
  %ynan = fcmp uno {f} %y, %y
  %rnan = fcmp uno {f} %r, %r
  %nan = and {m} %ynan, %rnan
  %same = or {m} %equal, %nan
  %other = select {m} %same, {d} zeroinitializer, {d} splat (double 0x7FF0000000000000)
  %found = select {m} %finite, {d} %ulps, {d} %other
  %worse = fcmp ogt {d} %found, %worst
  %larger = select {m} %worse, {d} %found, {d} %worst
  %there = select {m} %worse, {i} %bits, {i} %where
  %more = add {i} %bits, splat (i32 8)
  %next = add i32 %k, 8
  %again = icmp ne i32 %next, %end
  br i1 %again, label %loop, label %done
done:
  store {d} %larger, ptr %error, align 8
  store {i} %there, ptr %at, align 4
  ret void
}}
"""


def exhausted(name: str) -> Worst:
    """The worst of all f32."""
    engine = engine_of(definitions([(name, "f32", 8), (name, "f64", 8)]) + scan(name))
    kind = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p)
    run = kind(engine.get_function_address("scan"))
    errors, bits = np.zeros((CHUNKS, 8)), np.zeros((CHUNKS, 8), np.uint32)
    step = (1 << 32) // CHUNKS
    for k in range(CHUNKS):
        run(k * step, (k + 1) * step % (1 << 32), errors[k].ctypes.data, bits[k].ctypes.data)
    x = bits.ravel()[np.argsort(-errors.ravel(), kind="stable")[:200]].view(np.float32)
    return worst(name, "f32", (x,), apply(name, "f32", 8, x), confirm=200)


def main(names: list[str]) -> None:
    for name in names or FUNCTIONS:
        double = sampled(name, "f64")
        single = sampled(name, "f32") if FUNCTIONS[name] > 1 or BODIES[name].wide else exhausted(name)
        print(name, double, single, flush=True)
        assert np.isfinite([double.ulps, single.ulps]).all(), "a wrong NaN or infinity"
        rows = importlib.reload(vecmath_accuracy).MEASURED  # another run may have written since
        rows[name] = (rounded_up(double.ulps), rounded_up(single.ulps))
        write(rows)


def write(rows: dict[str, tuple[float, float]]) -> None:
    text = TABLE.read_text(encoding="utf-8")
    lines = [f'    "{name}": {rows[name]},' for name in FUNCTIONS if name in rows]
    table = "\n".join(["MEASURED: dict[str, tuple[float, float]] = {", *lines, "}", ""])
    TABLE.write_text(text[: text.index("MEASURED: ")] + table, encoding="utf-8")


def rounded_up(ulps: float) -> float:
    return float(np.ceil(ulps * 100) / 100)


if __name__ == "__main__":
    main(sys.argv[1:])
