"""Milliseconds from a cold process, imports apart, to the first value and gradient; then the same in a second process,
which finds the code on disk.

Every line is the median of fresh processes, which run in turns with those of the peers that are installed.
`python tests/benchmarks/bench_latency.py [PROCESSES]`.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile

DATA = """
rng = np.random.default_rng(0)
logistic = (rng.normal(size=10), rng.normal(size=(1000, 10)), np.sign(rng.normal(size=1000)), 0.1)
sizes = [784, 256, 128, 10]
layers = [a for m, n in zip(sizes, sizes[1:]) for a in (rng.normal(size=(m, n)) / m**0.5, np.zeros(n))]
batch = (rng.normal(size=(32, 784)), np.eye(10)[rng.integers(0, 10, 32)])
"""
OURS = {
    "MML 5.109": """
f = sg.compile(sg.parse("sqrt(x**2 + exp(x**2)) + cos(x**2 + exp(x**2))", x=""), wrt="x")
f.value_and_grad(1.1)
""",
    "logistic 1000 x 10": """
text = "sum(log(1 + exp(-y * (X @ w)))) + lam/2 * norm(w)**2"
f = sg.compile(sg.parse(text, w="n", X="m,n", y="m", lam=""), wrt="w")
f.value_and_grad(*logistic)
""",
    "784-256-128-10": """
z = "(tanh(tanh(X @ W1 + b1) @ W2 + b2) @ W3 + b3)"
names = ("W1", "b1", "W2", "b2", "W3", "b3")
types = dict(W1="i,h", b1="h", W2="h,k", b2="k", W3="k,o", b3="o", X="m,i", Y="m,o")
f = sg.compile(sg.parse(f"mean(logsumexp({z}, axis=1) - sum(Y*{z}, axis=1))", **types), wrt=names)
f.value_and_grad(*layers, *batch)
""",
}
JAX = {
    "MML 5.109": """
f = lambda x: jnp.sqrt(x**2 + jnp.exp(x**2)) + jnp.cos(x**2 + jnp.exp(x**2))
jax.block_until_ready(jax.jit(jax.value_and_grad(f))(1.1))
""",
    "logistic 1000 x 10": """
f = lambda w, X, y, lam: jnp.sum(jnp.logaddexp(0, -y * (X @ w))) + lam/2 * w @ w
jax.block_until_ready(jax.jit(jax.value_and_grad(f))(*logistic))
""",
    "784-256-128-10": """
def f(p, X, Y):
    z = jnp.tanh(jnp.tanh(X @ p[0] + p[1]) @ p[2] + p[3]) @ p[4] + p[5]
    return jnp.mean(jax.nn.logsumexp(z, axis=1) - jnp.sum(Y*z, axis=1))
jax.block_until_ready(jax.jit(jax.value_and_grad(f))(layers, *batch))
""",
}
IMPORTS = {
    "symgrad": "import llvmlite.binding\nimport symgrad as sg",
    "jax": "import jax, jax.numpy as jnp\njax.config.update('jax_enable_x64', True)\njnp.zeros(1).block_until_ready()",
}


def milliseconds(library: str, program: str, cache: str) -> float:
    """The time of `program` in a fresh process, without its imports and data."""
    lines = ["import time", "import numpy as np", IMPORTS[library], DATA, "start = time.perf_counter()", program,
             "print(time.perf_counter() - start)"]  # fmt: skip
    environment = {**os.environ, "SYMGRAD_CACHE_DIR": cache}
    found = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], env=environment, capture_output=True, text=True, check=True
    )
    return 1e3 * float(found.stdout.split()[-1])


def main() -> None:
    """Print one line per workload."""
    processes = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    jax = importlib.util.find_spec("jax") is not None
    for name, program in OURS.items():
        times: dict[str, list[float]] = {"first": [], "second": [], "jax": []}
        for _ in range(processes):
            with tempfile.TemporaryDirectory() as cache:
                times["first"].append(milliseconds("symgrad", program, cache))
                times["second"].append(milliseconds("symgrad", program, cache))
            if jax:
                times["jax"].append(milliseconds("jax", JAX[name], os.devnull))
        first, second = statistics.median(times["first"]), statistics.median(times["second"])
        peer = f"   jax {statistics.median(times['jax']):6.0f} ms" if jax else ""
        ratio = f"   ratio to jax {first / statistics.median(times['jax']):.2f}" if jax else ""
        print(f"{name:20} first {first:6.1f} ms   second process {second:6.1f} ms{peer}{ratio}")


if __name__ == "__main__":
    main()
