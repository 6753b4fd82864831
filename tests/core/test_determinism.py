"""The same formula gives the same text, table and bits in every process, whatever was built there before."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import hashlib, sys
import numpy as np
import symgrad as sg
from symgrad.graph import flatten

def noise(k):
    for j in range(50 * k):
        z = sg.parse(f"cos(q{j % 7}*r) + sum(X @ w)*{j}", X="m,n", w="n")
        z.grad("r"), z.grad("w")
    return [sg.scalar(f"s{j}") * sg.scalar(f"t{j}") for j in range(100 * k)]

kept = noise(int(sys.argv[1]))
text = "sum(log(1 + exp(-y*(X @ w)))) + lam/2*norm(w)**2 + sum(sin(w)*cos(w)*exp(-w**2))"
L = sg.parse(text, X="m,n", y="m", w="n", lam="")
g, H = L.grad("w"), L.hessian("w")
print(g)
print(H)
print(hashlib.sha256(repr(flatten([L.node, g.node, H.node])).encode()).hexdigest())
f = sg.compile(L, wrt="w")
rng = np.random.default_rng(0)
values = rng.normal(size=7), rng.normal(size=(33, 7)), np.sign(rng.normal(size=33)), 0.1
print(f.show("program"))
for result in (*f.value_and_grad(*values), f.hessian(*values)):
    print(np.asarray(result).tobytes().hex())
"""


def printed(history: int, seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(history)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def alone() -> str:
    """What a process prints that built nothing before."""
    return printed(0, "0")


@pytest.mark.parametrize(("history", "seed"), [(0, "1"), (1, "0"), (2, "12345")])
def test_history_and_hashes_change_nothing(history: int, seed: str, alone: str) -> None:
    assert printed(history, seed) == alone
