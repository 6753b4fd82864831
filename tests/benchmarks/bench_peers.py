"""symgrad beside its peers: every workload, checked against a trusted result, then timed in turns in one run.

    python tests/benchmarks/bench_peers.py logreg --sizes grad/medium --peers numpy,jax,symgrad --threads 1,2
    python tests/benchmarks/bench_peers.py mlp --cold 3        # from the formula to the first result
    python tests/benchmarks/bench_peers.py --report            # the kept records again, as one table

Peers that are not installed are left out, and it says so.  Records are kept in build/bench; the summary is written to
build/bench/summary.md.  The README in this folder says how it is measured.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

for name in [name for name in os.environ if name.startswith("OPENBLAS")]:
    del os.environ[name]  # it may pin an old kernel, here for the references
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

from peers import machine, measuring, tables  # noqa: E402

WORKLOADS = [
    "call_overhead", "logreg", "mlp", "elementwise_batch", "tensor_hessian", "sparse_hessian", "big_scalar_dag",
    "adbench_gmm", "adbench_ba", "adbench_lstm",
]  # fmt: skip
RESULTS = measuring.ROOT / "build" / "bench"


def arguments() -> argparse.Namespace:
    """What the command line says."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    processors = sorted({1, len(os.sched_getaffinity(0))})
    ap.add_argument("workloads", nargs="*", default=WORKLOADS, help=f"some of: {', '.join(WORKLOADS)}")
    ap.add_argument("--peers", help="comma-separated names (default: all that a workload knows)")
    ap.add_argument("--sizes", help="comma-separated cases or parts of them: hess/large or small")
    ap.add_argument("--threads", default=",".join(map(str, processors)), help="comma-separated; default: %(default)s")
    ap.add_argument("--turns", type=int, default=7)
    ap.add_argument("--seconds", type=float, default=0.15, help="length of one peer's turn")
    ap.add_argument("--cold", type=int, default=0, help="measure only the time to the first result, this many times")
    ap.add_argument("--limit", type=float, default=150, help="give up a peer that prepares for longer (seconds)")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the core of runs with one thread")
    ap.add_argument("--report", action="store_true", help="measure nothing: the latest records as one table")
    ap.add_argument("--verbose", action="store_true", help="show what the peers print")
    return ap.parse_args()


def cases(args: argparse.Namespace) -> Iterator[tuple[str, str, int, list[str]]]:
    """Workload, case, number of threads and peers of each measurement."""
    for name in args.workloads:
        workload = measuring.load(name)
        skips = getattr(workload, "skips", lambda peer, case, threads: False)
        wanted = args.peers.split(",") if args.peers else measuring.peers_of(workload)
        for case in workload.SIZES:
            if args.sizes and not any(s == case or s in case.split("/") for s in args.sizes.split(",")):
                continue
            for threads in map(int, args.threads.split(",")):
                known = measuring.peers_of(workload)
                yield name, case, threads, [p for p in wanted if p in known and not skips(p, case, threads)]


def latest(kept: Path) -> list[tables.Record]:
    """The latest record of each case in the file `kept`."""
    found = {}
    for line in kept.read_text().splitlines() if kept.exists() else []:
        r = json.loads(line)
        found[r["workload"], r["case"], r.get("threads"), bool(r.get("cold"))] = r
    return list(found.values())


def main() -> None:
    """Measure, print one table a case, and write the summary."""
    args = arguments()
    RESULTS.mkdir(parents=True, exist_ok=True)
    kept = RESULTS / "records.jsonl"
    if not args.report:
        threads = [int(n) for n in args.threads.split(",")]
        limits = machine.limits(RESULTS / "machine.json", threads, measuring.clean_environment(), args.core)
        if limits is None:
            print("The machine's limits are not known (they are measured with gcc).\n")
        plan = measuring.Plan(args.turns, args.seconds, args.core, args.limit, args.seed, args.verbose)
        for name, case, n, peers in cases(args):
            if args.cold:
                result = measuring.run_cold(name, case, peers, args.cold, plan)
                print(tables.cold_table(result), flush=True)
            else:
                result = measuring.run_case(name, case, peers, n, limits, plan)
                print(tables.case_table(result), flush=True)
            with kept.open("a") as f:
                f.write(json.dumps(result) + "\n")
    text = tables.summary(latest(kept))
    (RESULTS / "summary.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
