"""Formulas written out in many operations: seconds to make value and gradient, microseconds to run them.

A random sharing graph of 10**3 to 10**5 operations (10**6 with ``--all``), and the energy, gradient and Hessian of 20
bodies (60 with ``--all``).  Beside them, where it is installed, CasADi's machine, and with ``--gcc`` its C code under
gcc -O3.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import symgrad as sg

INPUTS, WINDOW = 20, 500


def web(n: int, sin: Callable[[Any], Any], given: Sequence[Any]) -> Any:
    """A sum over a random graph of `n` operations, each of which is used."""
    choose = random.Random(0)
    known, unused = list(given), list(range(len(given)))
    for k in range(n):
        i = unused.pop(choose.randrange(len(unused))) if len(unused) > INPUTS else len(known) - 1
        a, b = known[i], known[choose.randrange(max(0, len(known) - WINDOW), len(known))]
        known.append(a + b if k % 5 == 0 else a * b if k % 5 == 1 else a - b if k % 5 == 2 else sin(a) if k % 5 == 3
                     else 0.5 * a + 0.25 * b)  # fmt: skip
        unused.append(len(known) - 1)
    return sum([sin(known[u]) for u in unused])


def bodies(sqrt: Callable[[Any], Any], given: Sequence[Any]) -> Any:
    """The energy of bodies at the coordinates `given`."""
    total: Any = 0
    for i in range(0, len(given), 3):
        for j in range(0, i, 3):
            d = [given[i + c] - given[j + c] for c in range(3)]
            total = total - 1 / sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
    return total


def best(run: Callable[[], object], seconds: float = 0.5) -> float:
    """The least time of a call, in microseconds, in a row of calls that takes about `seconds`."""
    found, end = math.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        found = min(found, time.perf_counter() - start)
    return 1e6 * found


def ours(formula: Callable[[Sequence[Any]], Any], count: int, hessian: bool) -> tuple[float, float, float]:
    """Seconds to make, microseconds of a call from Python, and of the code alone."""
    names = [f"x{k}" for k in range(count)]
    symbols = [sg.scalar(name) for name in names]
    value = formula(symbols)
    at = np.random.default_rng(0).uniform(-1, 1, count).tolist()
    start = time.perf_counter()
    outputs = [value, *value.grad(tuple(names))]
    if hessian:
        outputs += [h for row in value.hessian(tuple(names)) for h in row]
    f = sg.compile(outputs, inputs=symbols)
    f(*at)
    made = time.perf_counter() - start
    f(*at)
    kernel = f._machine.version({}).kernel
    arrays = [np.array(x) for x in at]
    ready = kernel.ready(arrays, {}, 0)
    assert ready is not None
    results, memory = np.empty(len(outputs)), np.empty(ready.needed // 8 + 16)
    places = [a.ctypes.data for a in arrays] + [results.ctypes.data + 8 * k for k in range(len(outputs))]
    table = np.array([*places, memory.ctypes.data, memory.ctypes.data + ready.scratch], np.uint64)
    entry = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(ready.address)
    return made, best(lambda: f(*at)), best(lambda: entry(table.ctypes.data, None, None))


def casadis(
    casadi: ModuleType, formula: Callable[[Sequence[Any]], Any], count: int, hessian: bool, gcc: bool
) -> tuple[float, float]:
    """Seconds to make and microseconds to run CasADi's function, on its machine or as C code under gcc."""
    x = casadi.SX.sym("x", count)
    value = formula([x[k] for k in range(count)])
    start = time.perf_counter()
    outputs = [value, casadi.gradient(value, x), *([casadi.hessian(value, x)[0]] if hessian else [])]
    f = casadi.Function("f", [x], outputs)
    with tempfile.TemporaryDirectory() as folder:
        if gcc:
            here = os.getcwd()
            os.chdir(folder)
            f.generate("f.c")
            os.chdir(here)
            library = Path(folder, "f.so")
            command = ["gcc", "-O3", "-march=native", "-shared", "-fPIC", "f.c", "-o", str(library)]
            subprocess.run(command, cwd=folder, check=True)
            f = casadi.external("f", str(library))
        buffer, run = f.buffer()
        at = np.random.default_rng(0).uniform(-1, 1, count)
        results = [np.empty(f.sparsity_out(k).nnz()) for k in range(len(outputs))]
        buffer.set_arg(0, memoryview(at))
        for k, a in enumerate(results):
            buffer.set_res(k, memoryview(a))
        run()
        made = time.perf_counter() - start
        return made, best(run)


def main() -> None:
    """Print one line per formula and program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="10**6 operations and 60 bodies too")
    parser.add_argument("--gcc", action="store_true", help="CasADi's C code under gcc -O3 too (minutes)")
    chosen = parser.parse_args()
    try:
        import casadi
    except ImportError:
        casadi = None
    cases: list[tuple[str, Callable[[Any], Callable[[Sequence[Any]], Any]], int, bool]] = [
        (f"random graph, {n} operations", lambda math_, n=n: lambda given: web(n, math_.sin, given), INPUTS, False)
        for n in (10**3, 10**4, 10**5, *([10**6] if chosen.all else []))
    ]
    cases += [
        (f"{n} bodies with Hessian", lambda math_: lambda given: bodies(math_.sqrt, given), 3 * n, True)
        for n in (20, *([60] if chosen.all else []))
    ]
    for name, formula, count, hessian in cases:
        made, call, run = ours(formula(sg), count, hessian)
        print(f"{name:32} symgrad        made {made:8.2f} s, run {run:10.1f} us, called {call:10.1f} us", flush=True)
        for gcc in (False, True) if casadi is not None and chosen.gcc else (False,) if casadi is not None else ():
            made, run = casadis(casadi, formula(casadi), count, hessian, gcc)
            how = "gcc -O3" if gcc else "machine"
            print(f"{name:32} CasADi {how} made {made:8.2f} s, run {run:10.1f} us", flush=True)


if __name__ == "__main__":
    main()
