"""When the arrays of a schedule are used: what `layout` places temporaries by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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
from .outline import Lives


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
        case Routine():
            yield from (*action.inputs, *action.targets, *action.work)
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
            if step.scale is not None:
                yield step.scale.array
            for inner in step.otherwise:
                yield from used_by(inner)
        case For(_, _, _, body):
            for inner in body:
                yield from used_by(inner)


def _loaded(value: Expr | Reduce) -> Iterator[str]:
    for load in loads_of(value.body if isinstance(value, Reduce) else value):
        yield load.array
