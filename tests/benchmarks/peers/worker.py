"""One peer on one case in a process of its own: import, prepare, first call, check, then time on request.

Started by `measuring.py`.  Prints one record as JSON ("ready", "wrong", "skip" or "error"), then for each line
``go SECONDS`` on its standard input the seconds per call that it measured in that turn.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import re
import resource
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .workload import Skip, clock, largest_error

IMPORTS = {
    "jax": ["jax", "jax.numpy"], "torch": ["torch", "torch.func"], "numba": ["numba"], "casadi": ["casadi"],
    "symengine": ["symengine"], "sympy": ["sympy"], "heyoka": ["heyoka"], "pytensor": ["pytensor", "pytensor.tensor"],
    "autograd": ["autograd", "autograd.numpy"], "numexpr": ["numexpr"], "scipy": ["scipy.special", "scipy.sparse"],
    "symgrad": ["symgrad"],
}  # fmt: skip
"""What is imported before the clock of preparation starts, by the first word of a peer's name."""

SHORTEST_SAMPLE = 2e-3
"""Seconds that one sample takes at least; a sample of a slower peer is one call."""


def _memory_mb(field: str) -> float:
    found = re.search(field + r":\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found.group(1)) / 1024 if found else 0.0


def _timing_loop(call: Any, args: tuple[Any, ...]) -> Callable[[int], float]:
    """Seconds per call over n calls, without a Python frame more than the calls need."""
    names = ", ".join(f"a{i}" for i in range(len(args)))
    source = f"def loop(n):\n  r = range(n)\n  t = clock()\n  for _ in r: f({names})\n  return (clock() - t) / n"
    scope: dict[str, Any] = {"f": call, "clock": clock, **{f"a{i}": a for i, a in enumerate(args)}}
    exec(source, scope)
    loop: Callable[[int], float] = scope["loop"]
    return loop


def _calibrated(loop: Callable[[int], float]) -> int:
    """The number of calls of one sample."""
    per_call = loop(1)
    for n in (10, 100, 1000):
        if per_call * n < 2 * SHORTEST_SAMPLE:
            per_call = loop(n)
    return max(1, int(SHORTEST_SAMPLE / per_call))


def _imported(peer: str) -> float:
    """Seconds that the import of the peer's libraries takes.  Raises Skip for a library that is not installed."""
    start = clock()
    try:
        for name in IMPORTS.get(peer.split("_")[0], []):
            importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise Skip(f"{error.name} is not installed") from None
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        torch.set_default_dtype(torch.float64)
    return clock() - start


def work(
    say: Callable[..., None], workload: str, peer: str, case: str, seed: int, reference: Path, bound: float
) -> None:
    """The life of a worker; `say` sends a record, `bound` is the largest error of a right result."""
    import_s = _imported(peer)
    module = importlib.import_module(f"{__package__}.workloads.{workload}")
    inputs = module.make_inputs(case, seed)
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark of the memory
    before = _memory_mb("VmRSS")
    prepared = getattr(module, "peer_" + peer)(inputs)
    start = clock()
    output = prepared.call(*prepared.args)
    first_s = clock() - start
    peak = max(_memory_mb("VmHWM") - before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
    check = getattr(module, "check_output", None)
    error = largest_error(check(output, inputs) if check else output, pickle.loads(reference.read_bytes()))
    right = error <= bound
    say(kind="ready" if right else "wrong", import_s=import_s, prepare_s=prepared.seconds, first_s=first_s,
        stages=prepared.stages, description=prepared.description, error=error, peak_mb=peak)  # fmt: skip
    if not right:
        return
    loop = _timing_loop(prepared.call, prepared.args)
    n = _calibrated(loop)
    for line in sys.stdin:
        samples: list[float] = []
        end = clock() + float(line.split()[1])
        while not samples or clock() < end:
            samples.append(loop(n))
        say(kind="times", samples=samples)


def main(workload: str, peer: str, case: str, seed: str, reference: str, bound: str) -> None:
    """Runs a worker whose records go to standard output; what libraries print goes to standard error."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(**record: Any) -> None:
        channel.write(json.dumps(record) + "\n")
        channel.flush()

    try:
        work(say, workload, peer, case, int(seed), Path(reference), float(bound))
    except Skip as reason:
        say(kind="skip", why=str(reason))
    except BaseException as error:
        traceback.print_exc()
        say(kind="error", why=f"{type(error).__name__}: {str(error)[:300]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
