"""`profile`: time and bytes of each part of a formula, in the user's own text.

Compiled code computes all parts in the same loops, so no part has a time of its own there.  Each part is therefore
compiled alone and run on the values that it gets: what it costs where nothing is fused, without the cost of a call.
The time of the whole, as it is really run, stands beside the sum.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import interpreter
from .build import symbol
from .compiler.types import ArrayType
from .errors import caret
from .formula import Formula
from .graph import Node, postorder, substitute
from .machine import Machine, Options
from .places import Place, places
from .rewrite.canonical import canonicalise

Array = np.ndarray[Any, Any]
ENOUGH, LEAST_RUNS = 2e-3, 3
"""A part is run for so many seconds, and at least so many times; the quickest run counts."""


@dataclass(frozen=True)
class Part:
    """One part of the text: seconds alone, bytes read and written, and what it is."""

    place: Place
    seconds: float
    bytes: int


@dataclass(frozen=True)
class Profile:
    """What `profile` measured: the parts, the slowest first, and the seconds of the whole."""

    parts: tuple[Part, ...]
    seconds: float

    def __str__(self) -> str:
        alone = sum(p.seconds for p in self.parts)
        lines = [f"{_time(self.seconds)} as compiled, in one piece; {_time(alone)} part by part:"]
        for p in self.parts:
            share = 100 * p.seconds / alone if alone else 0.0
            lines.append(f"{_time(p.seconds):>10} {share:5.1f} % {_bytes(p.bytes):>10}   {p.place.title}")
        if self.parts:
            slowest = self.parts[0].place
            lines += ["the slowest part:", caret(slowest.source, slowest.span)]
        return "\n".join(lines)

    __repr__ = __str__


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def _bytes(n: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n} B"


def profile(
    formula: Formula, options: Options, values: Mapping[Node, Array], sizes: Mapping[str, int]
) -> Profile:
    """Measures the parts of `formula` for `values` of its symbols."""
    roots = canonicalise(formula.nodes)
    order = postorder(roots)
    with np.errstate(all="ignore"):
        known = dict(zip(order, interpreter.run(order, values, sizes), strict=True))
    call = _call(options)
    parts = [
        _measured(place, members, order, set(roots), known, options, sizes, call)
        for place, members in _grouped(order, places(formula)).items()
    ]
    whole = Machine(formula.nodes, formula.symbols, options)
    seconds = max(0.0, _timed(whole, [values[x] for x in formula.symbols], sizes) - call)
    return Profile(tuple(sorted(parts, key=lambda p: -p.seconds)), seconds)


def _grouped(order: Sequence[Node], found: Mapping[Node, Place]) -> dict[Place, list[Node]]:
    groups: dict[Place, list[Node]] = {}
    for x in order:
        if x.inputs:
            groups.setdefault(found[x], []).append(x)
    return groups


def _measured(
    place: Place, members: Sequence[Node], order: Sequence[Node], roots: set[Node], known: Mapping[Node, Array],
    options: Options, sizes: Mapping[str, int], call: float,
) -> Part:  # fmt: skip
    """What the nodes `members` cost alone, but for the seconds of a `call`."""
    inside = set(members)
    used = {i for x in order if x not in inside for i in x.inputs} | roots
    outputs = [x for x in members if x in used]
    given = list(dict.fromkeys(i for x in members for i in x.inputs if i not in inside and i.op.name not in _FREE))
    symbols = [symbol(f"part_{k}", x.type).node for k, x in enumerate(given)]
    machine = Machine(substitute(outputs, dict(zip(given, symbols, strict=True))), symbols, options)
    arrays = [np.ascontiguousarray(known[x]).reshape(known[x].shape) for x in given]
    seconds = max(0.0, _timed(machine, arrays, sizes) - call)
    return Part(place, seconds, sum(known[x].nbytes for x in (*given, *outputs)))


def _call(options: Options) -> float:
    """The seconds of a call that does next to nothing."""
    x = symbol("x", ArrayType("f64"))
    return _timed(Machine([(-x).node], [x.node], options), [np.array(1.0)], {})


_FREE = ("constant", "size", "delta")


def _timed(machine: Machine, arrays: Sequence[Array], sizes: Mapping[str, int]) -> float:
    bound = machine.bound(sizes)
    best, spent, runs = float("inf"), 0.0, 0
    while runs < LEAST_RUNS or spent < ENOUGH:
        start = time.perf_counter()
        bound.run(arrays)
        elapsed = time.perf_counter() - start
        best, spent, runs = min(best, elapsed), spent + elapsed, runs + 1
    return best


__all__ = ["Part", "Profile", "profile"]
