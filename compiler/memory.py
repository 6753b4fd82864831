"""Temporaries in one workspace: two of them share memory when one is dead before the other begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from .alignment import loads_of
from .index import Expr, Reduce
from .loops import (
    Accumulate,
    Action,
    Fill,
    For,
    Let,
    Nest,
    Product,
    Repeat,
    Routine,
    Run,
    Schedule,
    Step,
    StopUnless,
    Store,
    Stream,
)
from .types import DTYPES, ArrayType

ALIGNMENT = 64
LARGEST = 2**47


@dataclass(frozen=True, slots=True)
class Layout:
    """Byte offsets of the temporaries, and how many bytes they need together."""

    offsets: dict[str, int]
    total: int


Lives = Mapping[str, tuple[int, int]]
"""For each array the first and last moment at which it is used."""


def lay_out(
    arrays: Mapping[str, ArrayType], lives: Lives, temporaries: Sequence[str], shapes: Mapping[str, tuple[int, ...]]
) -> Layout:
    """Places `temporaries`, largest first, each at the lowest offset free during its life (MemoryError if beyond any
    memory).
    """
    bytes_ = {name: prod(shapes[name]) * DTYPES[type_.dtype].itemsize for name, type_ in arrays.items()}
    if sum(bytes_.values()) > LARGEST:
        raise MemoryError(f"the arrays of this program take {sum(bytes_.values())} bytes")
    placed: list[tuple[int, int, str]] = []
    offsets: dict[str, int] = {}
    for name in sorted(temporaries, key=lambda name: -bytes_[name]):
        first, last = lives.get(name, (0, 0))
        size = -(-bytes_[name] // ALIGNMENT) * ALIGNMENT
        at = 0
        for start, end, other in sorted(placed):
            begin, finish = lives.get(other, (0, 0))
            if begin <= last and first <= finish and start < at + size and at < end:
                at = end
        offsets[name] = at
        placed.append((at, at + size, name))
    return Layout(offsets, max((end for _, end, _ in placed), default=0))


def lifetimes(schedule: Schedule) -> Lives:
    """When each array is used; all of a Repeat is one moment."""
    nests = {nest.name: nest for nest in schedule.nests}
    found: dict[str, tuple[int, int]] = {}
    for moment, action in enumerate(schedule.actions):
        for name in _used(action, nests):
            found[name] = found.get(name, (moment, moment))[0], moment
    return found


def _used(action: Action, nests: Mapping[str, Nest]) -> Iterator[str]:
    match action:
        case Run(name):
            for step in nests[name].body:
                yield from used_by(step)
        case Routine(_, _, _, inputs, targets):
            yield from (*inputs, *targets)
        case StopUnless(array):
            yield array
        case Stream():
            for name in filter(None, (action.begin, *(run.name for run in action.body))):
                yield from _used(Run(name), nests)
            yield from action.partial
        case Repeat(_, _, _, body):
            for inner in body:
                yield from _used(inner, nests)


def used_by(step: Step) -> Iterator[str]:
    """The arrays that a step reads or writes (and registers, which have no memory)."""
    match step:
        case Let(_, _, value) | Accumulate(_, value):
            yield from _loaded(value)
        case Store(array, _, index, value):
            yield array
            for part in (*index, value):
                yield from _loaded(part)
        case Fill(array):
            yield array
        case Product():
            yield from (step.target.array, step.left.array, step.right.array)
            for inner in step.otherwise:
                yield from used_by(inner)
        case For(_, _, _, body):
            for inner in body:
                yield from used_by(inner)


def _loaded(value: Expr | Reduce) -> Iterator[str]:
    for load in loads_of(value.body if isinstance(value, Reduce) else value):
        yield load.array
