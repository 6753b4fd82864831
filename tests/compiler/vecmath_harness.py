"""Runs the vector mathematics on arrays, and measures its error in ulps.

Points are screened with `numpy.longdouble` (or f64 for f32 results) and the worst of them judged with mpmath, so the
figure that counts does not rest on the machine's long double functions.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray
from symgrad.compiler.llvm.vecmath import FUNCTIONS, definitions
from symgrad.compiler.llvm.vecmath_builder import FLOAT

Array = NDArray[np.floating]
DTYPES = {"f64": np.float64, "f32": np.float32}


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


@lru_cache(maxsize=256)
def compiled(name: str, dtype: str, lanes: int) -> tuple[llvm.ExecutionEngine, Callable[..., None]]:
    module = optimised(definitions([(name, dtype, lanes)]) + loop(name, dtype, lanes))
    engine = llvm.create_mcjit_compiler(module, target())
    engine.finalize_object()
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
