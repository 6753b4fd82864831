"""All peers of a case, each in a process of its own and stopped while it is not its turn, timed in turns A B C A B C …
so that the machine's noise hits them alike.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pickle
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .machine import pinned
from .workload import Inputs, Limits, Workload, tolerance

BENCHMARKS = Path(__file__).resolve().parent.parent
ROOT = BENCHMARKS.parent.parent
Record = dict[str, Any]

SLOW = 1.0
"""A peer that takes so many seconds a call is timed in the first turns only."""
TURNS_OF_SLOW = 3


@dataclass(frozen=True)
class Plan:
    """How to measure: turns per peer and their seconds, the core of runs with one thread, the most seconds that a
    peer may prepare, the seed of the data; `verbose` shows what the peers print."""

    turns: int
    seconds: float
    core: int
    limit: float
    seed: int
    verbose: bool


def load(name: str) -> Workload:
    """The workload `name`."""
    found: Any = importlib.import_module(f"{__package__}.workloads.{name}")
    return found  # type: ignore[no-any-return]


def peers_of(workload: Workload) -> list[str]:
    """The names of the peers that a workload knows."""
    return [name[5:] for name in vars(workload) if name.startswith("peer_")]


def clean_environment() -> dict[str, str]:
    """The environment without choices of kernels that OPENBLAS_* may pin: no side shall be held back."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS")}


def environment(threads: int, scratch: str) -> dict[str, str]:
    """A worker's environment: its number of threads, and caches of its own, so that every preparation is cold."""
    found = clean_environment()
    for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "NUMBA"):
        found[f"{library}_NUM_THREADS"] = str(threads)
    found["XLA_FLAGS"] = "" if threads > 1 else "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    path = os.pathsep.join([str(BENCHMARKS), str(ROOT), *filter(None, [found.get("PYTHONPATH")])])
    found.update(
        JAX_ENABLE_X64="1", JAX_PLATFORMS="cpu", TMPDIR=scratch, PYTHONPATH=path, PYTHONWARNINGS="ignore",
        PYTENSOR_FLAGS=f"base_compiledir={scratch}/pytensor", TORCHINDUCTOR_CACHE_DIR=f"{scratch}/inductor",
        TORCHINDUCTOR_FORCE_DISABLE_CACHES="1", SYMGRAD_CACHE_DIR=f"{scratch}/symgrad",
    )  # fmt: skip
    return found


