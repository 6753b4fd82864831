"""Nanoseconds per call from Python: compiled functions beside a builtin in C, NumPy, Numba and plain Python.

What is compared runs in turns, a slice of time each, so that whatever else the machine does meets all alike; the best
slice of each counts.  `ratio` is to the first of a group.  `python tests/benchmarks/bench_calls.py [ROUNDS]`.
"""

from __future__ import annotations

import importlib.util
import math
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import symgrad as sg

SLICE = 0.02
"""Seconds that one measurement takes."""
TEXT = "sqrt(x**2 + exp(x**2)) + cos(x**2 + exp(x**2))"
"""Mathematics for Machine Learning (Deisenroth, Faisal, Ong, 2020), equation 5.109."""
SOURCE = r"""
#include <Python.h>
#include <math.h>
static int one(PyObject *const *a, Py_ssize_t n, double *x) {
    if (n == 1 && PyFloat_CheckExact(a[0])) { *x = PyFloat_AS_DOUBLE(a[0]); return 1; }
    PyErr_SetString(PyExc_TypeError, "expected one float");
    return 0;
}
static PyObject *both(PyObject *self, PyObject *const *a, Py_ssize_t n) {
    double x;
    if (!one(a, n, &x)) return NULL;
    double s = x*x, e = exp(s), u = s + e, r = sqrt(u);
    PyObject *t = PyTuple_New(2);
    if (!t) return NULL;
    PyTuple_SET_ITEM(t, 0, PyFloat_FromDouble(r + cos(u)));
    PyTuple_SET_ITEM(t, 1, PyFloat_FromDouble((0.5/r - sin(u)) * (2*x + 2*x*e)));
    return t;
}
static PyObject *square(PyObject *self, PyObject *const *a, Py_ssize_t n) {
    double x;
    return one(a, n, &x) ? PyFloat_FromDouble(x*x) : NULL;
}
static PyMethodDef methods[] = {{"both", (PyCFunction)both, METH_FASTCALL, ""},
                                {"square", (PyCFunction)square, METH_FASTCALL, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "handwritten", 0, -1, methods};
PyMODINIT_FUNC PyInit_handwritten(void) { return PyModule_Create(&module); }
"""

