"""Which statements share a nest.

Statements over the same loops share one, in their order, if what each reads of the others it reads in the iteration
that computes it.  A value that only its own nest reads never reaches memory.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Sequence

from .alignment import all_axes, loads
from .index import Assign, AxisValue, Const, Load
from .nests import loop_axes, reduced_loops

UNROLLED_SIZE = 4
UNROLLED_COPIES = 64
GROUP_SIZE = 400


def unrolled_axes(statements: Sequence[Assign]) -> frozenset[str]:
    """The axes of small constant size, which become copies in registers instead of loops."""
    small = {
        axis.name
        for s in statements
        for axis in all_axes(s)
        if isinstance(axis.size, int) and 1 <= axis.size <= UNROLLED_SIZE
    }
    for statement in statements:
        copies = 1
        for axis in all_axes(statement):
            if axis.name in small and isinstance(axis.size, int):
                copies *= axis.size
                if copies > UNROLLED_COPIES or statement.at is not None:
                    small.discard(axis.name)
    return frozenset(small)


def fuse(statements: Sequence[Assign], unrolled: frozenset[str], apart: Container[str] = ()) -> list[list[Assign]]:
    """`statements` in groups, each of which is one nest; what defines a name in `apart` has a nest of its own."""
    groups: list[list[Assign]] = []
    by_loops: dict[frozenset[str], list[int]] = {}
    home: dict[str, tuple[int, Assign]] = {}
    for statement in statements:
        loops = frozenset(axis.name for axis in loop_axes(statement, unrolled))
        first = 0
        for load in loads(statement):
            if load.array in home:
                k, maker = home[load.array]
                together = _readable(load, maker, unrolled) and loops == _loops(maker, unrolled)
                first = max(first, k if together else k + 1)
        candidates = by_loops.setdefault(loops, [])
        at = bisect_left(candidates, first)
        while at < len(candidates) and len(groups[candidates[at]]) >= GROUP_SIZE:
            at += 1
        alone = statement.at is not None or statement.target in apart
        if alone or at == len(candidates):
            groups.append([])
            chosen = len(groups) - 1
            if not alone:
                candidates.append(chosen)
        else:
            chosen = candidates[at]
        groups[chosen].append(statement)
        home[statement.target] = chosen, statement
    return groups


def _loops(statement: Assign, unrolled: frozenset[str]) -> frozenset[str]:
    return frozenset(axis.name for axis in loop_axes(statement, unrolled))


def _readable(load: Load, maker: Assign, unrolled: frozenset[str]) -> bool:
    """Whether the element that `load` reads is in a register of the same iteration."""
    if maker.at is not None or reduced_loops(maker, unrolled):
        return False
    for part, axis in zip(load.index, maker.axes, strict=True):
        if axis.name not in unrolled:
            if part != AxisValue(axis.name):
                return False
        elif not ((isinstance(part, AxisValue) and part.name in unrolled) or isinstance(part, Const)):
            return False
    return True


def stored_by(groups: Sequence[Sequence[Assign]], needed: set[str]) -> frozenset[str]:
    """The targets that are read outside of their group."""
    home = {statement.target: k for k, group in enumerate(groups) for statement in group}
    stored = {name for name in needed if name in home}
    for k, group in enumerate(groups):
        stored |= {load.array for s in group for load in loads(s) if home.get(load.array, k) != k}
    return frozenset(stored)
