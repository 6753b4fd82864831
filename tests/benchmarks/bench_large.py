"""Formulas written out in many operations: seconds to make value and gradient, microseconds to run them.

A random sharing graph of 10**3 to 10**5 operations (10**6 with ``--all``), the energy, gradient and Hessian of 20
bodies (60 with ``--all``), and a SymPy expression of 10**4 operations (10**5 with ``--all``): seconds to make value and
derivatives, from the expression to the first result; microseconds of a call.  Beside them, where they are installed,
CasADi's machine and heyoka (up to 10**4 operations), and with ``--gcc`` CasADi's C code under gcc -O3.  ``--only``
chooses by a part of the name.  The largest difference from CasADi's results, relative to the largest one, is shown too.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
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


Results = np.ndarray[Any, Any]


def point(count: int) -> Results:
    """Where everything is computed."""
    return np.random.default_rng(0).uniform(-1, 1, count)


def ours(formula: Callable[[Sequence[Any]], Any], count: int, hessian: bool) -> tuple[float, float, float, Results]:
    """Seconds to make, microseconds of a call from Python, and of the code alone; the results."""
    names = [f"x{k}" for k in range(count)]
    symbols = [sg.scalar(name) for name in names]
    value = formula(symbols)
    at = point(count).tolist()
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
    return made, best(lambda: f(*at)), best(lambda: entry(table.ctypes.data, None, None)), results


def casadis(
    casadi: ModuleType, formula: Callable[[Sequence[Any]], Any], count: int, hessian: bool, gcc: bool
) -> tuple[float, float, Results]:
    """Seconds to make and microseconds to run CasADi's function, on its machine or as C code under gcc; its results."""
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
        at = point(count)
        results = [np.empty(f.sparsity_out(k).nnz()) for k in range(len(outputs))]
        buffer.set_arg(0, memoryview(at))
        for k, a in enumerate(results):
            buffer.set_res(k, memoryview(a))
        run()
        made = time.perf_counter() - start
        time_of_call = best(run)
        return made, time_of_call, np.concatenate([np.array(f_k).T.ravel() for f_k in f.call([at])])


def heyokas(
    heyoka: ModuleType, formula: Callable[[Sequence[Any]], Any], count: int, hessian: bool
) -> tuple[float, float, Results]:
    """Seconds to make and microseconds to run heyoka's compiled function; its results."""
    x = heyoka.make_vars(*[f"x{k:05}" for k in range(count)])
    value = formula(x)
    start = time.perf_counter()
    tensors = heyoka.diff_tensors([value], diff_args=x, diff_order=1 + hessian)
    outputs = [value, *tensors.gradient, *(tensors.hessian(0).ravel() if hessian else ())]
    f = heyoka.cfunc(outputs, vars=x)
    at, results = point(count), np.empty(len(outputs))
    f(at, outputs=results)
    return time.perf_counter() - start, best(lambda: f(at, outputs=results)), results


def from_sympy(n: int) -> None:
    """Prints what becomes of a SymPy expression of `n` operations: its conversion, and its value and gradient."""
    try:
        import sympy
    except ImportError:
        return
    with sympy.evaluate(False):
        expression = web(n, sympy.sin, sympy.symbols(f"x:{INPUTS}"))
    start = time.perf_counter()
    converted = sg.from_sympy(expression)
    taken = time.perf_counter() - start
    made, call, run, _ = ours(lambda given: converted, INPUTS, False)
    print(f"{f'from SymPy, {n} operations':32} symgrad        converted in {taken:.2f} s, made {made:8.2f} s, "
          f"run {run:10.1f} us, called {call:10.1f} us", flush=True)  # fmt: skip


def installed(name: str) -> ModuleType | None:
    """The package `name` if there is one."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def compare(
    name: str, formula: Callable[[Any], Callable[[Sequence[Any]], Any]], count: int, hessian: bool, gcc: bool
) -> None:
    """Prints one line for each program."""
    made, call, run, results = ours(formula(sg), count, hessian)
    print(f"{name:32} symgrad        made {made:8.2f} s, run {run:10.1f} us, called {call:10.1f} us", flush=True)
    peers: list[tuple[str, Callable[[], tuple[float, float, Results]]]] = []
    casadi, heyoka = installed("casadi"), installed("heyoka")
    if casadi is not None:
        peers.append(("CasADi machine", lambda: casadis(casadi, formula(casadi), count, hessian, False)))
    if casadi is not None and gcc:
        peers.append(("CasADi gcc -O3", lambda: casadis(casadi, formula(casadi), count, hessian, True)))
    if heyoka is not None and not name.endswith(MUCH_FOR_HEYOKA):
        peers.append(("heyoka", lambda: heyokas(heyoka, formula(heyoka), count, hessian)))
    for peer, measure in peers:
        made, time_of_call, theirs = measure()
        error = np.abs(theirs - results).max() / np.abs(theirs).max() if theirs.shape == results.shape else math.nan
        print(f"{name:32} {peer:14} made {made:8.2f} s, run {time_of_call:10.1f} us; ours takes "
              f"{run / time_of_call:.2f} of it, differs by {error:.0e}", flush=True)  # fmt: skip


MUCH_FOR_HEYOKA = ("100000 operations", "1000000 operations", "60 bodies with Hessian")


def main() -> None:
    """Print the lines of all formulas."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="10**6 operations, 60 bodies, SymPy with 10**5 (minutes)")
    parser.add_argument("--gcc", action="store_true", help="CasADi's C code under gcc -O3 too (minutes)")
    parser.add_argument("--only", default="", help="only formulas with this in their names")
    chosen = parser.parse_args()
    cases: list[tuple[str, Callable[[Any], Callable[[Sequence[Any]], Any]], int, bool]] = [
        (f"random graph, {n} operations", lambda math_, n=n: lambda given: web(n, math_.sin, given), INPUTS, False)
        for n in (10**3, 10**4, 10**5, *([10**6] if chosen.all else []))
    ]
    cases += [
        (f"{n} bodies with Hessian", lambda math_: lambda given: bodies(math_.sqrt, given), 3 * n, True)
        for n in (20, *([60] if chosen.all else []))
    ]
    for case in cases:
        if chosen.only in case[0]:
            compare(*case, chosen.gcc)
    if chosen.only in "from SymPy":
        from_sympy(10**5 if chosen.all else 10**4)


if __name__ == "__main__":
    main()
