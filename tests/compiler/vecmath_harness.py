"""Runs the vector mathematics on arrays, and measures its error in ulps.

Points are screened with `numpy.longdouble` (or f64 for f32 results) and the worst of them judged with mpmath, so the
figure that counts does not rest on the machine's long double functions.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import llvmlite.binding as llvm
import mpmath
import numpy as np
from symgrad.compiler.llvm.vecmath import FUNCTIONS, definitions
from symgrad.compiler.llvm.vecmath_builder import FLOAT

from tests.compiler.vecmath_reference import DTYPES, ROWS, Array, Points, Row


def loop(name: str, dtype: str, lanes: int) -> str:
    """IR of a function that applies the vector function to whole arrays of n elements, n a multiple of `lanes`."""
    scalar, arity = FLOAT[dtype], FUNCTIONS[name]
    vector = scalar if lanes == 1 else f"<{lanes} x {scalar}>"
    size = 8 if dtype == "f64" else 4
    names = [f"%p{k}" for k in range(arity)]
    loads = "\n".join(
        f"  %a{k} = getelementptr {scalar}, ptr {p}, i64 %i\n  %x{k} = load {vector}, ptr %a{k}, align {size}"
        for k, p in enumerate(names)
    )
    arguments = ", ".join(f"{vector} %x{k}" for k in range(arity))
    return f"""
define void @apply({", ".join(f"ptr {p}" for p in names)}, ptr noalias %out, i64 %n) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
{loads}
  %y = call {vector} @vm.{name}.{dtype}.v{lanes}({arguments})
  %o = getelementptr {scalar}, ptr %out, i64 %i
  store {vector} %y, ptr %o, align {size}
  %next = add i64 %i, {lanes}
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""


def target() -> llvm.TargetMachine:
    """A new one: an execution engine takes its own along when it dies."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2, jit=True
    )


def optimised(text: str) -> llvm.ModuleRef:
    """The verified module after LLVM's usual passes."""
    module = llvm.parse_assembly(text)
    module.verify()
    machine = target()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    builder.getModulePassManager().run(module, builder)
    return module


def engine_of(text: str, machine: llvm.TargetMachine | None = None) -> llvm.ExecutionEngine:
    """The machine code of a module, for this machine or a given one; it lives as long as what is returned."""
    engine = llvm.create_mcjit_compiler(optimised(text), machine or target())
    engine.finalize_object()
    return engine


@lru_cache(maxsize=1024)
def compiled(name: str, dtype: str, lanes: int) -> tuple[llvm.ExecutionEngine, Callable[..., None]]:
    engine = engine_of(definitions([(name, dtype, lanes)]) + loop(name, dtype, lanes))
    kinds = [ctypes.c_void_p] * (FUNCTIONS[name] + 1) + [ctypes.c_int64]
    return engine, ctypes.CFUNCTYPE(None, *kinds)(engine.get_function_address("apply"))


def apply(name: str, dtype: str, lanes: int, *arguments: Array) -> Array:
    """The function, elementwise over arrays of one length."""
    n = len(arguments[0])
    padded = -(-n // lanes) * lanes
    inputs = [np.resize(np.asarray(a, DTYPES[dtype]), padded) if n else np.empty(0, DTYPES[dtype]) for a in arguments]
    out = np.empty(padded, DTYPES[dtype])
    if n:
        _, run = compiled(name, dtype, lanes)
        run(*(a.ctypes.data for a in inputs), out.ctypes.data, padded)
    return out[:n]


def ulp(size: Array, dtype: str) -> Array:
    """The distance between the `dtype` numbers around |size|."""
    digits, least = (53, -1074) if dtype == "f64" else (24, -149)
    exponent = np.frexp(np.abs(size))[1]
    distance: Array = np.ldexp(np.longdouble(1), np.maximum(exponent - digits, least))
    return distance


def exact_values(row: Row, xs: Points) -> list[Any]:
    """The function by mpmath, in 50 digits; None outside its domain or far beyond the range of floats."""
    values = []
    with mpmath.workdps(50):
        for arguments in zip(*xs, strict=True):
            try:
                y = row.exact(*(mpmath.mpf(float(x)) for x in arguments))
            except (ValueError, ZeroDivisionError, OverflowError):
                y = None
            values.append(None if isinstance(y, mpmath.mpc) else y)
    return values


def as_long_double(value: Any) -> np.longdouble:
    """An mpmath number to about 20 digits; NaN for None."""
    if value is None:
        return np.longdouble("nan")
    if not mpmath.isfinite(value) or abs(value) > mpmath.mpf(10) ** 320 or abs(value) < mpmath.mpf(10) ** -340:
        return np.longdouble(float(value))
    return np.longdouble(mpmath.nstr(value, 25, min_fixed=0, max_fixed=0))


def errors(row: Row, dtype: str, xs: Points, y: Array, expected: Array) -> Array:
    """Errors in ulps of long double values; infinite for a wrong NaN or infinity, 0 where nothing is expected."""
    with np.errstate(all="ignore"):
        size = row.size(expected, *(x.astype(np.longdouble) for x in xs)) if row.size else expected
        error = np.abs(y.astype(np.longdouble) - expected) / ulp(size, dtype)
        right = expected.astype(DTYPES[dtype])
        agree = (y == right) | (np.isnan(y) & np.isnan(expected))
    return np.where(agree & ~np.isfinite(right), 0, np.where(np.isfinite(error) | agree, error, np.inf))


@dataclass(frozen=True)
class Worst:
    """The largest error found, in ulps, and where."""

    ulps: float
    at: tuple[float, ...] = ()


def worst(name: str, dtype: str, xs: Points, y: Array, confirm: int = 6) -> Worst:
    """The largest error of the results y at xs: screened in long double, the `confirm` worst judged by mpmath."""
    row = ROWS[name]
    if row.screen is not None:
        with np.errstate(all="ignore"):
            screened = errors(row, dtype, xs, y, row.screen(*(x.astype(np.longdouble) for x in xs)))
        chosen = np.argsort(-screened, kind="stable")[:confirm]
        xs, y = tuple(x[chosen] for x in xs), y[chosen]
    exact = exact_values(row, xs)
    known = np.array([value is not None for value in exact], bool)
    error = errors(row, dtype, xs, y, np.array([as_long_double(value) for value in exact], np.longdouble))
    error = np.where(known, error, 0)
    i = int(np.argmax(error))
    return Worst(float(error[i]), tuple(float(x[i]) for x in xs))
