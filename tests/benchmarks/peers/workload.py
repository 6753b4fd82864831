"""What a workload is made of: the interface of peers, the stop-watch of their preparation, the measure of errors."""

from __future__ import annotations

import time
from typing import Any, NamedTuple, Protocol

import numpy as np

clock = time.perf_counter

Inputs = dict[str, Any]
"""The data of one case, by name, and what the peers must know about it."""

Limits = dict[str, dict[str, float]]
"""Rates of the machine by number of threads ("1", "2", ...), as `machine.py` measures them."""

Limit = tuple[float, str]
"""The least seconds that a case can take on the machine, and why."""


class Prepared(NamedTuple):
    """What a peer returns: `call(*args)` computes the result once, synchronously.

    `seconds` went into preparation, of which `stages` names parts."""

    seconds: float
    call: Any
    description: str
    args: tuple[Any, ...]
    stages: dict[str, float]


class Stages:
    """Stop-watch for preparation: ``st = Stages(); ...; st("diff"); ...; return st.done(f, "text")``."""

    def __init__(self) -> None:
        self.start = self.last = clock()
        self.parts: dict[str, float] = {}

    def __call__(self, name: str) -> None:
        now = clock()
        self.parts[name] = now - self.last
        self.last = now

    def done(self, call: Any, description: str, args: tuple[Any, ...] = ()) -> Prepared:
        return Prepared(clock() - self.start, call, description, args, self.parts)


class Skip(Exception):
    """Raised by a peer that cannot or should not do this case; the text is the reason."""


class Workload(Protocol):
    """A module of `workloads`; it has a function ``peer_NAME(inputs) -> Prepared`` for each peer.

    Optional: `TOLERANCE`, a number or numbers by case (default 1e-9); ``limit(inputs, limits, threads)``;
    ``check_output(output, inputs)``, which brings a peer's output into the form of the reference;
    ``skips(peer, case, threads)`` for what would take minutes; `NOTE`."""

    SIZES: list[str]

    def make_inputs(self, size: str, seed: int) -> Inputs: ...
    def reference(self, inputs: Inputs) -> Any: ...


def tolerance(workload: Workload, case: str) -> float:
    """The largest relative error with which a result of `case` counts as right."""
    found = getattr(workload, "TOLERANCE", 1e-9)
    return float(found.get(case, 1e-9) if isinstance(found, dict) else found)


def flattened(output: Any) -> list[np.ndarray[Any, Any]]:
    """Nested tuples, lists and dicts of scalars, arrays, tensors and sparse matrices as a list of float64 arrays."""
    if isinstance(output, dict):
        output = [output[k] for k in sorted(output)]
    if isinstance(output, tuple | list):
        if output and all(isinstance(v, int | float) for v in output):
            return [np.asarray(v, dtype=np.float64) for v in output]
        return [a for v in output for a in flattened(v)]
    if hasattr(output, "tocsc"):
        matrix = output.tocsc()
        matrix.sum_duplicates()
        return [matrix.toarray() if matrix.shape[0] <= 2000 else matrix.data]
    if hasattr(output, "detach"):
        output = output.detach()
    return [np.asarray(output, dtype=np.float64)]


def largest_error(got: Any, reference: Any) -> float:
    """The largest, over the reference's outputs, of max|got - reference| / max|reference|.

    How `got` groups its numbers does not matter.  Raises ValueError if their count differs."""
    wanted = [r.reshape(-1) for r in flattened(reference)]
    numbers = np.concatenate([g.reshape(-1) for g in flattened(got)])
    if numbers.size != sum(r.size for r in wanted):
        raise ValueError(f"{numbers.size} numbers, the reference has {sum(r.size for r in wanted)}")
    worst, at = 0.0, 0
    for r in wanted:
        g = numbers[at : at + r.size]
        at += r.size
        error = float(np.max(np.abs(g - r)) / max(float(np.max(np.abs(r))), 1e-300))
        worst = max(worst, error if error == error else float("inf"))
    return worst