Case = tuple[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def handwritten() -> Any:
    """The functions in C as a module; None without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    folder = Path(tempfile.mkdtemp())
    source, library = folder / "handwritten.c", folder / "handwritten.so"
    source.write_text(SOURCE)
    include = f"-I{sysconfig.get_paths()['include']}"
    command = [compiler, "-O3", "-march=native", "-shared", "-fPIC", include, str(source), "-o", str(library), "-lm"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return None
    spec = importlib.util.spec_from_file_location("handwritten", library)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plain(x: float) -> tuple[float, float]:
    """Value and derivative in plain Python."""
    s = x * x
    e = math.exp(s)
    u = s + e
    r = math.sqrt(u)
    return r + math.cos(u), (0.5 / r - math.sin(u)) * (2 * x + 2 * x * e)


def floats() -> list[Case]:
    """Value and derivative of a float."""
    f = sg.compile(sg.parse(TEXT, x=""), wrt="x")
    both = f.value_and_grad
    c = handwritten()
    found: list[Case] = [("builtin in C", c.both, (1.1,), {})] if c else []
    found += [("symgrad", both, (1.1,), {}), ("plain Python", plain, (1.1,), {})]
    if importlib.util.find_spec("numba"):
        import numba

        found.append(("numba", numba.njit(plain), (1.1,), {}))
    return found


def squares() -> list[Case]:
    """The least there is to do: x*x."""
    c = handwritten()
    found: list[Case] = [("builtin in C", c.square, (1.1,), {})] if c else []
    return [*found, ("symgrad", sg.compile(sg.parse("x*x", x="")), (1.1,), {}), ("lambda", lambda x: x * x, (1.1,), {})]


def least_squares(w: Any, A: Any, y: Any) -> tuple[float, Any]:
    """Value and gradient in NumPy."""
    r = A @ w - y
    return r @ r, 2 * (r @ A)


def small_arrays() -> list[Case]:
    """Value and gradient of a sum of squares with three small arrays."""
    rng = np.random.default_rng(0)
    args = (rng.normal(size=3), rng.normal(size=(3, 3)), rng.normal(size=3))
    f = sg.compile(sg.parse("sum((A @ w - y)**2)", w="n", A="m,n", y="m"), wrt="w").value_and_grad
    out = (np.empty(()), np.empty(3))
    return [("symgrad, out=", f, args, {"out": out}), ("symgrad, allocating", f, args, {}),
            ("symgrad, keywords", f, args[:2], {"y": args[2]}), ("NumPy", least_squares, args, {})]  # fmt: skip


def logistic(w: Any, X: Any, y: Any, lam: float) -> tuple[float, Any]:
    """Value and gradient in NumPy."""
    t = -y * (X @ w)
    value = np.logaddexp(0, t).sum() + lam / 2 * (w @ w)
    return value, X.T @ (-y / (1 + np.exp(-t))) + lam * w


def regression() -> list[Case]:
    """Value and gradient of logistic regression, 1000 samples of 10 features."""
    rng = np.random.default_rng(0)
    args = (rng.normal(size=10), rng.normal(size=(1000, 10)), np.sign(rng.normal(size=1000)), 0.1)
    text = "sum(log(1 + exp(-y * (X @ w)))) + lam/2 * norm(w)**2"
    f = sg.compile(sg.parse(text, w="n", X="m,n", y="m", lam=""), wrt="w").value_and_grad
    return [("symgrad", f, args, {}), ("NumPy", logistic, args, {})]


def network() -> list[Case]:
    """Value and gradient of a 4-16-3 network on a batch of 150."""
    rng = np.random.default_rng(0)
    z = "(tanh(X @ W1 + b1) @ W2 + b2)"
    text = f"mean(logsumexp({z}, axis=1) - sum(Y*{z}, axis=1))"
    loss = sg.parse(text, W1="i,h", b1="h", W2="h,o", b2="o", X="m,i", Y="m,o")
    f = sg.compile(loss, wrt=("W1", "b1", "W2", "b2")).value_and_grad
    shapes = [(4, 16), (16,), (16, 3), (3,), (150, 4)]
    args = (*(rng.normal(size=s) for s in shapes), np.eye(3)[rng.integers(0, 3, 150)])
    return [("symgrad", f, args, {})]


def measure(cases: list[Case], rounds: int) -> list[float]:
    """The best nanoseconds per call of each case, measured in turns."""
    timers, numbers = [], []
    for _, f, args, keywords in cases:
        for _ in range(3):
            f(*args, **keywords)
        names = [f"a{k}" for k in range(len(args))] + [f"{k}=k_{k}" for k in keywords]
        known = {"f": f, **{f"a{k}": a for k, a in enumerate(args)}, **{f"k_{k}": v for k, v in keywords.items()}}
        timers.append(timeit.Timer(f"f({', '.join(names)})", globals=known))
        once = timers[-1].timeit(100) / 100
        numbers.append(max(1, int(SLICE / once)))
    best = [math.inf] * len(cases)
    for _ in range(rounds):
        for k, (timer, number) in enumerate(zip(timers, numbers, strict=True)):
            best[k] = min(best[k], timer.timeit(number) / number * 1e9)
    return best


def main() -> None:
    """Print one line per case."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    for group in (floats, squares, small_arrays, regression, network):
        print(group.__doc__)
        cases = group()
        best = measure(cases, rounds)
        for (name, *_), ns in zip(cases, best, strict=True):
            print(f"  {name:22} {ns:10.0f} ns   ratio {ns / best[0]:.2f}")


if __name__ == "__main__":
    main()
