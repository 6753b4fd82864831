"""Milliseconds from a cold process, imports apart, to the first value and gradient: the median of ten processes.

Nothing is found on disk (SYMGRAD_CACHE_DIR names the null device).  symengine, where it is installed, does the formula
of scalars too.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

REPEATS = 10
START = """
import time
import numpy as np
random = np.random.default_rng(0)
"""
OURS = """
import symgrad as sg
import symgrad.compiler.tape_kernel
from symgrad.rewrite import large
begin = time.perf_counter()
"""
SCALAR = (
    OURS
    + """
f = sg.compile(sg.parse("sqrt(x**2 + exp(x**2)) + cos(x**2 + exp(x**2))", x=""), wrt="x")
f.value_and_grad(1.3)
"""
)
REGRESSION = (
    OURS
    + """
loss = sg.parse("sum(log(1 + exp(-y * (X @ w)))) + lam/2 * norm(w)**2", X="m,n", y="m", w="n", lam="")
f = sg.compile(loss, wrt="w")
f.value_and_grad(random.normal(size=10), random.normal(size=(100, 10)), np.sign(random.normal(size=100)), 0.1)
"""
)
NETWORK = (
    OURS
    + """
shapes = dict(W1="784,256", b1="256", W2="256,128", b2="128", W3="128,10", b3="10", X="m,784", Y="m,10")
hidden = "maximum(maximum(X @ W1 + b1, 0) @ W2 + b2, 0)"
loss = sg.parse(f"-sum(Y * log_softmax({hidden} @ W3 + b3, axis=1)) / m", **shapes)
f = sg.compile(loss, wrt=("W1", "b1", "W2", "b2", "W3", "b3"))
arrays = [random.normal(size=[int(n) if n != "m" else 64 for n in text.split(",")]) / 20 for text in shapes.values()]
f.value_and_grad(*arrays)
"""
)
SYMENGINE = """
import symengine
begin = time.perf_counter()
x = symengine.Symbol("x")
u = x**2 + symengine.exp(x**2)
y = symengine.sqrt(u) + symengine.cos(u)
symengine.Lambdify([x], [y, y.diff(x)], backend="llvm")([1.3])
"""
END = "print(1e3 * (time.perf_counter() - begin))"
CASES = {
    "scalar formula, MML 5.109 (goal 25)": SCALAR,
    "the same, symengine": SYMENGINE,
    "logistic regression (goal 40)": REGRESSION,
    "network 784-256-128-10 (goal 150)": NETWORK,
}


def milliseconds(program: str) -> float | None:
    """The time that one fresh process measures, None where it fails for want of a package."""
    environment = {**os.environ, "SYMGRAD_CACHE_DIR": os.devnull}
    command = [sys.executable, "-c", START + program + END]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode and "ModuleNotFoundError" not in done.stderr:
        raise RuntimeError(done.stderr)
    return None if done.returncode else float(done.stdout)


def main() -> None:
    """Print one line per case."""
    for name, program in CASES.items():
        found = [t for t in (milliseconds(program) for _ in range(REPEATS)) if t is not None]
        print(f"{name:40} {f'{statistics.median(found):7.1f} ms' if found else 'not installed'}")


if __name__ == "__main__":
    main()
