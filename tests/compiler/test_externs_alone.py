"""SciPy's BLAS is used without the package around it, which is whole when it is imported later."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
import numpy as np
import symgrad as sg

A, B = np.random.default_rng(0).normal(size=(2, 90, 90))
f = sg.compile(sg.parse("A @ B", A="m,n", B="n,k"))
assert "cython_blas" in f.show("llvm")
assert np.allclose(f(A, B), A @ B)
assert "scipy.linalg" not in sys.modules

import scipy.linalg
import scipy.linalg.cython_blas as blas
import scipy.optimize

assert scipy.linalg.cython_blas is blas is sys.modules["scipy.linalg.cython_blas"]
assert "dgemm" in blas.__pyx_capi__
assert np.allclose(A @ scipy.linalg.solve(A, B), B)
assert np.allclose(f(B, A), B @ A)
g = sg.compile(sg.parse("A @ B + 1", A="m,n", B="n,k"))
assert np.allclose(g(A, B), A @ B + 1)
"""


def test_blas_alone_and_the_package_later() -> None:
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
