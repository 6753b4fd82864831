"""Which long axis is cut into tiles, and which statements run in the same pass over it.

Statements that carry the streamed axis run tile by tile; what they pass to one another in the same iteration exists
only for the length of a tile.  A statement that needs a finished reduction over the axis, or other elements than its
own, waits for the next stage; statements without the axis run between the passes.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from .alignment import all_axes, loads
from .index import Assign, AxisValue, Load, Reduce
from .records import record
from .types import ArrayType, Dim, Size, evaluate, names

TYPICAL, LONG = 100, 10_000
TILE, TILE_OF_PRODUCTS = 32, 256
"""Least rows of a tile: matrix products lose less by leaving the cache than by being thin."""


@record(frozen=True, slots=True)
class Stage:
    """What runs before a pass over the streamed axis, and the pass itself."""

    before: list[Assign]
    streamed: list[Assign]


def streamed_axis(
    statements: Sequence[Assign],
    unrolled: frozenset[str],
    arrays: Mapping[str, ArrayType],
    hint: Mapping[str, int],
    needed: Container[str],
) -> str | None:
    """The loop that leaves the least to move to and from memory if it is long; sizes of which `hint` says nothing
    count as 100 then, and its own as 10 000.  `needed` are the targets that are read afterwards.
    """
    candidates: dict[str, Dim] = {}
    for statement in statements:
        sizes = {axis.name: axis.size for axis in all_axes(statement)}
        own = Load(statement.target, tuple(AxisValue(axis.name) for axis in statement.axes))
        for load in (own, *loads(statement)) if statement.at is None else loads(statement):
            for part, size in zip(load.index, arrays[load.array].shape, strict=True):
                if isinstance(part, AxisValue) and sizes.get(part.name) == size and isinstance(size, Size):
                    candidates[part.name] = size
    return min(
        (axis for axis in candidates if axis not in unrolled),
        default=None,
        key=lambda axis: _traffic(
            statements, axis, arrays, {**dict.fromkeys(names(candidates[axis]), LONG), **hint}, needed
        ),
    )


def _traffic(
    statements: Sequence[Assign],
    axis: str,
    arrays: Mapping[str, ArrayType],
    likely: Mapping[str, int],
    needed: Container[str],
) -> float:
    """The elements that cross the memory bus when `axis` is streamed: every pass reads its arrays again."""
    found, whole = stages(statements, axis)
    total = 0.0
    for stage in found:
        made = {s.target for s in stage.streamed if position(s, axis) is not None and s.target not in whole}
        used = {load.array for s in stage.streamed for load in loads(s)} | {s.target for s in stage.streamed}
        total += sum(_elements(arrays[name], likely) for name in used if name not in made or name in needed)
        for statement in stage.before:
            around = {statement.target, *(load.array for load in loads(statement))}
            total += sum(_elements(arrays[name], likely) for name in around)
    return total


def _elements(type_: ArrayType, likely: Mapping[str, int]) -> float:
    total = 1.0
    for size in type_.shape:
        total *= max(1, evaluate(size, {name: likely.get(name, TYPICAL) for name in names(size)}))
    return total


def carries(statement: Assign, axis: str) -> bool:
    """Whether a pass over `axis` can run the statement tile by tile; a scatter must combine what it writes."""
    return any(own.name == axis for own in all_axes(statement)) and (
        statement.at is None or statement.accumulate is not None
    )


def position(statement: Assign, axis: str) -> int | None:
    """Which axis of the target the streamed one is; None if it is reduced (or scattered)."""
    if statement.at is not None:
        return None
    return next((k for k, own in enumerate(statement.axes) if own.name == axis), None)


def collects(statement: Assign) -> str | None:
    """The operation that combines what the tiles give to a statement whose target does not keep the streamed axis."""
    return (
        statement.accumulate
        if statement.at is not None
        else statement.value.op
        if isinstance(statement.value, Reduce)
        else None
    )


def stages(statements: Sequence[Assign], axis: str) -> tuple[list[Stage], frozenset[str]]:
    """The passes over `axis`, and the targets along it that are needed whole, beyond their pass."""
    makers = {statement.target: statement for statement in statements}
    when: dict[str, int] = {}
    whole: set[str] = set()
    for statement in statements:
        stage = 0
        streamed = carries(statement, axis)
        for load in loads(statement):
            maker = makers.get(load.array)
            if maker is None or maker.target not in when:
                continue
            if not carries(maker, axis):
                stage = max(stage, when[maker.target])
                continue
            at = position(maker, axis)
            if at is not None and streamed and load.index[at] == AxisValue(axis):
                stage = max(stage, when[maker.target])
            else:
                stage = max(stage, when[maker.target] + 1)
                if at is not None:
                    whole.add(maker.target)
        when[statement.target] = stage
    _delay(statements, axis, when)
    for statement in statements:
        for load in loads(statement):
            maker = makers.get(load.array)
            if maker is not None and position(maker, axis) is not None and when[maker.target] < when[statement.target]:
                whole.add(maker.target)
    found = [Stage([], []) for _ in range(max(when.values(), default=-1) + 1)]
    for statement in statements:
        stage_of = found[when[statement.target]]
        (stage_of.streamed if carries(statement, axis) else stage_of.before).append(statement)
    return found, frozenset(whole)


def _delay(statements: Sequence[Assign], axis: str, when: dict[str, int]) -> None:
    """Moves what depends on inputs alone to the first stage that reads it, where its reader may use it from a register.

    What reads temporaries stays, since these would have to live longer; scalars may.
    """
    large = {s.target for s in statements if s.type.shape}
    movable: set[str] = set()
    readers: dict[str, int] = {}
    for statement in statements:
        kept = {load.array for load in loads(statement)} & large - movable
        if not kept and not carries(statement, axis):
            movable.add(statement.target)
    last = max(when.values(), default=0)
    for statement in reversed(statements):
        if statement.target in movable:
            when[statement.target] = max(when[statement.target], readers.get(statement.target, last))
        for load in loads(statement):
            readers[load.array] = min(readers.get(load.array, last), when[statement.target])


def in_place(
    statements: Sequence[Assign], axis: str, needed: Container[str], placed: Container[str]
) -> list[tuple[str, str]]:
    """Results of a pass over `axis` that can stand where the only statement that reads them, element by element after
    the pass, writes a needed result: pairs of both names."""
    readers: dict[str, list[Assign]] = {}
    for statement in statements:
        for name in dict.fromkeys(load.array for load in loads(statement)):
            readers.setdefault(name, []).append(statement)
    found: dict[str, str] = {}
    for statement in statements:
        name, users = statement.target, readers.get(statement.target, [])
        if name in needed or name in placed or len(users) != 1 or not carries(statement, axis):
            continue
        user, own = users[0], tuple(AxisValue(each.name) for each in users[0].axes)
        inside = [load.index for load in loads(user) if load.array == name]
        free = user.target in needed and user.target not in placed and user.target not in found.values()
        plain = user.at is None and user.type == statement.type and not isinstance(user.value, Reduce)
        if free and plain and inside == [own] and not carries(user, axis):
            found[name] = user.target
    return list(found.items())
