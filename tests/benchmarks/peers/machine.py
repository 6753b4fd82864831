"""What this machine can do at best: bandwidths, peaks of matrix products, rates of vector mathematics, costs of calls.

``python -m peers.machine THREADS`` prints them as JSON; `limits` measures and keeps them.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import statistics
import subprocess
import sys
import timeit
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .native import build, callcost, vector_math_flags
from .workload import Limits

CACHES = (("l1", 0.03), ("l2", 0.5), ("4mb", 4), ("8mb", 8), ("16mb", 16), ("40mb", 40), ("80mb", 80))
"""Sizes in MiB at which the rate of reading is measured."""


@contextlib.contextmanager
def pinned(threads: int, core: int) -> Iterator[None]:
    """Processes started inside stay on `core`, or on as many processors as there are threads."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core} if threads == 1 else set(sorted(allowed)[:threads]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def limits(kept: Path, threads: list[int], environment: dict[str, str], core: int) -> Limits | None:
    """The rates in the file `kept`, measured first (about a minute) if there is no such file; None without gcc."""
    if not kept.exists():
        found = {}
        for n in sorted({1, *threads}):
            env = {**environment, **{f"{library}_NUM_THREADS": str(n) for library in ("OMP", "OPENBLAS", "MKL")}}
            command = [sys.executable, "-m", f"{__package__}.machine", str(n)]
            folder = Path(__file__).parent.parent
            with pinned(n, core):
                run = subprocess.run(command, env=env, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
            if run.returncode:
                return None
            found[str(n)] = json.loads(run.stdout)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(found, indent=1))
    known: Limits = json.loads(kept.read_text())
    return known


def _times(call: Callable[[], Any], seconds: float = 0.4) -> tuple[float, float]:
    """Best and median seconds per call over about `seconds`."""
    timer = timeit.Timer(call)
    number = max(1, int(2e-3 / max(timer.timeit(1), 1e-9)))
    samples: list[float] = []
    while sum(samples) * number < seconds or len(samples) < 5:
        samples.append(timer.timeit(number) / number)
    return min(samples), statistics.median(samples)


def _pointer(a: np.ndarray[Any, Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(a.ctypes.data)


def _memory(lib: ctypes.CDLL) -> Iterator[tuple[str, float]]:
    big = np.ones((1 << 27) + 8)  # 1 GiB
    big = big[-(big.ctypes.data // 8) % 8 :][: 1 << 27]  # streaming stores need an alignment of 64 bytes
    n = ctypes.c_size_t(big.size)
    yield "read_dram_GBs", big.nbytes / _times(lambda: lib.read_sum(_pointer(big), n, 1), 2)[1] / 1e9
    for name, mib in CACHES:
        a = np.ones(int(mib * 2**17) // 128 * 128)
        repeat = max(1, int(2e6 // a.size))
        t = _times(partial(lib.read_sum, _pointer(a), ctypes.c_size_t(a.size), repeat))[1] / repeat
        yield f"read_{name}_GBs", a.nbytes / t / 1e9
    half, target = big[: 1 << 26], big[1 << 26 :]
    m = ctypes.c_size_t(half.size)
    moved = 2 * half.nbytes / 1e9
    yield "copy_stream_GBs", moved / _times(lambda: lib.copy(_pointer(target), _pointer(half), m), 1)[1]
    yield "copy_plain_GBs", moved / _times(lambda: lib.copy_plain(_pointer(target), _pointer(half), m), 1)[1]
    yield "numpy_copy_GBs", moved / _times(lambda: np.copyto(target, half), 1)[1]


def _products() -> Iterator[tuple[str, float]]:
    for dtype, name in ((np.float64, "dgemm"), (np.float32, "sgemm")):
        for size in (512, 2048):
            a = np.random.default_rng(0).random((size, size)).astype(dtype)
            b, c = a.copy(), a.copy()
            best, middle = _times(partial(np.matmul, a, b, out=c), 1.5)
            yield f"{name}_{size}_numpy_GFs", 2 * size**3 / middle / 1e9
            yield f"{name}_{size}_numpy_best_GFs", 2 * size**3 / best / 1e9


def _mathematics(lib: ctypes.CDLL) -> Iterator[tuple[str, float]]:
    rounds = 10**6
    seconds = _times(lambda: lib.fma_peak(ctypes.c_long(rounds)), 0.5)[1]
    yield "fma_f64_1core_GFs", rounds * lib.flops_a_round() / seconds / 1e9
    x = np.random.default_rng(0).random(1 << 14) * 3 + 0.1  # 128 KiB: in the second cache
    y = x.copy()
    k = ctypes.c_size_t(x.size)
    for f in ("exp", "sin", "log", "tanh"):
        for maker in ("mvec", "sleef", "svml"):
            if hasattr(lib, f"{maker}_{f}"):
                call = getattr(lib, f"{maker}_{f}")
                yield f"{maker}_{f}_Geps", x.size / _times(partial(call, _pointer(y), _pointer(x), k), 0.3)[1] / 1e9
                error = np.max(np.abs(y / getattr(np, f)(x) - 1))
                assert error < 1e-14, (maker, f, error)
        ufunc = getattr(np, f)
        yield f"numpy_{f}_Geps", x.size / _times(partial(ufunc, x, out=y), 0.3)[1] / 1e9
    for f in ("div_rate", "sqrt_rate"):
        call = getattr(lib, f)
        yield f"{f}_Geps", x.size / _times(partial(call, _pointer(y), _pointer(x), k), 0.3)[1] / 1e9


def _calls() -> Iterator[tuple[str, float]]:
    extension, plain = callcost(), ctypes.CDLL(build("callcost"))
    plain.plain_vd.argtypes = [ctypes.c_double, ctypes.c_void_p]
    scope = {
        "x": 1.3, "buffer": (ctypes.c_double * 2)(), "python": lambda x: x, "exp": math.exp, "empty": extension.empty,
        "identity": extension.identity, "pair": extension.value_and_derivative, "plain_empty": plain.plain_empty,
        "plain_pair": plain.plain_vd,
    }  # fmt: skip
    statements = {
        "empty_loop": "pass", "python_def": "python(x)", "fastcall_empty": "empty(x)",
        "fastcall_float_to_float": "identity(x)", "fastcall_f_and_df": "pair(x)", "ctypes_empty": "plain_empty()",
        "ctypes_f_and_df": "plain_pair(x, buffer)", "math_exp": "exp(x)",
    }  # fmt: skip
    for name, statement in statements.items():
        times = timeit.repeat(statement, number=200_000, repeat=15, globals=scope)
        yield f"call_{name}_ns", statistics.median(times) / 2e-4


def measure(threads: int) -> dict[str, float]:
    """The rates with so many threads; mathematics and calls with one thread only."""
    lib = ctypes.CDLL(build("limits", vector_math_flags()))
    lib.read_sum.restype = lib.fma_peak.restype = ctypes.c_double
    found = {**dict(_memory(lib)), **dict(_products())}
    if threads == 1:
        found.update({**dict(_mathematics(lib)), **dict(_calls())})
    return found


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