class Worker:
    """A peer's process: `record` holds what is known about it, `samples` one list of seconds per call for each turn."""

    def __init__(self, names: Sequence[str], reference: Path, bound: float, threads: int, plan: Plan) -> None:
        self.workload, self.peer, self.case = names
        self.samples: list[list[float]] = []
        self.plan = plan
        self.scratch = tempfile.mkdtemp(prefix="symgrad-bench-")
        command = [sys.executable, "-m", f"{__package__}.worker", *names, str(plan.seed), str(reference), str(bound)]
        with pinned(threads, plan.core):
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=None if plan.verbose else subprocess.DEVNULL,
                env=environment(threads, self.scratch), cwd=self.scratch, start_new_session=True,
            )  # fmt: skip
        self.buffer = b""
        self.record: Record = self._read() or {"kind": "timeout", "why": f"no result in {plan.limit:g} s"}
        self.alive = self.record["kind"] == "ready"
        if self.alive:
            self._signal(signal.SIGSTOP)
        else:
            self.stop()

    def _read(self) -> Record | None:
        """The next record; None if it does not come in time."""
        assert self.process.stdout is not None
        end = time.monotonic() + self.plan.limit
        while b"\n" not in self.buffer:
            if not select.select([self.process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
                return None
            piece = os.read(self.process.stdout.fileno(), 1 << 20)
            if not piece:
                return {"kind": "error", "why": f"the process ended with status {self.process.wait()}"}
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        found: Record = json.loads(line)
        return found

    def _signal(self, number: int) -> None:
        """To the whole session: idle thread pools must not spin beside another peer's turn."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    @property
    def is_slow(self) -> bool:
        return bool(self.samples) and statistics.median(self.samples[0]) > SLOW

    def turn(self) -> None:
        """One turn of timing."""
        assert self.process.stdin is not None
        self._signal(signal.SIGCONT)
        self.process.stdin.write(f"go {self.plan.seconds}\n".encode())
        self.process.stdin.flush()
        answer = self._read()
        if not answer or answer["kind"] != "times":
            self.record.update(kind="timeout" if not answer else "error", why="while it was timed")
            self.alive = False
            self.stop()
            return
        self.samples.append(answer["samples"])
        self._signal(signal.SIGSTOP)

    def stop(self) -> None:
        """Ends the process and removes its files."""
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def summary(self) -> Record:
        """`time_s`, the median over turns of a turn's median; `spread`, the interquartile range of the turns' medians
        over that."""
        found: Record = {"peer": self.peer, **self.record}
        if self.samples:
            turns = sorted(statistics.median(t) for t in self.samples)
            middle = statistics.median(turns)
            low, _, high = statistics.quantiles(turns, n=4) if len(turns) > 2 else (turns[0], middle, turns[-1])
            found.update(time_s=middle, best_s=min(map(min, self.samples)), spread=(high - low) / middle,
                         turns=len(turns), calls=sum(map(len, self.samples)))  # fmt: skip
        return found


@contextlib.contextmanager
def _reference(workload: Workload, inputs: Inputs) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(suffix=".reference") as file:
        pickle.dump(workload.reference(inputs), file)
        file.flush()
        yield Path(file.name)


def run_case(name: str, case: str, peers: Sequence[str], threads: int, limits: Limits | None, plan: Plan) -> Record:
    """All `peers` on one case, timed in turns."""
    workload = load(name)
    inputs = workload.make_inputs(case, plan.seed)
    with _reference(workload, inputs) as reference:
        bound = tolerance(workload, case)
        workers = [Worker((name, peer, case), reference, bound, threads, plan) for peer in peers]
    try:
        for turn in range(plan.turns):
            for worker in workers:
                if worker.alive and not (worker.is_slow and turn >= TURNS_OF_SLOW):
                    worker.turn()
    finally:
        for worker in workers:
            worker.stop()
    least = getattr(workload, "limit", None)
    return {
        "workload": name, "case": case, "threads": threads, "rows": [w.summary() for w in workers],
        "limit": least(inputs, limits, threads) if least and limits else None,
        "note": getattr(workload, "NOTE", ""), "date": time.strftime("%Y-%m-%d %H:%M"),
    }  # fmt: skip


def run_cold(name: str, case: str, peers: Sequence[str], times: int, plan: Plan) -> Record:
    """Preparation and first result only, in `times` fresh processes for each peer, the peers in turns."""
    workload = load(name)
    found: dict[str, list[Record]] = {peer: [] for peer in peers}
    with _reference(workload, workload.make_inputs(case, plan.seed)) as reference:
        for _ in range(times):
            for peer in peers:
                worker = Worker((name, peer, case), reference, tolerance(workload, case), 1, plan)
                worker.stop()
                found[peer].append(worker.record)
    rows = [{"peer": peer, **_cold_summary(records)} for peer, records in found.items()]
    return {"workload": name, "case": case, "cold": times, "rows": rows, "date": time.strftime("%Y-%m-%d %H:%M")}


def _cold_summary(records: Sequence[Record]) -> Record:
    failed = [r for r in records if r["kind"] != "ready"]
    if failed:
        return failed[0]
    total = sorted(r["prepare_s"] + r["first_s"] for r in records)
    return {
        **records[0], "import_s": statistics.median(r["import_s"] for r in records),
        "total_s": statistics.median(total), "lowest_s": total[0], "highest_s": total[-1],
        "peak_mb": max(r["peak_mb"] for r in records),
    }  # fmt: skip
