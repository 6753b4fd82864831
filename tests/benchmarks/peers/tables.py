"""Records of measurements as Markdown: everything about one case, and one line a case for the README."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Record = dict[str, Any]

HAND_WRITTEN = ("numpy", "numba", "numexpr", "python", "scipy", "c_")
"""First words of peers that compute a derivative which a person wrote down; the others derive it."""


def seconds(s: float | None) -> str:
    """A time with three digits and its unit."""
    if s is None:
        return "-"
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if s >= scale:
            return f"{s / scale:.3g} {unit}" if s < 1000 * scale else f"{s / scale:.0f} {unit}"
    return f"{s * 1e9:.3g} ns"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _timed(rows: Sequence[Record], key: str) -> list[Record]:
    return sorted((r for r in rows if key in r), key=lambda r: float(r[key]))


def _untimed(rows: Sequence[Record], key: str, columns: int) -> list[str]:
    lines = []
    for r in rows:
        if key not in r:
            why = r.get("why") or f"WRONG: relative error {r.get('error', float('nan')):.1e}, not timed"
            lines.append(_row([r["peer"], *["-"] * (columns - 2), f"{r['kind']}: {why}".replace("\n", " ")]))
    return lines


def case_table(result: Record) -> str:
    """All peers of one case, the fastest first, then those that have no time, with the reason."""
    timed, bound = _timed(result["rows"], "time_s"), result["limit"]
    head = ["peer", "import", "prepare", "1st call", "time/call", "spread", "× best", "× limit", "rel. error",
            "prep. MB", "what"]  # fmt: skip
    lines = [f"### {result['workload']} {result['case']}, {result['threads']} thread(s)"]
    if bound:
        lines.append(f"Limit: {seconds(bound[0])} = {bound[1]}")
    lines += ["", _row(head), "|" + "---|" * len(head)]
    for r in timed:
        stages = "; " + ", ".join(f"{k} {seconds(v)}" for k, v in r["stages"].items()) if r["stages"] else ""
        lines.append(_row([
            r["peer"], seconds(r["import_s"]), seconds(r["prepare_s"]), seconds(r["first_s"]), seconds(r["time_s"]),
            f"{100 * r['spread']:.0f}%", f"{r['time_s'] / timed[0]['time_s']:.2f}",
            f"{r['time_s'] / bound[0]:.2f}" if bound else "-", f"{r['error']:.0e}", f"{r['peak_mb']:.0f}",
            r["description"] + stages,
        ]))  # fmt: skip
    return "\n".join([*lines, *_untimed(result["rows"], "time_s", len(head))]) + "\n"


def cold_table(result: Record) -> str:
    """From the formula to the first result, in fresh processes."""
    timed = _timed(result["rows"], "total_s")
    head = ["peer", "import", "formula to first result", "lowest .. highest", "× best", "MB", "what"]
    lines = [f"### {result['workload']} {result['case']}: {result['cold']} fresh processes each, 1 thread", "",
             _row(head), "|" + "---|" * len(head)]  # fmt: skip
    lines += [
        _row([r["peer"], seconds(r["import_s"]), seconds(r["total_s"]),
              f"{seconds(r['lowest_s'])} .. {seconds(r['highest_s'])}", f"{r['total_s'] / timed[0]['total_s']:.3g}",
              f"{r['peak_mb']:.0f}", r["description"]])
        for r in timed
    ]  # fmt: skip
    return "\n".join([*lines, *_untimed(result["rows"], "total_s", len(head))]) + "\n"


SUMMARY_HEAD = [
    "case", "threads", "symgrad", "spread", "first result", "best that derives", "× it", "best by hand", "× it",
    "limit", "× limit",
]  # fmt: skip


def summary(results: Iterable[Record]) -> str:
    """One line a case: symgrad's median and spread, and its ratios to the best peers and to the limit."""
    lines = [_row(SUMMARY_HEAD), "|" + "---|" * len(SUMMARY_HEAD)]
    return "\n".join(lines + [_summary_line(r) for r in results if not r.get("cold")]) + "\n"


def _summary_line(result: Record) -> str:
    timed = _timed(result["rows"], "time_s")
    ours = next((r for r in timed if r["peer"].startswith("symgrad")), None)
    peers = [r for r in timed if not r["peer"].startswith("symgrad")]
    cells = [f"{result['workload']} {result['case']}", str(result["threads"])]
    if ours is None:
        failed: Record = next((r for r in result["rows"] if r["peer"] == "symgrad"), {})
        cells += [str(failed.get("why", "-")).replace("\n", " ")[:60], "-", "-"]
    else:
        cells += [seconds(ours["time_s"]), f"{100 * ours['spread']:.0f}%",
                  seconds(ours["prepare_s"] + ours["first_s"])]  # fmt: skip
    for by_hand in (False, True):
        best = next((r for r in peers if r["peer"].startswith(HAND_WRITTEN) == by_hand), None)
        cells += [f"{best['peer']} {seconds(best['time_s'])}" if best else "-",
                  f"{ours['time_s'] / best['time_s']:.2f}" if ours and best else "-"]  # fmt: skip
    bound = result["limit"]
    cells += [seconds(bound[0]) if bound else "-", f"{ours['time_s'] / bound[0]:.2f}" if ours and bound else "-"]
    return _row(cells)
